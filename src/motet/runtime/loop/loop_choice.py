"""Which event loop a container has: uvloop's, unless the user's code asks for what only asyncio's can do."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from pathlib import Path

import uvloop

from motet.model.function import FunctionSpec, SerializedDefinition
from motet.runtime.cpython.tasks import event_loop_policy

_NESTING = ("nest_asyncio", "nest_asyncio2")
"""Packages that let a running loop be run again; they can change asyncio's loop alone."""


class LoopChoice:
    """Made before user code is imported, and asked afterwards."""

    def __init__(self) -> None:
        self._before = event_loop_policy()

    def make(self, spec: FunctionSpec) -> asyncio.AbstractEventLoop:
        """A loop, set as this thread's own. Says so if it is not uvloop's."""
        why = self._why_not_uvloop(spec)
        if why is None:
            loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        else:
            loop = event_loop_policy().new_event_loop()
            kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
            print(f"motet: this container runs {kind} instead of uvloop, because {why}.", file=sys.stderr, flush=True)
        asyncio.set_event_loop(loop)
        return loop

    def _why_not_uvloop(self, spec: FunctionSpec) -> str | None:
        for package in _NESTING:
            if package in sys.modules or _names(spec, package):
                return f"{package} is imported, which cannot change uvloop's"
        policy = event_loop_policy()
        if policy is not self._before and not isinstance(policy, uvloop.EventLoopPolicy):
            return "the program has set an event loop policy"
        return None


def _names(spec: FunctionSpec, package: str) -> bool:
    """Whether the function's file, or the function, names an installed package: an input may be the first to import it."""
    definition, text = spec.definition, b""
    if isinstance(definition, SerializedDefinition):
        text = definition.pickled
    elif definition.file is not None:
        with contextlib.suppress(OSError):
            text = Path(definition.file).read_bytes()
    return package.encode() in text and importlib.util.find_spec(package) is not None
