"""The server is told whether anybody but the inputs may write past Python, and of nothing but changes."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any, cast

from motet.runtime.output.input_output import InputOutput
from motet.runtime.output.raw_writers import RawWriters
from motet.runtime.sender import Sender
from motet.wire.output_messages import OutputShared


class Told:
    """Takes the place of the connection."""

    def __init__(self) -> None:
        self.all: list[bool] = []
        self.writers = RawWriters(cast(Sender, self))

    def queue(self, message: Any) -> None:
        assert isinstance(message, OutputShared)
        self.all.append(message.shared)

    def after(self, own_tasks: int = 0) -> list[bool]:
        """All that is told, once a container without inputs has looked around."""
        self.writers.look(own_tasks)
        return self.all


def some_input() -> InputOutput:
    return InputOutput("fc-1", 0, lambda *_: True, 0.0)


def test_nothing_is_told_while_nobody_else_is_there() -> None:
    told = Told()
    assert told.after() == told.after() == []


def test_a_thread_of_no_input_is_told_of_until_it_has_ended() -> None:
    told = Told()
    told.writers.started(None)
    assert told.after() == told.after() == [True]
    told.writers.stopped(None)
    assert told.after() == told.after() == [True, False]


def test_threads_of_an_input_matter_once_it_has_ended() -> None:
    told, mine = Told(), some_input()
    told.writers.started(mine)
    told.writers.started(mine)
    told.writers.stopped(mine)
    assert told.after() == []
    told.writers.input_ended(mine)
    told.writers.input_ended(mine)
    mine.ended = True
    assert told.after() == [True]
    told.writers.started(mine)
    told.writers.stopped(mine)
    told.writers.stopped(mine)
    assert told.after() == [True, False]


def test_tasks_that_are_left_on_the_loop_are_told_of() -> None:
    async def leave_one() -> list[bool]:
        told = Told()
        told.writers.loop = asyncio.get_running_loop()
        assert told.after(own_tasks=1) == []
        task = asyncio.create_task(asyncio.Event().wait())
        assert told.after(own_tasks=1) == [True]
        task.cancel()
        await asyncio.wait([task])
        return told.after(own_tasks=1)

    assert asyncio.run(leave_one()) == [True, False]


def test_processes_are_looked_for_only_if_one_may_write_to_the_containers_streams() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        told = Told()
        assert told.after() == []
        told.writers.child_started()
        assert told.after() == [True]
        process.kill()
    told.writers.child_started()
    assert told.after()[0] is True
