"""`asyncio.all_tasks()` and `threading.enumerate()` in a container: code finds its own, not other inputs' or Motet's."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from motet.context.current_input import CurrentInput, current
from motet.runtime.cpython.tasks import context_of

Tasks = set[asyncio.Task[Any]]

every_task = asyncio.all_tasks
"""Of a loop, whoever asks."""


def hide_threads() -> None:
    """Let `threading.enumerate()` leave out Motet's threads: programs wait for all others at their end. Once."""

    every_thread = threading.enumerate

    def enumerate() -> list[threading.Thread]:
        """Return a list of all Thread objects currently alive."""
        this = threading.current_thread()
        return [thread for thread in every_thread() if thread is this or not thread.name.startswith("motet-")]

    threading.enumerate = enumerate
    threading.active_count = lambda: len(enumerate())


class OwnTasks:
    """What `asyncio.all_tasks()` tells of the container's loop: what belongs to whoever asks.

    Programs cancel all tasks, or wait for all others, when they end: an input is such a program, among others of its kind.
    Outside of inputs, in hooks and what they start, it gives the tasks of no input. Other loops are told of as they are.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.main: asyncio.Task[Any] | None = None
        """The task of ours."""

    def install(self) -> None:
        """Once, before user code is imported, which may import the function by name."""

        def all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> Tasks:
            """Return a set of all tasks for the loop."""
            tasks = every_task(loop)
            if (loop or asyncio.get_running_loop()) is not self.loop or _asks_for_main():
                return tasks
            mine = current.get()
            return {task for task in tasks if task is not self.main and _owner(task) is mine}

        # Under both names: user code uses the first, code of asyncio itself the second.
        asyncio.all_tasks = asyncio.tasks.all_tasks = all_tasks


def _asks_for_main() -> bool:
    # It looks for the task that the loop runs until, to end its worker threads with that.
    return str(sys._getframe(2).f_globals.get("__name__")).startswith("anyio.")


def _owner(task: asyncio.Task[Any]) -> CurrentInput | None:
    context = context_of(task)
    return None if context is None else context.get(current)
