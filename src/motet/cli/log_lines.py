"""Lines that were kept, as text: with the ids that were asked for, for a terminal or a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from motet.cli.output_text import coloured
from motet.model.ids import input_id
from motet.records.logs import LogLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What stands before each line."""

    timestamps: bool = False
    function_id: bool = False
    call_id: bool = False
    container_id: bool = False
    input_id: bool = False


def lines_text(lines: Iterable[LogLine], columns: Columns, *, terminal: bool) -> str:
    """The lines, each ended by a newline. On a `terminal` what would move the cursor is left out, and stderr is red."""
    return "".join(_line(line, columns, terminal) for line in lines)


def line_json(line: LogLine) -> dict[str, Any]:
    """A line with all that is known of it; ids of what no one input can have written are null."""
    return {
        "timestamp": line.at,
        "source": line.source,
        "message": line.text,
        "app_id": line.app_id,
        "function_id": line.function_id,
        "function_name": line.function_name,
        "container_id": line.container_id,
        "function_call_id": line.call_id or None,
        "input_id": _input_id(line) or None,
    }


def _line(line: LogLine, columns: Columns, terminal: bool) -> str:
    # "-" where there is no id: so that columns stay columns.
    prefix = "".join(
        f"{text or '-'} "
        for wanted, text in (
            (columns.timestamps, f"{datetime.fromtimestamp(line.at):%Y-%m-%d %H:%M:%S.%f}"[:-3]),
            (columns.function_id, line.function_id),
            (columns.call_id, line.call_id),
            (columns.container_id, line.container_id),
            (columns.input_id, _input_id(line)),
        )
        if wanted
    )
    if not terminal:
        return f"{prefix}{line.text}\n"
    return coloured(prefix, line.text, line.source)


def _input_id(line: LogLine) -> str:
    return input_id(line.call_id, line.index) if line.call_id else ""
