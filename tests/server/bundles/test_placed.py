"""What was deployed is found below its bundle's directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from motet.errors import InvalidError
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.image import AddedFiles, Dockerfile, DockerfileLines, ImageSpec, Step
from motet.model.local_files import LocalFiles
from motet.server.bundles.placed import placed

TREE = Path("/trees/abc")


def spec(file: str | None = "work/shop.py", path: str = "work", env: dict[str, str] | None = None) -> AppSpec:
    definition = ImportedDefinition(module="shop", qualname="f", file=file)
    function = FunctionSpec(
        name="f", app_name="shop", definition=definition, env=env or {}, image=ImageSpec(env=env or {})
    )
    return AppSpec(
        name="shop", functions=(function,), sys_path=(path, "/venv/site-packages"), project_dir=path, main=definition
    )


def test_relative_paths_are_below_the_bundle_and_others_stay() -> None:
    found = placed(spec(env={"PYTHONPATH": os.pathsep.join(["work/src", "/lib"]), "A": "work"}), TREE)
    (function,) = found.functions
    assert found.sys_path == ("/trees/abc/work", "/venv/site-packages")
    assert (found.project_dir, found.bundle) == ("/trees/abc/work", "/trees/abc")
    assert function.image.env == function.env
    assert function.env == {"PYTHONPATH": os.pathsep.join(["/trees/abc/work/src", "/lib"]), "A": "work"}
    for definition in (found.main, function.definition):
        assert isinstance(definition, ImportedDefinition)
        assert definition.file == "/trees/abc/work/shop.py"
    installed = placed(spec(file="/venv/site-packages/shop.py"), TREE).functions[0].definition
    assert isinstance(installed, ImportedDefinition)
    assert installed.file == "/venv/site-packages/shop.py"
    assert placed(spec(file=None), TREE).functions[0].definition == spec(file=None).functions[0].definition


def test_files_of_images_are_those_of_the_bundle_and_no_others_of_the_machine() -> None:
    def found(path: str) -> ImageSpec:
        files = LocalFiles(kind="file", source=path, target="/data/a")
        steps: tuple[Step, ...] = (
            AddedFiles(files=(files,), is_copied=True, way="copy_local_file"),
            Dockerfile(path="Dockerfile", text="FROM x", context=path),
            DockerfileLines(lines=("COPY a b",), context_files={"a": path}),
        )
        app = spec()
        functions = tuple(replace(it, image=ImageSpec(files=(files,), steps=steps)) for it in app.functions)
        return placed(replace(app, functions=functions), TREE).functions[0].image

    image = found("work/a")
    added, whole, lines = image.steps
    assert isinstance(added, AddedFiles)
    assert isinstance(whole, Dockerfile)
    assert isinstance(lines, DockerfileLines)
    here = {image.files[0].source, added.files[0].source, whole.context, lines.context_files["a"]}
    assert here == {"/trees/abc/work/a"}
    with pytest.raises(InvalidError, match="names /etc/shadow, which is no path of its bundle"):
        found("/etc/shadow")


@pytest.mark.parametrize("path", ["../x", "work/../../x", "", "work//x"])
def test_one_that_leads_out_of_it_is_refused(path: str) -> None:
    with pytest.raises(InvalidError, match="cannot be in a bundle"):
        placed(spec(path=path), TREE)
    with pytest.raises(InvalidError, match="cannot be in a bundle"):
        placed(spec(file=path), TREE)
