"""Threads: what starts them, what they run and report, and what is done when all of them are to end."""

from __future__ import annotations

import atexit
import concurrent.futures.thread
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_pools_worker = getattr(concurrent.futures.thread, "_worker", None)


def is_pools_thread(thread: threading.Thread) -> bool:
    """Whether a thread that has not run yet is a worker of a `ThreadPoolExecutor`."""
    return _pools_worker is not None and getattr(thread, "_target", None) is _pools_worker


def carry_excepthook(thread: threading.Thread, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace what reports the exception that a thread's `run` raises."""
    hook = getattr(thread, "_invoke_excepthook", None)
    if hook is not None:
        thread._invoke_excepthook = wrap(hook)  # type: ignore[attr-defined]


def runs_for(frame: FrameType) -> Callable[..., Any] | None:
    """What a frame of a library's calls on a thread of its own, where that is known: an executor's work, a thread's `run`."""
    name = {"_WorkItem.run": "fn", "Thread._bootstrap_inner": "run"}.get(frame.f_code.co_qualname)
    return None if name is None else getattr(frame.f_locals.get("self"), name, None)


def end_pools() -> None:
    """Tell the workers of thread pools that nothing more will come."""
    at_exit: list[Callable[[], None]] = getattr(threading, "_threading_atexits", [])
    for end in reversed(at_exit):
        end()


def run_exit_functions() -> None:
    """What was registered with `atexit`. Raises nothing of theirs."""
    getattr(atexit, "_run_exitfuncs", lambda: None)()


def mend_main_thread() -> None:
    """In a process that has just been forked: let what is the main thread there now end as one."""
    main: Any = threading.main_thread()
    if getattr(main, "_tstate_lock", main) is None:
        main._set_tstate_lock()
