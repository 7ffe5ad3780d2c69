"""What a class parameter is."""

from __future__ import annotations

from typing import Literal

import msgspec

TypeName = Literal["int", "str", "bytes", "bool"]


class ParameterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One `motet.parameter()` of a class. `default` is an encoded value; None means the caller must give the parameter."""

    name: str
    type_name: TypeName
    default: bytes | None = None
