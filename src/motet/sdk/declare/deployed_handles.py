"""Handles on what a deployed app has, by name: what declaring it gave, for programs that did not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from motet.model.function import FunctionSpec
from motet.sdk.call.function import Function
from motet.sdk.declare.cls import Cls


class Registered(msgspec.Struct, frozen=True):
    """One function or class of an app: how it is called, and how it was declared."""

    handle: Function[..., Any] | Cls[Any]
    spec: FunctionSpec

    @property
    def web_endpoints(self) -> list[str]:
        """Names of what of it has a URL: "f", "Class.method"."""
        return [f"{self.spec.name}.{it.name}".rstrip(".") for it in self.spec.methods if it.web is not None]


def deployed_handles(app_name: str, specs: Iterable[FunctionSpec]) -> dict[str, Registered]:
    """Handles of an app's functions and classes by their names; each call goes to the version that has the name then. A
    function whose name another one has taken can be reached by nobody who did not declare it."""
    found: dict[str, Registered] = {}
    for spec in specs:
        if spec.taken == 0 and spec.name not in found:
            made = (Cls if spec.is_class else Function).from_name(app_name, spec.name)
            found[spec.name] = Registered(made, spec)
    return found
