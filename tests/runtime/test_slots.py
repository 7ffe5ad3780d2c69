"""The attempts a container holds."""

from __future__ import annotations

import pytest

from motet.errors import InternalError
from motet.runtime.slots import Slots


def test_a_container_holds_no_more_than_max_inputs() -> None:
    slots = Slots(2)
    slots.take(1)
    slots.take(2)
    with pytest.raises(InternalError, match="max_inputs=2"):
        slots.take(3)
    slots.release(1)
    slots.take(3)
    assert len(slots) == 2


def test_a_cancellation_counts_once_and_only_for_what_is_here() -> None:
    slots = Slots(2)
    slots.take(1)
    assert [slots.cancel(1), slots.cancel(1), slots.cancel(2)] == [True, False, False]
    assert slots.cancelled(1)
    slots.release(1)
    slots.release(1)
    assert not slots.cancelled(1)
    assert not slots.cancel(1)
