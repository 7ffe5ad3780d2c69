from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console
from tests.cli.views import app, container, function
from tests.cli.virtual_terminal import VirtualTerminal

from motet.cli.display import TerminalDisplay
from motet.cli.live_view import live_view
from motet.cli.progress import Progress
from motet.cli.safe_console import SafeConsole
from motet.cli.screen import Screen
from motet.errors import ConnectionError
from motet.model.views import AppView
from motet.wire.client_messages import OutputLines
from motet.wire.output_messages import LinePart


class Running:
    """An app that shows the same view each time, until `lost`."""

    def __init__(self, view: AppView) -> None:
        self.lost = False
        self.listener: Callable[[OutputLines], None] | None = None
        self._view = view

    def view(self) -> AppView:
        if self.lost:
            raise ConnectionError("gone")
        return self._view

    def on_output(self, callback: Callable[[OutputLines], None]) -> None:
        self.listener = callback

    def write(self, *lines: str, stream: str = "stdout", part: LinePart = "", index: int = 0) -> None:
        assert self.listener is not None
        whose = ("fc-1", index, 0.0)
        self.listener(OutputLines("ap-01hq", "fetch", "ta-01hq00007", stream, list(lines), *whose, part))  # type: ignore[arg-type]


class Recorded(VirtualTerminal):
    """Keeps what was written."""

    written = ""

    def write(self, text: str) -> None:
        self.written += text
        super().write(text)


def console(*, terminal: bool = False, width: int = 120) -> Console:
    colors = "standard" if terminal else None
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, highlight=False, color_system=colors)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lines_are_prefixed_and_followed_by_the_summary_without_a_terminal() -> None:
    out = console()
    running = Running(app(function(succeeded_inputs=1, containers=[container()])))
    display = TerminalDisplay(out)
    display.watch(running)
    running.write("one", "[two]")
    running.write("three", stream="stderr")
    display.unwatch("stopping")
    running.write("last words")
    display.close()
    lines = text_of(out).splitlines()
    assert lines[:4] == [f"fetch 00007 | {word}" for word in ("one", "[two]", "three", "last words")]
    assert lines[4].startswith("fetch: 1 input in 1 container in ")
    assert len(lines) == 5


def test_long_lines_are_not_wrapped() -> None:
    out = console()
    display = TerminalDisplay(out)
    display.watch(running := Running(app()))
    running.write("x" * 500)
    display.close()
    assert text_of(out) == f"fetch 00007 | {'x' * 500}\n"


def test_timestamp_stands_before_each_line() -> None:
    out = console()
    display = TerminalDisplay(out, timestamps=True)
    display.watch(running := Running(app()))
    running.write("one")
    display.close()
    time, rest = text_of(out).split(" ", 1)
    assert len(time) == len("12:34:56.789")
    assert rest == "fetch 00007 | one\n"


def test_terminal_gets_a_live_view_dim_prefixes_and_coloured_stderr() -> None:
    terminal = Recorded(120)
    display = TerminalDisplay(out := console(terminal=True), screen=Screen(terminal))
    display.watch(running := Running(app(function(containers=[container("ready", 8)]))))
    running.write("oops", stream="stderr")
    display.unwatch("stopping")
    assert "stopping" in terminal.shown[-3]
    assert "8/8/10" in terminal.shown[-1]
    display.close()
    assert "\x1b[2mfetch 00007 | \x1b[0m\x1b[31moops\x1b[0m" in terminal.written
    assert terminal.shown == ["fetch 00007 | oops"]
    assert text_of(out).rstrip().endswith("8 inputs not finished")


def test_lost_connection_keeps_the_last_view_and_raises_nothing() -> None:
    out = console()
    running = Running(app(function(succeeded_inputs=3)))
    display = TerminalDisplay(out)
    display.watch(running)
    running.lost = True
    display.unwatch("stopping")
    display.close()
    assert text_of(out) == ""


def test_closing_is_idempotent_and_needs_nothing_watched() -> None:
    out = console()
    display = TerminalDisplay(out, screen=Screen(Recorded()))
    display.close()
    display.close()
    assert text_of(out) == ""


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours_gets_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(name, value)
    out = SafeConsole(file=io.StringIO(), force_terminal=True, width=120)
    display = TerminalDisplay(out)
    display.watch(running := Running(app(function(succeeded_inputs=1, containers=[container()]))))
    running.write("\x1b[32mto stderr", stream="stderr")
    display.close()
    assert "fetch 00007 | to stderr\n" in text_of(out)
    assert "\x1b" not in text_of(out)


def test_names_and_texts_of_strangers_do_nothing_to_the_terminal() -> None:
    out = SafeConsole(file=io.StringIO(), force_terminal=True, width=120, color_system="standard")
    hostile = function(name="\x1b]0;owned\x07evil\x9b2J", shortage="\x1b[2Jno room", containers=[container()])
    progress = Progress(0.0)
    progress.observe(app(hostile), 2.0)
    out.print(live_view(progress, status="\u202estopping", width=120))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", text_of(out))
    assert not re.search("[\x1b\x07\x9b\u202e]", shown)
    assert "evil" in shown
    assert "no room" in shown


def test_lines_that_are_being_written_stand_in_the_view_until_they_are_complete() -> None:
    terminal = VirtualTerminal(40)
    display = TerminalDisplay(console(terminal=True, width=40), screen=Screen(terminal))
    display.watch(running := Running(app(function(containers=[container("ready", 8, 7)]))))
    running.write("\x1b[2J 10%|#", part="begun")
    running.write(" 10%|#", part="wiped")
    running.write("long " * 20 + "end", part="begun", index=1)
    display.unwatch("")
    assert terminal.shown[1:3] == ["fetch 00007 |  10%|#", "fetch 00007 | …g long long long long end"]
    running.write(" 100%|##########")
    display.close()
    assert terminal.shown == ["fetch 00007 |  100%|##########"]


@pytest.mark.parametrize("terminal", [True, False])
def test_where_there_is_no_view_states_of_a_bar_are_lines(terminal: bool) -> None:
    out = console()
    screen = Screen(shown := VirtualTerminal(), can_move=False) if terminal else None
    display = TerminalDisplay(out, screen=screen)
    display.watch(running := Running(app()))
    running.write("begun", part="begun")
    running.write("10%", part="wiped")
    display.close()
    assert ("\n".join(shown.shown) + "\n" if terminal else text_of(out)) == "fetch 00007 | 10%\n"
