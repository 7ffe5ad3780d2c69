"""Durable calls, as far as they are not shown by whole servers: that nothing is left of one that was erased."""

from __future__ import annotations

import asyncio

import pytest

from motet.errors import NotFoundError, ServiceError
from motet.server.clock import Clock
from motet.server.journal.durable_calls import DurableCalls
from motet.store.memory import MemoryCallStore
from tests.server.journal.test_keeper import Stage, ended, spawned


def test_of_an_erased_call_the_journal_has_nothing_and_of_others_everything() -> None:
    async def main() -> None:
        on = Stage()
        calls = DurableCalls(MemoryCallStore(), on.keeper, Clock.of_loop(asyncio.get_running_loop()))
        await on.keep(spawned(1), ended(1), spawned(2), ended(2))
        assert await calls.erase(["fc-1", "fc-none"])
        assert not await calls.erase(["fc-1"])
        assert isinstance(await on.ask(lambda journal: journal.call("fc-1")), NotFoundError)
        assert (await on.ask(lambda journal: journal.outcomes("fc-2", 0, 1)))[0].payload == b"r"
        on.disk.failing = lambda: ServiceError("the disk is full")
        with pytest.raises(ServiceError, match="the disk is full"):
            await calls.erase(["fc-2"])
        await on.keeper.close()

    asyncio.run(main())
