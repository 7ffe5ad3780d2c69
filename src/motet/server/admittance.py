"""The way through a server's door: who was not let in is written down, and so is what others do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from motet.client.peer_process import PeerProcess
from motet.errors import ConnectionError, InvalidError
from motet.server.access.audit import Audit, SessionAudit, Somebody
from motet.server.access.door import Door, Principal
from motet.server.port.port import Port
from motet.server.request_log import session_audit
from motet.wire.client_messages import ReplyBody
from motet.wire.hello import Hello, WhoLeads
from motet.wire.operator_messages import FindAudit


def proof_of(door: Door, hello: Hello, port: Port | None) -> str:
    """That a token is known here which a client says it has, where it asks; empty: it is not, or the client has none."""
    tls = None if port is None else port.tls
    with contextlib.suppress(InvalidError):  # one that has no tokens
        return door.tokens.prove(hello.token_name, hello.challenge, tls.fingerprint if tls and hello.binds else "")
    return ""


class Admittance:
    """Of one server. `closed`: why nobody is let in any more; empty while some are."""

    def __init__(self, door: Door, audit: Audit | None, closed: Callable[[], str]) -> None:
        self._door = door
        self._audit = audit
        self._closed = closed
        self.term = 0
        """With which this server leads, where several share a database."""
        self.is_in_doubt: Callable[[], bool] = lambda: False
        """Whether another one may lead by now."""

    @property
    def answers(self) -> dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]]:
        """To who asks what was written down; of a server that writes nothing down there are none."""
        return {} if self._audit is None else {FindAudit: self._audit.find}

    def admit(self, token: str, process: PeerProcess | None, where: str) -> Principal:
        """Whom somebody speaks for; `where` it comes from, in words. Raises `ConnectionError`."""
        if reason := self._closed():
            raise ConnectionError(reason)
        try:
            return self._door.admit(token, process)
        except ConnectionError as error:
            if self._audit is not None:
                self._audit.did(Somebody("", "", where), "hello", "refused", {}, str(error))
            raise

    def told(self, hello: Hello, port: Port | None) -> WhoLeads | None:
        """What somebody is told who asks who leads, with a proof that the token is known here which it would show. None: it
        does not ask."""
        if not hello.challenge:
            return None
        here, proof = not self._closed(), proof_of(self._door, hello, port)
        return WhoLeads(here, proof, term=self.term, in_doubt=self.is_in_doubt())

    def by_token(self, token: str) -> Principal:
        """The same for somebody in a browser, who is written down also if it is let in."""
        principal = self.admit(token, None, "the dashboard")
        if self._audit is not None:
            self._audit.did(Somebody(principal.name, principal.key, "the dashboard"), "log_in", "done", {})
        return principal

    def audit_of(self, principal: Principal | None, container_id: str | None, where: str, number: int) -> SessionAudit:
        """What is told of a client, whoever it is."""
        if container_id is not None:
            return session_audit(self._audit, Somebody(container_id, "", "a container"), number)
        name, key = ("", "") if principal is None else (principal.name, principal.key)
        return session_audit(self._audit, Somebody(name, key, where), number)
