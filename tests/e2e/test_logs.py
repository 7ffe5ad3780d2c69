"""Whose each line is, in real containers: the right input's, or the container's own, and never another's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.errors import Error, InvalidError
from motet.model.ids import input_id
from motet.wire.client_messages import OutputLines
from tests.e2e.conftest import assert_nothing_left, wait_until
from tests.e2e.programs import logs
from tests.e2e.programs.logs import app

OWN = ""


class Logs:
    """What containers wrote, and whose it is said to be."""

    def __init__(self) -> None:
        self.all: list[OutputLines] = []

    def whose(self, text: str) -> str:
        """The input that the one line of that text is said to be of; `OWN`: the container's."""
        found = wait_until(lambda: self._all_of(text), f"a line {text!r}")
        assert len(found) == 1, found
        return str(found[0])

    def _all_of(self, text: str) -> list[str]:
        return [
            input_id(it.call_id, it.index) if it.call_id else OWN
            for it in self.all
            for line in it.lines
            if line == text
        ]

    def wait_lines(self, text: str, count: int) -> list[str]:
        """Whose all lines of that text are, once there are so many."""
        wait_until(lambda: len(self._all_of(text)) >= count, f"{count} lines {text!r}")
        return self._all_of(text)

    def of(self, owner: str, stream: str = "stdout") -> list[str]:
        """The lines that are said to be this input's."""
        return [
            line
            for it in self.all
            if it.stream == stream and (input_id(it.call_id, it.index) if it.call_id else OWN) == owner
            for line in it.lines
        ]


@pytest.fixture
def written() -> Iterator[Logs]:
    with app.run():
        assert app.running is not None
        found = Logs()
        app.running.on_output(found.all.append)
        yield found
    assert_nothing_left()


def test_what_is_written_past_python_is_the_inputs_that_was_alone(written: Logs) -> None:
    for name in ("a", "b", "c"):
        mine = logs.in_threads.remote(name)
        assert written.whose(f"alone {name}") == written.whose(f"C {name}, unfinished") == mine
    assert written.whose("imported") == OWN


def test_what_is_written_past_python_beside_others_is_the_containers_own(written: Logs, tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(5)]
    ids = list(logs.beside_others.map(names, [5] * 5, [str(tmp_path)] * 5))
    assert [written.whose(f"raw {name}") for name in names] == [OWN] * 5
    assert [written.whose(f"print {name}") for name in names] == ids


def test_a_thread_that_outlives_its_input_prints_as_its_and_writes_past_python_as_nobodys(written: Logs) -> None:
    left = logs.leaving_thread.remote("left")
    for name in ("b", "c"):
        logs.in_threads.remote(name)
        other = logs.leaving_thread.remote(name)
        assert set(written.wait_lines(f"print of {name}", 20)) == {other}
    assert set(written.wait_lines("print of left", 20)) == {left}
    assert set(written.wait_lines("raw of left", 20)) <= {OWN, left}
    assert set(written.wait_lines("raw of b", 20)) == {OWN}


def test_processes_write_as_the_input_that_started_them_and_pools_as_nobody(written: Logs) -> None:
    names = ["a", "b", "c"]
    ids = list(logs.in_processes.map(names))
    ways = ("forked", "forked raw", "forked subprocess", "forked unfinished", "out", "err", "spawned", "system")
    for name, mine in zip(names, ids, strict=True):
        assert {way: written.whose(f"{way} {name}") for way in ways} == dict.fromkeys(ways, mine)
        # Of the first input that was all alone until it had started the pool.
        assert written.whose(f"pool {name}") in (OWN, mine)


def test_a_child_on_a_terminal_of_its_own_keeps_it(written: Logs) -> None:
    assert logs.on_terminal.remote() == "on the terminal"


def test_failure_that_nobody_noticed_is_told_to_the_input_that_made_the_task(written: Logs) -> None:
    mine = logs.unnoticed.remote("forgotten")
    logs.unnoticed.remote("")
    assert written.whose("ValueError: forgotten") == mine


def test_a_thread_of_the_containers_writes_to_its_own_stream_and_so_does_all_past_python_beside_it(
    written: Logs,
) -> None:
    busy = logs.Busy()
    ids = [busy.write.remote(name) for name in "abc"]
    for name, mine in zip("abc", ids, strict=True):
        assert written.whose(f"mine {name}") == mine
        assert written.whose(f"raw {name}") == OWN
    assert set(written.wait_lines("background", 10)) == set(written.wait_lines("background past Python", 10)) == {OWN}
    assert written.whose("entering") == OWN


def test_a_flood_is_cut_and_accounted_for_and_its_neighbour_loses_nothing(written: Logs) -> None:
    call, neighbour = logs.flood.spawn(5_000), logs.flood.spawn(500)
    flooding, quiet = call.get(), neighbour.get()
    wait_until(lambda: len(written.of(quiet)) == 500, "the neighbour's lines")
    notices = written.of(flooding, "system")
    left_out = sum(int(notice.split()[1].replace(",", "")) for notice in notices)
    assert len(written.of(flooding)) + left_out == 5_000
    assert 1_000 <= len(written.of(flooding)) < 5_000
    assert notices[0].startswith("motet: ")
    assert written.of(quiet, "system") == []


def test_odd_bytes_and_long_lines_come_whole_or_visibly_replaced(written: Logs) -> None:
    mine = logs.odd.remote()
    wait_until(lambda: "raw \ufffd" in written.of(mine), "the last line")
    lines = written.of(mine)
    assert "".join(line for line in lines if set(line) == {"x"}) == "x" * 1_000_000
    assert [line for line in lines if set(line) != {"x"}] == [
        "\ufffd\ufffd binary",
        "é",
        "\\udcff surrogate",
        "raw \ufffd",
    ]


def test_lines_before_a_sudden_end_are_all_there_and_in_the_description_of_it(written: Logs) -> None:
    with pytest.raises(Error, match="line 999"):
        logs.dying.remote()
    lines = [line for it in written.all if it.stream == "stderr" and it.call_id for line in it.lines]
    assert {f"line {number}" for number in range(1_000)} <= set(lines)


def test_a_rate_that_is_none_is_one_clear_line(written: Logs) -> None:
    with pytest.raises(InvalidError, match="MOTET_LOG_RATE is 'many'; it must be the number of lines per second"):
        logs.badly_configured.remote()
