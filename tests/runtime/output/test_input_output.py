"""Text that an input writes becomes lines, wherever it is cut, and none is lost without a word."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import InvalidError
from motet.runtime.output.input_output import MAX_BEGUN_CHARS, MAX_LINE_CHARS, InputOutput
from motet.wire.log_allowance import log_rate
from motet.wire.output_messages import Written


class Input:
    """An input's output, and what was sent of it."""

    def __init__(self, rate: float = 0.0, *, is_watched: bool = False) -> None:
        self.sent: list[Written] = []
        self.room = True
        self.output = InputOutput("fc-1", 7, self._send, rate, is_watched=is_watched)

    def _send(self, written: Written, chars: int) -> bool:
        if self.room:
            self.sent.append(written)
        return self.room

    def lines(self, stream: str = "stdout") -> list[str]:
        return [line for it in self.sent if it.stream == stream for line in it.lines]


def test_lines_carry_the_input_the_stream_and_the_time() -> None:
    it = Input()
    it.output.write("stderr", "oh\n")
    [written] = it.sent
    assert (written.call_id, written.index, written.stream, written.lines) == ("fc-1", 7, "stderr", ["oh"])
    assert 0.0 <= time.monotonic() - written.at < 60.0


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["one\ntwo\n"], ["one", "two"]),
        (["o", "ne", "\n"], ["one"]),
        (["\n\n"], ["", ""]),
        (["dos\r\nunix\n"], ["dos", "unix"]),
        (["dos\r", "\n"], ["dos"]),
        (["\udcff\n"], ["\\udcff"]),
        (["nul\0\n"], ["nul\0"]),
        (["unfinished"], []),
    ],
)
def test_a_line_leaves_when_it_is_complete(texts: list[str], lines: list[str]) -> None:
    it = Input()
    for text in texts:
        it.output.write("stdout", text)
    assert it.lines() == lines


def test_the_end_sends_what_is_unfinished_once() -> None:
    it = Input()
    it.output.write("stdout", "half")
    it.output.write("stderr", "other half")
    it.output.end()
    it.output.end()
    assert (it.lines(), it.lines("stderr")) == (["half"], ["other half"])


def test_what_a_thread_writes_after_the_end_is_still_the_inputs() -> None:
    it = Input()
    it.output.end()
    it.output.write("stdout", "late\nand unfinished")
    it.output.__del__()
    assert it.lines() == ["late", "and unfinished"]


def test_threads_do_not_cut_each_others_lines() -> None:
    it = Input()
    it.output.write("stdout", "mine, ")
    other = threading.Thread(target=lambda: it.output.write("stdout", "theirs\n"))
    other.start()
    other.join()
    it.output.write("stdout", "to the end\n")
    assert it.lines() == ["theirs", "mine, to the end"]


def test_a_line_of_a_million_characters_comes_in_pieces_with_nothing_missing() -> None:
    it = Input()
    text = "".join(map(str, range(200_000)))[:1_000_000]
    it.output.write("stdout", text + "\n")
    for start in range(0, len(text), 999):
        it.output.write("stderr", text[start : start + 999])
    it.output.end()
    assert "".join(it.lines()) == "".join(it.lines("stderr")) == text
    assert max(map(len, it.lines())) <= MAX_LINE_CHARS


def test_bytes_are_text_wherever_they_are_cut_and_what_is_not_is_replaced_visibly() -> None:
    it = Input()
    for data in ("é".encode()[:1], "é".encode()[1:], b"\n", memoryview(b"\xff\xfe\n"), b"cut \xc3"):
        assert it.output.write_bytes("stdout", data) == len(data)
    it.output.end()
    assert it.lines() == ["é", "\ufffd\ufffd", "cut \ufffd"]


