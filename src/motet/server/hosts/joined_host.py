"""One host that has joined, as the server meets it: its agent's connection, whether that answers, and its containers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from motet.backends.base import ContainerEnd, HostReports, Launch, encoded_env
from motet.errors import ConnectionError
from motet.model.host import HostSpec, why_not_a_host
from motet.server.access.door import Principal
from motet.server.driver import logger
from motet.server.hosts.bundle_source import FetchHandler
from motet.server.peers import HELLO_TIMEOUT, Peer
from motet.wire import host_messages as m

INTERVAL = 1.0
"""Seconds between two questions."""
SILENT_AFTER = 3
"""Questions without an answer, after which a host is silent: nothing is started there, and its containers get no inputs."""
LOST_AFTER = 5
"""The same, after which it is lost. Questions are counted, and not seconds: a server that stands still asks none."""


class JoinedHost:
    """`agent`: which process of an agent it is; `principal`: who brought it. `gone` is called once, when it is given up.
    `bundles`: those that containers may need, by digest."""

    def __init__(
        self,
        spec: HostSpec,
        agent: str,
        principal: Principal,
        wall_now: Callable[[], float],
        reports: HostReports,
        gone: Callable[[JoinedHost], None],
        bundles: Callable[[], Mapping[str, object]],
    ) -> None:
        self.spec = spec
        self.agent = agent
        self.principal = principal
        self.containers: set[str] = set()
        """Those that have not been reported as ended."""
        self._to_end: set[str] = set()
        """Those of them that its agent may not have heard yet are to end."""
        self._wall_now = wall_now
        self._reports = reports
        self._gone = gone
        self._bundles = bundles
        self._told_of: Mapping[str, object] = {}
        self._peer: Peer | None = None
        self._asked = self._answered = 0
        self._timer: asyncio.TimerHandle | None = None

    # --- its agent comes and goes ---------------------------------------------------------------------------------------

    def attach(self, peer: Peer, joins: m.HostJoins) -> None:
        """Its agent is connected, once more perhaps."""
        if self._peer is not None:
            self._peer.close()
        self._peer = peer
        self._asked = self._answered = 0
        for lost in self.containers.difference(joins.holds):
            self._ended(ContainerEnd(container_id=lost, code=-9, reason="ended unheard", blameless=True))
        peer.send((m.HostIsWelcome(tuple(sorted(self.containers - self._to_end))),))
        self._is_now(replace(joins.host, silent=""))
        self._told_of = {}
        self._tell_bundles()
        self._ask_later()

    def detached(self, peer: Peer) -> None:
        """That connection is gone. It may come back: only questions without an answer count."""
        if peer is self._peer:
            self._peer = None
            if self.spec.leaving and not self.containers:
                self.give_up("has left")
                return
            self._is_silent("its connection is gone")

    def _tell_bundles(self) -> None:
        """What it may need soon, if that has changed."""
        needed = self._bundles()
        if needed is not self._told_of and (needed or self._told_of):
            self._say(m.HostWillNeed(tuple(needed)[-m.MOST_NEEDED :]))
        self._told_of = needed

    def _ask_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._ask)

    def _ask(self) -> None:
        unanswered = self._asked - self._answered
        if self.principal.until is not None and self._wall_now() >= self.principal.until:
            self.give_up("may not be here any more: its token has expired")
            return
        if unanswered >= LOST_AFTER:
            self.give_up(f"has not answered for {unanswered * INTERVAL:g} s")
            return
        if unanswered >= SILENT_AFTER:
            self._is_silent(f"has not answered for {unanswered * INTERVAL:g} s")
        self._asked += 1
        if self._peer is not None:
            self._peer.send((m.AskHost(self._asked),))
            self._tell_bundles()
        self._ask_later()

    def _is_silent(self, why: str) -> None:
        if not self.spec.silent:
            logger.warning("host %s: %s; it gets nothing more until it answers", self.spec.host_id, why)
            self._is_now(replace(self.spec, silent=why))

    def _is_now(self, spec: HostSpec) -> None:
        self.spec = spec
        self._reports.host_changed(spec)

    def give_up(self, reason: str) -> None:
        """It is gone for the engine, and what it may yet say is not heard. Idempotent."""
        if self._stop_asking():
            lost = bool(self.containers) or not self.spec.leaving
            logger.log(logging.ERROR if lost else logging.INFO, "host %s is gone: it %s", self.spec.host_id, reason)
            self._gone(self)
            self._reports.host_lost(self.spec.host_id, reason)
        self.containers.clear()
        self._to_end.clear()
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def _stop_asking(self) -> bool:
        """Whether it was asked until now."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return timer is not None

    # --- what it says ---------------------------------------------------------------------------------------------------

    def received(self, peer: Peer, message: Any) -> None:
        """One message of its agent."""
        if peer is not self._peer:
            return
        match message:
            case m.HostAnswers():
                self._answered = min(max(self._answered, message.number), self._asked)
                if self.spec.silent:
                    logger.warning("host %s answers again", self.spec.host_id)
                    self._is_now(replace(self.spec, silent=""))
            case m.HostTells():
                if problem := why_not_a_host(message.host):
                    raise ConnectionError(problem)
                self._is_now(replace(message.host, host_id=self.spec.host_id, silent=self.spec.silent))
            case m.HostedWrote() if message.container_id in self.containers:
                self._reports.container_output(message.container_id, message.stream, message.data)
            case m.HostedFroze() if message.container_id in self.containers:
                told = self._reports.container_thawed if message.thawed else self._reports.container_frozen
                told(message.container_id)
            case m.HostedEnded() if message.container_id in self.containers:
                ended = ContainerEnd(
                    container_id=message.container_id,
                    code=message.code,
                    reason=message.reason,
                    blameless=message.blameless,
                )
                self._ended(ended)
            case m.HostJoins():
                raise ConnectionError("this host has joined already")
            case _:
                pass  # of a container that has been given up

    def _ended(self, ended: ContainerEnd) -> None:
        self.containers.discard(ended.container_id)
        self._to_end.discard(ended.container_id)
        self._reports.container_ended(ended)

    # --- what it is told ------------------------------------------------------------------------------------------------

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`. If the agent is out of reach just now, the container is lost with the host, or when it is back."""
        self.containers.add(launch.container_id)
        self._say(
            m.StartHosted(
                launch.container_id,
                launch.token,
                encoded_env(launch.env),
                launch.template,
                launch.limits,
                launch.entry,
                launch.paths,
                launch.bundle,
            )
        )

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if container_id in self.containers:
            self._to_end.add(container_id)
        self._say(m.EndHosted(container_id))

    def send_away(self) -> None:
        """The server ends."""
        self._stop_asking()
        self._say(m.SendHostAway())
        self._peer = None

    def _say(self, message: m.StartHosted | m.EndHosted | m.SendHostAway | m.HostWillNeed) -> None:
        if self._peer is not None:
            self._peer.send((message,))


class HostHandler:
    """One connection of an agent. `joined` finds or makes the host when it has said which one that is, `fetches` what
    serves one that is for its bundles; both raise `ConnectionError`."""

    def __init__(
        self,
        peer: Peer,
        joined: Callable[[m.HostJoins, Peer], JoinedHost],
        fetches: Callable[[m.HostFetches, Peer], FetchHandler],
    ) -> None:
        self._peer = peer
        self._joined = joined
        self._fetches = fetches
        self._host: JoinedHost | None = None
        self._fetching: FetchHandler | None = None
        self._deadline = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, peer.close)

    def receive(self, messages: Sequence[Any]) -> None:
        """See `Handler`."""
        for message in messages:
            if self._host is not None:
                self._host.received(self._peer, message)
            elif self._fetching is not None:
                self._fetching.receive((message,))
            elif isinstance(message, m.HostJoins):
                self._host = self._joined(message, self._peer)
                self._deadline.cancel()
            elif isinstance(message, m.HostFetches):
                self._fetching = self._fetches(message, self._peer)
                self._deadline.cancel()
            else:
                raise ConnectionError("a host begins by saying which one it is")

    def disconnected(self) -> None:
        """See `Handler`."""
        self._deadline.cancel()
        if self._fetching is not None:
            self._fetching.disconnected()
        if self._host is not None:
            self._host.detached(self._peer)
