"""Tables that fit, and text of programs that does no harm."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from motet.cli.tables import cell, duration, fitting, harmless, moment, table

ID = "ta-01m7zb4510qvdbd6w9c0qvfr7v00002"


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (200, ["container id", "function", "state", "age"]),
        (56, ["container id", "function", "state"]),
        (20, ["container id", "function"]),
    ],
)
def test_last_columns_go_where_there_is_no_room_and_ids_stay_whole(width: int, columns: list[str]) -> None:
    made = table("container id", "function", "state", "age", right=("age",))
    made.add_row(ID, cell("fetch"), "ready", "10.5 s")
    shown = fitting(made, width)
    assert [column.header for column in shown.columns] == columns
    console = Console(file=io.StringIO(), width=max(width, 50))
    with console.capture() as capture:
        console.print(shown)
    assert ID in capture.get()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("shop", "shop"), ("\x1b[2Jshop\x07", "shop"), ("\x1b[31mred", "red"), ("a\nb", "a\nb"), ("50%\r90%", "90%")],
)
def test_text_of_a_program_neither_moves_the_cursor_nor_colours_what_follows(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_what_is_not_there_is_a_dash() -> None:
    assert (cell(None).plain, duration(None), moment(None)) == ("-", "-", "-")


def test_numbers_are_grouped() -> None:
    assert cell(1234567).plain == "1,234,567"


def test_moments_have_their_date_unless_it_is_today() -> None:
    at = 1_790_000_000.0
    assert moment(at, at + 1) in moment(at, at + 90_000)
    assert len(moment(at, at + 1)) == len("12:00:00")


def test_long_names_are_cut_off_before_numbers_go() -> None:
    made = table("container id", "function", "state", "done", right=("done",))
    made.add_row("ta-" + "0" * 31, "a_name_" * 12, "ready", "1,234")
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(fitting(made, 80))
    assert all(part in capture.get() for part in ("a_name_a_name_a_name_a_…", "ready", "1,234"))
