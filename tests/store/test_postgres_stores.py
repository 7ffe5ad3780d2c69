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
from motet.store.postgres_seal import adopt_seal, check_seal
from motet.store.postgres_state import PostgresState
from motet.store.postgres_tokens import PostgresTokens
from motet.store.seal import Seal, add_key
from tests.contracts.bundle_store_contract import SHOP, BundleStoreContract, contents, keep
from tests.contracts.deployment_store_contract import DeploymentStoreContract, Opened, kept
from tests.contracts.state_store_contract import OpenedState, StateStoreContract
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


class TestPostgresState(StateStoreContract):
    @pytest.fixture
    def opened_state(self, connected: Connected) -> OpenedState:
        return lambda: PostgresState(connected())


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

    def test_secrets_are_sealed_and_those_that_were_not_are_when_a_server_leads(
        self, connected: Connected, postgres: PostgresDatabase, keys: Path
    ) -> None:
        PostgresDeployments(connected()).add(kept(1, state="live"))
        assert b"secret" in everything(postgres)
        seal = Seal(keys, must_be_there=True)
        adopt_seal(connected(), seal)
        store = PostgresDeployments(connected(), seal)
        store.add(kept(2))
        assert b"secret" not in everything(postgres)
        assert (store.find("shop", 2), [it.spec for it in store.serving()]) == (kept(2), [kept(1).spec])
        adopt_seal(connected(), seal)
        assert store.find("shop", 1) is not None

    def test_a_server_without_the_key_is_told_before_it_leads(
        self, connected: Connected, postgres: PostgresDatabase, keys: Path, tmp_path: Path
    ) -> None:
        check_seal(connected(), None)
        adopt_seal(connected(), Seal(keys))
        check_seal(connected(), Seal(keys))
        with pytest.raises(ServiceError, match=r"are sealed, and this server was given no key.* MOTET_SECRETS_KEY"):
            check_seal(connected(), None)
        with pytest.raises(
            ServiceError, match=r"sealed with a key that this server does not have: none of the keys in"
        ):
            check_seal(connected(), Seal(tmp_path / "others"))
        with pytest.raises(ServiceError, match=r"\S+none \(MOTET_SECRETS_KEY\) has no keys for secrets: copy it"):
            Seal(tmp_path / "none", must_be_there=True)
        postgres.execute("DROP TABLE motet.seal")  # as an earlier layout has it
        check_seal(connected(), None)

    def test_a_new_key_seals_everything_and_the_old_one_goes(self, connected: Connected, keys: Path) -> None:
        adopt_seal(connected(), Seal(keys))
        PostgresDeployments(connected(), Seal(keys)).add(kept(1))
        before = keys.read_bytes()
        add_key(keys)
        adopt_seal(connected(), Seal(keys))
        assert keys.read_bytes() not in (before, b"")
        assert before.strip() not in keys.read_bytes()
        check_seal(connected(), Seal(keys))
        assert PostgresDeployments(connected(), Seal(keys)).find("shop", 1) == kept(1)


def everything(postgres: PostgresDatabase) -> bytes:
    """What the table of deployments has on the disk, and its indices."""
    postgres.execute("CHECKPOINT")
    rows = postgres.execute("SELECT pg_relation_filepath('motet.deployments')")
    return (postgres.server.data / str(rows[0][0])).read_bytes()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file with a key."""
    add_key(tmp_path / "keys")
    return tmp_path / "keys"


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
