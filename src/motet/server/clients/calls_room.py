"""What sees to spawned calls on a server whose calls end with it; `journal/room.py` has them outlive it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from motet.core import events as e
from motet.records.arguments import ArgumentsRecord
from motet.server.apps.catalogue import Catalogue
from motet.server.apps.lifetimes import Lifetimes
from motet.server.clients.spawned import SpawnedCalls
from motet.server.containers.late_deliveries import Deliveries
from motet.server.deployments.names import Names
from motet.server.deployments.register import Place
from motet.server.driver import Driver
from motet.store.base import Freed

Claim = Callable[[str], list[e.Event]]


@dataclass(frozen=True, slots=True)
class CallsServed:
    """What spawned calls are about on a server."""

    driver: Driver
    catalogue: Catalogue
    lifetimes: Lifetimes
    names: Names
    place: Place
    deliveries: Deliveries


class JournalProgress(NamedTuple):
    """For how many seconds the oldest of what is to be kept waits for the disk, and which opening of the journal this is."""

    lag: float
    term: int


class CallsRoom:
    """`calls` takes spawned calls. `outlives`: they go on with the next server."""

    outlives = False

    def __init__(self, calls: SpawnedCalls) -> None:
        self.calls = calls

    @property
    def problem(self) -> str:
        """Why spawned calls are refused now; "": they are not."""
        return ""

    @property
    def hang(self) -> str:
        """That what keeps them does not answer; "": it does."""
        return ""

    def progress(self) -> JournalProgress | None:
        """How far its journal is; None: there is none."""
        return None

    def attach(self, served: CallsServed) -> None:
        """Have calls looked up here."""

    def claims(self, containers_of: Claim) -> Claim:
        """What the engine is to know when a function is here: first its containers, then the inputs that may run there."""
        return containers_of

    def bundles(self) -> frozenset[str]:
        """Those of detached apps that are kept: they are needed."""
        return frozenset()

    async def sweep(self, dry_run: bool, failed_too: bool) -> Freed:
        """Let go of large arguments and results that nobody needs; what that was. `failed_too`: also of those arguments that
        are kept of inputs that failed. Raises `ServiceError`."""
        return Freed(0, 0)

    async def arguments_of(self, record: ArgumentsRecord) -> bytes:
        """Those of an input that failed, wherever they are. Raises `NotFoundError` and `ServiceError`."""
        return record.payload

    async def prepare(self) -> None:
        """Read what a server before this one has left. Raises `ServiceError`."""

    async def restore(self) -> None:
        """Have that go on. Deployed apps are here already."""

    def ending(self) -> None:
        """The server ends: what has not ended goes on with the next one, if that knows of it."""

    async def close(self) -> None:
        """Keep what is on its way. Idempotent."""
