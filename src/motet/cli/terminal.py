"""The two streams that commands write to: what a terminal gets of strangers' text, and whether it gets colours."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, TextIO

import click
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from motet.cli.streams import writing_stdout
from motet.sdk.run.terminal_text import coloured_lines, harmless

_PIPE_WIDTH = 10_000
"""Columns of what is no terminal: nothing is cut off there."""


class Look(Enum):
    """How text is shown: as it is, in a file or pipe; without colours; with them."""

    FILE = auto()
    PLAIN = auto()
    COLOUR = auto()


def look_of(stream: TextIO) -> Look:
    """How text is shown on a stream. NO_COLOR and TERM=dumb are respected."""
    if not stream.isatty():
        return Look.FILE
    return Look.COLOUR if _may_colour() else Look.PLAIN


def _may_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


class RawText:
    """Text that goes to a console as it is: it must be harmless already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)


class SafeConsole(Console):
    """A console that may be given names and texts of strangers: what they contain cannot act on the terminal."""

    def __init__(self, **options: Any) -> None:
        if not _may_colour():
            options["color_system"] = None
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **options})

    def print(self, *objects: Any, **options: Any) -> None:
        """See `Console`. Raises `OutputFailed` if stdout takes no more; nothing if it is stderr."""
        if self.stderr:
            with contextlib.suppress(OSError):
                super().print(*objects, **options)
            return
        with writing_stdout():
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """See `Console`, which ends the process: also for stderr, which is nothing that a command is about."""
        self.quiet = True
        if not self.stderr:
            super().on_broken_pipe()

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `Console`."""
        segments = super().render(renderable, options)
        return segments if isinstance(renderable, RawText) else map(_harmless, segments)


def _harmless(segment: Segment) -> Segment:
    # Control segments are Rich's own, colours are styles; `\n` alone is every second segment.
    if segment.control or segment.text == "\n" or segment.text.isprintable():
        return segment
    return Segment(harmless(segment.text), segment.style)


def console() -> Console:
    """What goes to stdout: laid out for a terminal, or as wide as it is for a file or a pipe."""
    return SafeConsole() if sys.stdout.isatty() else SafeConsole(width=_PIPE_WIDTH)


def tell(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text on stdout or stderr. A terminal gets only what is harmless of it."""
    match look_of(sys.stderr if err else sys.stdout):
        case Look.COLOUR:
            text = coloured_lines(text)
        case Look.PLAIN:
            text = harmless(text)
        case Look.FILE:
            pass
    if err:
        with contextlib.suppress(OSError):  # nobody is left to be told
            click.echo(text, err=True, nl=nl)
        return
    with writing_stdout():
        click.echo(text, nl=nl)
