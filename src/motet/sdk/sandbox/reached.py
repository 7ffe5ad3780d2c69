"""A sandbox as its handles reach it: an id, and the connection over which it is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.standing import connection_for_id
from motet.errors import ClientClosed, ConnectionError
from motet.wire.client_messages import RequestBody
from motet.wire.sandbox_messages import AskSandbox, FindSandbox, SandboxAsk


class Reached:
    """What all handles on one sandbox share. `connect`: None: any server that this process uses."""

    def __init__(self, sandbox_id: str, connect: Callable[[], Steps[Connection]] | None = None) -> None:
        self.sandbox_id = sandbox_id
        self._connect = connect
        self._last: Connection | None = None
        self.is_detached = False

    def connected(self) -> Steps[Connection]:
        """The connection to its server. Raises `NotFoundError` if the sandbox is not known there."""
        yield from self.request(FindSandbox(self.sandbox_id))
        assert self._last is not None
        return self._last

    def request(self, body: RequestBody) -> Steps[Any]:
        """Ask the server; the reply's body."""
        if self.is_detached:
            raise ClientClosed(
                f"this handle on sandbox {self.sandbox_id} was detached: get another one with `Sandbox.from_id`"
            )
        if self._connect is None:
            connection, _ = yield from connection_for_id(f"sandbox {self.sandbox_id}")
        else:
            connection = yield from self._connect()
        self._last = connection
        return (yield from connection.request(body))

    def tell(self, ask: SandboxAsk) -> None:
        """Have the sandbox do something of which nobody wants to hear any more."""
        if self._last is not None:
            with contextlib.suppress(ConnectionError):
                self._last.ask(AskSandbox(self.sandbox_id, ask), lambda reply: None)

    def ask(self, ask: SandboxAsk) -> Steps[Any]:
        """Ask the sandbox itself; its answer."""
        return (yield from self.request(AskSandbox(self.sandbox_id, ask)))
