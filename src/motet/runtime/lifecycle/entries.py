"""The functions that containers begin with, and what a template imports for them."""

from __future__ import annotations

import gc
import importlib

from motet.runtime.lifecycle.birth import Entry
from motet.wire import codec

_PRELOADED = (
    "asyncio",
    "uvloop",
    "msgspec",
    "cloudpickle",
    "json",
    "motet",
    # What programs import late, and containers might: there it would be imported anew in each.
    "motet.batching",
    "motet.experimental",
    "motet.functions",
    "motet.queue",
    "motet.runtime.sandbox.supervisor",
    "motet.wire.exception_payload",
    "motet.wire.lenient_unpickler",
)


def named_entry(name: str) -> Entry:
    """The function of a module: "module:function"."""
    module, _, function = name.partition(":")
    entry: Entry = getattr(importlib.import_module(module), function)
    return entry


def import_entry(name: str) -> Entry:
    """The function named "module:function", with all that containers use imported and hidden from the collector."""
    gc.disable()
    for module in _PRELOADED:
        importlib.import_module(module)
    entry = named_entry(name)
    codec.prepare_for_containers()
    gc.collect()
    # Shared pages stay shared: without this the first collection in a container copies them all.
    gc.freeze()
    return entry
