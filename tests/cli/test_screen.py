"""A program, lines of others and a view share a terminal: what people see."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.virtual_terminal import VirtualTerminal

from motet.cli.screen import Screen

VIEW = ["view one", "view two"]


class Stage:
    """A screen on a virtual terminal, and a program that writes to it."""

    def __init__(self, columns: int = 20, lines: int = 8, *, can_move: bool = True) -> None:
        self.terminal = VirtualTerminal(columns, lines)
        self.screen = Screen(self.terminal, can_move=can_move)

    def write(self, text: str) -> None:
        data = text.encode()

        def write() -> int:
            self.terminal.write(text)
            return len(data)

        assert self.screen.program_writes(memoryview(data), write) == len(data)


def test_the_view_stands_below_and_goes_before_the_program_writes() -> None:
    on = Stage()
    on.write("one\n")
    on.screen.draw(VIEW)
    assert on.terminal.shown == ["one", "", *VIEW]
    assert on.terminal.cursor == (1, 0)
    on.write("two\n")
    assert on.terminal.shown == ["one", "two"]
    on.screen.draw(VIEW)
    on.screen.print("line\n")
    assert on.terminal.shown == ["one", "two", "line"]
    on.screen.draw(VIEW)
    on.screen.close()
    assert on.terminal.shown == ["one", "two", "line"]
    assert not on.terminal.is_hidden


def test_at_the_bottom_the_view_scrolls_what_is_above_and_eats_nothing() -> None:
    on = Stage(lines=6)
    for number in range(20):
        on.write(f"{number}\n")
        on.screen.draw(VIEW)
    on.screen.close()
    assert on.terminal.shown == [str(number) for number in range(20)]


def test_a_view_larger_than_the_screen_is_cut() -> None:
    on = Stage(lines=6)
    on.write("one\n")
    on.screen.draw([f"row {number}" for number in range(50)])
    on.screen.close()
    assert on.terminal.shown == ["one"]


def test_while_a_line_is_unfinished_there_is_no_view_and_it_goes_on_where_it_was() -> None:
    on = Stage()
    for token in ("Once ", "upon ", "a ", "time"):
        on.write(token)
        on.screen.draw(VIEW)
    assert on.terminal.shown == ["Once upon a time"]
    on.write("\n")
    on.screen.draw(VIEW)
    assert on.terminal.shown == ["Once upon a time", "", *VIEW]


@pytest.mark.parametrize("begun", ["Once upon", "wraps after twenty characters", "日本語の長い行は折り返される"])
def test_lines_of_others_stand_above_the_unfinished_one(begun: str) -> None:
    on, alone = Stage(), Stage()
    on.write(begun)
    on.screen.print("other 1\nother 2\n")
    on.write(" a time\nend\n")
    alone.write(f"other 1\nother 2\n{begun} a time\nend\n")
    assert on.terminal.shown == alone.terminal.shown


def test_a_bar_is_drawn_in_place_while_others_write() -> None:
    on = Stage()
    for percent in (10, 20, 30):
        on.write(f"\r{percent}%|{'#' * (percent // 5)}")
        on.screen.print(f"at {percent}\n")
        on.screen.draw(VIEW)
    on.write("\n")
    assert on.terminal.shown == ["at 10", "at 20", "at 30", "30%|######"]


def test_an_unfinished_line_that_cannot_be_drawn_again_is_cut_once() -> None:
    on = Stage()
    on.write("\ttab".replace("\t", "\b"))
    on.screen.print("other\n")
    on.screen.print("another\n")
    on.write("rest\n")
    assert on.terminal.shown == ["tab", "other", "another", "rest"]


def test_a_terminal_without_moves_has_no_view_and_gets_no_sequences() -> None:
    on = Stage(can_move=False)
    on.write("begun")
    on.screen.draw(VIEW)
    on.screen.print("other\n")
    on.screen.close()
    assert on.terminal.shown == ["begun", "other"]


def test_what_others_write_past_it_is_not_eaten() -> None:
    on = Stage()
    on.screen.draw(VIEW)
    on.terminal.write("from a subprocess\n")
    on.screen.draw(VIEW)
    on.terminal.write("Password: ")
    on.screen.draw(VIEW)
    on.screen.close()
    assert on.terminal.shown == ["from a subprocess", "Password:"]


def test_while_the_program_reads_nothing_is_shown_and_lines_come_after() -> None:
    on = Stage()
    on.screen.draw(VIEW)
    other = threading.Thread(target=on.screen.print, args=("other\n",))
    with on.screen.read_by_program():
        assert on.terminal.shown == []
        other.start()
        on.terminal.write("typed\n")
        on.screen.draw(VIEW)
        assert on.terminal.shown == ["typed"]
    other.join(10)
    assert on.terminal.shown == ["typed", "other"]


def test_a_line_typed_before_the_program_reads_ends_the_unfinished_one() -> None:
    on = Stage()
    on.write("Name? ")
    on.terminal.type("Peter\n")
    on.screen.print("other\n")
    on.write("Hello, Peter\n")
    assert on.terminal.shown == ["Name? Peter", "other", "Hello, Peter"]


def test_a_line_typed_before_the_unfinished_one_began_does_not_end_it() -> None:
    on = Stage()
    on.terminal.type("Peter\n")
    on.write("Name? ")
    on.screen.print("other\n")
    on.screen.close()
    on.screen.print("summary\n")
    assert on.terminal.shown == ["Peter", "other", "Name?", "summary"]


@pytest.mark.parametrize("ends", [True, False])
def test_a_prompt_keeps_the_view_away_until_it_is_answered_or_its_thread_goes_on(ends: bool) -> None:
    on = Stage()
    on.screen.prompting_began()
    on.terminal.write("Name? Peter\n")
    on.screen.draw(VIEW)
    assert on.terminal.shown == ["Name? Peter"]
    if ends:
        on.screen.prompting_ended()
    else:
        on.write("no name\n")
    on.screen.draw(VIEW)
    assert on.terminal.shown[-3:] == ["", *VIEW]


def test_closing_ends_an_unfinished_line_and_waits_for_no_reader() -> None:
    on = Stage()
    on.write("begun")
    on.screen.prompting_began()
    on.screen.close()
    on.screen.print("summary\n")
    on.screen.close()
    assert on.terminal.shown == ["begun", "summary"]


_STEPS = st.lists(
    st.one_of(
        st.text("ab日 \n", min_size=1, max_size=30).map(lambda it: ("write", it)),
        st.text("xy", max_size=30).map(lambda it: ("print", f"{it}\n")),
        st.just(("draw", "")),
    ),
    max_size=30,
)


@given(_STEPS, st.sampled_from([10, 17]), st.sampled_from([5, 9]))
def test_no_order_of_writes_loses_or_changes_a_line(steps: list[tuple[str, str]], columns: int, lines: int) -> None:
    on, alone = Stage(columns, lines), Stage(columns, lines)
    begun = ""
    for what, text in steps:
        if what == "write":
            on.write(text)
            *done, begun = (begun + text).split("\n")
            alone.terminal.write("".join(f"{each}\n" for each in done))
        elif what == "print":
            # Beyond the screen there is nothing to go back to.
            if 2 * len(begun) < columns * (lines - 2):
                on.screen.print(text)
                alone.terminal.write(text)
        else:
            on.screen.draw(VIEW)
    on.screen.close()
    alone.terminal.write(begun)
    assert on.terminal.shown == alone.terminal.shown
