"""The connection that a container's own calls go over."""

from __future__ import annotations

from motet.client.connection import Connection
from motet.errors import ConnectionError
from motet.runtime.surroundings import _Once


def test_it_is_made_for_the_first_call_and_again_only_when_it_has_ended() -> None:
    made: list[Connection] = []

    def make() -> Connection:
        made.append(Connection())
        return made[-1]

    once = _Once(make)
    assert made == []
    assert once() is once() is made[0]
    made[0].lost(ConnectionError("a frame was refused"))
    assert once() is once() is made[1]
    assert len(made) == 2
