from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Sequence

import pytest

from motet.sdk.run import output
from motet.sdk.run.output import ArrivedLines, LinePrinter, enable_output, output_enabled, write_plain
from motet.wire.client_messages import OutputLines


def lines(*texts: str, stream: str = "stdout") -> OutputLines:
    return OutputLines("ap-1", "fetch", "ta-01hq00007", stream, list(texts))  # type: ignore[arg-type]


def test_output_is_enabled_inside_the_block_only() -> None:
    assert not output_enabled()
    with enable_output():
        with enable_output():
            assert output_enabled()
        assert output_enabled()
    assert not output_enabled()


def test_lines_go_prefixed_to_the_stream_they_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    printer = LinePrinter()
    printer.start()
    printer(lines("one", "two"))
    printer(lines("three", stream="stderr"))
    printer(lines("four", stream="system"))
    printer.stop()
    printed = capsys.readouterr()
    assert printed.out == "fetch 00007 | one\nfetch 00007 | two\n"
    assert printed.err == "fetch 00007 | three\nfetch 00007 | four\n"


class Narrow(io.TextIOWrapper):
    """A stream of an encoding; a terminal, if that is wanted."""

    def __init__(self, encoding: str, *, terminal: bool = False) -> None:
        self.bytes = io.BytesIO()
        self._terminal = terminal
        super().__init__(self.bytes, encoding=encoding)

    def isatty(self) -> bool:
        return self._terminal


def test_what_an_encoding_lacks_is_escaped_and_no_line_is_lost() -> None:
    narrow = Narrow("latin-1")
    with contextlib.redirect_stdout(narrow):
        write_plain([ArrivedLines(0.0, lines("before", "grün 日", "\udce9", "after"))])
    prefix = b"fetch 00007 | "
    shown = [b"before", b"gr\xfcn \\u65e5", b"\\udce9", b"after"]
    assert narrow.bytes.getvalue().splitlines() == [prefix + line for line in shown]


def test_a_terminal_gets_no_sequences_of_theirs_but_colours() -> None:
    terminal, file = Narrow("utf-8", terminal=True), Narrow("utf-8")
    for stream in (terminal, file):
        with contextlib.redirect_stdout(stream):
            write_plain([ArrivedLines(0.0, lines("a\x1b[2Jb", "\x1b[31mred"))])
    assert terminal.bytes.getvalue() == b"fetch 00007 | ab\nfetch 00007 | \x1b[31mred\x1b[0m\n"
    assert file.bytes.getvalue() == b"fetch 00007 | a\x1b[2Jb\nfetch 00007 | \x1b[31mred\n"


@pytest.mark.parametrize("gone", [None, io.StringIO()])
def test_a_stream_that_is_gone_does_not_take_the_other_ones_lines(gone: io.StringIO | None) -> None:
    if gone is not None:
        gone.close()
    left = io.StringIO()
    with contextlib.redirect_stdout(gone), contextlib.redirect_stderr(left):
        write_plain([ArrivedLines(0.0, lines("one")), ArrivedLines(0.0, lines("two", stream="stderr"))])
    assert left.getvalue() == "fetch 00007 | two\n"


def test_stop_prints_what_arrived_before_start_and_both_are_idempotent(capsys: pytest.CaptureFixture[str]) -> None:
    printer = LinePrinter()
    printer(lines("early"))
    printer.start()
    printer.start()
    printer.stop()
    printer.stop()
    assert capsys.readouterr().out == "fetch 00007 | early\n"


def test_lines_beyond_the_limit_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MAX_WAITING_LINES", 2)
    written: list[str] = []
    printer = LinePrinter(lambda batch: written.extend(text for it in batch for text in it.output.lines))
    for text in ("one", "two", "three", "four"):
        printer(lines(text))
    printer.start()
    printer.stop()
    assert written == ["one", "two", "2 lines left out: they came faster than they could be printed"]


def test_broken_terminal_does_not_end_the_printer() -> None:
    written = threading.Event()
    failed = threading.Event()

    def write(batch: Sequence[ArrivedLines]) -> None:
        if not failed.is_set():
            failed.set()
            raise BrokenPipeError
        written.set()

    printer = LinePrinter(write)
    printer.start()
    printer(lines("lost"))
    assert failed.wait(5)
    printer(lines("shown"))
    assert written.wait(5)
    printer.stop()
