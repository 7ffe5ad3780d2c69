"""Questions to a database that are answered, and one that is not."""

from __future__ import annotations

import threading

import pytest

from motet.server import answer_watch
from motet.server.answer_watch import AnswerWatch

PATIENCE = 30.0


class Cuts:
    def __init__(self) -> None:
        self.made = threading.Semaphore(0)

    def __call__(self) -> None:
        self.made.release()


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Cuts:
    monkeypatch.setattr(answer_watch, "LOOK_INTERVAL", 0.001)
    return Cuts()


def test_who_waits_for_a_database_that_does_not_answer_is_told_so_again_and_again(cuts: Cuts) -> None:
    watch = AnswerWatch(-1.0, cuts)
    with watch.asking():
        assert watch.problem.startswith("the database has not answered for ")
        for _ in range(3):
            assert cuts.made.acquire(timeout=PATIENCE)
    assert watch.problem == ""
    watch.close()
    watch.close()


def test_an_answer_that_comes_in_time_is_no_problem_and_neither_is_a_time_without_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer_watch, "LOOK_INTERVAL", 3600.0)
    cuts = Cuts()
    watch = AnswerWatch(PATIENCE, cuts)
    for _ in range(3):
        with watch.asking():
            assert watch.problem == ""
            for _ in range(answer_watch.MOST_LOOKS):  # the first sees the question for the first time
                watch.look()
        for _ in range(2 * answer_watch.MOST_LOOKS):
            watch.look()
    assert not cuts.made.acquire(blocking=False)
    with watch.asking():
        for _ in range(answer_watch.MOST_LOOKS + 1):
            watch.look()
    assert cuts.made.acquire(blocking=False)
    watch.close()
