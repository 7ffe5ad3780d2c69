"""Modules as they were when they were taken, though their files have changed."""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.context.sources import Sources, in_use, use


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    """A directory of modules that can be imported; what was imported from it is forgotten afterwards."""
    directory = tmp_path / "program"
    files = {
        "kept_main.py": "WORD = 'old'",
        "kept_package/__init__.py": "",
        "kept_package/part.py": "WORD = 'old'",
        ".hidden/kept_hidden.py": "",
        "environment/pyvenv.cfg": "",
        "environment/kept_environment.py": "",
        "data.txt": "data",
    }
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    sys.path.insert(0, str(directory))
    yield directory
    use(None)
    sys.path.remove(str(directory))
    importlib.invalidate_caches()
    linecache.clearcache()
    for name in [name for name in sys.modules if name.startswith("kept_")]:
        del sys.modules[name]


def kept(program: Path, tmp_path: Path) -> Sources:
    sources = Sources(tmp_path / "copies")
    sources.take(program)
    use(sources)
    return sources


def test_modules_have_the_text_that_was_taken_and_keep_their_place(program: Path, tmp_path: Path) -> None:
    kept(program, tmp_path)
    for name in ("kept_main", "kept_package.part"):
        file = program / f"{name.replace('.', '/')}.py"
        file.write_text("WORD = 'new'")
        module = importlib.import_module(name)
        assert (module.WORD, module.__file__) == ("old", str(file))
    package = sys.modules["kept_package"]
    assert list(package.__path__) == [str(program / "kept_package")]
    assert not list(program.rglob("*.pyc"))


def test_deleted_modules_are_still_there_and_new_ones_are_as_they_stand(program: Path, tmp_path: Path) -> None:
    kept(program, tmp_path)
    (program / "kept_main.py").unlink()
    (program / "kept_new.py").write_text("WORD = 'new'")
    importlib.invalidate_caches()
    module = importlib.import_module("kept_main")
    assert (module.WORD, module.__file__) == ("old", str(program / "kept_main.py"))
    assert importlib.import_module("kept_new").WORD == "new"


def test_only_python_files_of_the_program_are_copied(program: Path, tmp_path: Path) -> None:
    sources = kept(program, tmp_path)
    copies = sorted(path.name for path in sources.directory.rglob("*") if path.is_file())
    assert copies == ["__init__.py", "kept_main.py", "part.py"]
    assert sources.copy_of(str(program / "data.txt")) is None


def test_the_newest_copies_replace_older_ones(program: Path, tmp_path: Path) -> None:
    kept(program, tmp_path)
    (program / "kept_main.py").write_text("WORD = 'newer'")
    newer = Sources(tmp_path / "newer")
    newer.take_file(program / "kept_main.py")
    newer.take_file(program / "not_there.py")
    use(newer)
    assert in_use() is newer
    assert sum(isinstance(finder, Sources) for finder in sys.meta_path) == 1
    assert importlib.import_module("kept_main").WORD == "newer"
