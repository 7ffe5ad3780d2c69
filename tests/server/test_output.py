"""Bytes that containers write become lines, wherever the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.server.output import KEPT_ERROR_LINES, MAX_LINE_BYTES, ContainerOutput
from motet.wire.messages import OutputLines
from tests.server.stage import function


class Shown:
    """Output of one container, and what was shown of it."""

    def __init__(self) -> None:
        self.all: list[OutputLines] = []
        self.output = ContainerOutput("ta-1", self._show)

    def _show(self, make: object) -> None:
        class App:
            app_id = "ap-1"

        self.all.append(make(App(), function("speak")))  # type: ignore[operator]

    def lines(self, stream: str = "stdout") -> list[str]:
        return [line for it in self.all if it.stream == stream for line in it.lines]


def test_a_line_carries_its_app_function_container_and_stream() -> None:
    shown = Shown()
    shown.output.written("stderr", b"oh\n")
    assert shown.all == [OutputLines("ap-1", "speak", "ta-1", "stderr", ["oh"])]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"ne", b"\n"], ["one"]),
        ([b"one"], ["one"]),
        ([b"\n\n"], ["", ""]),
        ([b"dos\r\nunix\n"], ["dos", "unix"]),
        ([b"caf\xc3", b"\xa9\n"], ["café"]),
        ([b"\xff\n"], ["\ufffd"]),
        ([], []),
    ],
)
def test_lines_are_shown_when_they_are_whole_or_nothing_more_comes(chunks: list[bytes], lines: list[str]) -> None:
    shown = Shown()
    for chunk in chunks:
        shown.output.written("stdout", chunk)
    shown.output.close()
    shown.output.close()
    assert shown.lines() == lines


def test_streams_do_not_mix_within_a_line() -> None:
    shown = Shown()
    shown.output.written("stdout", b"out")
    shown.output.written("stderr", b"err\n")
    shown.output.written("stdout", b"put\n")
    assert (shown.lines("stdout"), shown.lines("stderr")) == (["output"], ["err"])


def test_a_line_without_end_is_shown_in_pieces_and_memory_is_bounded() -> None:
    shown = Shown()
    for _ in range(100):
        shown.output.written("stdout", b"x" * 10_000)
    assert len(shown.lines()) > 5
    shown.output.close()
    assert "".join(shown.lines()) == "x" * 1_000_000
    assert max(map(len, shown.lines())) <= MAX_LINE_BYTES + 10_000


def test_the_last_lines_of_stderr_are_kept() -> None:
    shown = Shown()
    for number in range(100):
        shown.output.written("stderr", f"{number}\n".encode())
    shown.output.written("stdout", b"not this\n")
    assert list(shown.output.last_errors) == [str(n) for n in range(100 - KEPT_ERROR_LINES, 100)]


@given(st.text(alphabet=st.characters(blacklist_characters="\r", codec="utf-8")), st.lists(st.integers(1, 5)))
def test_however_the_bytes_are_cut_the_lines_are_the_same(text: str, cuts: list[int]) -> None:
    data, shown = text.encode(), Shown()
    for cut in cuts:
        shown.output.written("stdout", data[:cut])
        data = data[cut:]
    shown.output.written("stdout", data)
    shown.output.close()
    assert "\n".join(shown.lines()) == text.removesuffix("\n")
