"""Ids of deployed functions as clients have them: of a name, not of a version, so that they outlive both.

`fu-@shop/fetch` is the function `fetch` of whichever version has the name `shop` when a call is accepted, `fu-@shop@3/fetch`
that of version 3. Nothing has to be kept for these: they say themselves what they mean, also to the next server. A variant's
ends in `#` and a digest of what it changes, which has been told before.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self

import msgspec

from motet.model.function import AppSpec, FunctionSpec, FunctionVariant

PREFIX = "fu-@"
_VARIANT = "#"
_DIGITS = 24
_DIGEST = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Alias:
    """What an id means: a function of a deployed app, by its `label`; version 0 is whichever has the name."""

    name: str
    label: str
    version: int = 0

    @property
    def function_id(self) -> str:
        """The id."""
        version = f"@{self.version}" if self.version else ""
        return f"{PREFIX}{self.name}{version}/{self.label}"

    @classmethod
    def read(cls, function_id: str) -> Self | None:
        """What an id means; None if it is not one of these."""
        if not function_id.startswith(PREFIX):
            return None
        owner, slash, label = function_id[len(PREFIX) :].partition("/")
        name, at, version = owner.partition("@")
        if not slash or (at and not (version.isascii() and version.isdecimal() and 0 < len(version) < 10)):
            return None
        return cls(name, label, int(version or 0))


def digest_of(variant: FunctionVariant) -> str:
    """What tells a variant from others, at the end of its id."""
    return hashlib.sha256(_encode(variant)).hexdigest()[:_DIGITS]


def split_variant(function_id: str) -> tuple[str, str]:
    """The id of the declared function, and the digest of the variant; empty for the function itself."""
    base, mark, digest = function_id.rpartition(_VARIANT)
    return (base, digest) if mark and _DIGEST.fullmatch(digest) else (function_id, "")


def labels(spec: AppSpec) -> dict[str, FunctionSpec]:
    """An app's functions by what tells them apart whatever version they are of: the key, and the key of the app it was
    declared on, where another function has the former too."""
    found: dict[str, FunctionSpec] = {}
    for function in spec.functions:
        label = function.key if function.key not in found else f"{function.key}\n{function.app_key}"
        found[label] = function
    return found
