"""Requests that tasks of one event loop make at the same moment: they leave together, as one frame."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from motet.client.waiter import Waiter
from motet.errors import ConnectionError
from motet.wire.client_messages import ReplyBody, RequestBody

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence


class AsksServer(Protocol):
    """What requests are made over: see `Connection`."""

    def ask(self, body: RequestBody, on_reply: Callable[[ReplyBody | Exception], None]) -> int: ...

    def ask_all(self, asked: Sequence[tuple[RequestBody, Callable[[ReplyBody | Exception], None]]]) -> list[int]: ...

    def forget(self, number: int) -> None: ...


class GatheredRequest(Waiter[ReplyBody | Exception]):
    """A request that is made when it is waited for: by a thread at once, by a task with those of the other tasks of its loop,
    when these have said theirs. A frame and a system call for each cost a client as much as all the rest of its spawns."""

    __slots__ = ("_connection", "_number", "body")

    def __init__(self, connection: AsksServer, body: RequestBody) -> None:
        super().__init__()
        self._connection = connection
        self.body = body
        self._number: int | None = None

    def wait(self) -> ReplyBody | Exception:
        """Make it, and block this thread until the answer is there."""
        self.asked(self._connection.ask(self.body, self.set))
        return super().wait()

    async def wait_async(self) -> ReplyBody | Exception:
        """Make it, and let other tasks run until the answer is there."""
        _gather(self._connection, self)
        return await super().wait_async()

    def asked(self, number: int) -> None:
        """It has been made, as the connection's request of this number."""
        self._number = number

    def forget(self) -> None:
        """The answer is not wanted any more."""
        if self._number is not None:
            self._connection.forget(self._number)


class _Gathering:
    """What the tasks of a loop ask over one connection in one of its rounds."""

    __slots__ = ("_requests", "connection", "is_sent", "loop")

    def __init__(self, connection: AsksServer, loop: asyncio.AbstractEventLoop) -> None:
        self.connection = connection
        self.loop = loop
        self.is_sent = False
        self._requests: list[GatheredRequest] = []
        loop.call_soon(self._send)

    def add(self, request: GatheredRequest) -> None:
        self._requests.append(request)

    def _send(self) -> None:
        self.is_sent = True
        requests = self._requests
        try:
            numbers = self.connection.ask_all([(each.body, each.set) for each in requests])
        except ConnectionError as error:
            for each in requests:
                each.set(error)
        except Exception:  # one of them has no bytes, or too many: the others do
            for each in requests:
                self._send_alone(each)
        except BaseException:  # an interrupt of the whole program
            for each in requests:
                each.set(ConnectionError("the program was interrupted while this was being sent"))
            raise
        else:
            for each, number in zip(requests, numbers, strict=True):
                each.asked(number)

    def _send_alone(self, request: GatheredRequest) -> None:
        try:
            request.asked(self.connection.ask(request.body, request.set))
        except Exception as error:
            request.set(error)


_of_thread = threading.local()


def _gather(connection: AsksServer, request: GatheredRequest) -> None:
    import asyncio  # late: who waits in threads alone does without it

    loop = asyncio.get_running_loop()
    gathering: _Gathering | None = getattr(_of_thread, "gathering", None)
    if gathering is None or gathering.is_sent or gathering.connection is not connection or gathering.loop is not loop:
        gathering = _of_thread.gathering = _Gathering(connection, loop)
    gathering.add(request)
