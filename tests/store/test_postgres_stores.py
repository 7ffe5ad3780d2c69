"""What a server that stays keeps, in PostgreSQL: the same contracts as on disk."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from motet.errors import NotFoundError, ServiceError
from motet.store.base import BundleStore
from motet.store.bundles import CLAIM_SECONDS, BundleDirectory
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_bundles import PostgresBundles
from motet.store.postgres_connection import PostgresConnection
from motet.store.postgres_deployments import PostgresDeployments
from motet.store.postgres_schema import check
from motet.store.postgres_tokens import PostgresTokens
from tests.contracts.bundle_store_contract import SHOP, BundleStoreContract, contents, keep
from tests.contracts.deployment_store_contract import DeploymentStoreContract, Opened, kept
from tests.contracts.token_store_contract import FIRST, OpenedTokens, TokenStoreContract
from tests.postgres import PostgresDatabase

Connected = Callable[[], PostgresConnection]


@pytest.fixture
def connected(postgres: PostgresDatabase) -> Iterator[Connected]:
    """New connections to a database with the schema, which are closed at the end."""
    with contextlib.ExitStack() as open_ones:

        def connect() -> PostgresConnection:
            return open_ones.enter_context(contextlib.closing(PostgresConnection(PostgresAddress(postgres.address))))

        check(connect())
        yield connect


class TestPostgresDeployments(DeploymentStoreContract):
    @pytest.fixture
    def opened(self, connected: Connected) -> Opened:
        return lambda: PostgresDeployments(connected())

    def test_what_serves_is_found_without_reading_what_does_not(self, connected: Connected) -> None:
        connection = connected()
        store = PostgresDeployments(connection)
        for version in range(1, 4):
            store.add(kept(version))
        with connection.writing() as session:
            session.execute("SET LOCAL enable_seqscan = off")
            plan = session.execute("EXPLAIN SELECT view, kept FROM motet.deployments WHERE serves ORDER BY made")
            assert "deployments_serving" in str(plan.fetchall())


class TestPostgresTokens(TokenStoreContract):
    @pytest.fixture
    def opened(self, connected: Connected) -> OpenedTokens:
        return lambda: PostgresTokens(connected())

    def test_what_cannot_be_read_is_said(self, connected: Connected, postgres: PostgresDatabase) -> None:
        store = PostgresTokens(connected())
        store.save([FIRST])
        postgres.execute("UPDATE motet.tokens SET kept = '{'")
        with pytest.raises(
            ServiceError, match=r"cannot read the tokens of this server in the PostgreSQL database test"
        ):
            store.load()


class TestPostgresBundles(BundleStoreContract):
    @pytest.fixture
    def moment(self) -> list[float]:
        return [1000.0]

    @pytest.fixture
    def store(self, connected: Connected, tmp_path: Path, moment: list[float]) -> BundleStore:
        return PostgresBundles(connected(), BundleDirectory(tmp_path / "bundles", lambda: moment[0]))

    @pytest.fixture
    def expire(self, postgres: PostgresDatabase, moment: list[float]) -> Callable[[], None]:
        def later() -> None:
            moment[0] += CLAIM_SECONDS + 1
            postgres.execute("UPDATE motet.bundles SET claimed_until = now()")

        return later

    def test_another_server_has_what_was_deployed_on_this_one(
        self, store: BundleStore, connected: Connected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("motet.store.postgres_bundles._BATCH_BYTES", 10)  # so that pieces come one by one
        tree = keep(store, SHOP)
        other = PostgresBundles(connected(), BundleDirectory(tmp_path / "other"))
        assert contents(other.place(tree.name)) == SHOP
        assert other.place(tree.name) == tmp_path / "other/trees" / tree.name

    def test_a_directory_that_was_lost_is_filled_again(
        self, store: BundleStore, connected: Connected, tmp_path: Path
    ) -> None:
        tree = keep(store, SHOP)
        for path in [tree, *tree.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(tmp_path / "bundles")
        again = PostgresBundles(connected(), BundleDirectory(tmp_path / "bundles"))
        assert contents(again.place(tree.name)) == SHOP

    def test_nothing_goes_while_it_is_not_known_what_is_needed(
        self, store: BundleStore, postgres: PostgresDatabase, expire: Callable[[], None]
    ) -> None:
        digest = keep(store, SHOP).name
        keep(store, {**SHOP, "work/more.py": b"more = 1\n"})
        expire()
        postgres.execute(f"UPDATE motet.bundles SET files = '' WHERE digest = '{digest}'")
        with pytest.raises(ServiceError, match=f"the bundle {digest} is damaged in the database"):
            store.prune({digest})
        assert postgres.execute("SELECT count(*) FROM motet.bundles") == [(2,)]
        assert postgres.execute("SELECT count(*) FROM motet.pieces") == [(3,)]

    def test_what_has_gone_since_is_said(self, store: BundleStore, expire: Callable[[], None]) -> None:
        digest = keep(store, SHOP).name
        expire()
        assert store.prune(()).bundles == 1
        with pytest.raises(NotFoundError, match=f"has no bundle {digest}: deploy again"):
            store.place(digest)
