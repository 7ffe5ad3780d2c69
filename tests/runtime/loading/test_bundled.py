"""A container of a deployed app imports from its bundle and the environment alone."""

from __future__ import annotations

import errno
import os
import sys
from importlib.machinery import BuiltinImporter, PathFinder
from pathlib import Path

import pytest

import motet
from motet.errors import DeserializationError
from motet.runtime.attempts.hints import add_hints
from motet.runtime.loading import bundled

BUNDLE = "/home/ada/.motet/server/bundles/trees/abc"
PACKAGES = "/venv/lib/python3.11/site-packages"


class _EditableFinder:
    """As setuptools makes it."""


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As in a container before its app is entered."""
    monkeypatch.setattr(bundled, "directory", None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return monkeypatch


def test_what_the_server_s_environment_has_of_source_is_not_searched(inside: pytest.MonkeyPatch) -> None:
    ours = str(Path(motet.__file__).parent.parent)
    library = os.path.dirname(os.__file__)
    finder = type("MetaFinder", (), {"__module__": "_lib_editable_loader"})()
    sys.path[:] = [
        "/home/ada/project",
        library,
        PACKAGES,
        "/home/ada/lib/src",
        "__editable__.lib.finder.__path_hook__",
        ours,
    ]
    sys.meta_path[:] = [BuiltinImporter, PathFinder, _EditableFinder, _EditableFinder(), finder]
    inside.setenv("PYTHONPATH", os.pathsep.join(["/home/ada/project", f"{BUNDLE}/work/src", PACKAGES]))
    bundled.leave_other_source(BUNDLE)
    assert sys.path == [library, PACKAGES, ours]
    assert sys.meta_path == [BuiltinImporter, PathFinder]
    assert os.environ["PYTHONPATH"] == os.pathsep.join([f"{BUNDLE}/work/src", PACKAGES])


def noted(error: BaseException) -> list[str]:
    add_hints(error)
    return getattr(error, "__notes__", [])


def test_a_module_that_did_not_come_along_is_told_with_the_line_that_adds_it(inside: pytest.MonkeyPatch) -> None:
    inside.setattr(bundled, "directory", BUNDLE)
    missing = ModuleNotFoundError("No module named 'prices.eu'", name="prices.eu")
    (note,) = noted(missing)
    assert "If 'prices.eu' is a module of your project" in note
    assert "image.add_local_python_source('prices')" in note
    unreadable = DeserializationError("no")
    unreadable.__cause__ = missing
    assert noted(unreadable) == [note]
    assert noted(ModuleNotFoundError("no")) == noted(ModuleNotFoundError("no", name="json.nothing")) == []


def test_a_file_that_did_not_come_along_is_told_with_the_line_that_adds_it(
    inside: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "work/shop").mkdir(parents=True)
    inside.setattr(bundled, "directory", str(tmp_path))
    inside.chdir(tmp_path / "work")

    def note(name: object) -> list[str]:
        return noted(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name))

    (said,) = note("conf/settings.toml")
    assert said.endswith("image.add_local_file('settings.toml', 'conf/settings.toml').")
    assert note(str(tmp_path / "work/conf/settings.toml")) == note(b"conf/settings.toml") == [said]
    assert note("/etc/nothing") == note("../../outside") == note(7) == note("shop") == []
