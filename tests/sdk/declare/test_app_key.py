"""Which app of a program is which, in every process that runs its modules."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import motet


def made_by(source: str, file: str = "/here/shop/prices.py", **names: Any) -> dict[str, Any]:
    """What a module of this file and source has after it was executed."""
    module = ModuleType("prices")
    vars(module).update(names, __file__=file, motet=motet)
    exec(compile(source, file, "exec"), vars(module))
    return vars(module)


TWO = "a, b = motet.App(), motet.App()\nnamed = motet.App('named')\n"


def test_apps_without_a_name_differ_within_and_between_modules() -> None:
    here, there = made_by(TWO), made_by(TWO, "/here/shop/stock.py")
    keys = [names[app].key for names in (here, there) for app in ("a", "b", "named")]
    assert keys == [
        *("@shop/prices.py", "@shop/prices.py#1", "named@shop/prices.py"),
        *("@shop/stock.py", "@shop/stock.py#1", "named@shop/stock.py"),
    ]


def test_a_module_that_is_executed_again_makes_the_same_apps_also_after_an_edit_and_under_another_name() -> None:
    once = made_by(TWO)
    edited = made_by("\n\n# moved\n" + TWO, __name__="__main__")
    assert [edited[name].key for name in ("a", "b", "named")] == [once[name].key for name in ("a", "b", "named")]


def test_a_reloaded_module_makes_the_same_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "reloaded_app.py"
    file.write_text("import motet\napp = motet.App()\n")
    module = importlib.import_module("reloaded_app")
    key = module.app.key
    file.write_text("import motet\n\n\n# This has moved it.\napp = motet.App()\n")
    try:
        assert importlib.reload(module).app.key == key
    finally:
        del sys.modules["reloaded_app"]


def test_a_module_without_a_file_is_known_by_its_name() -> None:
    names: dict[str, Any] = {"__name__": "typed_at_a_prompt", "motet": motet}
    exec("app = motet.App()", names)
    assert names["app"].key == "@typed_at_a_prompt"
