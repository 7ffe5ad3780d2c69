"""Requests of the tasks of one loop that leave together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from motet.client.connection import Connection
from motet.client.dual import run_async, run_blocking
from motet.client.outgoing import Outgoing
from motet.errors import ConnectionError, NotFoundError, RequestSizeError
from motet.wire import client_messages as m
from motet.wire import report
from motet.wire.message import Message


class Link:
    """Keeps what is sent, one list for each time, and answers it at the next round of the loop, or at once."""

    def __init__(self, connection: Connection, *, answers: bool = True) -> None:
        self.sent: list[list[Any]] = []
        self.refused: Exception | None = None
        """Raised when this is sent, if a request for the call "too long" is in it, or else always."""
        self._answers = answers
        self._connection = connection
        connection.attach(self)

    def send(self, messages: Sequence[Message]) -> None:
        if self.refused is not None and (
            not isinstance(self.refused, RequestSizeError) or any(_call(each) == "too long" for each in messages)
        ):
            raise self.refused
        self.sent.append(list(messages))
        if self._answers:
            replies = [m.Reply(each.request_id, _reply(each)) for each in messages if isinstance(each, m.Request)]
            self._connection.receive(replies)

    def send_outgoing(self, outgoing: Outgoing) -> None:
        self.send(list(outgoing.take()))

    def close(self) -> None: ...


def _call(message: Any) -> str:
    return str(message.body.call_id) if isinstance(message, m.Request) else ""


def _reply(request: m.Request) -> m.ReplyBody:
    call_id = _call(request)
    return m.RequestFailed(report.of(NotFoundError(call_id))) if call_id == "none" else m.CallViewed(1, call_id)


def ask(connection: Connection, call_id: str) -> Any:
    return run_async(connection.request_gathered(m.ViewCall(call_id)))


def test_what_tasks_ask_in_one_round_of_their_loop_leaves_together_and_each_hears_its_answer() -> None:
    connection = Connection()
    link = Link(connection)

    async def main() -> list[Any]:
        found = await asyncio.gather(*(ask(connection, f"fc-{number}") for number in range(5)))
        later = await ask(connection, "fc-5")
        return [*found, later]

    assert [each.function_id for each in asyncio.run(main())] == [f"fc-{number}" for number in range(6)]
    assert [len(each) for each in link.sent] == [5, 1]


def test_a_thread_asks_at_once() -> None:
    connection = Connection()
    link = Link(connection)
    assert run_blocking(connection.request_gathered(m.ViewCall("fc-1"))).function_id == "fc-1"
    assert [len(each) for each in link.sent] == [1]


def test_what_is_refused_is_one_tasks_alone() -> None:
    connection = Connection()
    Link(connection)

    async def main() -> list[Any]:
        return await asyncio.gather(ask(connection, "none"), ask(connection, "fc-1"), return_exceptions=True)

    refused, found = asyncio.run(main())
    assert isinstance(refused, NotFoundError)
    assert found.function_id == "fc-1"


def test_one_that_no_frame_takes_fails_alone() -> None:
    connection = Connection()
    link = Link(connection)
    link.refused = RequestSizeError("too long")

    async def main() -> list[Any]:
        asked = (ask(connection, call_id) for call_id in ("fc-1", "too long", "fc-2"))
        return await asyncio.gather(*asked, return_exceptions=True)

    first, failed, last = asyncio.run(main())
    assert isinstance(failed, RequestSizeError)
    assert (first.function_id, last.function_id) == ("fc-1", "fc-2")


def test_all_hear_that_the_connection_is_gone() -> None:
    connection = Connection()
    Link(connection).refused = ConnectionError("gone")

    async def main() -> list[Any]:
        return await asyncio.gather(ask(connection, "fc-1"), ask(connection, "fc-2"), return_exceptions=True)

    assert [str(each) for each in asyncio.run(main())] == ["gone", "gone"]
    connection.lost(ConnectionError("it broke"))
    assert [str(each) for each in asyncio.run(main())] == ["it broke", "it broke"]


def test_one_that_is_cancelled_is_forgotten() -> None:
    connection = Connection()
    link = Link(connection, answers=False)

    async def main() -> None:
        one, other = (asyncio.create_task(ask(connection, call_id)) for call_id in ("fc-1", "fc-2"))
        await asyncio.sleep(0)  # both have asked, and nothing has left
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert [_call(each) for each in link.sent[0]] == ["fc-1", "fc-2"]
        assert link.sent[1] == [m.Forget(link.sent[0][0].request_id)]
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other

    asyncio.run(main())


def test_loops_of_several_threads_and_several_connections_do_not_mix() -> None:
    connections = [Connection(), Connection()]
    links = [Link(each) for each in connections]

    async def main() -> list[Any]:
        return await asyncio.gather(*(ask(connections[number % 2], f"fc-{number}") for number in range(4)))

    async def beside() -> list[Any]:
        return await asyncio.gather(asyncio.to_thread(lambda: asyncio.run(main())), main())

    for found in asyncio.run(beside()):
        assert [each.function_id for each in found] == [f"fc-{number}" for number in range(4)]
    for number, link in enumerate(links):
        asked = sorted(_call(each) for sent in link.sent for each in sent)
        assert asked == sorted([f"fc-{number}", f"fc-{number + 2}"] * 2)
