"""Deployed apps run the source that was deployed, wherever that was, and whatever becomes of it there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.standing import StandingServer, standing_server

SHOP = '''
import os
import subprocess
import sys
from pathlib import Path

import motet
import prices
from helpers.rounding import rounded

app = motet.App("shop", image=motet.Image.debian_slim().add_local_dir("conf", "conf", ignore=["*.bak"]))
VERSION = "one"


@app.function()
def total(count: int) -> tuple:
    return rounded(count * prices.of("tea")), VERSION


@app.function()
def surroundings() -> dict:
    child = subprocess.run([sys.executable, "-c", "import prices; print(prices.__file__)"], capture_output=True, text=True)
    return {
        "cwd": os.getcwd(),
        "files": [__file__, prices.__file__],
        "path": sys.path,
        "child": child.stdout + child.stderr,
        "conf": sorted(os.listdir("conf")),
        "page": (Path(__file__).parent / "prices" / "list.txt").exists(),
        "main": sys.modules["__main__"].__file__,
    }


@app.function()
def lazily() -> None:
    import extras


@app.function()
def reads(path: str) -> str:
    return open(path).read()


class Basket:
    """Of the program itself: containers make objects of it, too."""


@app.function()
def basket() -> Basket:
    return Basket()


if __name__ == "__main__":
    app.deploy()
    assert type(basket.remote()) is Basket
    print("deployed", total.remote(2))
'''

PRICES = """
from pathlib import Path

def of(what):
    return float((Path(__file__).parent / "list.txt").read_text())
