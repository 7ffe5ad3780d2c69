"""The terminal, which is the program's first: a view stands below what it writes, and steps aside for its unfinished lines.

The cursor always stays where the program left it. So what is written past us (by a subprocess, by C code, by whoever types)
lands where it would without a view, and erasing the view, which is all below, never erases anything else.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from motet.cli.open_line import OpenLine

_LOOK_AGAIN = 0.1
"""Seconds between two looks whether a terminal that is read is still read: nobody tells."""

_ERASE_BELOW = "\x1b[J"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_SAVE, _RESTORE = "\x1b7", "\x1b8"
_INDEX = "\x1bD"


class Terminal(Protocol):
    """What is written to, and what can be asked of it."""

    def write(self, text: str) -> None: ...

    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        ...

    def is_read(self) -> bool:
        """Whether code reads keys or a password from it now."""
        ...

    def is_others(self) -> bool:
        """Whether another job has it now."""
        ...

    def is_shared(self) -> bool:
        """Whether a command that the program has started writes to it now."""
        ...

    def typed_ahead(self) -> int:
        """How many bytes of whole lines were typed that nobody has read yet."""
        ...


class Screen:
    """What the program writes, lines of others above its unfinished one, and a view below. Thread-safe.

    `can_move`: the terminal knows how to move its cursor. If not there is no view, and unfinished lines are cut.
    """

    def __init__(self, terminal: Terminal, *, can_move: bool = True) -> None:
        self.can_move = can_move
        self._terminal = terminal
        self._line = OpenLine()
        self._typed_ahead = 0
        self._readers = 0
        self._prompting = 0
        self._drawn: tuple[str, ...] = ()
        self._is_closed = False
        # The program's signal handlers may print on the thread that is in here.
        self._changed = threading.Condition(threading.RLock())
        os.register_at_fork(after_in_child=self._leave)

    # --- the program --------------------------------------------------------------------------------------------------

    def program_writes(self, data: memoryview, write: Callable[[], int]) -> int:
        """Have the program write some of its bytes, as many as `write` says."""
        with self._changed:
            if self._prompting == threading.get_ident():
                self._prompting = 0  # its `input()` has ended by an exception, which nobody tells
            self._erase()
            count = write()
            self._line.feed(data.cast("B")[: count or 0])  # None is written to one that blocks and must not
            self._typed_ahead = self._terminal.typed_ahead()
            return count

    @contextlib.contextmanager
    def read_by_program(self) -> Iterator[None]:
        """Inside, the program waits for what is typed: nothing else goes to the screen. It has ended a line then."""
        with self._changed:
            self._readers += 1
            self._erase()
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._line.end()
                self._changed.notify_all()

    def prompting_began(self) -> None:
        """This thread of the program is in `input()`, until `prompting_ended` or until it writes something."""
        with self._changed:
            self._prompting = threading.get_ident()
            self._erase()

    def prompting_ended(self) -> None:
        """It has its line."""
        with self._changed:
            self._prompting = 0
            self._line.end()
            self._changed.notify_all()

    # --- what is shown beside it --------------------------------------------------------------------------------------

    def print(self, text: str) -> None:
        """Show whole lines, above the program's unfinished one. Waits while somebody types, but not once it is closed."""
        with self._changed:
            while not self._is_closed and self._is_read():
                self._erase()
                self._changed.wait(_LOOK_AGAIN)
            self._erase()
            self._terminal.write(self._above(text))

    def draw(self, rows: Sequence[str]) -> None:
        """Show the view, or take it away while a line is unfinished or somebody else has the terminal."""
        with self._changed:
            is_away = self._is_closed or not self.can_move or self._line.is_open or self._is_read()
            if is_away or self._terminal.is_others() or self._terminal.is_shared():
                self._erase()
                return
            # Room below first: at the last line of the screen that moves all else up, the cursor with it.
            shown = tuple(rows[: max(1, self._terminal.size()[1] - 2)])
            if shown == self._drawn:
                return
            room = f"{_INDEX * len(shown)}\x1b[{len(shown)}A"
            view = "".join(f"\r\n{row}" for row in shown)
            self._terminal.write(f"{_HIDE}{_ERASE_BELOW}{room}{_SAVE}{view}{_RESTORE}{_SHOW}")
            self._drawn = shown

    def close(self) -> None:
        """The view goes for good, and what is printed from now on begins on a line of its own. Idempotent."""
        with self._changed:
            if not self._is_closed:
                self._is_closed = True
                with contextlib.suppress(OSError):
                    self._erase()
                    if self._is_unfinished():
                        self._terminal.write("\n")
                        self._line.end()
            self._changed.notify_all()

    def _above(self, text: str) -> str:
        line = self._line
        if not self._is_unfinished():
            return text
        again = line.text if self.can_move else None
        columns, lines = self._terminal.size()
        up = 0 if again is None else line.rows(columns)
        if again is None or up >= lines:  # it is not known, or begins above the screen
            line.end()
            return f"\n{text}"
        back = f"\r\x1b[{up}A" if up else "\r"
        return f"{back}{_ERASE_BELOW}{text}{again}"

    def _is_unfinished(self) -> bool:
        """Whether the program's line is. Who types before the program reads ends it, as the terminal shows what is typed."""
        if self._line.is_open and self._terminal.typed_ahead() > self._typed_ahead:
            self._line.end()
        return self._line.is_open

    def _is_read(self) -> bool:
        if self._terminal.is_others():
            return False  # whoever reads it then is not the program, and jobs in the background write as they do without us
        return bool(self._readers or self._prompting) or self._terminal.is_read()

    def _erase(self) -> None:
        if self._drawn:
            self._drawn = ()
            self._terminal.write(_ERASE_BELOW)

    def _leave(self) -> None:
        """In a forked child: the view is the parent's, and so are the threads that may hold the lock."""
        self._changed = threading.Condition(threading.RLock())
        self._is_closed = True
        self._drawn = ()
