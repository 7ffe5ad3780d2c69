"""The two streams that commands write to: what a terminal gets of strangers' text, and whether it gets colours."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from motet.cli.look import Look, look_of
from motet.cli.streams import OutputFailed, flushed, writing_stdout
from motet.sdk.run.terminal_text import coloured_lines, harmless

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000
"""Columns of what is no terminal: nothing is cut off there."""


def console() -> Console:
    """What goes to stdout: laid out for a terminal, or as wide as it is for a file or a pipe."""
    from motet.cli.safe_console import SafeConsole  # late: most commands lay nothing out

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


def mention(text: str) -> None:
    """Print text on stdout, if that takes it. For a process that goes on: what it does must not hang on who reads of it."""
    try:
        tell(text)
    except BrokenPipeError:
        flushed(0)  # from now on it goes nowhere, without an error
    except OutputFailed:
        pass
