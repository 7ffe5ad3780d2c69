"""What the terminal shows of a run: containers' output, a live view of the functions, and the closing summary.

All of it goes to stderr. stdout is the program's own.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console, Group
from rich.text import Text

from motet.cli.begun_lines import BegunLines
from motet.cli.live_view import live_view
from motet.cli.output_text import output_text
from motet.cli.progress import Progress
from motet.cli.safe_console import RawText, SafeConsole
from motet.cli.screen import Screen
from motet.cli.summary import summary_lines
from motet.errors import Error
from motet.model.views import AppView
from motet.sdk.run.output import ArrivedLines, LinePrinter
from motet.sdk.run.terminal_text import harmless
from motet.wire.client_messages import OutputLines

REFRESH_INTERVAL = 0.125
SAMPLE_INTERVAL = 0.25
_VIEW_TIMEOUT = 5.0


class Watched(Protocol):
    """The part of a running app that a display needs."""

    def view(self) -> AppView: ...

    def on_output(self, callback: Callable[[OutputLines], None]) -> None: ...


class Display(Protocol):
    """Shows one run. In order: `watch` an app that runs, `unwatch` before it stops, `close` when it has stopped.

    The last two are idempotent, and may be called when nothing was watched.
    """

    def watch(self, running: Watched) -> None: ...

    def unwatch(self, status: str) -> None:
        """Takes the last view; what containers still write is shown as before. `status` says what happens now."""

    def close(self) -> None: ...


class SilentDisplay:
    """Shows nothing."""

    def watch(self, running: Watched) -> None: ...

    def unwatch(self, status: str) -> None: ...

    def close(self) -> None: ...


class TerminalDisplay:
    """Prefixed lines of container output and a closing summary; with a `screen`, also a current view of all functions.

    Both are driven by threads of its own.
    """

    def __init__(self, console: Console, *, screen: Screen | None = None, timestamps: bool = False) -> None:
        self._console = console
        self._screen = screen
        self._timestamps = timestamps
        self._printer = LinePrinter(self._print_lines)
        self._progress = Progress(time.monotonic())
        self._begun = BegunLines()
        self._running: Watched | None = None
        self._done = threading.Event()
        self._sampler: threading.Thread | None = None

    def watch(self, running: Watched) -> None:
        self._running = running
        self._progress = Progress(time.monotonic())
        self._printer.start()
        running.on_output(self._take)
        self._sampler = threading.Thread(target=self._sample, name="motet-display", daemon=True)
        self._sampler.start()

    def unwatch(self, status: str) -> None:
        if self._sampler is None:
            return
        self._done.set()
        self._sampler.join(_VIEW_TIMEOUT)
        if not self._sampler.is_alive():
            self._observe()
            self._refresh(status)
        self._sampler = None

    def close(self) -> None:
        self.unwatch("")
        if self._screen is not None:
            self._screen.close()
        self._printer.stop()
        for line in summary_lines(self._progress.functions):
            self._console.print(Text(line), soft_wrap=True)
        self._progress = Progress(time.monotonic())

    def _sample(self) -> None:
        interval = REFRESH_INTERVAL if self._screen is not None else SAMPLE_INTERVAL
        while not self._done.wait(interval) and self._observe():
            self._refresh("")

    def _observe(self) -> bool:
        assert self._running is not None
        try:
            view = self._running.view()
        except Error:
            # The connection is gone. The program itself is told so; the view just keeps its last state.
            return False
        self._progress.observe(view, time.monotonic())
        return True

    def _refresh(self, status: str) -> None:
        if self._screen is not None:
            with self._console.capture() as drawn:
                width = self._console.width
                living = {container.container_id for it in self._progress.functions for container in it.view.containers}
                begun = self._begun.rows(width, living)
                self._console.print(Group(*begun, live_view(self._progress, status=status, width=width)))
            with contextlib.suppress(OSError):  # the terminal is gone; the program is told when it writes
                self._screen.draw(drawn.get().splitlines())

    def _take(self, output: OutputLines) -> None:
        if self._screen is not None:
            self._begun.take(output)
            if output.part == "wiped" and self._screen.can_move:
                return  # it has been in the view
        self._printer(output)

    def _print_lines(self, batch: Sequence[ArrivedLines]) -> None:
        coloured = self._console.color_system is not None
        text = output_text(batch, timestamps=self._timestamps, terminal=coloured)
        if self._console.is_terminal and not coloured:
            text = harmless(text)
        if self._screen is not None:
            self._screen.print(text)
        else:
            self._console.print(RawText(text), soft_wrap=True, end="")


def terminal_display(screen: Screen | None, *, quiet: bool, timestamps: bool) -> Display:
    """The display for this process: silent, with a view on a `screen`, lines only when stderr is a file or a pipe."""
    if quiet:
        return SilentDisplay()
    return TerminalDisplay(SafeConsole(stderr=True), screen=screen, timestamps=timestamps)
