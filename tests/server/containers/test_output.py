"""Bytes that containers write become lines, wherever the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.model.outcome import Delivery
from motet.server.clock import Clock
from motet.server.containers.output import KEPT_ERROR_LINES, MAX_LINE_BYTES, ContainerOutput, LineSource
from motet.server.lines import Lines
from motet.wire.client_messages import OutputLines
from motet.wire.output_messages import Written

SOURCE = LineSource("ap-1", "fu-1", "speak", "ta-1")


class Shown:
    """Output of one container, and what was shown of it."""

    def __init__(self) -> None:
        self.all: list[OutputLines] = []
        self.now = 100.0
        self.to = Lines()
        self.to.show("ap-1", self.all.append)
        self.clock = Clock(lambda: self.now, lambda: self.now + 1000.0)
        self.output = ContainerOutput(SOURCE, self.to, lambda: None, self.clock)

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


# --- whose bytes are --------------------------------------------------------------------------------------------------


class Attributed(Shown):
    """A container that has begun, and what it writes past Python: reported when the server asks, as a pipe is read."""

    def __init__(self) -> None:
        super().__init__()
        self.output = ContainerOutput(SOURCE, self.to, self._report, self.clock)
        self.pipe: list[bytes] = []
        self.output.ready()

    def _report(self) -> None:
        while self.pipe:
            self.output.written("stdout", self.pipe.pop(0))

    def deliver(self, *indexes: int, together: bool = False) -> None:
        self.output.delivered([Delivery(n, "fc-1", n, "", b"") for n in indexes], together=together)

    def whose(self) -> list[tuple[str, int]]:
        return [(line, it.index) for it in self.all for line in it.lines]


def test_bytes_are_those_of_the_only_input_until_it_has_ended() -> None:
    it = Attributed()
    for index in range(3):
        it.deliver(index)
        it.pipe += [b"one\n", b"unfinished"]
        it.output.finished(1)
    assert it.whose() == [(text, index) for index in range(3) for text in ("one", "unfinished")]
    assert it.all[0] == OutputLines("ap-1", "speak", "ta-1", "stdout", ["one"], "fc-1", 0)


def test_bytes_written_before_a_second_input_came_are_the_firsts_and_later_ones_nobodys() -> None:
    it = Attributed()
    it.deliver(0)
    it.pipe.append(b"alone, ")
    it.deliver(1)
    it.pipe.append(b"together\n")
    it.output.finished(1)
    it.pipe.append(b"left over\n")
    it.output.finished(1)
    assert it.whose() == [("alone, ", 0), ("together", -1), ("left over", -1)]


def test_inputs_that_come_at_once_share_bytes_and_a_batchs_are_its_first_members() -> None:
    it = Attributed()
    it.deliver(0, 1)
    it.pipe.append(b"shared\n")
    it.output.finished(2)
    it.deliver(2, 3, together=True)
    it.pipe.append(b"batch\n")
    it.output.finished(2)
    assert it.whose() == [("shared", -1), ("batch", 2)]


def test_nobody_is_alone_while_others_than_inputs_may_write() -> None:
    it = Attributed()
    it.deliver(0)
    it.pipe.append(b"before\n")
    it.output.shared(True)
    it.pipe.append(b"of the thread it left\n")
    it.output.finished(1)
    it.deliver(1)
    it.pipe.append(b"of whom?\n")
    it.output.shared(False)
    it.pipe.append(b"of whom?\n")
    it.output.finished(1)
    it.deliver(2)
    it.pipe.append(b"after\n")
    it.output.finished(1)
    assert [index for _, index in it.whose()] == [0, -1, -1, -1, 2]


def test_bytes_without_any_input_betray_a_writer_that_nobody_saw() -> None:
    it = Attributed()
    it.output.written("stdout", b"hello\n")
    it.deliver(0)
    it.pipe.append(b"of whom?\n")
    it.output.finished(1)
    assert it.whose() == [("hello", -1), ("of whom?", -1)]


def test_what_is_written_before_it_is_ready_is_the_containers_own_and_betrays_nobody() -> None:
    it = Attributed()
    it.output = ContainerOutput(SOURCE, it.to, it._report, it.clock)
    it.pipe.append(b"import\n")
    it.output.ready()
    it.deliver(0)
    it.pipe.append(b"mine\n")
    it.output.finished(1)
    assert it.whose() == [("import", -1), ("mine", 0)]


def test_lines_that_come_with_their_input_are_shown_as_its_and_its_errors_are_remembered() -> None:
    it = Attributed()
    it.output.wrote([Written(5.0, "fc-9", 4, "stderr", ["a", "b"]), Written(6.0, "", -1, "system", ["motet: c"])])
    assert it.all == [
        OutputLines("ap-1", "speak", "ta-1", "stderr", ["a", "b"], "fc-9", 4, 1005.0),
        OutputLines("ap-1", "speak", "ta-1", "system", ["motet: c"], "", -1, 1006.0),
    ]
    assert list(it.output.last_errors) == ["a", "b"]


def test_a_line_that_is_being_written_is_shown_and_is_no_error_yet() -> None:
    it = Attributed()
    it.output.wrote(
        [Written(5.0, "fc-9", 4, "stderr", ["a"], "begun"), Written(6.0, "fc-9", 4, "stderr", ["b"], "wiped")]
    )
    assert [(each.lines, each.part) for each in it.all] == [(["a"], "begun"), (["b"], "wiped")]
    assert list(it.output.last_errors) == ["b"]


def test_a_flood_past_python_is_cut_with_a_notice_and_goes_on_when_it_has_ebbed() -> None:
    shown = Shown()
    shown.output.limit(2.0)
    shown.output.written("stdout", b"flood\n" * 30)
    for _ in range(3):
        shown.output.written("stdout", b"more\nand more\n")
    assert shown.lines() == ["flood"] * 30
    assert shown.lines("system") == [
        "motet: 2 lines that came past Python left out (more than 2 lines/s, or than the server could take)"
    ]
    shown.now += 10.0
    shown.output.written("stdout", b"later\n")
    assert shown.lines("system")[1:] == [
        "motet: 4 lines that came past Python left out (more than 2 lines/s, or than the server could take)"
    ]
    assert shown.lines()[30:] == ["later"]


def test_what_is_left_out_at_the_end_is_told_of_and_the_last_errors_are_kept() -> None:
    shown = Shown()
    shown.output.limit(1.0)
    shown.output.written("stderr", b"flood\n" * 20)
    shown.output.written("stderr", b"flood\n")
    shown.output.written("stderr", b"Segmentation fault\n")
    shown.output.close()
    assert [line.split(" left out")[0] for line in shown.lines("system")] == [
        "motet: 1 line that came past Python",
        "motet: 1 line that came past Python",
    ]
    assert shown.output.last_errors[-1] == "Segmentation fault"


def test_without_a_rate_nothing_is_left_out() -> None:
    shown = Shown()
    shown.output.limit(0.0)
    shown.output.written("stdout", b"flood\n" * 100_000)
    shown.output.written("stdout", b"flood\n" * 100_000)
    assert len(shown.lines()) == 200_000
