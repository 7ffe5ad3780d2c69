"""Where concrete parts are chosen: with `shared_database`, the only file that names a store or a backend."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from motet.backends.base import Backend
from motet.client.home import containers_socket, standing_directory
from motet.client.scratch import Scratch
from motet.model.hidden import hides_secrets
from motet.model.server_identity import ServerIdentity
from motet.server.config import ServerConfig
from motet.server.metrics.tally import Tally
from motet.server.records.config import RecordsConfig
from motet.store.base import BackupInfo, BundleStore, DeploymentStore, HomeUsage, TokenStore
from motet.store.blob_places import NO_BLOBS, BlobPlaces
from motet.store.journal import Journal
from motet.store.records import RecordArchive, RecordStore
from motet.store.state import StateStore

if TYPE_CHECKING:
    from motet.agent.agents import Agents
    from motet.images.base import ImageBuilder
    from motet.model.audit import AuditEntry
    from motet.records.arguments import ArgumentsRecord
    from motet.server.access.audit import Audit, AuditStore
    from motet.server.access.door import Door
    from motet.server.containers.come_back import Inherited
    from motet.server.lead import Lead
    from motet.server.server import Server
    from motet.server.state.shared_state import SharedState
    from motet.store.seal import Seal
    from motet.store.server_home import HomeHolder, ServerHome


_AUDIT = "audit"
_KEYS = "secrets.key"

ATTEMPT_BITS = 40
"""A server that has an agent makes fewer attempts than these can number: a million a second for twelve days."""


def build_server(
    config: ServerConfig,
    backend: Backend | None = None,
    tally: Tally | None = None,
    door: Door | None = None,
    audit: Audit | None = None,
    bundles: BundleStore | None = None,
    inherited: Inherited | None = None,
    deployed: DeploymentStore | None = None,
    journal: Journal | None = None,
    blobs: BlobPlaces = NO_BLOBS,
    state: Callable[[], StateStore] | None = None,
) -> Server:
    """A server on the running loop, with containers as processes of this machine (or on `backend`) and call records in
    memory; it goes on from what `tally` has. `door`: who may come in, beside containers. `audit`: is told who does what.
    `bundles` keeps the source of what is deployed, `deployed` what that is. `inherited`: what it takes over from one before
    it, with the backend. `journal`: keeps spawned calls for the server after it; None: they are in memory. `blobs`: where
    it keeps what is large of them. `state`: opens what keeps shared state that has names; None: as `config` says."""
    # Late: who only looks at what runs and ran does without a server.
    from motet.backends.machine import MachineBackend
    from motet.server.images.room import ImagesRoom
    from motet.server.server import Server
    from motet.store.home_usage import home_usage
    from motet.store.memory import MemoryCallStore

    builder = None if config.images is None else partial(_image_builder, config.images)
    images = ImagesRoom(bundles, builder, builds=config.builds_images, isolation=config.isolation)
    scratch = None
    if backend is None:
        scratch = Scratch("server")
        backend = MachineBackend(env=config.base_env, scratch=scratch.path, left_behind=scratch.path)
    shared = _shared_state(config, state, owned=inherited is not None)
    if config.records is None:
        store = MemoryCallStore()
        return Server(
            config,
            backend,
            store,
            tally=tally,
            scratch=scratch,
            door=door,
            audit=audit,
            bundles=bundles,
            inherited=inherited,
            deployed=deployed,
            journal=journal,
            blobs=blobs,
            images=images,
            state=shared,
        )
    records = _Records(config.records)
    return Server(
        config,
        backend,
        MemoryCallStore(),
        records.open,
        tally,
        records.tidy,
        scratch,
        door,
        audit,
        bundles,
        inherited,
        deployed,
        partial(home_usage, config.records.home),
        journal,
        blobs,
        images,
        shared,
    )


def _shared_state(config: ServerConfig, state: Callable[[], StateStore] | None, *, owned: bool) -> SharedState:
    from motet.server.state.shared_state import SharedState

    if state is None and config.state is not None:
        state = partial(_state_in, config.state)
    return SharedState(lambda: _state_in(None), state, time.time, owned=owned)


def _state_in(path: Path | None) -> StateStore:
    from motet.store.sqlite_state import SqliteState  # late: most programs share nothing

    return SqliteState(path)


@cache
def _image_builder(directory: Path) -> ImageBuilder:
    from motet.images.machine import MachineImages

    return MachineImages(directory, os.environ)


async def attach_agents(config: ServerConfig, directory: Path) -> Agents:
    """Take over the host agent of the server that stays there, or start one. Where several servers share a database, it is a
    new one: who leads takes over those that are there. Raises `ServiceError`."""
    from motet.agent.agent_backend import NAME, AgentBackend
    from motet.agent.agents import Agents

    name = f"{NAME}-{secrets.token_hex(4)}" if config.store_credentials else NAME
    own = await AgentBackend.attach(directory, env=config.agent_env, grace=config.agent_grace, name=name)
    return Agents(own, config.agent_grace)


def inherited_from(agents: Agents, stores: StandingStores) -> Inherited:
    """What a server takes over with an agent."""

    from motet.server.containers.come_back import Inherited

    term = 0 if stores.journal is None else stores.journal.term
    # More than any attempt that a server before this one has numbered, on whatever machine.
    run = term if stores.lead is not None else max(agents.run, term)
    return Inherited(
        agents.held, (run << ATTEMPT_BITS) + 1, agents.leave, [*map(containers_socket, agents.directories)]
    )


def take_home(directory: Path) -> ServerHome:
    """Have a home for the server that stays. Raises `AlreadyExistsError`, which says who has it, or `ServiceError`."""
    from motet.store.server_home import ServerHome

    return ServerHome.take(directory)


@hides_secrets
class StandingStores(NamedTuple):
    """What keeps what a server that stays keeps, beside its records. `lead`: where it is not this server's alone."""

    tokens: TokenStore
    bundles: BundleStore
    deployments: DeploymentStore
    lead: Lead | None = None
    journal: Journal | None = None
    blobs: BlobPlaces = NO_BLOBS
    state: Callable[[], StateStore] | None = None

    def close(self) -> None:
        """Another server may use them. Idempotent."""
        self.deployments.close()
        if self.journal is not None:
            self.journal.close()
        self.blobs.close()
        if self.lead is not None:
            self.lead.close()


