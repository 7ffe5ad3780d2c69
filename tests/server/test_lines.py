"""Lines of containers go to those who keep all of them, and to those who are shown their app's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from motet.server.lines import NOTICE_INTERVAL, UNREAD_BYTES, LineReader, Lines
from motet.testing.virtual_loop import VirtualLoop
from motet.wire.client_messages import OutputLines
from motet.wire.message import Message


def line(text: str, app_id: str = "ap-1") -> OutputLines:
    return OutputLines(app_id, "f", "ta-1", "stdout", [text])


def test_lines_are_given_to_all_keepers_and_to_the_readers_of_their_app() -> None:
    lines = Lines()
    kept: list[Any] = []
    shown: list[tuple[str, OutputLines]] = []
    lines.keep(lambda function_id, output: kept.append((function_id, output)))
    for name, app_id in (("one", "ap-1"), ("other", "ap-1"), ("next door", "ap-2")):
        lines.show(app_id, lambda output, name=name: shown.append((name, output)))  # type: ignore[misc]
    lines.written("fu-1", line("a"))
    assert kept == [("fu-1", line("a"))]
    assert shown == [("one", line("a")), ("other", line("a"))]


def test_of_an_app_that_has_stopped_nothing_is_shown_any_more() -> None:
    lines = Lines()
    shown: list[OutputLines] = []
    lines.show("ap-1", shown.append)
    lines.forget("ap-1")
    lines.forget("ap-1")
    lines.written("fu-1", line("a"))
    assert shown == []


class Slow:
    """A client that does not read until it is told to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.unsent_bytes = 0

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    def close(self) -> None:
        """Nothing to close."""


def test_who_does_not_read_is_told_of_what_was_left_out_for_each_app_once_half_of_it_is_read() -> None:
    async def main() -> None:
        slow = Slow()
        reader = LineReader(slow)
        reader.show(line("a"))
        slow.unsent_bytes = UNREAD_BYTES
        for app_id in ("ap-1", "ap-2", "ap-1"):
            reader.show(line("lost", app_id))
        slow.unsent_bytes -= 1
        reader.show(line("b"))
        await asyncio.sleep(10 * NOTICE_INTERVAL)
        assert slow.sent == [line("a"), line("b")]
        slow.unsent_bytes = UNREAD_BYTES // 2 - 1
        await asyncio.sleep(2 * NOTICE_INTERVAL)
        notices = [(it.app_id, it.lines) for it in slow.sent[2:] if isinstance(it, OutputLines)]
        assert notices == [
            ("ap-1", ["2 lines left out here: this program did not read its output"]),
            ("ap-2", ["1 lines left out here: this program did not read its output"]),
        ]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
