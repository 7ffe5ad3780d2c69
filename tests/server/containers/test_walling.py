"""What containers within walls are shown of a program."""

from __future__ import annotations

from pathlib import Path

from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.image import ImageSpec
from motet.runtime.walls.bubblewrap import bubblewrap_command
from motet.server.containers.walling import Walling
from motet.wire.container_messages import Configure


def configuration(project: Path, python: str) -> Configure:
    definition = ImportedDefinition(module="program", qualname="f", file=str(project / "program.py"))
    spec = FunctionSpec(
        name="f", app_name="a", definition=definition, image=ImageSpec(python=python), isolation="bubblewrap"
    )
    return Configure(
        app_id="ap-1",
        app_name="a",
        function_id="fu-1",
        spec=spec,
        sys_path=(str(project),),
        project_dir=str(project),
        argv=(),
        functions=[],
        web_urls=[],
    )


def test_environment_in_a_home_within_the_project_is_shown_and_the_rest_of_the_home_is_not(tmp_path: Path) -> None:
    home = tmp_path / "home"
    python = home / "images" / "e1" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "program.py").touch()
    walls = Walling((str(home),)).walls(configuration(tmp_path, str(python)), ())
    words = bubblewrap_command("bwrap", walls, "/", as_root=True, info=3, calls=4)
    hides = words.index(str(home), words.index(str(tmp_path)))
    assert words[hides - 1] == "--tmpfs"
    environment = str(home / "images" / "e1")
    assert words.index(environment) > hides, "on top of what hides the home"
    assert words[words.index(environment) - 1] == "--ro-bind"
    assert words[words.index(str(home / "images")) - 1] == "--dir", (
        "which lets everybody through, as bubblewrap's own do not"
    )
