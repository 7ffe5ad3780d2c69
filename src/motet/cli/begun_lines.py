"""Lines that containers have begun and not ended, as the view shows them."""

from __future__ import annotations

import threading
from collections.abc import Collection

from rich.cells import cell_len
from rich.text import Text

from motet.sdk.run.output import line_prefix
from motet.sdk.run.terminal_text import harmless
from motet.wire.client_messages import OutputLines

MAX_SHOWN = 5


class BegunLines:
    """The newest of them, by who writes. Thread-safe."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, int, str], OutputLines] = {}
        self._lock = threading.Lock()

    def take(self, output: OutputLines) -> None:
        """A line that has been begun, or that has its end."""
        key = (output.container_id, output.call_id, output.index, output.stream)
        with self._lock:
            if output.part == "begun":
                self._lines[key] = output
            elif output.part == "":
                self._lines.pop(key, None)

    def rows(self, width: int, living: Collection[str]) -> list[Text]:
        """A row for each, of a terminal so wide: the end of what does not fit. Those of containers that have ended go."""
        with self._lock:
            self._lines = {key: line for key, line in self._lines.items() if key[0] in living}
            shown = list(self._lines.values())[:MAX_SHOWN]
            left_out = len(self._lines) - len(shown)
        rows = [_row(line, width) for line in shown]
        if left_out:
            rows.append(Text(f"and {left_out} others that write a line", style="dim"))
        return rows


def _row(line: OutputLines, width: int) -> Text:
    prefix, text = line_prefix(line), harmless(line.lines[0])
    room = max(1, width - cell_len(prefix))
    if cell_len(text) > room:
        while cell_len(text) > room - 1:
            text = text[1:]
        text = f"…{text}"
    return Text.assemble((prefix, "dim"), text, no_wrap=True, overflow="crop")
