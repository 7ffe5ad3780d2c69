"""A sandbox's connection, as the server hears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from motet.server.peers import Peer
from motet.server.sandboxes.known_sandbox import KnownSandbox
from motet.wire import sandbox_messages as m
from motet.wire.codec import ToServer


class SandboxReports(Protocol):
    """Who knows the sandboxes, and what to make of what they say of themselves."""

    def began(self, sandbox: KnownSandbox, failure: m.AskFailed | None) -> None: ...

    def is_back(self, sandbox: KnownSandbox, tags: dict[str, str]) -> None: ...

    def says_last(self, sandbox: KnownSandbox, last: m.SandboxEnded) -> None: ...

    def cut_off(self, sandbox: KnownSandbox) -> None: ...


class SandboxSession:
    """The one connection of a sandbox."""

    def __init__(self, sandbox: KnownSandbox, peer: Peer, reports: SandboxReports) -> None:
        self._sandbox = sandbox
        self._peer = peer
        self._reports = reports

    def receive(self, messages: Sequence[ToServer]) -> None:
        """What it said, in order."""
        sandbox = self._sandbox
        for message in messages:
            match message:
                case m.Answered():
                    future = sandbox.asked.get(message.number)
                    if future is not None and not future.done():
                        future.set_result(message.answer)
                case m.SandboxBegan():
                    self._reports.began(sandbox, message.failure)
                case m.SandboxIsBack():
                    self._reports.is_back(sandbox, message.tags)
                case m.SandboxEnded():
                    self._reports.says_last(sandbox, message)
                case _:
                    pass

    def disconnected(self) -> None:
        """See `Handler`."""
        if self._sandbox.peer is self._peer:
            self._sandbox.peer = None
            self._reports.cut_off(self._sandbox)
