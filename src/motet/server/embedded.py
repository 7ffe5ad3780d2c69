"""The server inside the client's process: on a thread of its own, shared by all apps that run at the time."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import uvloop

from motet.client.connection import Connection
from motet.client.descriptors import fill_standard_descriptors
from motet.client.dual import Steps, run_blocking
from motet.client.link import SocketLink
from motet.client.outgoing import Outgoing
from motet.client.scratch import sweep
from motet.client.waiter import Waiter, io_thread
from motet.errors import ConnectionError, InternalError
from motet.server.access.tokens import OPERATOR
from motet.server.clients.session import ClientSession
from motet.server.config import ServerConfig
from motet.server.driver import logger
from motet.server.green_threads import refuse_green_threads
from motet.server.metrics.tally import Tally
from motet.server.wiring import build_server
from motet.wire.hello import Hello
from motet.wire.message import Message

if TYPE_CHECKING:
    from motet.server.server import Server


class LocalLink:
    """Messages to a server in the same process: handed over as they are, no bytes in between."""

    def __init__(self, loop: asyncio.AbstractEventLoop, session: ClientSession) -> None:
        self._loop = loop
        self._session = session
        self._outbox: deque[Message | Outgoing] = deque()
        self._scheduled = False
        self._closed = False

    def send(self, messages: Sequence[Message]) -> None:
        if self._closed:
            raise ConnectionError("the embedded server has stopped")
        self._outbox.extend(messages)
        if not self._scheduled:
            self._schedule()

    def send_outgoing(self, outgoing: Outgoing) -> None:
        if self._closed:
            raise ConnectionError("the embedded server has stopped")
        self._outbox.append(outgoing)
        if not self._scheduled:
            self._schedule()

    def close(self) -> None:
        self._closed = True

    def _schedule(self) -> None:
        # A lost race schedules twice, which costs a wake-up; an unscheduled message would cost everything.
        self._scheduled = True
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        outbox = self._outbox
        messages: list[Any] = []
        while outbox:
            message = outbox.popleft()
            if type(message) is Outgoing:
                messages += message.take()
            else:
                messages.append(message)
        if messages:
            try:
                self._session.receive(messages)
            except Exception as error:
                self._session.fail(error)


class LocalPeer:
    """The server's end of a local link."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.unsent_bytes = 0

    def send(self, messages: Sequence[Message]) -> None:
        try:
            self._connection.receive(messages)  # type: ignore[arg-type]
        except Exception as error:
            # The client's own: the server goes on without it.
            logger.exception("a client could not take what it was sent")
            self._connection.lost(InternalError(f"the client could not take what the server sent: {error!r}"))

    def close(self) -> None:
        self._connection.lost(ConnectionError("the embedded server has stopped"))


class EmbeddedServer:
    """A server on a background thread with its own event loop, and one connection to it."""

    carried: Mapping[str, str] = MappingProxyType({})
    """Nothing: containers have the program's environment."""

    is_elsewhere = False

    def __init__(self, config: ServerConfig) -> None:
        self.connection = Connection()
        self._address = self._token = ""
        self._started: Future[None] = Future()
        self.server: Server | None = None
        self._ended: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._main, args=(config,), name="motet-server", daemon=True)
        self._thread.start()

    def wait_started(self) -> Steps[None]:
        """Wait until it can be used. Raises what kept it from starting."""
        yield from _finished(self._started)

    def reconnect(self) -> Connection:
        """A connection of its own for a process that was forked from this one. Raises `ConnectionError`."""
        connection = Connection()
        try:
            SocketLink(self._address, Hello("client", self._token), connection)
        except ConnectionError as error:
            raise ConnectionError(
                f"this process was forked from one that ran an app, which has ended there: {error}. "
                "Have the parent wait for its children inside `with app.run():`."
            ) from None
        return connection

    def release(self) -> Steps[None]:
        """One user less; the last one stops the server, and waits for its end."""
        yield from _release()

    def stop(self) -> Steps[None]:
        """Stop all apps and the server, and wait until nothing is left of it."""
        # Not before it has started: half a server could not be stopped.
        self._started.add_done_callback(self._ask_to_stop)
        yield from _finished(self._ended)
        self._thread.join()

    def _ask_to_stop(self, started: Future[None]) -> None:
        if started.exception() is None and self._loop is not None and self.server is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended by itself
                self._loop.call_soon_threadsafe(self.server.ending.set)

    def _main(self, config: ServerConfig) -> None:
        try:
            with io_thread(), asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(self._serve(config))
        finally:
            self._ended.set_result(None)

    async def _serve(self, config: ServerConfig) -> None:
        try:
            self._loop = asyncio.get_running_loop()
            server = self.server = build_server(config, tally=_tally)
            await server.start()
            self._address, self._token = server.address, server.token
            session = server.connect(LocalPeer(self.connection))
            # Processes that the program forks connect as operators, and act for this client.
            server.principals[OPERATOR] = session.number
            link = LocalLink(self._loop, session)
            self.connection.attach(link)
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        # What was killed with its template has left its directory.
        sweeping = asyncio.create_task(asyncio.to_thread(sweep))
        await server.ending.wait()
        await sweeping
        try:
            await server.stop()
        finally:  # nobody is to wait for a server that is not there
            link.close()
            self.connection.lost(ConnectionError("the embedded server has stopped"))


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop that can be closed while the interpreter ends. Then no thread can be started any more (Python 3.12), as loops do
    to wait for those of `asyncio.to_thread`; so this one waits for them itself, when it has nothing else to do."""
    loop = uvloop.new_event_loop()
    executor = ThreadPoolExecutor(thread_name_prefix="motet-server-question")

    async def shutdown_default_executor(timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        executor.shutdown()

    loop.set_default_executor(executor)
    loop.shutdown_default_executor = shutdown_default_executor  # type: ignore[method-assign]
    return loop


def _finished(future: Future[None]) -> Steps[None]:
    waiter: Waiter[None] = Waiter()
    future.add_done_callback(lambda _: waiter.set(None))
    yield waiter
    future.result()


_lock = threading.Lock()
_tally = Tally()
"""What all servers of this process have counted, one after the other: counters must not start anew."""

_server: EmbeddedServer | None = None
_users = 0


def is_running() -> bool:
    """Whether this process has a server."""
    return _server is not None


def acquire() -> EmbeddedServer:
    """The embedded server of this process, which its first user has started. Each `acquire` needs a `release`.

    Raises `InvalidError` where no server can run.
    """
    global _server, _users
    refuse_green_threads()
    with _lock:
        if _server is None or _server.connection.ended:  # what runs on a broken one has been told
            fill_standard_descriptors()  # again: a program may have closed them to become a daemon
            _server = EmbeddedServer(ServerConfig.from_environment())
            atexit.register(_stop_at_exit)
        _users += 1
        return _server


def _release() -> Steps[None]:
    global _server, _users
    server: EmbeddedServer | None = None
    with _lock:
        _users -= 1
        if _users == 0:
            server, _server = _server, None
            atexit.unregister(_stop_at_exit)
    if server is not None:
        yield from server.stop()


def _stop_at_exit() -> None:
    if _server is not None:
        run_blocking(_server.stop())


def _forget_in_child() -> None:
    # The server's thread is the parent's. This process may have a server of its own.
    global _lock, _server, _users
    _lock, _server, _users = threading.Lock(), None, 0
    atexit.unregister(_stop_at_exit)


os.register_at_fork(after_in_child=_forget_in_child)
