"""The records of several servers as one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from motet.model.ids import input_id
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.facts import DecisionRecord, SampleRecord, StallRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.archive import Archive
from motet.store.home import ServerDirectory
from motet.store.sqlite_records import SqliteRecords


class Running:
    """A server that runs and keeps what it is told; its ids end with its letter, and its clock starts at `at`."""

    def __init__(self, home: Path, letter: str, at: float) -> None:
        self.directory = ServerDirectory.create(home, letter)
        self.store = SqliteRecords(self.directory.records)
        self.letter, self.at = letter, at
        self.store.add(
            RecordBatch(
                apps=[AppRecord(f"ap-{letter}", "shop", at)],
                functions=[FunctionRecord(f"fu-{letter}", f"ap-{letter}", "fetch", 1, 1)],
                calls=[CallRecord(f"fc-{letter}", f"fu-{letter}", CallKind.ATTACHED, "", at)],
                inputs={f"fu-{letter}": [InputRecord(f"fc-{letter}", 0, at, at + 1, OutcomeKind.SUCCESS)]},
                containers=[ContainerRecord(f"ta-{letter}", f"fu-{letter}", at, at)],
                facts=[
                    StallRecord(f"ta-{letter}", f"fc-{letter}", 0, at, at + 1),
                    DecisionRecord(at, f"fu-{letter}", 2, 1, 1, 1, 1, "why"),
                    SampleRecord(at, f"fu-{letter}", 1, 2, 3, 4, 5, 6, 7, 8),
                ],
            )
        )

    def write(self, *texts: str, after: float = 0.0) -> None:
        letter = self.letter
        batch = LogBatch(self.at + after, f"fu-{letter}", f"ta-{letter}", f"fc-{letter}", 0, "stdout", list(texts))
        self.store.add(RecordBatch(logs=[batch]))

    def end(self, written_at: float | None = None) -> None:
        self.store.close()
        self.directory.close()
        if written_at is not None:
            for file in self.directory.path.iterdir():
                os.utime(file, (written_at, written_at))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path, wait=lambda seconds: pytest.fail("waited for lines"))
    yield archive
    archive.close()


def texts(archive: Archive, query: LogQuery) -> list[str]:
    return [line.text for line in archive.logs(query)]


def test_what_runs_and_what_ran_is_found_together(tmp_path: Path, archive: Archive) -> None:
    a, b = Running(tmp_path, "a", 100.0), Running(tmp_path, "b", 200.0)
    a.end(written_at=150.0)
    assert [it.app_id for it in archive.apps()] == ["ap-b", "ap-a"]
    assert [it.function_id for it in archive.functions("shop")] == ["fu-a", "fu-b"]
    assert [it.call.call_id for it in archive.calls(CallQuery(function="fetch"))] == ["fc-b", "fc-a"]
    assert [it.call_id for it in archive.inputs(InputQuery(app="shop"))] == ["fc-b", "fc-a"]
    assert [it.container_id for it in archive.containers("fetch")] == ["ta-b", "ta-a"]
    assert [it.container_id for it in archive.facts(StallRecord, ["ta-b", "ta-a"], since=0, until=999)] == [
        "ta-a",
        "ta-b",
    ]
    for letter in "ab":
        assert (call := archive.call(f"fc-{letter}")) is not None
        assert call.app_id == f"ap-{letter}"
        assert (found := archive.input(input_id(f"fc-{letter}", 0))) is not None
        assert archive.inputs(InputQuery(call_id=f"fc-{letter}")) == [found]
        assert archive.container(f"ta-{letter}") is not None
        assert len(archive.facts(DecisionRecord, [f"fu-{letter}"])) == 1
        assert len(archive.facts(SampleRecord, [f"fu-{letter}"], since=0, until=999)) == 1
    assert (archive.call("fc-c"), archive.input("nonsense"), archive.container("")) == (None, None, None)
    b.end()


def test_what_a_server_took_over_from_another_is_found_once(tmp_path: Path, archive: Archive) -> None:
    before, after = Running(tmp_path, "a", 100.0), Running(tmp_path, "b", 200.0)
    before.end(written_at=150.0)
    after.store.add(
        RecordBatch(apps=[AppRecord("ap-a", "shop", 201.0)], functions=[FunctionRecord("fu-a", "ap-a", "fetch", 1, 1)])
    )
    assert [(it.app_id, it.started_at, it.ended_at) for it in archive.apps()] == [
        ("ap-b", 200.0, None),
        ("ap-a", 100.0, None),
    ]
    assert [it.function_id for it in archive.functions("ap-a")] == ["fu-a"]
    after.end()


def test_lines_of_all_servers_are_searched_and_come_in_order_of_time(tmp_path: Path, archive: Archive) -> None:
    servers = [Running(tmp_path, letter, at) for letter, at in (("a", 100.0), ("b", 200.0), ("c", 300.0))]
    for server in servers:
        for after in range(3):
            server.write(f"{server.letter} line {after}", after=after * 60.0)
    servers[0].end(written_at=225.0)
    assert texts(archive, LogQuery(limit=4)) == ["c line 0", "b line 2", "c line 1", "c line 2"]
    assert texts(archive, LogQuery(limit=2, newest=False)) == ["a line 0", "a line 1"]
    assert texts(archive, LogQuery(search="line 2")) == ["a line 2", "b line 2", "c line 2"]
    assert texts(archive, LogQuery(input_id="in-b-0", limit=1)) == ["b line 2"]
    assert texts(archive, LogQuery(since=219.0, until=260.0)) == ["a line 2", "b line 1"]
    servers[1].end()
    servers[2].end()


def test_servers_that_wrote_nothing_since_are_not_asked(tmp_path: Path, archive: Archive) -> None:
    for letter, at in (("a", 100.0), ("b", 200.0)):
        server = Running(tmp_path, letter, at)
        server.write(f"{letter} line")
        server.end(written_at=at + 1)
    (tmp_path / "servers" / "a" / "records.db").write_bytes(b"spoilt" * 1000)
    os.utime(tmp_path / "servers" / "a" / "records.db", (101.0, 101.0))
    assert texts(archive, LogQuery(limit=1)) == texts(archive, LogQuery(since=150.0)) == ["b line"]
    assert archive.skipped == {}


def test_a_server_whose_records_are_spoilt_is_left_out_and_told_of(tmp_path: Path, archive: Archive) -> None:
    Running(tmp_path, "a", 100.0).end()
    spoilt = tmp_path / "servers" / "b"
    Running(tmp_path, "b", 200.0).end()
    (spoilt / "records.db").write_bytes(b"spoilt" * 1000)
    assert [it.app_id for it in archive.apps()] == ["ap-a"]
    assert list(archive.skipped) == [spoilt]
    assert "not a database" in archive.skipped[spoilt]


def test_a_server_that_has_kept_nothing_yet_is_no_trouble(tmp_path: Path, archive: Archive) -> None:
    coming, begins = ServerDirectory.create(tmp_path, "a"), ServerDirectory.create(tmp_path, "b")
    begins.records.touch()
    assert (archive.apps(), archive.skipped) == ([], {})
    coming.close()
    begins.close()


def test_a_server_that_goes_is_no_longer_found(tmp_path: Path, archive: Archive) -> None:
    Running(tmp_path, "a", 100.0).end()
    Running(tmp_path, "b", 200.0).end()
    assert len(archive.apps()) == 2
    shutil.rmtree(tmp_path / "servers" / "b")
    assert [it.app_id for it in archive.apps()] == ["ap-a"]
    assert archive.skipped == {}


def test_more_servers_than_files_may_be_open_are_asked(tmp_path: Path, archive: Archive) -> None:
    for number in range(50):
        Running(tmp_path, f"s{number}", float(number)).end()
    assert len(archive.apps()) == len(archive.functions("shop")) == 50
    assert archive.call("fc-s17") is not None


def test_nothing_is_found_where_nothing_ran(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "nowhere")
    assert (archive.apps(), archive.logs(LogQuery()), list(archive.follow(LogQuery()))) == ([], [], [])


def follow(home: Path, query: LogQuery, *steps: Callable[[], object]) -> list[str]:
    """What is followed while these things happen, one each time the follower waits for lines."""
    happening = iter(steps)
    archive = Archive(home, wait=lambda seconds: next(happening)())
    found = [line.text for line in archive.follow(query)]
    assert list(happening) == []
    archive.close()
    return found


def test_following_begins_with_the_newest_lines_and_ends_with_the_last_server(tmp_path: Path) -> None:
    a, b = Running(tmp_path, "a", 100.0), Running(tmp_path, "b", 200.0)
    a.write("a 0", "a 1")
    a.end(written_at=110.0)
    b.write("b 0")
    steps = [lambda: b.write("b 1", "b 2"), lambda: None, lambda: (b.write("b 3"), b.end())]
    assert follow(tmp_path, LogQuery(limit=2), *steps) == ["a 1", "b 0", "b 1", "b 2", "b 3"]


def test_servers_that_come_while_following_are_followed(tmp_path: Path) -> None:
    first, later = Running(tmp_path, "a", 100.0), list[Running]()

    def come() -> None:
        later.append(Running(tmp_path, "b", 200.0))
        later[0].write("b 0")

    def come_and_go() -> None:
        short = Running(tmp_path, "c", 300.0)
        short.write("c 0")
        short.end()

    def later_ends() -> None:
        later[0].end()

    steps = [come, lambda: later[0].write("b 1"), come_and_go, first.end, later_ends]
    assert follow(tmp_path, LogQuery(), *steps) == ["b 0", "b 1", "c 0"]


def test_only_lines_that_are_asked_for_are_followed(tmp_path: Path) -> None:
    a = Running(tmp_path, "a", 100.0)
    steps = [lambda: a.write("needle 1", "hay"), lambda: a.write("hay"), lambda: a.write("a needle"), a.end]
    assert follow(tmp_path, LogQuery(search="needle"), *steps) == ["needle 1", "a needle"]


@pytest.mark.parametrize(
    "query",
    [
        LogQuery(app="shop"),
        LogQuery(app="ap-a"),
        LogQuery(function="fetch", app="ap-a"),
        LogQuery(call_id="fc-a"),
        LogQuery(input_id="in-a-0"),
        LogQuery(container_id="ta-a"),
    ],
)
def test_following_an_app_ends_with_it_though_others_run(tmp_path: Path, query: LogQuery) -> None:
    a, b = Running(tmp_path, "a", 100.0), Running(tmp_path, "b", 200.0)
    b.store.add(
        RecordBatch(apps=[AppRecord("ap-b", "other", 200.0)], functions=[FunctionRecord("fu-b", "ap-b", "g", 1, 1)])
    )

    def app_ends() -> None:
        a.store.add(RecordBatch(apps=[AppRecord("ap-a", "shop", 100.0, 150.0)]))

    steps = [lambda: a.write("a 0"), app_ends, lambda: a.write("a 1")]
    assert follow(tmp_path, query, *steps) == ["a 0", "a 1"]
    a.end()
    b.end()
