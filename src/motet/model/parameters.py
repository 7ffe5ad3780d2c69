"""What a class parameter is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TypeName = Literal["int", "str", "bytes", "bool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One `motet.parameter()` of a class. `default` is an encoded value; None means the caller must give the parameter."""

    name: str
    type_name: TypeName
    default: bytes | None = None
