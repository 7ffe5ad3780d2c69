"""The servers that run under MOTET_HOME, asked from here: what is live, and what acts."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from motet.client.connection import Connection
from motet.client.dual import run_blocking
from motet.client.home import standing_socket
from motet.client.link import SocketLink
from motet.errors import ConnectionError, Error, NotFoundError
from motet.model.sandbox import SandboxView
from motet.model.server_identity import ServerIdentity
from motet.model.views import AppView, ContainerView, FunctionView, InputView
from motet.wire import failure
from motet.wire import operator_messages as m
from motet.wire.client_messages import Done, RequestBody
from motet.wire.hello import Hello
from motet.wire.sandbox_messages import ListSandboxes, SandboxesListed

R = TypeVar("R")
T = TypeVar("T")

ANSWER_TIMEOUT = 10.0
STOP_TIMEOUT = 60.0


class LiveServer:
    """A connection to one server. Raises `ConnectionError` if it cannot be had."""

    def __init__(self, identity: ServerIdentity, fingerprint: str = "") -> None:
        self.identity = identity
        # Whoever can write under MOTET_HOME may be this server: its failures are text.
        self._connection = Connection(failure.told)
        SocketLink(identity.address, Hello("client", identity.token, ""), self._connection, fingerprint)

    def ask(self, body: RequestBody, answer: type[R], timeout: float = ANSWER_TIMEOUT) -> R:
        """The reply. Raises what the server refuses it with, or `ConnectionError`, also for another reply than `answer`."""
        try:
            reply = run_blocking(self._connection.request(body, timeout))
        except builtins.TimeoutError:
            raise ConnectionError(
                f"the server with process id {self.identity.pid} has not answered within {timeout:g} s"
            ) from None
        if not isinstance(reply, answer):
            raise ConnectionError(
                f"the server with process id {self.identity.pid} answered {type(body).__name__} with {type(reply).__name__}"
            )
        return reply

    @property
    def connection(self) -> Connection:
        """For handles that ask by themselves."""
        return self._connection

    def views(self) -> list[AppView]:
        """The apps it runs."""
        return list(self.ask(m.ViewServer(), m.ServerViewed).views)

    @property
    def server_id(self) -> str:
        """As its records have it; known once it has answered, if it is one that stays."""
        return "" if self._connection.agreed is None else self._connection.agreed.run

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()


class LiveServers:
    """All of them; connections are made when something is asked first. Those that cannot be reached are left out, and
    `problems` says why."""

    def __init__(self, home: Path, elsewhere: LiveServer | None = None) -> None:
        self._home = home
        self._elsewhere = elsewhere
        self._servers: dict[str, LiveServer] = {}
        self.problems: list[str] = []

    def views(self) -> list[tuple[LiveServer, AppView]]:
        """Every app that runs, and where."""
        return [(server, view) for server, views in self._all(LiveServer.views) for view in views]

    def inputs(self, *, call_id: str | None = None, function_id: str | None = None, limit: int) -> list[InputView]:
        """Inputs of a call or function that have not ended."""
        asked = m.ViewInputs(call_id, function_id, limit)
        return [
            view for _, found in self._all(lambda server: server.ask(asked, m.InputsViewed).views) for view in found
        ]

    def function(self, function_id: str) -> tuple[LiveServer, FunctionView] | None:
        """A function that runs."""
        return next(
            (
                (server, each)
                for server, app in self.views()
                for each in app.functions
                if each.function_id == function_id
            ),
            None,
        )

    def containers(self) -> list[tuple[LiveServer, AppView, FunctionView, ContainerView]]:
        """Every container that lives."""
        return [
            (server, app, function, container)
            for server, app in self.views()
            for function in app.functions
            for container in function.containers
        ]

    def sandboxes(self, *, ended: bool = False) -> list[tuple[LiveServer, SandboxView]]:
        """Every sandbox that runs, the newest first; with `ended` also those that have, of which something is kept."""
        self._all(lambda _: None)
        asked = ListSandboxes(ended=ended)
        found = [(server, view) for server in self._reached() for view in server.ask(asked, SandboxesListed).views]
        return sorted(found, key=lambda pair: pair[1].began_at, reverse=True)

    def act(self, body: RequestBody, missing: str) -> LiveServer:
        """Have it done by the server that can, which is returned. Raises `NotFoundError` with `missing` if none can."""
        self._all(lambda _: None)
        for server in self._reached():
            with contextlib.suppress(NotFoundError):
                server.ask(body, Done, STOP_TIMEOUT)
                return server
        asked = len(self._reached())
        where = f"no server runs under {self._home}" if not asked else f"{asked} servers were asked"
        raise NotFoundError(f"{missing} ({where if asked != 1 else 'one server was asked'})")

    def erase_calls(self, call_ids: Sequence[str]) -> bool:
        """Have them erased by all that run; whether there was something. Raises what a server refuses it with."""
        self._all(lambda _: None)
        found = False
        for server in self._reached():
            with contextlib.suppress(NotFoundError):
                server.ask(m.EraseCalls(tuple(call_ids)), Done, STOP_TIMEOUT)
                found = True
        return found

    def environment(self, container_id: str) -> dict[str, str]:
        """What a container was given. Raises `NotFoundError`."""
        for server, _, _, container in self.containers():
            if container.container_id == container_id:
                return server.ask(m.ViewEnvironment(container_id), m.EnvironmentViewed).env
        raise NotFoundError(f"container {container_id} does not live any more")

    @property
    def elsewhere(self) -> LiveServer | None:
        """The one that is named, if its records are not under the home."""
        return self._elsewhere

    def is_empty(self) -> bool:
        """Whether none runs."""
        return self._elsewhere is None and not _running_servers(self._home)

    def _reached(self) -> list[LiveServer]:
        return [*self._servers.values(), *([] if self._elsewhere is None else [self._elsewhere])]

    def close(self) -> None:
        """Idempotent."""
        while self._servers:
            self._servers.popitem()[1].close()

    def _all(self, question: Callable[[LiveServer], T]) -> list[tuple[LiveServer, T]]:
        self.problems = []
        answers = []
        identities = {each.server_id: each for each in _running_servers(self._home)}
        for server_id in [each for each in self._servers if each not in identities]:
            self._servers.pop(server_id).close()
        for server_id, identity in identities.items():
            try:
                if server_id not in self._servers:
                    self._servers[server_id] = LiveServer(identity)
                server = self._servers[server_id]
                answers.append((server, question(server)))
            except Error as error:
                # One that ends right now, or is too busy to answer, must not hide the others.
                self.problems.append(str(error))
                if (lost := self._servers.pop(server_id, None)) is not None:
                    lost.close()
        if self._elsewhere is not None:
            try:
                answer = question(self._elsewhere)
            except Error as error:
                self.problems.append(str(error))
            else:
                if self._elsewhere.server_id not in identities:  # else it runs here, and was asked by another address
                    answers.append((self._elsewhere, answer))
        return answers


@contextlib.contextmanager
def live_servers(home: Path, named: LiveServer | None = None) -> Iterator[LiveServers]:
    """The servers, for as long as the block runs, with the one that is named, if it is not under the home."""
    is_here = named is None or named.identity.address == f"unix:{standing_socket(home)}"
    servers = LiveServers(home, None if is_here else named)
    try:
        yield servers
    finally:
        servers.close()


def _running_servers(home: Path) -> list[ServerIdentity]:
    from motet.server.wiring import running_servers  # late: who knows its server asks for no others

    return running_servers(home)
