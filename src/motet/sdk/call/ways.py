"""Which ways of calling go with which functions."""

from __future__ import annotations

from typing import Literal

from motet.errors import InvalidError
from motet.model.function import MethodSpec

Way = Literal["remote", "remote_gen", "spawn", "map", "spawn_map"]

_OTHER_KIND: dict[Way, str] = {
    "remote": "A generator function cannot be called with `.remote(...)`. Use `.remote_gen(...)` instead.",
    "remote_gen": "A non-generator function cannot be called with `.remote_gen(...)`. Use `.remote(...)` instead.",
    "spawn": "Cannot `spawn` a generator function.",
    "map": "A generator function cannot be called with `.map(...)`.",
    "spawn_map": "Cannot `spawn_map` over a generator function.",
}


def refuse_other_kinds(method: MethodSpec, way: Way) -> None:
    """Raises `InvalidError` for web functions, which only requests reach, and for what is a generator or is none."""
    if method.web is not None:
        raise InvalidError(
            f"A webhook function cannot be invoked for remote execution with `.{way}`. "
            "Invoke this function via its web url, which `.get_web_url()` gives."
        )
    if method.is_generator != (way == "remote_gen"):
        raise InvalidError(_OTHER_KIND[way])