def add_key(directory: Path, named: str = "") -> Path:
    """Have the server that stays there seal with a new key from its next start on; the file of keys. Raises `ServiceError`."""
    from motet.store.seal import add_key

    path = Path(named) if named else directory / _KEYS
    add_key(path)
    return path


def _seal(directory: Path, named: str) -> Seal | None:
    from motet.store.seal import Seal

    try:
        return Seal(Path(named) if named else directory / _KEYS)
    except ImportError:
        logging.getLogger("motet.server").warning(
            "what is deployed is kept with its secrets as they are, for this user alone to read, since cryptography is not "
            "installed; pip install 'motet[server]' has them sealed"
        )
        return None


def open_stores(directory: Path, blobs: str = "", keys: str = "") -> StandingStores:
    """Those of a server that stays there. `blobs`: where large arguments and results are kept, if it is not in the home;
    `keys`: the file of keys for secrets, likewise. Raises `ServiceError`, and `InvalidError` for a URL that makes no sense."""
    from motet.store.blobs_opened import blobs_of_home
    from motet.store.bundles import BundleDirectory
    from motet.store.journal_identity import open_journal
    from motet.store.sqlite_deployments import SqliteDeployments
    from motet.store.tokens import TokenFile

    return StandingStores(
        TokenFile(directory / "tokens.json"),
        BundleDirectory(directory / "bundles"),
        SqliteDeployments(directory / "deployments.db", _seal(directory, keys)),
        journal=open_journal(directory),
        blobs=blobs_of_home(directory, blobs),
    )


def open_audit(directory: Path) -> AuditStore:
    """What keeps the audit log of a server that stays there."""
    from motet.store.audit_files import AuditFiles

    return AuditFiles(directory / _AUDIT)


def audit_entries(directory: Path, since: float | None = None) -> Iterator[AuditEntry]:
    """What the audit log of the server that stays there tells, the oldest first. Raises `ServiceError`."""
    from motet.store.audit_files import read_audit

    return read_audit(directory / _AUDIT, since)


def home_holder(directory: Path) -> HomeHolder | None:
    """The server that stays there now, if one does."""
    from motet.store.server_home import holder_of

    return holder_of(directory)


def back_up_home(directory: Path, target: Path, at: float) -> None:
    """See `store.home_backup`."""
    from motet.store.home_backup import back_up

    back_up(directory, target, at)


