"""What an earlier Motet kept is read by this one, or refused with a word of why; and what this one keeps is what that kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from motet.model.outcome import OutcomeKind
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.sqlite_facts import TABLES
from motet.store.sqlite_records import SqliteRecords
from motet.store.sqlite_records_layout import VERSION
from motet.wire import report

from .written import MANY, batch, file_of, rows, write

ADDED: set[str] = set()
"""Tables that a file of this format may lack."""
FILES = sorted(Path(__file__).parent.glob("format_*.db.gz"))
CHANGED = (
    "{name} is not kept as it was. A Motet that was built before cannot read it, and this one not what that one kept, unless "
    "a field of a record was added last, with a default. If that is meant: raise VERSION in sqlite_records_layout.py, and "
    "`python -m tests.store.written` keeps a file of the new format beside the old one."
)


def unpacked(packed: Path, directory: Path) -> Path:
    path = directory / "records.db"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


def test_there_is_a_file_of_this_format() -> None:
    assert file_of(VERSION) in FILES


@pytest.mark.parametrize("packed", FILES, ids=lambda path: path.name)
def test_a_file_of_this_format_or_an_earlier_one_is_read(packed: Path, tmp_path: Path) -> None:
    path = unpacked(packed, tmp_path)
    kept, store = batch(), SqliteRecords(path, read_only=True)
    if packed != file_of(VERSION):  # what format 1 did not have
        for each in kept.containers:
            each.isolation = ""
    assert store.apps() == kept.apps
    assert store.functions() == kept.functions
    assert sorted(store.containers(), key=lambda it: it.container_id) == kept.containers
    assert [it.call for it in store.calls(CallQuery())] == sorted(kept.calls, key=lambda it: -it.submitted_at)
    one, child = store.inputs(InputQuery(call_id="fc-one")), store.inputs(InputQuery(call_id="fc-child"))
    assert [*one, *child] == [it.later(kept.clock) for it in kept.inputs["fu-1"]]
    assert report.read(child[0].failure) == report.Failure(
        "ValueError", "no", "Traceback ...", b"pickled", {"retry_after": 1.0}
    )
    many = store.inputs(InputQuery(call_id="fc-many", limit=1000))
    assert [(it.index, it.kind, it.ended_at) for it in many] == [
        (index, OutcomeKind.SUCCESS, kept.clock + 20.0 + index / 8) for index in range(MANY)
    ]
    assert [fact for kind in TABLES for fact in store.facts(kind, ["ta-1", "fu-1"])] == kept.facts
    assert [(it.at, it.call_id, it.index, it.source, it.text) for it in store.logs(LogQuery())] == [
        (of.at, of.call_id, of.index, of.source, text) for of in kept.logs for text in of.lines
    ]
    store.close()


def test_a_file_of_the_first_format_is_written_to(tmp_path: Path) -> None:
    path = unpacked(file_of(1), tmp_path)
    store = SqliteRecords(path)
    store.add(batch())
    assert [each.isolation for each in store.containers()] == ["", "bubblewrap"]
    store.close()
    assert rows(path)["containers"]


def test_what_is_kept_now_is_what_the_file_holds(tmp_path: Path) -> None:
    before = rows(unpacked(file_of(VERSION), tmp_path))
    write(tmp_path / "now.db")
    now = {name: found for name, found in rows(tmp_path / "now.db").items() if name not in ADDED}
    assert sorted(now) == sorted(before), CHANGED.format(name="A table")
    for name, found in now.items():
        assert found == before[name], CHANGED.format(name=f"What is in {name}")
