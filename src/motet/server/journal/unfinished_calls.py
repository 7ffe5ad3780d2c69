"""What a server before this one had accepted, and that has not ended: from when it is read until its function is here."""

from __future__ import annotations

from collections.abc import Iterator

from motet.core.events import InputsRestored
from motet.errors import Error, NotFoundError
from motet.model.outcome import InputEnd, OutcomeKind, RestoredInput
from motet.server.apps.catalogue import Catalogue
from motet.server.clock import Clock
from motet.server.deployments.names import Names
from motet.server.driver import Driver, logger
from motet.server.journal.durable_calls import MOST_ARGUMENTS_BYTES, read_variant
from motet.server.journal.keeper import JournalKeeper
from motet.store.blob_reference import as_kept, left_to_journal
from motet.store.journal import InputsEnded, Journal, KeptCall, UnfinishedInput, UnfinishedPart
from motet.wire import report

ASKED_INPUTS = 1_000
ASKED_BYTES = 1 << 24
"""So many inputs, or so many bytes, are read with one question."""

Part = tuple[KeptCall, list[tuple[UnfinishedInput, bytes]]]


def read_unfinished(journal: Journal) -> list[Part]:
    """All of it, with references to blobs, and the first of each function's other arguments. Raises `ServiceError`."""
    found: list[Part] = []
    sizes: dict[str, int] = {}
    for group in _groups(journal.unfinished()):
        payloads = iter(journal.payloads([(it.call.call_id, each.index) for it in group for each in it.inputs]))
        for part in group:
            function_id = part.call.function_id
            sizes[function_id] = sizes.get(function_id, 0) + sum(each.size for each in part.inputs)
            kept = [as_kept(next(payloads)) for _ in part.inputs]
            if sizes[function_id] > MOST_ARGUMENTS_BYTES:
                kept = [left_to_journal(each) for each in kept]
            found.append((part.call, list(zip(part.inputs, kept, strict=True))))
    return found


def _groups(parts: Iterator[UnfinishedPart]) -> Iterator[list[UnfinishedPart]]:
    """Parts whose arguments are asked for together: a question for each call takes a second for a few thousand calls."""
    group: list[UnfinishedPart] = []
    count = size = 0
    for part in parts:
        group.append(part)
        count += len(part.inputs)
        size += sum(each.size for each in part.inputs)
        if count >= ASKED_INPUTS or size >= ASKED_BYTES:
            yield group
            group, count, size = [], 0, 0
    if group:
        yield group


class UnfinishedCalls:
    """Those whose function is not here yet."""

    def __init__(self, parts: list[Part], clock: Clock) -> None:
        self._clock = clock
        self._of: dict[str, list[Part]] = {}
        """By function, in the order in which they were submitted: what bounds how long inputs wait goes by that."""
        for part in sorted(parts, key=lambda it: it[1][0][0].submitted_at):
            self._of.setdefault(part[0].function_id, []).append(part)

    def claim(self, function_id: str) -> list[InputsRestored]:
        """A function is here: what its calls were."""
        return [self._restored(call, inputs, function_id) for call, inputs in self._of.pop(function_id, [])]

    def bind_variants(self, catalogue: Catalogue) -> None:
        """Have variants be here again whose base is, which claims their calls."""
        for function_id, parts in list(self._of.items()):
            call = parts[0][0]
            if call.variant_of and catalogue.has(call.variant_of) and not catalogue.has(function_id):
                try:
                    catalogue.bind(call.variant_of, read_variant(call.variant), again=function_id)
                except Error as error:
                    logger.error("a variant that spawned calls wait for is not here: %s", error)

    def send_on(self, names: Names, driver: Driver) -> None:
        """Calls of versions that are not here go to those that have their names now."""
        for function_id, parts in list(self._of.items()):
            for called_as in {call.called_as for call, _ in parts if call.called_as}:
                try:
                    now = names.resolve(called_as)
                except NotFoundError:
                    continue
                mine = [part for part in parts if part[0].called_as == called_as]
                self._of[function_id] = [part for part in self._of[function_id] if part[0].called_as != called_as]
                driver.take(*(self._restored(call, inputs, now) for call, inputs in mine))

    def give_up(self, keeper: JournalKeeper) -> None:
        """Whose function has not come in time, it does not come any more."""
        for call, inputs in self._left():
            why = NotFoundError(
                f"{call.call_id} was accepted, and its app {call.app} is not on this server any more: its program has gone, "
                "or what was deployed cannot serve"
            )
            told = report.of(why)
            ended = [InputEnd(each.index, OutcomeKind.LOST, told) for each, _ in inputs]
            keeper.owe([InputsEnded(call.call_id, ended, self._clock.wall_now())])
        self._of.clear()

    def _left(self) -> Iterator[Part]:
        return (part for parts in self._of.values() for part in parts)

    def _restored(
        self, call: KeptCall, inputs: list[tuple[UnfinishedInput, bytes]], function_id: str
    ) -> InputsRestored:
        offset = self._clock.offset
        return InputsRestored(
            call.call_id,
            function_id,
            call.method,
            [
                RestoredInput(
                    each.index,
                    payload,
                    min(each.submitted_at - offset, self._clock.now()),  # the wall clock may have been set back
                    each.attempts,
                    each.retries,
                    each.lone_losses,
                    each.due_at - offset if each.due_at > 0 else each.due_at,
                    each.last_attempt,
                )
                for each, payload in inputs
            ],
            call.principal,
            call.parent_input_id or None,
            call.trace,
            call.at_most_once,
        )
