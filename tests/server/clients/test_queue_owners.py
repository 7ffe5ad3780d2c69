"""Whose queues are: those with a name are the principal's who used it first."""

from __future__ import annotations

import pytest

from motet.errors import PermissionDeniedError
from motet.server.clients import queue_owners
from motet.server.clients.queue_owners import QueueOwners


def test_a_name_is_its_first_users_and_those_who_operate_may_reach_for_it() -> None:
    owners = QueueOwners()
    owners.check("qu-name-jobs", 1, 1)
    owners.check("qu-name-jobs", 1, 1)
    owners.check("qu-name-jobs", 3, None)
    with pytest.raises(PermissionDeniedError, match="the queue 'jobs' is another principal's"):
        owners.check("qu-name-jobs", 2, 2)
    owners.check("qu-name-jobs", 1, 1)


def test_a_queue_without_a_name_is_for_whoever_was_given_its_id() -> None:
    owners = QueueOwners()
    owners.check("qu-1", 1, 1)
    owners.check("qu-1", 2, 2)


def test_of_very_many_names_those_that_were_used_least_lately_are_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_owners, "MOST", 2)
    owners = QueueOwners()
    for name in ("a", "b", "a", "c"):
        owners.check(f"qu-name-{name}", 1, 1)
    owners.check("qu-name-b", 2, 2)
    with pytest.raises(PermissionDeniedError):
        owners.check("qu-name-c", 2, 2)
