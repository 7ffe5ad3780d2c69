"""Whether threads of this process are real ones, which the embedded server needs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from motet.errors import InvalidError

_NEEDED = ("threading", "subprocess", "os")


def refuse_green_threads(modules: Mapping[str, Any] = sys.modules) -> None:
    """Raises `InvalidError` where gevent or eventlet has put its own in the place of threads: the server would never start."""
    gevent = modules.get("gevent.monkey")
    if gevent is not None and any(gevent.is_module_patched(name) for name in _NEEDED):
        raise InvalidError(
            "gevent has patched the threads of this program, and the server that runs in it needs real ones. Patch with "
            "`monkey.patch_all(thread=False, subprocess=False, os=False)`, or in containers only: "
            "`if not motet.is_local(): monkey.patch_all()`."
        )
    eventlet = modules.get("eventlet.patcher")
    if eventlet is not None and any(eventlet.is_monkey_patched(name) for name in ("thread", "subprocess", "os")):
        raise InvalidError(
            "eventlet has patched the threads of this program, and the server that runs in it needs real ones. Patch with "
            "`eventlet.monkey_patch(thread=False, os=False)`, or in containers only: `if not motet.is_local(): ...`."
        )
