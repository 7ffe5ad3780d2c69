"""A terminal as people see it: what stands on the screen after all that was written."""

from __future__ import annotations

import re
import unicodedata

_TOKEN = re.compile(
    r"\x1b\[(?P<csi>[0-?]*)(?P<final>[@-~])|\x1b(?P<esc>[0-~])|(?P<control>[\x00-\x1f])|(?P<text>.)", re.DOTALL
)


class VirtualTerminal:
    """Knows what Motet and progress bars use: line ends, wrapping, erasing, the cursor's moves; raises for anything else.

    Its cursor moves like that of a VT100: it stays in the last column until one more character comes.
    """

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.columns, self.lines = columns, lines
        self.history: list[str] = []
        self.is_hidden = False
        self._rows = [[" "] * columns for _ in range(lines)]
        self._row = self._column = 0
        self._saved = (0, 0)
        self._ending = ""
        self.typed = 0

    # --- as `motet.cli.screen.Terminal` ------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """The terminal's driver makes CR LF of each LF."""
        self.feed(text.replace("\n", "\r\n"))

    def size(self) -> tuple[int, int]:
        return self.columns, self.lines

    def is_read(self) -> bool:
        return False

    def is_others(self) -> bool:
        return False

    def is_shared(self) -> bool:
        return False

    def typed_ahead(self) -> int:
        return self.typed

    def type(self, text: str) -> None:
        """The terminal shows what is typed; nobody reads it yet."""
        self.write(text)
        self.typed += len(text)

    # --- what is seen -----------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> list[str]:
        """The rows that are on the screen and those that have left it, without empty ones at the end."""
        rows = [*self.history, *("".join(row).rstrip() for row in self._rows)]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def cursor(self) -> tuple[int, int]:
        """Row (counted like `shown`) and column."""
        return len(self.history) + self._row, self._column

    def feed(self, text: str) -> None:
        """Bytes as they come out of the driver, decoded."""
        for token in _TOKEN.finditer(text):
            if token["text"]:
                self._put(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["esc"]:
                self._escape(token["esc"])
            else:
                self._csi(token["csi"], token["final"])

    def _put(self, character: str) -> None:
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self._column + width > self.columns:
            self._column = 0
            self._down()
        self._rows[self._row][self._column] = character
        if width == 2:
            self._rows[self._row][self._column + 1] = ""
        self._column += width

    def _down(self) -> None:
        if self._row == self.lines - 1:
            self.history.append("".join(self._rows.pop(0)).rstrip())
            self._rows.append([" "] * self.columns)
        else:
            self._row += 1

    def _control(self, control: str) -> None:
        match control:
            case "\n":
                self._down()
            case "\r":
                self._column = 0
            case "\b":
                self._column = max(0, self._column - 1)
            case _:
                raise ValueError(f"unknown control {control!r}")

    def _escape(self, final: str) -> None:
        match final:
            case "7":
                self._saved = (self._row, self._column)
            case "8":
                self._row, self._column = self._saved
            case "D":
                self._down()
            case _:
                raise ValueError(f"unknown sequence ESC {final}")

    def _csi(self, parameters: str, final: str) -> None:
        match parameters, final:
            case _, "m":
                pass
            case "?25", "l" | "h":
                self.is_hidden = final == "l"
            case "" | "0", "K":
                self._erase_line(self._row, self._column)
            case "" | "0", "J":
                self._erase_line(self._row, self._column)
                for row in range(self._row + 1, self.lines):
                    self._erase_line(row, 0)
            case number, "A":
                self._row = max(0, self._row - int(number or 1))
            case _:
                raise ValueError(f"unknown sequence CSI {parameters}{final}")

    def _erase_line(self, row: int, column: int) -> None:
        self._rows[row][column:] = [" "] * (self.columns - column)
