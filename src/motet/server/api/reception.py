"""What the HTTP API needs of its server: a door, sessions, and two looks at what runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from motet.client.peer_process import PeerProcess
from motet.server.access.door import Principal
from motet.server.api.visit import Entered, Visit
from motet.server.apps.catalogue import ServedApp

PROCESS = "motet.process"
"""In the state of a request's scope: the process at the other end of a Unix socket; None for other sockets."""

FindRunning = Callable[[str], ServedApp | None]
"""An app that runs, by its id, or the newest by its name."""
HasCall = Callable[[str], bool]
"""Whether a call has inputs that have not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """`admit`: whom a token, or a process of this machine, speaks for; raises `ConnectionError`. `enter`: have a visit be a
    client with a session. Both are told where a request comes from. `is_ending`: nobody is let in any more. `now`: the
    wall clock."""

    admit: Callable[[str, PeerProcess | None, str], Principal]
    enter: Callable[[Visit, Principal, str], Entered]
    find_running: FindRunning
    has_call: HasCall
    is_ending: Callable[[], bool]
    now: Callable[[], float]
