"""What stands in the line that a program has begun."""

from __future__ import annotations

import pytest

from motet.cli.open_line import MAX_BYTES, OpenLine


def line(*writes: bytes) -> OpenLine:
    made = OpenLine()
    for each in writes:
        made.feed(each)
    return made


@pytest.mark.parametrize(
    ("writes", "text"),
    [
        ([b"Once ", b"upon "], "Once upon "),
        ([b"a line\nbegun"], "begun"),
        ([b"\r 10%|#", b"\r 20%|##"], " 20%|##"),
        ([b" 10%\r", b" 20%\r"], " 20%\r"),
        ([b"\x1b[32mgreen\x1b[0m\x1b[K"], "\x1b[32mgreen\x1b[0m\x1b[K"),
        ([b"gr\xc3", b"\xbcn"], "grün"),
    ],
)
def test_an_unfinished_line_is_known_by_what_is_left_of_it(writes: list[bytes], text: str) -> None:
    made = line(*writes)
    assert (made.is_open, made.text) == (True, text)


@pytest.mark.parametrize("writes", [[], [b"done\n"], [b"10%\r", b"\n"], [b"\r"], [b"50%", b"\r100%\n"]])
def test_a_finished_line_leaves_nothing_open(writes: list[bytes]) -> None:
    assert not line(*writes).is_open


@pytest.mark.parametrize("written", [b"x" * (MAX_BYTES + 1), b"up\x1b[A", b"tab\t", b"half a \xc3", b"\x1b]0;t\x07"])
def test_a_line_that_cannot_be_drawn_again_is_open_without_a_text(written: bytes) -> None:
    made = line(written)
    assert (made.is_open, made.text) == (True, None)
    made.feed(b"\n")
    assert not made.is_open


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", 0),
        ("x" * 10, 0),
        ("x" * 11, 1),
        ("x" * 20, 1),
        ("\x1b[1m" + "x" * 10, 0),
        ("日" * 5, 0),
        ("x" + "日" * 5, 1),
    ],
)
def test_rows_are_counted_as_the_terminal_wraps(text: str, rows: int) -> None:
    assert line(text.encode()).rows(10) == rows
