"""What the sessions of all clients of a server work with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from motet.model.function import AppSpec
from motet.server.access.door import Principal
from motet.server.apps.catalogue import Catalogue
from motet.server.apps.lifetimes import Lifetimes
from motet.server.clients.confirmations import Given
from motet.server.clients.queues import Queues
from motet.server.clients.spawned import SpawnedCalls
from motet.server.deployments.deployments import Deployments
from motet.server.deployments.names import Names
from motet.server.driver import Driver
from motet.server.operations import Operations
from motet.server.sandboxes.sandbox_requests import SandboxRequests
from motet.server.state.shared_state import NO_STATE, SharedState


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What all sessions of a server work with."""

    driver: Driver
    catalogue: Catalogue
    lifetimes: Lifetimes
    calls: SpawnedCalls
    queues: Queues
    operations: Operations
    open_dashboard: Callable[[Principal | None], tuple[str, str]]
    names: Names
    place: Callable[[AppSpec, str], Coroutine[Any, Any, AppSpec]]
    deployments: Deployments
    sandboxes: SandboxRequests
    given: Given | None = None
    """Is told of outcomes that their callers have; None: nobody keeps them until then."""
    again_until: float = 0.0
    """The moment until which clients may say again what a server before this one had accepted."""
    state: SharedState = NO_STATE