"""

FILES = {
    "shop.py": SHOP,
    "src/prices/__init__.py": PRICES,
    "src/prices/list.txt": "1.25",
    "helpers/rounding.py": "def rounded(x):\n    return round(x, 1)\n",
    "conf/settings.toml": "a = 1\n",
    "conf/old.bak": "",
    "extras.py": "",
    "notes.txt": "",
}


def write(directory: Path, files: dict[str, str] = FILES) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


def run(server: StandingServer, directory: Path, *command: str, **env: str) -> str:
    """What a program prints, run there as a client of the server."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={**server.client_env, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def call(server: StandingServer, directory: Path, function: str, *args: Any, app: str = "shop") -> Any:
    """What a function that is known by name gives, asked from a program that has nothing of its source."""
    program = (
        "import json, sys, motet\\n"
        "app, function, args = json.loads(sys.argv[1])\\n"
        "try: print(json.dumps(motet.Function.from_name(app, function).remote(*args)))\\n"
        "except Exception as error: print(json.dumps([str(error), *getattr(error, '__notes__', [])]))"
    )
    return json.loads(
        run(server, directory, sys.executable, "-c", program.replace("\\n", "\n"), json.dumps([app, function, args]))
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    with standing_server(tmp_path_factory.mktemp("home")) as found:
        yield found


def test_what_was_deployed_runs_though_its_project_changes_and_goes(server: StandingServer, tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(project)
    said = run(server, project, sys.executable, "shop.py", PYTHONPATH="src")
    assert said == "deployed (2.5, 'one')\n"

    (project / "shop.py").write_text("raise SystemExit('this is not what was deployed')")
    assert call(server, elsewhere, "total", 4) == [5.0, "one"]
    shutil.rmtree(project)
    found = call(server, elsewhere, "surroundings")
    tree = Path(found["cwd"]).parents[1]
    assert tree.is_relative_to(server.home / "server/bundles/trees")
    assert found["cwd"] == str(tree / "work/project")
    assert found["files"] == [str(tree / "work/project/shop.py"), str(tree / "work/project/src/prices/__init__.py")]
    assert found["main"] == str(tree / "work/project/shop.py")
    assert found["child"] == f"{tree / 'work/project/src/prices/__init__.py'}\n"
    assert (found["conf"], found["page"]) == (["settings.toml"], False)
    assert not [path for path in found["path"] if Path(path).is_relative_to(tmp_path)]
    assert sorted(
        str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc"
    ) == [
        "work/project/conf/settings.toml",
        "work/project/helpers/rounding.py",
        "work/project/shop.py",
        "work/project/src/prices/__init__.py",
        "work/project/src/prices/list.txt",
    ]


def test_what_did_not_come_along_is_told_with_the_line_that_adds_it(server: StandingServer, tmp_path: Path) -> None:
    write(tmp_path)
    run(server, tmp_path, sys.executable, "shop.py", PYTHONPATH="src")
    missing, note = call(server, tmp_path, "lazily")
    assert missing == "No module named 'extras'"
    assert "image.add_local_python_source('extras')" in note
    missing, note = call(server, tmp_path, "reads", "notes.txt")
    assert "No such file or directory: 'notes.txt'" in missing
    assert "image.add_local_file('notes.txt', 'notes.txt')" in note


def test_a_changed_line_is_a_new_version_that_runs(server: StandingServer, tmp_path: Path) -> None:
    write(tmp_path)
    run(server, tmp_path, sys.executable, "shop.py", PYTHONPATH="src")
    pieces = server.home / "server/bundles/pieces"
    before = set(os.listdir(pieces))
    write(tmp_path, {"shop.py": SHOP.replace('"one"', '"two"')})
    assert run(server, tmp_path, sys.executable, "shop.py", PYTHONPATH="src") == "deployed (2.5, 'two')\n"
    assert len(set(os.listdir(pieces)) - before) == 1
    assert call(server, tmp_path, "total", 4) == [5.0, "two"]


FINDER = """
import sys
from importlib.util import spec_from_file_location

class _EditableFinder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "mapped":
            return spec_from_file_location(name, {file!r}, submodule_search_locations=[{directory!r}])

def install():
    sys.meta_path.append(_EditableFinder)
"""

EDITABLE = """
import json, motet, pathed, mapped, mapped.part

app = motet.App("editable")

@app.function()
def both() -> list:
    return [pathed.NAME, mapped.part.NAME, pathed.__file__, mapped.__file__]

if __name__ == "__main__":
    app.deploy()
    print(json.dumps(both.remote()))
"""


def test_editable_installs_travel_and_are_not_imported_from_where_they_are(
    server: StandingServer, tmp_path: Path
) -> None:
    """In an environment of their own, one by its path and one by a finder, as setuptools makes them."""
    write(tmp_path / "pathed/src", {"pathed.py": "NAME = 'pathed'\n"})
    write(tmp_path / "mapped/python", {"__init__.py": "", "part.py": "NAME = 'mapped'\n"})
    write(tmp_path / "project", {"editable.py": EDITABLE})
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True, with_pip=False)
    (packages,) = environment.glob("lib/python*/site-packages")
    inherited = [path for path in sys.path if path.endswith("site-packages") or (Path(path) / "motet").is_dir()]
    finder = FINDER.format(file=str(tmp_path / "mapped/python/__init__.py"), directory=str(tmp_path / "mapped/python"))
    write(
        packages,
        {
            "inherited.pth": "\n".join(inherited),
            "__editable__.pathed.pth": str(tmp_path / "pathed/src"),
            "__editable___mapped_finder.py": finder,
            "__editable__.mapped.pth": "import __editable___mapped_finder; __editable___mapped_finder.install()",
        },
    )
    found = json.loads(run(server, tmp_path / "project", str(environment / "bin/python"), "editable.py"))
    assert found[:2] == ["pathed", "mapped"]
    assert all(Path(file).is_relative_to(server.home / "server/bundles/trees") for file in found[2:])
    shutil.rmtree(tmp_path / "pathed")
    shutil.rmtree(tmp_path / "mapped")
    assert call(server, tmp_path, "both", app="editable") == found


PACKAGE = {
    "company/__init__.py": "",
    "company/shop/__init__.py": "from .names import NAME\n",
    "company/shop/names.py": "NAME = 'package'\n",
    "company/shop/__main__.py": (
        "import motet\nfrom . import NAME\n\napp = motet.App('package')\n\n"
        "@app.function()\ndef name() -> str:\n    from .later import LATER\n    return f'{NAME} {LATER} {__name__}'\n\n"
        "@app.function(serialized=True)\ndef by_value() -> str:\n    return f'by value {NAME}'\n\n"
        "if __name__ == '__main__':\n    app.deploy()\n    print(name.remote(), by_value.remote())\n"
    ),
    "company/shop/later.py": "LATER = 'later'\n",
}


def test_a_program_that_is_run_as_a_module_is_deployed_with_its_package(server: StandingServer, tmp_path: Path) -> None:
    write(tmp_path / "project", PACKAGE)
    said = run(server, tmp_path / "project", sys.executable, "-m", "company.shop")
    shutil.rmtree(tmp_path / "project")
    assert said.startswith("package later ")
    assert said.endswith("by value package\n")
    assert call(server, tmp_path, "name", app="package") in said


BROKEN = """
import motet
import prices

app = motet.App("broken")

@app.function()
def f() -> int:
    return 1

if __name__ == "__main__":
    app.deploy()
"""


def test_what_cannot_travel_is_refused_by_name_and_what_runs_goes_on(server: StandingServer, tmp_path: Path) -> None:
    write(tmp_path, {"prices/__init__.py": "", "broken.py": BROKEN})
    run(server, tmp_path, sys.executable, "broken.py")
    with open(tmp_path / "prices/weights.bin", "wb") as file:
        file.truncate(101 * 2**20)
    done = subprocess.run(
        [sys.executable, "broken.py"], cwd=tmp_path, env=server.client_env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{tmp_path}/prices/weights.bin is 101.0 MiB, and a file that travels" in done.stderr
    assert call(server, tmp_path, "f", app="broken") == 1
