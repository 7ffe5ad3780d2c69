"""Where concrete parts are chosen: the only file that names a store or a backend."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from motet.backends.base import Backend
from motet.client.scratch import Scratch
from motet.model.server_identity import ServerIdentity
from motet.server.config import ServerConfig
from motet.server.metrics.tally import Tally
from motet.server.records.config import RecordsConfig
from motet.store.base import BundleStore, DeploymentStore, TokenStore
from motet.store.records import RecordArchive, RecordStore

if TYPE_CHECKING:
    from motet.agent.agent_backend import AgentBackend
    from motet.model.audit import AuditEntry
    from motet.server.access.audit import Audit, AuditStore
    from motet.server.access.door import Door
    from motet.server.containers.come_back import Inherited
    from motet.server.server import Server
    from motet.store.server_home import HomeHolder, ServerHome


_AUDIT = "audit"

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
) -> Server:
    """A server on the running loop, with containers as processes of this machine (or on `backend`) and call records in
    memory; it goes on from what `tally` has. `door`: who may come in, beside containers. `audit`: is told who does what.
    `bundles` keeps the source of what is deployed, `deployed` what that is. `inherited`: what it takes over from one before
    it, with the backend."""
    # Late: who only looks at what runs and ran does without a server.
    from motet.backends.process import ProcessBackend
    from motet.server.server import Server
    from motet.store.memory import MemoryCallStore

    scratch = Scratch("server")
    backend = backend or ProcessBackend(env=config.base_env, scratch=scratch.path, left_behind=scratch.path)
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
    )


async def attach_agent(config: ServerConfig, directory: Path) -> tuple[AgentBackend, Inherited]:
    """Take over the host agent of the server that stays there, or start one. Raises `ServiceError`."""
    from motet.agent.agent_backend import AgentBackend
    from motet.server.containers.come_back import Inherited

    agent = await AgentBackend.attach(directory, env=config.agent_env, grace=config.agent_grace)
    # More than any attempt that a server before this one has numbered.
    return agent, Inherited(agent.held, (agent.run << ATTEMPT_BITS) + 1, agent.leave)


def take_home(directory: Path) -> ServerHome:
    """Have a home for the server that stays. Raises `AlreadyExistsError`, which says who has it, or `ServiceError`."""
    from motet.store.server_home import ServerHome

    return ServerHome.take(directory)


def open_tokens(directory: Path) -> TokenStore:
    """What keeps the tokens of a server that stays there."""
    from motet.store.tokens import TokenFile

    return TokenFile(directory / "tokens.json")


def open_deployments(directory: Path) -> DeploymentStore:
    """What keeps the deployments of a server that stays there. Raises `ServiceError`."""
    from motet.store.sqlite_deployments import SqliteDeployments

    return SqliteDeployments(directory / "deployments.db")


def open_bundles(directory: Path) -> BundleStore:
    """What keeps the bundles of a server that stays there."""
    from motet.store.bundles import BundleDirectory

    return BundleDirectory(directory / "bundles")


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
        from motet.store.home import retire

        retire(self._config.home, self._config.keep_for, self._config.keep_bytes, time.time())


def running_servers(home: Path) -> list[ServerIdentity]:
    """The servers under a home directory that run now, the youngest first."""
    from motet.store.home import identities

    return identities(home)
