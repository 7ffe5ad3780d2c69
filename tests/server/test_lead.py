"""Leading: who waits is told for whom, and a lead is renewed until it is closed or over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from motet.errors import ServiceError
from motet.server import lead as lead_module
from motet.server.lead import AWAY_INTERVAL, Lead, wait_to_lead
from motet.store.journal import JournalFenced
from motet.store.lease import Leader, Term

PATIENCE = 30.0


class ScriptedLease:
    """Takes end as they are told to; renewals are told, and end in `failure`, if there is one."""

    seconds = 0.005

    def __init__(self, *takes: Term | Leader | ServiceError) -> None:
        self.takes = list(takes)
        self.waits: list[float] = []
        self.failure: Callable[[Term], None] = lambda term: None
        self.renewed = threading.Semaphore(0)
        self.answers = threading.Event()
        """Set when who waits for an answer is told that there is none."""
        self.released: list[int] = []
        self.is_closed = False

    def take(self, on_over: Callable[[str], None]) -> Term | Leader:
        found = self.takes.pop(0)
        if isinstance(found, ServiceError):
            raise found
        return found

    def renew(self, term: Term) -> None:
        try:
            self.failure(term)
        finally:
            self.renewed.release()

    def release(self, term: Term) -> None:
        self.released.append(term.number)

    def wait_freed(self, timeout: float) -> None:
        self.waits.append(timeout)

    def cut(self) -> None:
        self.answers.set()

    def close(self) -> None:
        self.is_closed = True


def test_who_waits_says_for_whom_once_and_waits_for_as_long_as_the_lease_runs() -> None:
    said: list[str] = []
    term = Term(5)
    lease = ScriptedLease(Leader("a", 3, 1.5), Leader("a", 3, 0.5), Leader("", 4, 0.0), term)
    assert wait_to_lead(lease, print, said.append) is term
    assert said == ["Waiting to lead: a leads (term 3)", "Waiting to lead: another server leads (term 4)"]
    assert lease.waits == [1.5, 0.5, 0.0]


def test_who_waits_goes_on_when_the_database_is_back() -> None:
    said: list[str] = []
    pauses: list[float] = []
    term = Term(5)
    lease = ScriptedLease(Leader("a", 3, 1.5), ServiceError("away"), ServiceError("away"), term)
    assert wait_to_lead(lease, print, said.append, pause=pauses.append) is term
    assert said == ["Waiting to lead: a leads (term 3)", "Waiting to lead: away"]
    assert pauses == [AWAY_INTERVAL] * 2


def test_a_database_that_is_away_at_the_beginning_is_said() -> None:
    with pytest.raises(ServiceError, match="away"):
        wait_to_lead(ScriptedLease(ServiceError("away")), print, print)


def test_a_lead_is_renewed_again_and_again_and_let_go_of_when_it_is_closed() -> None:
    lease = ScriptedLease()
    lead = Lead(lease, Term(7))
    for _ in range(3):
        assert lease.renewed.acquire(timeout=PATIENCE)
    assert lead.problem == ""
    lead.close()
    lead.close()
    assert (lease.released, lease.is_closed) == ([7], True)


def test_a_lead_may_be_over_when_it_was_not_renewed_for_the_time_of_the_lease() -> None:
    lease = ScriptedLease()
    lease.seconds = 1000.0
    lead = Lead(lease, Term(7))
    assert 0 < lead.left <= 1000
    lease.seconds = 0.0
    assert lead.left <= 0
    lead.close()


def test_a_database_that_is_away_is_a_problem_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    lease = ScriptedLease()

    def fail(term: Term) -> None:
        raise ServiceError("it is away")

    lease.failure = fail
    with caplog.at_level(logging.WARNING, "motet.server"):
        lead = Lead(lease, Term(7))
        for _ in range(3):
            assert lease.renewed.acquire(timeout=PATIENCE)
        assert lead.problem == "it is away"
        lease.failure = lambda term: None
        while lead.problem:
            assert lease.renewed.acquire(timeout=PATIENCE)
        lead.close()
    assert [record.getMessage() for record in caplog.records] == [
        "this server may not lead much longer: it is away",
        "the database is back, and this server still leads",
    ]


def test_a_term_that_is_over_is_told_once_and_not_renewed_or_let_go_of() -> None:
    told: list[str] = []
    lease = ScriptedLease()

    def over(term: Term) -> None:
        term.end("another leads")
        term.end("another leads, again")
        raise JournalFenced("another leads")

    lease.failure = over
    lead = Lead(lease, Term(7, told.append))
    assert lease.renewed.acquire(timeout=PATIENCE)
    lead.close()
    assert (told, lease.released, lead.problem) == (["another leads"], [], "another leads")
    assert not lease.renewed.acquire(blocking=False)


def test_a_database_that_does_not_answer_is_a_problem_and_keeps_no_lead_from_ending(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection looks well: something between does not pass on what is said."""
    monkeypatch.setattr(lead_module, "CLOSE_TIMEOUT", 0.001)
    lease = ScriptedLease()
    lease.seconds = 0.0
    asked = threading.Event()

    def hang(term: Term) -> None:
        asked.set()
        assert lease.answers.wait(PATIENCE)
        raise ServiceError("its connection is lost")

    lease.failure = hang
    lead = Lead(lease, Term(7))
    assert asked.wait(PATIENCE)
    with caplog.at_level(logging.WARNING, "motet.server"):
        assert lead.problem.startswith("the database has not answered for ")
        lead.close()
    assert lead.problem == "its connection is lost"
    assert caplog.records[0].getMessage().startswith("the database does not answer: its connections are given up")
    assert lease.is_closed
