"""The audit log: who did what, and what came of it; what a full disk costs, and what is never told."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from motet.errors import NotFoundError, PermissionDeniedError, ServiceError
from motet.model.audit import AuditEntry
from motet.model.scaling import AutoscalerUpdate
from motet.server.access import audit as audit_module
from motet.server.access.audit import REFUSALS, Audit, Somebody
from motet.server.access.audited import AUDITED, TOLD, about, is_refusal, kind_of, why
from motet.server.access.door import Principal
from motet.server.access.rights import CALL, DEPLOY, EVERYTHING, LOOK
from motet.store import audit_files
from motet.store.audit_files import AuditFiles, read_audit
from motet.wire import access_messages as a
from motet.wire import client_messages as m
from motet.wire import operator_messages as o
from motet.wire import report
from tests.server.stage import app, stage

SOMEBODY = Somebody("ci", "1", "here")


class Kept:
    """A store in memory."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.is_full = False

    def append(self, entries: Sequence[AuditEntry]) -> None:
        if self.is_full:
            raise ServiceError("cannot write the audit log: no space left")
        self.entries += entries

    def read(self, since: float | None) -> Iterator[AuditEntry]:
        return (each for each in self.entries if since is None or each.at >= since)


def at_once(work: Callable[[], None]) -> None:
    work()


def test_requests_that_say_what_runs_or_who_may_are_told_of_and_calls_and_looks_are_not() -> None:
    told = {
        m.CreateApp,
        m.StopApp,
        m.UpdateAutoscaler,
        a.NewToken,
        a.RevokeToken,
        o.ViewEnvironment,
        o.EndCall,
        o.EndContainer,
    }
    assert told <= AUDITED
    assert not {m.SubmitInputs, m.ViewApp, m.Request, o.ViewServer, m.ViewFunction} & AUDITED


def test_of_a_request_only_what_is_named_in_a_list_is_told() -> None:
    assert about(a.NewToken("ci", ("call",), 60.0)) == {"name": "ci", "rights": ["call"], "lifetime": 60.0}
    assert about(m.CreateApp("ap-1", app())) == {"app_id": "ap-1", "name": "app"}
    assert not {"token", "env", "secret", "value", "spec", "argv"} & set(TOLD)


