"""What a server before this one had accepted, and that has not ended: from when it is read until its function is here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterator
from itertools import repeat
from typing import NamedTuple

from motet.core.events import InputsRestored
from motet.errors import Error, NotFoundError
from motet.model.outcome import InputEnd, OutcomeKind, RestoredInput
from motet.server.apps.catalogue import Catalogue
from motet.server.clock import Clock
from motet.server.deployments.names import Names
from motet.server.driver import Driver, logger
from motet.server.journal.durable_calls import MOST_ARGUMENTS_BYTES
from motet.server.journal.keeper import JournalKeeper
from motet.server.journal.kept_call import read_variant
from motet.store.blob_reference import IN_JOURNAL, as_kept
from motet.store.journal import InputsEnded, Journal, KeptCall, UnfinishedInput
from motet.wire import report

ASKED_INPUTS = 1_000
ASKED_BYTES = 1 << 24
"""So many inputs, or so many bytes, are read with one question."""

RESTORED_IN_TURN = 500
"""Inputs that the engine is given in one turn: others have theirs between these."""


class Part(NamedTuple):
    """A call, some of its unfinished inputs, and the arguments of these, as the engine is to have them: as they are, a
    reference to a blob, or left to the journal. None: that has all of them."""

    call: KeptCall
    inputs: list[UnfinishedInput]
    payloads: list[bytes] | None


def read_unfinished(journal: Journal) -> list[Part]:
    """All of it, with references to blobs, and the first of each function's other arguments. Raises `ServiceError`."""
    found: list[Part] = []
    sizes: dict[str, int] = {}
    group: list[int] = []
    """Where those stand whose arguments are read: a question for each call takes a second for a few thousand calls."""
    count = size = 0

    def read_group() -> None:
        keys = [(found[place].call.call_id, each.index) for place in group for each in found[place].inputs]
        payloads = iter(journal.payloads(keys))
        for place in group:
            call, inputs, _ = found[place]
            found[place] = Part(call, inputs, [as_kept(next(payloads)) for _ in inputs])
        group.clear()

    for part in journal.unfinished():
        function_id, more = part.call.function_id, sum(each.size for each in part.inputs)
        sizes[function_id] = sizes.get(function_id, 0) + more
        if sizes[function_id] > MOST_ARGUMENTS_BYTES:
            found.append(Part(part.call, part.inputs, _left(part.inputs)))
            continue
        group.append(len(found))
        found.append(Part(part.call, part.inputs, None))
        count, size = count + len(part.inputs), size + more
        if count >= ASKED_INPUTS or size >= ASKED_BYTES:
            read_group()
            count = size = 0
    read_group()
    return found


def _left(inputs: list[UnfinishedInput]) -> list[bytes] | None:
    """Arguments that are not read: their bytes are not even asked for."""
    if not any(each.reference for each in inputs):
        return None
    return [as_kept(each.reference) if each.reference else IN_JOURNAL for each in inputs]


