"""Modal's policy as documented: exactly the capacity that is exceeded, and the window."""

from __future__ import annotations

import pytest

from motet.core.policies.modal import ModalPolicy

from .trial import Trial


@pytest.mark.parametrize(
    ("target", "inputs", "desired"), [(20, 100, 5), (20, 101, 6), (100, 120, 2), (1, 3, 3), (1, 0, 0)]
)
def test_a_container_more_as_soon_as_capacity_is_exceeded(target: int, inputs: int, desired: int) -> None:
    assert Trial(ModalPolicy(), target).has(inputs).desired == desired


def test_idle_containers_stay_for_the_window() -> None:
    trial = Trial(ModalPolicy(), scaledown_window=7.0).has(1)
    assert trial.decision.idle_window == 7.0
    assert not trial.decision.decision.drains


def test_buffer_containers_come_on_top_while_active() -> None:
    trial = Trial(ModalPolicy(), buffer_containers=2).has(1)
    assert trial.desired == 3
    assert trial.has(0).desired == 0


def test_it_is_never_asked_without_a_change() -> None:
    assert Trial(ModalPolicy()).has(5).at(500.0).asked == []
