"""Detached apps are kept before their programs hear that they are there."""

from __future__ import annotations

import asyncio

import pytest

from motet.errors import ServiceError
from motet.model.function import AppSpec
from motet.server.clock import Clock
from motet.server.journal.durable_calls import DurableCalls
from motet.store.journal import KeptApp
from motet.store.memory import MemoryCallStore
from tests.server.journal.test_keeper import Stage


def test_an_app_that_is_kept_already_is_none_of_a_broken_disks_business() -> None:
    """Its program has come back after a restart: to refuse that would end the app, and all that it had spawned."""

    async def main() -> None:
        on = Stage()
        calls = DurableCalls(MemoryCallStore(), on.keeper, Clock.of_loop(asyncio.get_running_loop()))
        kept, new = (KeptApp(f"ap-{name}", AppSpec(name=name, functions=()), (), 1) for name in ("kept", "new"))
        calls.app_restored(kept)
        on.disk.failing = lambda: ServiceError("the disk is full")
        await calls.keep_app(kept)
        with pytest.raises(ServiceError, match="the disk is full"):
            await calls.keep_app(new)
        on.disk.failing = None
        await calls.keep_app(new)
        assert [each.app_id for each in await on.ask(lambda journal: journal.apps())] == ["ap-new"]
        await on.keeper.close()

    asyncio.run(main())
