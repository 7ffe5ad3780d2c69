"""Where the parts are chosen that a server has in a database which several servers share: one leads, the others stand by."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from motet.errors import InvalidError, ServiceError
from motet.model.hidden import hides_secrets
from motet.model.version import VERSION
from motet.server.lead import Lead, wait_to_lead
from motet.server.membership import Membership
from motet.server.wiring import StandingStores
from motet.store.base import TokenStore
from motet.store.blob_places import NO_BLOBS, BlobPlaces
from motet.store.bundles import BundleDirectory
from motet.store.lease import LEASE, Leader
from motet.store.members import Members, ServerMember
from motet.store.seal import Seal

Say = Callable[[str], None]


class BesideDatabase(NamedTuple):
    """What a server has beside the database, if anything: where large arguments and results are kept, and the file of keys that
    secrets are sealed with. It must be the same for all servers of the database."""

    blobs: str = ""
    keys: str = ""


@hides_secrets
class SharedDatabase:
    """From before this server leads.
    `lease`: for how many seconds it was told that a lease should run, if it was. `say` hears
    what an operator should know. Raises `InvalidError` for a URL that makes no sense, and `ServiceError`."""

    def __init__(self, directory: Path, url: str, elsewhere: BesideDatabase, lease: float | None, say: Say) -> None:
        try:
            from motet.store.postgres_address import PostgresAddress
        except ImportError as error:
            raise InvalidError(
                f"a store in PostgreSQL needs psycopg: pip install 'motet[postgres]' ({error})"
            ) from error
        from motet.store import postgres_schema
        from motet.store.blobs_opened import blobs_elsewhere
        from motet.store.postgres_connection import PostgresConnection
        from motet.store.postgres_identity import check_identity, note_identity
        from motet.store.postgres_members import PostgresMembers
        from motet.store.postgres_seal import check_seal
        from motet.store.postgres_tokens import PostgresTokens

        self._blobs = blobs_elsewhere(elsewhere.blobs) if elsewhere.blobs else None
        self._seal = _seal(elsewhere.keys) if elsewhere.keys else None
        self._directory = directory
        self._address = address = PostgresAddress(url)
        self._lease = lease
        self._say = say
        with contextlib.closing(PostgresConnection(address)) as first:
            check_identity(directory, first)
            postgres_schema.check(first)
            note_identity(directory, first)
            check_seal(first, self._seal)
        self._reading = PostgresConnection(address)
        self.tokens: TokenStore = PostgresTokens(self._reading)
        """To be read alone, as long as another server leads."""
        host, home = socket.gethostname(), directory.parent
        own = ServerMember(
            home=f"{host}:{home}",
            holder=f"process {os.getpid()} on {host}, under {home},",
            motet=VERSION,
            lease=lease or 0.0,
        )
        self.membership = Membership(PostgresMembers(address), own, self._look)
        self.homes: list[Path] = []
        """Of servers of this machine, once this one leads."""
        self.look: Callable[[], None] = lambda: None
        """Called now and then on a thread of its own, while this server stands by."""

    def lead(self, on_over: Callable[[str], None], on_leader: Callable[[Leader], None]) -> StandingStores:
        """Returns when this server leads. `on_leader` is told of each that does so before it, and may raise. `on_over` is told,
        on any thread, that this one does not lead any more. Raises `ServiceError`."""
        from motet.store import postgres_schema
        from motet.store.blob_area import area_of_database
        from motet.store.postgres_bundles import PostgresBundles
        from motet.store.postgres_connection import PostgresConnection
        from motet.store.postgres_deployments import PostgresDeployments
        from motet.store.postgres_journal import PostgresJournal
        from motet.store.postgres_lease import PostgresLease, session_name
        from motet.store.postgres_members import PostgresMembers
        from motet.store.postgres_seal import adopt_seal
        from motet.store.postgres_state import PostgresState
        from motet.store.postgres_tokens import PostgresTokens

        address = self._address
        with contextlib.closing(PostgresMembers(address)) as members:
            seconds = self._agreed_lease(members)

            def waits_for(leader: Leader) -> None:
                self.membership.leader = leader
                on_leader(leader)

            lease = PostgresLease(address, self.membership.own.holder, seconds)
            term = wait_to_lead(lease, on_over, self._say, waits_for)
            lead = Lead(lease, term)
            self.look = lambda: None

            def connect() -> PostgresConnection:
                return PostgresConnection(address, term, name=session_name(term.number))

            try:
                with contextlib.closing(connect()) as leading:
                    postgres_schema.migrate(leading)
                    adopt_seal(leading, self._seal)
                lease.seconds = self._agreed_lease(members)
                members.set_lease_seconds(lease.seconds)
                here = f"{self.membership.own.host}:"
                self.homes = [Path(each[len(here) :]) for each in members.homes() if each.startswith(here)]
            except BaseException:
                lead.close()
                raise
        self.membership.leads(term.number, lease.seconds)
        self._say(f"Keeps what it must in {address} (term {term.number})")
        others = connect()
        return StandingStores(
            PostgresTokens(others),
            PostgresBundles(others, BundleDirectory(self._directory / "bundles")),
            PostgresDeployments(connect(), self._seal),
            lead,
            PostgresJournal(address, term),
            # In the home of one of several servers, what the database names would be there for that one alone.
            NO_BLOBS if self._blobs is None else BlobPlaces(None, self._blobs, area_of_database(others)),
            lambda: PostgresState(connect()),
        )

    def close(self) -> None:
        """Idempotent."""
        self.membership.close()
        self._reading.close()

    def _look(self) -> None:
        self.look()

    def _agreed_lease(self, members: Members) -> float:
        membership = self.membership
        try:
            said = members.lease_seconds()
            others = any(each.member.home != membership.own.home for each in members.seen())
        except ServiceError:  # it has an earlier layout, whose server leads
            said, others = None, False
        seconds = agreed_lease(said, self._lease, others)
        complaint = ""
        if self._lease is not None and self._lease != seconds:
            complaint = (
                f"MOTET_LEASE is {self._lease:g} here, and the servers of {self._address} have a lease of {seconds:g} s, which "
                "counts: say the same to all of them. To change it, end all of them, and start them with the new one"
            )
            if complaint != membership.complaint:
                self._say(f"! {complaint}")
        membership.lease, membership.complaint = seconds, complaint
        return seconds


def _seal(keys: str) -> Seal:
    try:
        return Seal(Path(keys), must_be_there=True)
    except ImportError as error:
        raise InvalidError(
            f"MOTET_SECRETS_KEY needs one more package: pip install 'motet[server]' ({error})"
        ) from error


def agreed_lease(said: float | None, wanted: float | None, others: bool) -> float:
    """For how many seconds the lease runs, for all servers of a database. `said`: what the database says; `wanted`: what this
    server was told; `others`: whether there are any that may have been told something else."""
    if said is not None and (wanted is None or others):
        return said
    return LEASE if wanted is None else wanted
