"""What one end of a conversation keeps for the other."""

from __future__ import annotations

import pytest

from motet.errors import ConnectionError
from motet.wire.kept_messages import KeptMessages


def kept(*counts: int) -> KeptMessages:
    """Frames with so many messages each, and as many bytes."""
    found = KeptMessages()
    found.say((count, bytes(count)) for count in counts)
    return found


@pytest.mark.parametrize(("taken", "left"), [(0, [2, 1, 3]), (1, [2, 1, 3]), (2, [1, 3]), (3, [3]), (5, [3]), (6, [])])
def test_what_was_taken_is_let_go_of_frame_by_frame(taken: int, left: list[int]) -> None:
    found = kept(2, 1, 3)
    assert [len(frame) for frame in found.after(taken)] == left
    assert (found.said, found.size_bytes) == (6, sum(left))
    assert found.more_than_oldest_bytes == sum(left[1:])


def test_what_is_said_later_is_kept_behind_it() -> None:
    found = kept(2)
    found.taken(2)
    found.say([(1, b"x")])
    found.taken(1)  # an older word that came late
    assert found.after(2) == [b"x"]


@pytest.mark.parametrize("taken", [-1, 1, 7])
def test_who_lacks_what_it_had_or_has_what_was_never_said_is_told(taken: int) -> None:
    found = kept(2, 4)
    found.taken(2)
    with pytest.raises(ConnectionError, match=f"{taken} messages are said to be taken in"):
        found.after(taken)
