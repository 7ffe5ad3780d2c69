"""Two servers of one database as a whole, without their processes: one leads, and is in doubt when it loses the database; its
clients are told, and the other one leads.

PostgreSQL is real, and the way to it can be cut. `e2e/test_cuts.py` does that to processes.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from motet.agent.agents import Agents
from motet.server.config import ServerConfig
from motet.server.sharing import Sharing
from motet.wire.conversation_messages import LeadTold
from motet.wire.operator_messages import StatusViewed, ViewStatus
from tests.e2e.cuts import way
from tests.postgres import USER, PostgresDatabase
from tests.server.clients.test_conversation import ByName, Far
from tests.server.stage import PATIENCE, stage

LEASE = 1.0
OTHER = "tcp:other.example:1"


class NoAgents:
    """Of a server without containers: what it is told about those of others."""

    paths: tuple[Path, ...] = ()

    def __init__(self) -> None:
        self.followed: list[tuple[list[Path], int]] = []
        self.ended: list[int] = []

    def roots(self) -> tuple[int, ...]:
        return ()

    async def follow(self, directories: Any, term: int) -> None:
        self.followed.append((list(directories), term))

    def end_left(self, term: int) -> None:
        self.ended.append(term)


def config(store: str, advertised: str = "") -> ServerConfig:
    return ServerConfig(store_credentials=store, lease=LEASE, advertised=advertised)


async def begun(told: ServerConfig, directory: Path, said: list[str]) -> tuple[Sharing, NoAgents]:
    agents = NoAgents()
    return await Sharing.of(told, directory, cast(Agents, agents), said.append), agents


def test_a_leader_that_loses_the_database_tells_its_clients_and_the_one_that_stands_by_leads(
    postgres: PostgresDatabase, tmp_path: Path
) -> None:
    sockets = postgres.server.directory
    cut_off = sockets / f"way-{postgres.name}"
    cut_off.mkdir()
    for name in ("first", "second"):
        (tmp_path / name / "server").mkdir(parents=True)

    async def main(stack: ExitStack) -> None:
        to_database = stack.enter_context(way(sockets / ".s.PGSQL.5432", cut_off / ".s.PGSQL.5432"))
        store = f"postgresql://{USER}@/{postgres.name}?host={quote(str(cut_off), safe='')}"
        said: list[str] = []
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        first, _ = await begun(config(store), tmp_path / "first" / "server", said)
        stores = await first.lead(lambda why: loop.call_soon_threadsafe(over.set_result, why) and None)
        assert stores.lead is not None
        async with stage(listen="tcp", door=ByName()) as on:
            first.serves(on.server, stores.lead)
            second, agents = await begun(config(postgres.address, OTHER), tmp_path / "second" / "server", said)
            leading = asyncio.create_task(second.lead(lambda why: None))
            far = await Far(on).begin()
            async with asyncio.timeout(PATIENCE):
                assert await far.hear_lead() == LeadTold(False, ((OTHER, ""),))
                assert any("Waiting to lead" in each and "(term 1)" in each for each in said)
                assert not leading.done()
                status = on.server.operations.answers[ViewStatus](ViewStatus())
                assert isinstance(status, StatusViewed)
                assert (status.term, status.lease, len(status.members)) == (1, LEASE, 2)

                to_database.cut(silent=False)
                assert await far.hear_lead() == LeadTold(True, ((OTHER, ""),))
                assert on.server.admittance.is_in_doubt()
                next_stores = await leading
                assert next_stores.journal is not None
                assert next_stores.journal.term == 2
                assert [term for _, term in agents.followed] == [2]
                assert not over.done(), "the first cannot know"

                to_database.heal()
                assert "term 2" in await over
        with closing(next_stores), closing(stores):
            second.close()
            first.close()

    with ExitStack() as stack:
        asyncio.run(main(stack))
