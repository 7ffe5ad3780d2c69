"""One example of everything that goes over a wire, and its bytes as they are written down in `golden.txt`.

`python -m tests.wire.golden` writes the file anew.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from motet.wire import codec, report, template, web
from motet.wire.message import Message

from .test_codec import BY_TYPE

FILE = Path(__file__).with_name("golden.txt")
AGAIN = "`python -m tests.wire.golden` writes them down anew."

_encode = msgspec.msgpack.Encoder().encode


def kinds() -> list[type[msgspec.Struct]]:
    """Everything that is sent as a message, a frame of a web request, or a failure."""
    assert codec  # which has all messages imported
    of_template = [*typing.get_args(template.TemplateReport), template.Fork, template.Kill]
    found = [*Message.__subclasses__(), *web.Frame.__subclasses__(), web.RequestHead, *of_template, report.Failure]
    return sorted((kind for kind in found if kind.__module__.startswith("motet.")), key=lambda kind: kind.__name__)


def example(kind: Any) -> Any:
    """One with a value in each field, the same each time, and different where fields could be mistaken for each other."""
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    fields = (
        kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else [it.name for it in dataclasses.fields(kind)]
    )
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hints[name], name) for name in fields})


def _value(hint: Any, name: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    number = sum(name.encode()) % 100
    plain = {str: name, bytes: name.encode(), int: number, float: number + 0.5, bool: True, Any: name}
    if hint in plain:
        return plain[hint]
    if origin is list:
        return [_value(args[0], name)]
    if origin is dict:
        return {_value(args[0], name): _value(args[1], name)}
    if origin is tuple and args[-1] is Ellipsis:
        return (_value(args[0], name),)
    if origin is tuple:
        return tuple(_value(arg, name) for arg in args)
    if origin is typing.Literal:
        return args[-1]
    if origin in (typing.Union, types.UnionType):
        return _value(args[0], name)
    if issubclass(hint, enum.Enum):
        return list(hint)[-1]
    return example(hint)


def sent() -> Iterator[tuple[str, Any, bytes]]:
    """The name, an example and the bytes of each."""
    for kind in kinds():
        made = example(kind)
        yield kind.__name__, made, _encode(made)


def written() -> dict[str, bytes]:
    """The bytes in the file, by name."""
    lines = FILE.read_text().splitlines() if FILE.exists() else []
    return {name: bytes.fromhex(code) for name, _, code in (line.partition(" ") for line in lines)}


if __name__ == "__main__":
    FILE.write_text("".join(f"{name} {data.hex()}\n" for name, _, data in sent()))
