"""What a container says while its function is not here yet is kept, up to a bound."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from motet.errors import ConnectionError
from motet.server.containers import come_back
from motet.server.containers.come_back import ReturningSession
from motet.wire.container_messages import Held, LimitInputs
from motet.wire.output_messages import Output, OutputShared


class Session:
    """What is heard once the function is here."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def receive(self, messages: Any) -> None:
        self.heard += messages


def returning(session: Session) -> ReturningSession:
    found = ReturningSession("ta-1", cast(Any, session), lambda container_id: None, 1)
    found.receive([Held([], [])])
    return found


def test_of_its_lines_the_first_are_kept_and_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(come_back, "MOST_OUTPUT", 2)

    async def main() -> None:
        session = Session()
        container = returning(session)
        said = [Output([]), LimitInputs(3), Output([]), Output([]), OutputShared(True)]
        container.receive(said)
        container.resumed("fu-1", ())
        await asyncio.sleep(0)
        assert session.heard == [said[0], said[1], said[2], said[4]]

    asyncio.run(main())


def test_one_that_says_more_than_makes_sense_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(come_back, "MOST_LATER", 2)
    container = returning(Session())
    with pytest.raises(ConnectionError, match="a container said 2 things before its function was here"):
        container.receive([LimitInputs(1)] * 3)
