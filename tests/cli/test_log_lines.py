"""Lines that were kept, as text."""

from __future__ import annotations

from datetime import datetime

import pytest

from motet.cli.log_lines import Columns, line_json, lines_text
from motet.records.logs import LogLine, LogSource

AT = datetime(2026, 1, 31, 12, 0, 0, 250_000).timestamp()


def a_line(text: str, call_id: str = "fc-1", source: LogSource = "stdout") -> LogLine:
    return LogLine(7, AT, "ap-1", "fu-1", "fetch", "ta-1", call_id, 3 if call_id else -1, source, text)


def test_a_line_is_itself_unless_more_is_asked_for() -> None:
    assert lines_text([a_line("one"), a_line("two")], Columns(), terminal=False) == "one\ntwo\n"


def test_columns_stand_before_the_line_in_a_fixed_order() -> None:
    every = Columns(timestamps=True, function_id=True, call_id=True, container_id=True, input_id=True)
    assert lines_text([a_line("one")], every, terminal=False) == "2026-01-31 12:00:00.250 fu-1 fc-1 ta-1 in-1-3 one\n"
    assert lines_text([a_line("one", "")], every, terminal=False).split()[2:] == ["fu-1", "-", "ta-1", "-", "one"]


@pytest.mark.parametrize(
    ("text", "source", "shown"),
    [
        ("plain", "stdout", "plain\n"),
        ("warning", "stderr", "\x1b[31mwarning\x1b[0m\n"),
        ("\x1b[2J\x1b[Hgone\x07", "stdout", "gone\x1b[0m\n"),
        ("\x1b[32mgreen", "stdout", "\x1b[32mgreen\x1b[0m\n"),
        ("10%\r90%\r", "stdout", "90%\n"),
    ],
)
def test_on_a_terminal_colours_stay_and_what_moves_the_cursor_goes(text: str, source: LogSource, shown: str) -> None:
    assert lines_text([a_line(text, source=source)], Columns(), terminal=True) == shown


def test_into_a_file_lines_go_as_they_were_written() -> None:
    assert lines_text([a_line("\x1b[2J10%\r90%")], Columns(), terminal=False) == "\x1b[2J10%\r90%\n"


def test_json_has_all_ids_and_null_where_no_one_input_wrote() -> None:
    assert line_json(a_line("one")) == {
        "timestamp": AT,
        "source": "stdout",
        "message": "one",
        "app_id": "ap-1",
        "function_id": "fu-1",
        "function_name": "fetch",
        "container_id": "ta-1",
        "function_call_id": "fc-1",
        "input_id": "in-1-3",
    }
    own = line_json(a_line("one", ""))
    assert (own["function_call_id"], own["input_id"]) == (None, None)
