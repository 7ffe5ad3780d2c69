from __future__ import annotations

from pathlib import Path

from motet.context.guarded_names import guarded_names

PROGRAM = """
import motet
from collections import namedtuple

def free(): ...

if __name__ == "__main__":
    import os
    from enum import Enum as E

    class Guarded:
        def method(self): inner = 1

    def guarded(): local = 1
    async def also(): ...
    Point = namedtuple("Point", "x y")
    result = free()
    with open("x") as file:
        def nested(): ...
elif motet:
    def otherwise(): ...

if "__main__" == __name__ and True:
    class Second: ...

if motet.is_local():
    class Local: ...

if __name__ != "__main__":
    class There: ...

if __name__ == "__main__":
    def both(): ...
    def free(): ...
else:
    def both(): ...
"""


def test_classes_and_functions_under_a_guard_alone_are_found(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    assert guarded_names(str(file)) == {"Guarded", "guarded", "also", "Point", "nested", "Second", "Local"}


def test_what_is_no_python_has_none(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text("if :")
    assert guarded_names(str(file)) == guarded_names(str(tmp_path / "missing")) == frozenset()
