"""Operations share commits, and what is wrong with one is its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from motet.errors import NotFoundError, ServiceError
from motet.server.state.state_keeper import StateKeeper
from motet.store.sqlite_state import SqliteState
from motet.store.state import StateRows


class Counted:
    """A store that counts its transactions, and waits in the first of them until it may go on."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteState(path)
        self.turns = 0
        self.may_go_on = threading.Event()
        self.failure: Exception | None = None

    @contextlib.contextmanager
    def turn(self) -> Iterator[StateRows]:
        self.turns += 1
        assert self.may_go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        with self.store.turn() as rows:
            yield rows

    def close(self) -> None:
        self.store.close()


def adds(name: str, error: Exception | None = None) -> Any:
    def add(rows: StateRows) -> str:
        if isinstance(error, NotFoundError):
            raise error
        rows.make(name, 0, 1.0)
        if error is not None:
            raise error
        return name

    return add


def names(rows: StateRows) -> list[str]:
    return [each.state_id for each in rows.listed("")]


async def asked(keeper: StateKeeper, *operations: Any) -> list[Any]:
    return await asyncio.gather(*map(keeper.do, operations), return_exceptions=True)


def test_what_waits_for_a_commit_goes_into_the_next_one_together(tmp_path: Path) -> None:
    async def run() -> None:
        store = Counted(tmp_path / "state.db")
        keeper = StateKeeper(lambda: store)
        waiting = asyncio.ensure_future(asked(keeper, *(adds(f"di-{index:03}") for index in range(100))))
        await asyncio.sleep(0)
        store.may_go_on.set()
        assert await waiting == [f"di-{index:03}" for index in range(100)]
        assert store.turns <= 3
        assert len(await keeper.do(names)) == 100
        await keeper.close()
        await keeper.close()
        with pytest.raises(ServiceError, match="this server has ended"):
            await keeper.do(names)

    asyncio.run(run())


def test_a_refused_or_failing_operation_takes_no_other_with_it(tmp_path: Path) -> None:
    async def run() -> None:
        store = Counted(tmp_path / "state.db")
        store.may_go_on.set()
        keeper = StateKeeper(lambda: store)
        none, bug = NotFoundError("none"), ValueError("a bug")
        found = await asked(keeper, adds("di-a"), adds("di-b", none), adds("di-c", bug), adds("di-d"))
        assert found == ["di-a", none, bug, "di-d"]
        assert await keeper.do(names) == ["di-a", "di-d"]
        await keeper.close()

    asyncio.run(run())


def test_what_cannot_be_kept_is_said_to_all_and_comes_again_when_it_can(tmp_path: Path) -> None:
    async def run() -> None:
        store = Counted(tmp_path / "state.db")
        store.may_go_on.set()
        keeper = StateKeeper(lambda: store)
        store.failure = ServiceError("the disk is full")
        assert await asked(keeper, adds("di-a"), names) == [store.failure, store.failure]
        store.failure = None
        assert await asked(keeper, adds("di-a"), names) == ["di-a", ["di-a"]]
        await keeper.close()

    asyncio.run(run())


def test_what_is_cancelled_before_it_began_is_not_carried_out(tmp_path: Path) -> None:
    async def run() -> None:
        store = Counted(tmp_path / "state.db")
        keeper = StateKeeper(lambda: store)
        first, second = (asyncio.ensure_future(keeper.do(adds(name))) for name in ("di-a", "di-b"))
        await asyncio.sleep(0.01)
        second.cancel()
        store.may_go_on.set()
        assert await first == "di-a"
        assert await keeper.do(names) == ["di-a"]
        await keeper.close()

    asyncio.run(run())
