"""Code knows which attempt it is; what is delivered at most once does not run twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import motet
from motet.exception import ContainerDied, MayHaveRun
from tests.e2e.programs.attempts import app, both, charge, dies_first, third_time_lucky


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield


def test_code_is_told_of_its_retries() -> None:
    assert third_time_lucky.remote() == (3, "retry", "failed", "attempt 2 failed, retry 2 of 2")
    assert motet.current_attempt() is None


def test_code_is_told_that_its_container_died(tmp_path: Path) -> None:
    number, why, cause, detail = dies_first.remote(str(tmp_path / "mark"))
    assert (number, why, cause) == (2, "redelivered", "container died")
    assert "was killed by signal 9 (SIGKILL)" in detail


def test_code_is_told_of_each_input_of_a_batch() -> None:
    assert list(both.map([1, 2])) == [(1, "first"), (1, "first")]


def test_what_is_delivered_at_most_once_fails_with_its_container_and_is_retried_when_it_raises(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    with pytest.raises(MayHaveRun, match=r"signal 9 .* while it ran in-.*-0, which is not run again") as raised:
        charge.remote(str(notes), "dies")
    assert isinstance(raised.value, ContainerDied)
    assert charge.remote(str(notes), "raises") == 2
    assert notes.read_text().split() == ["dies1", "raises1", "raises2"]