class UnfinishedCalls:
    """Those whose function is not here yet. `is_gradual`: of what a function has, the engine is given the first when it comes,
    and the rest by `give_rest`: a million inputs in one turn would be half a minute in which nobody is answered."""

    def __init__(self, parts: list[Part], clock: Clock, *, is_gradual: bool = False) -> None:
        self._clock = clock
        self._is_gradual = is_gradual
        self._of: dict[str, list[Part]] = {}
        """By function, in the order in which they were submitted: what bounds how long inputs wait goes by that."""
        self._rest: dict[str, deque[Part]] = {}
        """Of functions that are here: what the engine is to be given."""
        for part in sorted(parts, key=lambda it: it.inputs[0].submitted_at):
            self._of.setdefault(part.call.function_id, []).append(part)

    def claim(self, function_id: str, held: Collection[tuple[str, int]] = ()) -> list[InputsRestored]:
        """A function is here: what its calls were. `held`: what its containers have of them, by call and index, which is not to
        wait until its turn comes."""
        parts = self._of.pop(function_id, [])
        if self._is_gradual:
            rest = self._rest[function_id] = deque([*self._rest.pop(function_id, ()), *parts])
            parts = _taken(rest)
            if calls := {call_id for call_id, _ in held}:
                later: deque[Part] = deque()
                for part in rest:
                    (parts if part.call.call_id in calls and _are_any(part, held) else later).append(part)
                self._rest[function_id] = later
        return [self._restored(part, function_id) for part in parts]

    async def give_rest(self, catalogue: Catalogue, driver: Driver) -> None:
        """Give the engine what the functions that are here have left, some in each turn. Functions that come later get all of
        theirs in one."""
        while self._rest:
            function_id, parts = next(iter(self._rest.items()))
            if not parts:
                del self._rest[function_id]
                continue
            if catalogue.has(function_id):
                driver.take(*(self._restored(part, function_id) for part in _taken(parts)))
            else:  # its app has stopped meanwhile
                self._of.setdefault(function_id, []).extend(parts)
                parts.clear()
            await asyncio.sleep(0)
        self._is_gradual = False

    def give_call(self, call_id: str, driver: Driver) -> None:
        """Somebody is about to end this call: first the engine is given what is left of it."""
        for function_id, parts in list(self._rest.items()):
            if mine := [part for part in parts if part.call.call_id == call_id]:
                self._rest[function_id] = deque(part for part in parts if part.call.call_id != call_id)
                driver.take(*(self._restored(part, function_id) for part in mine))

    def bind_variants(self, catalogue: Catalogue) -> None:
        """Have variants be here again whose base is, which claims their calls."""
        for function_id, parts in list(self._of.items()):
            call = parts[0].call
            if call.variant_of and catalogue.has(call.variant_of) and not catalogue.has(function_id):
                try:
                    catalogue.bind(call.variant_of, read_variant(call.variant), again=function_id)
                except Error as error:
                    logger.error("a variant that spawned calls wait for is not here: %s", error)

    def send_on(self, names: Names) -> None:
        """Calls of versions that are not here go to those that have their names now, with `give_rest`."""
        for function_id, parts in list(self._of.items()):
            for called_as in {it.call.called_as for it in parts if it.call.called_as}:
                try:
                    now = names.resolve(called_as)
                except NotFoundError:
                    continue
                mine = [part for part in parts if part.call.called_as == called_as]
                left = [part for part in self._of.pop(function_id) if part.call.called_as != called_as]
                if left:
                    self._of[function_id] = left
                self._rest.setdefault(now, deque()).extend(mine)

    def give_up(self, keeper: JournalKeeper) -> None:
        """Whose function has not come in time, it does not come any more."""
        for call, inputs, _ in self._left():
            why = NotFoundError(
                f"{call.call_id} was accepted, and its app {call.app} is not on this server any more: its program has gone, "
                "or what was deployed cannot serve"
            )
            told = report.of(why)
            ended = [InputEnd(each.index, OutcomeKind.LOST, told) for each in inputs]
            keeper.owe([InputsEnded(call.call_id, ended, self._clock.wall_now())])
        self._of.clear()

    def _left(self) -> Iterator[Part]:
        return (part for parts in self._of.values() for part in parts)

    def _restored(self, part: Part, function_id: str) -> InputsRestored:
        call, inputs, payloads = part
        offset, now = self._clock.offset, self._clock.now()
        return InputsRestored(
            call.call_id,
            function_id,
            call.method,
            [
                RestoredInput(
                    each.index,
                    payload,
                    min(each.submitted_at - offset, now),  # the wall clock may have been set back
                    each.attempts,
                    each.retries,
                    each.lone_losses,
                    each.due_at - offset if each.due_at > 0 else each.due_at,
                    each.last_attempt,
                )
                for each, payload in zip(inputs, payloads or repeat(IN_JOURNAL), strict=False)
            ],
            call.principal,
            call.parent_input_id or None,
            call.trace,
            call.at_most_once,
        )


def _taken(parts: deque[Part]) -> list[Part]:
    """The first of them, taken out: as many as are for one turn."""
    taken: list[Part] = []
    count = 0
    while parts and count < RESTORED_IN_TURN:
        taken.append(parts.popleft())
        count += len(taken[-1].inputs)
    return taken


def _are_any(part: Part, held: Collection[tuple[str, int]]) -> bool:
    return any((part.call.call_id, each.index) in held for each in part.inputs)
