"""Containers that are forked from a process that has imported their code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import assert_nothing_left
from tests.e2e.programs import snapshots
from tests.e2e.test_logs import OWN, Logs


@pytest.fixture(scope="module")
def written(either: None) -> Iterator[Logs]:
    with snapshots.app.run():
        assert snapshots.app.running is not None
        found = Logs()
        snapshots.app.running.on_output(found.all.append)
        yield found
    assert_nothing_left()


def test_code_is_imported_once_and_containers_go_on_from_there(written: Logs) -> None:
    names = ["a", "b", "c"]
    first, *others = told = list(snapshots.tell.map(names))
    assert {it["imported in"] for it in told} == {first["parent"]} == {it["parent"] for it in told}
    for told_once in ("pid", "drawn"):
        assert len({it[told_once] for it in told}) == 3
    for it in told:
        assert it["at import"] == "is there"
        assert it["container at import"] is None
        assert it["surroundings"] == ("stays", None, "/", "/somewhere")
        assert (it["reads"], it["keeps its handler"], it["is local"], it["calls"]) == (True, True, False, 8)
    # What was printed meanwhile is the first container's, and what was set up to write still knows its input.
    assert written.whose("imported once") == OWN
    owners = [written.whose(f"said by {name}") for name in names]
    assert OWN not in owners
    assert len(set(owners)) == len(others) + 1


def test_hooks_with_snap_run_before_the_fork_and_the_others_after_it(written: Logs) -> None:
    assert [snapshots.Model().tell.remote() for _ in range(2)] == [(1, True, True, "set by load")] * 2
    assert snapshots.Model(size=3).tell.remote() == (3, True, True, "set by load")


def test_what_needs_a_server_is_run_in_each_container_instead(written: Logs) -> None:
    assert snapshots.Caller().tell.remote() == 42
    said = "motet: no memory snapshot can be made, and containers start without one: its code calls functions"
    assert any(line.startswith(said) for line in written.of(OWN, "stderr"))


def test_an_exception_of_a_hook_comes_to_the_caller_as_from_any_container(written: Logs) -> None:
    with pytest.raises(RuntimeError, match="no weights"):
        snapshots.Failing().never.remote()