@pytest.mark.parametrize("kind", sorted(AUDITED, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_what_is_told_of_has_something_to_tell(kind: Any) -> None:
    assert set(kind.__struct_fields__) & {*TOLD, "spec"} or not kind.__struct_fields__, kind.__struct_fields__


def test_the_log_is_read_a_piece_at_a_time(tmp_path: Path) -> None:
    moments = iter([0.0, 1.0, 2.0, 2.0])  # the first is that of its making
    audit = Audit(AuditFiles(tmp_path), lambda: next(moments), at_once)
    for number in range(3):
        audit.did(SOMEBODY, f"deed {number}", "done", {})

    async def found(asked: o.FindAudit) -> list[str]:
        answer = await audit.find(asked)
        assert isinstance(answer, o.AuditFound)
        return [each.what for each in answer.entries]

    assert asyncio.run(found(o.FindAudit())) == ["deed 0", "deed 1", "deed 2"]
    assert asyncio.run(found(o.FindAudit(2.0))) == ["deed 1", "deed 2"]
    assert asyncio.run(found(o.FindAudit(2.0, 1))) == ["deed 2"]
    assert asyncio.run(found(o.FindAudit(None, 1, 1))) == ["deed 1"]


def test_an_error_is_told_with_its_text_if_that_is_ours() -> None:
    denied, missing = (
        m.RequestFailed(report.of(each)) for each in (PermissionDeniedError("no"), NotFoundError("x\ny"))
    )
    users = m.RequestFailed(report.Failure("shop.Broken", "postgres://user:password@db").encoded())
    assert (why(denied), why(missing), why(users)) == ("PermissionDeniedError: no", "NotFoundError: x", "Broken")
    assert [is_refusal(each) for each in (denied, missing, users)] == [True, False, False]


def test_a_full_disk_is_told_of_once_costs_nothing_at_first_and_then_the_oldest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit_module, "MOST_UNWRITTEN", 3)
    kept = Kept()
    audit = Audit(kept, lambda: 1.0, at_once)
    kept.is_full = True
    for number in range(5):
        audit.did(SOMEBODY, str(number), "done", {})
    assert "no space left" in audit.problem
    assert len(caplog.records) == 1
    kept.is_full = False
    audit.did(SOMEBODY, "5", "done", {})
    assert [(each.what, each.lost) for each in kept.entries] == [("3", 3), ("4", 0), ("5", 0)]
    assert audit.problem == ""


def test_of_very_many_refusals_some_are_told_and_the_others_counted() -> None:
    kept = Kept()
    now = 1.0
    audit = Audit(kept, lambda: now, at_once)
    for _ in range(REFUSALS + 50):
        audit.did(SOMEBODY, "hello", "refused", {})
    assert len(kept.entries) == REFUSALS
    now = 2.0
    audit.did(SOMEBODY, "hello", "refused", {})
    assert kept.entries[-1].lost == 50
    audit.did(SOMEBODY, "stop_app", "done", {})
    assert kept.entries[-1].what == "stop_app"


def test_lines_are_appended_to_files_that_their_user_alone_can_read(tmp_path: Path) -> None:
    directory = tmp_path / "audit"
    files = AuditFiles(directory, file_bytes=500, files=3)
    entries = [
        AuditEntry(at=float(n), who="ci", what="stop_app", outcome="done", about={"app_id": "ap-1"}) for n in range(40)
    ]
    for each in entries:
        files.append([each])
    assert len(list(directory.iterdir())) <= 3
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    read = list(read_audit(directory))
    assert 5 < len(read) < 40
    assert read == entries[-len(read) :]
    assert [each.at for each in read_audit(directory, since=38.0)] == [38.0, 39.0]
    assert list(read_audit(tmp_path / "nowhere")) == []


def test_a_line_that_was_cut_off_costs_no_other_line(tmp_path: Path) -> None:
    files = AuditFiles(tmp_path)
    first, second = (AuditEntry(at=at, who="ci", what="w", outcome="done") for at in (1.0, 2.0))
    files.append([first])
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"at":1.5,"wh')
    files.append([second])
    assert list(read_audit(tmp_path)) == [first, second]


def test_what_a_full_disk_took_half_of_is_written_as_a_whole_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = AuditFiles(tmp_path)
    first, second = (AuditEntry(at=at, who="ci", what="w", outcome="done") for at in (1.0, 2.0))
    files.append([first])

    def half(file: int, data: bytes) -> None:
        os.write(file, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(audit_files, "_write", half)
        with pytest.raises(ServiceError, match=r"cannot write the audit log .*: No space left"):
            files.append([second])
    files.append([second])
    assert (tmp_path / "audit.jsonl").read_bytes().count(b"\n") == 2
    assert list(read_audit(tmp_path)) == [first, second]


def test_what_clients_did_and_were_refused_is_told_with_what_came_of_it() -> None:
    kept = Kept()

    async def main() -> None:
        async with stage(audit=Audit(kept, lambda: 1.0, at_once)) as on:
            ci = on.principal(Principal("ci", CALL | DEPLOY, key="k"))
            await ci.create()
            await ci.answer(m.UpdateAutoscaler("fu-none", AutoscalerUpdate(max_containers=1)))
            await ci.answer(a.RevokeToken("x"))
            await ci.answer(m.StopApp("ap-1"))
            ops = on.principal(Principal("ops", EVERYTHING))
            await ops.answer(o.ViewEnvironment("ta-none"))
            looks = on.principal(Principal("eve", LOOK))
            await looks.answer(o.ViewServer())
            looks.call("fu-1")

    asyncio.run(main())
    assert [(each.who, each.principal, each.what, each.outcome) for each in kept.entries] == [
        ("ci", "k", "create_app", "done"),
        ("ci", "k", "update_autoscaler", "failed"),
        ("ci", "k", "revoke_token", "refused"),
        ("ci", "k", "stop_app", "done"),
        ("ops", "", "view_environment", "failed"),
        ("eve", "", "submit", "refused"),
    ]
    assert kept.entries[0].about == {"app_id": "ap-1", "name": "app"}
    assert "needs a right that this token does not give: administer" in kept.entries[2].why


def test_kinds_are_named_as_on_the_wire() -> None:
    assert kind_of(a.NewToken) == "new_token"
