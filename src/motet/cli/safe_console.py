"""A console of Rich's that shows names and texts of strangers, and does no more with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from motet.cli.look import may_colour
from motet.cli.streams import writing_stdout
from motet.sdk.run.terminal_text import harmless


class RawText:
    """Text that goes to a console as it is: it must be harmless already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)


class SafeConsole(Console):
    """A console that may be given names and texts of strangers: what they contain cannot act on the terminal."""

    def __init__(self, **options: Any) -> None:
        if not may_colour():
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