def test_a_progress_bar_leaves_its_last_state_and_one_now_and_then() -> None:
    it = Input()
    for percent in range(101):
        it.output.write("stderr", f"\r{percent}%")
    it.output.write("stderr", "\n")
    assert it.lines("stderr") == ["0%", "100%"]
    for percent in range(101):
        it.output.write("stderr", f"{percent}%\r")
    it.output.end()
    assert it.lines("stderr")[2:] == ["100%"]


def test_carriage_returns_within_a_text_that_comes_at_once_wipe_nothing_out() -> None:
    it = Input()
    it.output.write("stdout", "a\rb\n")
    assert it.lines() == ["a\rb"]


def test_a_flood_is_cut_to_the_rate_and_every_line_of_it_is_accounted_for() -> None:
    it = Input(rate=10)
    for number in range(1_000):
        it.output.write("stdout", f"{number}\n")
    it.output.end()
    came = it.lines()
    left_out = sum(int(line.split()[1].replace(",", "")) for line in it.lines("system"))
    assert came[:100] == [str(number) for number in range(100)]
    assert len(came) + left_out == 1_000
    assert it.lines("system")[0] == (
        "motet: 1 line of this input left out (more than 10 lines/s, or than the server could take)"
    )


def test_lines_that_find_no_room_are_counted_and_told_of_once_there_is_some() -> None:
    it = Input(rate=1_000)
    it.room = False
    for _ in range(3):
        it.output.write("stdout", "a\nb\n")
    it.room = True
    it.output.end()
    assert (it.lines(), [line.split()[1] for line in it.lines("system")]) == ([], ["6"])


@given(st.text(alphabet=st.characters(blacklist_characters="\r", codec="utf-8")), st.lists(st.integers(1, 5)))
def test_however_the_text_is_cut_the_lines_are_the_same(text: str, cuts: list[int]) -> None:
    it, rest = Input(), text
    for cut in cuts:
        it.output.write("stdout", rest[:cut])
        rest = rest[cut:]
    it.output.write("stdout", rest)
    it.output.end()
    assert "\n".join(it.lines()) == text.removesuffix("\n")


@pytest.mark.parametrize(("text", "rate"), [("", 2_000.0), ("0", 0.0), ("50.5", 50.5)])
def test_the_rate_is_read_from_the_environment(text: str, rate: float) -> None:
    assert log_rate({"MOTET_LOG_RATE": text}) == rate


@pytest.mark.parametrize("text", ["fast", "-1", "inf", "nan"])
def test_a_rate_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidError, match=r"MOTET_LOG_RATE is '.*'; it must be the number of lines per second"):
        log_rate({"MOTET_LOG_RATE": text})


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Once upon", "Once upon"), ("\r 10%|#", " 10%|#"), (" 20%|##\r", " 20%|##"), ("x" * 5000, "x" * MAX_BEGUN_CHARS)],
)
def test_a_line_that_is_being_written_is_shown_to_whoever_watches(text: str, shown: str) -> None:
    it = Input(is_watched=True)
    it.output.write("stdout", text)
    it.output.show_begun("stdout")
    it.output.show_begun("stdout")  # too soon
    assert [(each.lines, each.part) for each in it.sent] == [([shown], "begun")]
    it.output.write("stdout", "\n")
    assert it.sent[-1].part == ""


def test_a_line_that_is_being_written_is_shown_to_nobody_else_and_a_complete_one_not_again() -> None:
    it, watched = Input(), Input(is_watched=True)
    for output in (it.output, watched.output):
        output.write("stdout", "whole\n")
        output.show_begun("stdout")
    it.output.write("stdout", "begun")
    it.output.show_begun("stdout")
    assert it.lines() == watched.lines() == ["whole"]


def test_states_of_a_bar_say_that_they_were_wiped() -> None:
    it = Input()
    for text in ("\r10%", "\r20%", "\n"):
        it.output.write("stdout", text)
    assert [(each.lines, each.part) for each in it.sent] == [(["10%"], "wiped"), (["20%"], "")]
