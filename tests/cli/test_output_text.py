from __future__ import annotations

import pytest

from motet.cli.output_text import output_text
from motet.sdk.run.output import ArrivedLines
from motet.wire.client_messages import OutputLines

PREFIX = "\x1b[2mfetch 00007 | \x1b[0m"


def text(line: str, *, stream: str = "stdout", terminal: bool = True) -> str:
    lines = OutputLines("ap-1", "fetch", "ta-01hq00007", stream, [line])  # type: ignore[arg-type]
    return output_text([ArrivedLines(0.0, lines)], timestamps=False, terminal=terminal)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain [bold] ünïcode\tx", "plain [bold] ünïcode\tx\n"),
        ("\x1b[32mgreen", "\x1b[32mgreen\x1b[0m\n"),
        ("up\x1b[2A\x1b[K\x1b[?25l\x1b(B\x07\x08!", "up!\x1b[0m\n"),
        ("10%\r50%\r100%\r", "100%\n"),
    ],
)
def test_terminal_gets_colours_but_nothing_that_moves_its_cursor(line: str, shown: str) -> None:
    assert text(line) == PREFIX + shown


def test_stderr_is_red_and_system_lines_are_yellow() -> None:
    assert text("x", stream="stderr") == PREFIX + "\x1b[31mx\x1b[0m\n"
    assert text("x", stream="system") == PREFIX + "\x1b[33mx\x1b[0m\n"


def test_file_gets_the_lines_as_they_are() -> None:
    assert text("a\x1b[2Ab\rc", terminal=False) == "fetch 00007 | a\x1b[2Ab\rc\n"
