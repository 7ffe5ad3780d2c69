"""What callers who do not know Python are told of a function."""

from __future__ import annotations

import msgspec


class InterfaceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`description` is its docstring. `arguments` is a JSON schema of its arguments by name, an object. `result` is one of
    what it returns, or yields. Both are text."""

    description: str = ""
    arguments: str = "{}"
    result: str = "{}"
