"""No token, secret, environment or header is in a `repr` of Motet's: loggers print the variables of all frames."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import motet
from motet.model.hidden import HIDDEN, fields_of
from motet.model.image import AddedFiles
from motet.model.local_files import LocalFiles


def _classes() -> Iterator[type]:
    for found in pkgutil.walk_packages(motet.__path__, "motet."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            for value in vars(module).values():
                if inspect.isclass(value) and value.__module__ == found.name and fields_of(value):
                    yield value


HIDING = [each for each in _classes() if any(HIDDEN.search(name) for name in fields_of(each))]


def _made(cls: Any) -> Any:
    """An instance with a text that names it in each field, whatever belongs there."""
    values: dict[str, Any] = {name: f"value of {name}" for name in fields_of(cls)}
    if cls is AddedFiles:
        values["files"] = (LocalFiles(kind="file", source="value of files"),)  # which it reads to say what it is
    if issubclass(cls, msgspec.Struct):
        unchecked: Any = type(cls)(cls.__name__, (cls,), {"__post_init__": lambda self: None})
        return unchecked(**values)
    if not dataclasses.is_dataclass(cls):
        return cls(**values)
    made = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def test_the_records_with_something_to_hide_are_found() -> None:
    assert {"Hello", "Fork", "Launch", "ServerIdentity", "ServerConfig", "RequestHead"} <= {
        it.__name__ for it in HIDING
    }


@pytest.mark.parametrize("cls", HIDING, ids=lambda cls: cls.__name__)
def test_a_record_hides_what_is_secret_and_shows_the_rest(cls: Any) -> None:
    made = _made(cls)
    rich = dict(made.__rich_repr__())
    for name in fields_of(cls):
        is_shown = f"value of {name}" in f"{made!r} {made}"
        assert is_shown != bool(HIDDEN.search(name)), name
        assert (name in rich) == is_shown