def restore_home(source: Path, directory: Path) -> BackupInfo:
    """See `store.home_backup`."""
    from motet.store.home_backup import restore

    return restore(source, directory)


def check_stores(directory: Path, url: str, blobs: str) -> dict[str, list[str]]:
    """See `store.home_backup` and, for those of a database, `store.postgres_check`."""
    if url:
        from motet.store.postgres_check import check_database

        return check_database(url, blobs)
    from motet.store.home_backup import check

    return check(directory, blobs)


def read_arguments(home: Path, place: str, record: ArgumentsRecord) -> bytes:
    """The arguments of an input that failed, which may be a blob: of the server that stays there, or in this `place`, as its
    MOTET_BLOBS has it. Raises `NotFoundError`, `InvalidError` and `ServiceError`."""
    from motet.store.blob_places import BlobPlaces
    from motet.store.blob_reference import large_arguments
    from motet.store.blobs_directory import BlobDirectory
    from motet.store.blobs_opened import blobs_elsewhere

    if (stored := large_arguments(record)) is None:
        return record.payload
    in_home = BlobDirectory(standing_directory(home) / "blobs")
    return BlobPlaces(in_home, blobs_elsewhere(place) if place else None).get(stored)


def open_archive(home: Path) -> RecordArchive:
    """The records of all servers that run or ran here, for who looks; nothing is read before it is asked."""
    from motet.store.archive import Archive

    return Archive(home)


class _Records:
    """The records of runs under one home: opens those of a server, and deletes those of others."""

    def __init__(self, config: RecordsConfig) -> None:
        self._config = config

    @contextlib.contextmanager
    def open(self, identity: ServerIdentity) -> Iterator[RecordStore]:
        # Late: the server of a program that keeps nothing does without SQLite.
        from motet.store.home import ServerDirectory
        from motet.store.sqlite_records import SqliteRecords

        directory = ServerDirectory.create(self._config.home, identity.server_id)
        try:
            if identity.address:
                directory.publish(identity)
            store = SqliteRecords(directory.records, arguments_bytes=self._config.all_arguments_bytes)
            try:
                self.tidy()
                yield store
            finally:
                store.close()
        finally:
            directory.close()

    def tidy(self) -> None:
        Upkeep(self._config).tidy(time.time())


class Upkeep:
    """What is kept under a home, for who looks after it. Every method waits for the disk."""

    def __init__(self, config: RecordsConfig) -> None:
        self._config = config

    def tidy(self, now: float) -> None:
        """Have go what is too old, or too much. What is too much and cannot go is told."""
        from motet.store.home_budget import keep_within

        config = self._config
        over = keep_within(config.home, config.keep_for, config.keep_bytes, config.home_bytes, now)
        if over:
            logging.getLogger("motet.server").warning(
                "%s takes %.0f MiB more than MOTET_HOME_MIB=%.0f allows, of what is needed: see motet prune --dry-run",
                config.home,
                over / 2**20,
                (config.home_bytes or 0) / 2**20,
            )

    def removable(self, now: float) -> dict[Path, int]:
        """Directories of runs that would go, with their sizes."""
        from motet.store.home_budget import removable

        config = self._config
        return dict(removable(config.home, config.keep_for, config.keep_bytes, config.home_bytes, now))

    def remove(self, directories: Mapping[Path, int]) -> int:
        """Have these go, unless a server has begun to use one; how much that was."""
        from motet.store.home import delete

        return sum(size for directory, size in directories.items() if delete(directory))

    def count_arguments(self) -> int:
        """Of how many failed inputs arguments are kept."""
        from motet.store.archive import count_arguments

        return count_arguments(self._config.home)

    def forget_arguments(self) -> None:
        """Delete them, also those of servers that run. Raises `ServiceError`."""
        from motet.store.archive import forget_arguments

        forget_arguments(self._config.home)

    def erase_calls(self, call_ids: Sequence[str]) -> int:
        """Have nothing left of calls in the records of servers that have ended; of how many there was something. Raises
        `ServiceError`."""
        from motet.store.archive import erase_calls

        return erase_calls(self._config.home, call_ids)

    def usage(self) -> HomeUsage:
        """What there is."""
        from motet.store.home_usage import home_usage

        return home_usage(self._config.home)


def running_servers(home: Path) -> list[ServerIdentity]:
    """The servers under a home directory that run now, the youngest first."""
    from motet.store.home import identities

    return identities(home)
