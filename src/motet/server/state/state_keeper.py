"""One thread that carries out what is asked of shared state: many operations in each commit, one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from motet.errors import Error, ServiceError
from motet.store.state import StateRows, StateStore

T = TypeVar("T")
Operation = Callable[[StateRows], Any]

MOST_TOGETHER = 500
"""Operations in one commit."""
MOST_BYTES = 64 * 1024 * 1024
"""Of values in one commit; there is one operation in it at least."""
ANSWER_TIMEOUT = 60.0


class _StateWork(msgspec.Struct, gc=False):
    operation: Operation
    answer: asyncio.Future[Any]
    size: int


class StateKeeper:
    """Of one store, which is opened when it is needed first. Everything is called on the server's loop, in whose order things
    are carried out; what waits while a commit is under way goes into the next one together. Nobody has an answer before what it
    says would survive a crash. `in_memory`: nothing waits for a disk, and no thread is needed."""

    def __init__(self, open_store: Callable[[], StateStore], *, in_memory: bool = False) -> None:
        self._open_store = open_store
        self._in_memory = in_memory
        self._store: StateStore | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._asked: deque[_StateWork] = deque()
        self._turn: asyncio.Future[Any] | None = None
        self._is_closed = False

    async def do(self, operation: Callable[[StateRows], T], size: int = 0) -> T:
        """What an operation returns or raises, which is carried out whole or not at all. `size`: the bytes that it brings. It
        must change nothing before it raises an error of Motet's. Raises `ServiceError`, also if no answer comes in time."""
        if self._is_closed:
            raise ServiceError("this server has ended, and answers nothing any more")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        asked = _StateWork(operation, answer, size)
        if self._in_memory:
            _tell(self._work([asked]))
            return answer.result()
        self._asked.append(asked)
        if self._turn is None:
            self._begin()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await answer
        except TimeoutError:
            raise ServiceError(
                f"shared state has not answered for {ANSWER_TIMEOUT:g} s: its disk or database hangs, or has too much to do. "
                "It is not known whether this is done. See what there is before it is asked for again"
            ) from None

    async def close(self) -> None:
        """Carry out what was asked, and end. Idempotent."""
        self._is_closed = True
        while self._turn is not None:
            await asyncio.wait([self._turn])
        if self._thread is not None:
            self._thread.shutdown()
        if self._store is not None:
            self._store.close()
            self._store = None

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        group: list[_StateWork] = []
        size = 0
        while self._asked and len(group) < MOST_TOGETHER and (not group or size + self._asked[0].size <= MOST_BYTES):
            asked = self._asked.popleft()
            if not asked.answer.done():  # nobody wants it any more, and it has not been begun
                group.append(asked)
                size += asked.size
        if not group:
            self._turn = None
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "motet-state")
        self._turn = asyncio.get_running_loop().run_in_executor(self._thread, self._work, group)
        self._turn.add_done_callback(self._done)

    def _done(self, turn: asyncio.Future[list[tuple[_StateWork, Any]]]) -> None:
        if not turn.cancelled():
            _tell(turn.result())
        self._begin()

    # --- on the thread ------------------------------------------------------------------------------------------------

    def _work(self, group: list[_StateWork]) -> list[tuple[_StateWork, Any]]:
        try:
            if self._store is None:
                self._store = self._open_store()
            with self._store.turn() as rows:
                return [(asked, _carried_out(asked.operation, rows)) for asked in group]
        except Exception as error:
            if isinstance(error, ServiceError) or len(group) == 1:
                return [(asked, _Raised(error)) for asked in group]
        # One of them is at fault, and nothing of any is kept: each by itself.
        return [answered for asked in group for answered in self._work([asked])]


class _Raised(msgspec.Struct):
    error: Exception


def _carried_out(operation: Operation, rows: StateRows) -> Any:
    try:
        return operation(rows)
    except ServiceError:
        raise
    except Error as error:
        return _Raised(error)


def _tell(answered: list[tuple[_StateWork, Any]]) -> None:
    for asked, found in answered:
        if asked.answer.done():
            continue
        if isinstance(found, _Raised):
            asked.answer.set_exception(found.error)
        else:
            asked.answer.set_result(found)
