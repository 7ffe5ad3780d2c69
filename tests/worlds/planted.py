"""Faults that are planted in Motet's own code, each by changing one thing in it: simulated worlds are to find them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from motet.client.unfinished import Unfinished
from motet.core import streams
from motet.core.attempts import Attempts
from motet.core.batch_slots import BatchSlots
from motet.core.commands import AckItems
from motet.core.earlier_attempts import EarlierAttempts
from motet.core.inputs import Input
from motet.core.single_slots import SingleSlots
from motet.model.outcome import OutcomeKind
from motet.runtime.kept_attempts import KeptAttempts
from motet.server.clients.conversation import Conversation
from motet.server.clients.session import ClientSession
from motet.server.containers.come_back import Returning
from motet.server.containers.containers import Containers
from motet.server.containers.unacknowledged import Unacknowledged
from motet.server.journal.durable_calls import DurableCalls
from motet.store.journal_memory import MemoryJournal
from motet.testing.simulated.disk import SimulatedDisk, SimulatedJournal
from motet.testing.simulated.host import SimulatedHost
from motet.wire.client_messages import Done
from motet.wire.kept_messages import KeptMessages

Plant = Callable[[pytest.MonkeyPatch], None]


def agents_forget_how_many_servers_there_were(patch: pytest.MonkeyPatch) -> None:
    """And journals do not count them, either: so that attempts get numbers that others have."""
    patch.setattr(SimulatedHost, "forgets_runs", True)
    patch.setattr(SimulatedJournal, "term", 0)


def containers_forget_what_they_run(patch: pytest.MonkeyPatch) -> None:
    """When they come back to another server."""
    cut = KeptAttempts.cut

    def forgetful(self: KeptAttempts, is_cancelled: Callable[[int], bool]) -> Any:
        _, ended, ends = cut(self, is_cancelled)
        return [], ended, ends

    patch.setattr(KeptAttempts, "cut", forgetful)


def outcomes_are_acknowledged_before_their_callers_have_them(patch: pytest.MonkeyPatch) -> None:
    """So that nobody has them when the server is gone just then."""

    def at_once(self: Unacknowledged, container_id: str, ends: Any) -> None:
        for end in ends:
            self._add(container_id, end.attempt)

    patch.setattr(Unacknowledged, "finished", at_once)


def clients_are_let_in_before_containers_are_back(patch: pytest.MonkeyPatch) -> None:
    """So that what runs there runs once more."""

    async def at_once(self: Returning) -> None:
        """Wait for nobody."""

    patch.setattr(Returning, "all_back", at_once)


def containers_that_come_back_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """And others are started beside them."""
    patch.setattr(Returning, "claim", lambda self, function_id: [])
    patch.setattr(Returning, "expect_claims", lambda self: None)


def clients_do_not_say_that_they_ask_again(patch: pytest.MonkeyPatch) -> None:
    """So that a server takes what may have run for what has not."""
    again = Unfinished.again

    def as_if_new(self: Unfinished) -> Any:
        for message in again(self):
            yield msgspec.structs.replace(message, again=False) if hasattr(message, "again") else message

    patch.setattr(Unfinished, "again", as_if_new)


def stale_outcomes_are_accepted(patch: pytest.MonkeyPatch) -> None:
    """Those of attempts that were given up: for whichever attempt runs now."""
    begin, finished = Attempts.begin, SingleSlots.finished
    items: dict[int, Any] = {}

    def remembering(self: Attempts, inputs: Any, container: Any, now: float) -> Any:
        deliveries = begin(self, inputs, container, now)
        items.update({each.attempt: (item, container) for each, item in zip(deliveries, inputs, strict=True)})
        return deliveries

    def credulous(self: SingleSlots, container: Any, ends: Any, turn: Any) -> int:
        count = 0
        for end in ends:
            item, _ = items.get(end.attempt, (None, None))
            is_stale = item is not None and item.attempt != end.attempt and end.kind is OutcomeKind.SUCCESS
            if is_stale and (now := items.get(item.attempt)) is not None and now[1].running.get(item.attempt) is item:
                count += finished(self, now[1], [msgspec.structs.replace(end, attempt=item.attempt)], turn)
            count += finished(self, container, [end], turn)
        return count

    patch.setattr(Attempts, "begin", remembering)
    patch.setattr(SingleSlots, "finished", credulous)


def the_disk_says_that_it_has_synced_and_has_not(patch: pytest.MonkeyPatch) -> None:
    """A dropped fsync: what was kept is gone with the machine."""
    patch.setattr(SimulatedDisk, "drops_syncs", True)


def spawns_are_acknowledged_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """And lost, if the server is gone in between."""
    accept = DurableCalls._accept

    def early(self: DurableCalls, asker: Any, request_id: int, spawn: Any) -> None:
        self._reply(asker, request_id, Done())
        accept(self, Mock(), request_id, spawn)

    patch.setattr(DurableCalls, "_accept", early)


def outcomes_are_told_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """So that an input runs again whose outcome somebody has."""
    save = DurableCalls.save

    def early(self: DurableCalls, command: Any, then: Any = lambda: None) -> None:
        self.answer_waiting(command)
        save(self, command, then)

    patch.setattr(DurableCalls, "save", early)


def journals_forget_who_leads(patch: pytest.MonkeyPatch) -> None:
    """A server that another one has replaced goes on keeping things."""
    patch.setattr(MemoryJournal, "_check_leads", MemoryJournal._check_open)


def kept_inputs_do_not_join_what_runs(patch: pytest.MonkeyPatch) -> None:
    """They run twice."""
    patch.setattr(EarlierAttempts, "has", lambda self, call_id, index: False)


def conversations_are_taken_up_at_a_wrong_number(patch: pytest.MonkeyPatch) -> None:
    """What one end has said last before a break is not said again."""
    after = KeptMessages.after
    patch.setattr(KeptMessages, "after", lambda self, count: after(self, count)[1:])


def conversations_end_with_their_connections(patch: pytest.MonkeyPatch) -> None:
    """A client that is cut off is gone."""
    disconnected = Conversation.disconnected

    def over(self: Conversation) -> None:
        disconnected(self)
        self.end()

    patch.setattr(Conversation, "disconnected", over)


def attempts_go_to_two_containers(patch: pytest.MonkeyPatch) -> None:
    """An input is delivered once more while its container lives."""
    deliver = Containers.deliver

    def twice(self: Containers, command: Any) -> None:
        deliver(self, command)
        here = self._containers.get(command.container_id)
        for container_id, other in self._containers.items():
            if here is not None and other is not here and other.function_id == here.function_id and other.executor:
                deliver(self, msgspec.structs.replace(command, container_id=container_id))
                return

    patch.setattr(Containers, "deliver", twice)


def journals_mix_outcomes_up(patch: pytest.MonkeyPatch) -> None:
    """Of one call's inputs, each gets that of another."""
    outcomes = MemoryJournal.outcomes

    def mixed(self: MemoryJournal, call_id: str, index: int, limit: int) -> Any:
        found = outcomes(self, call_id, index, limit)
        payloads = [each.payload for each in reversed(found)]
        kinds = [each.kind for each in reversed(found)]
        return [
            msgspec.structs.replace(each, payload=payload, kind=kind)
            for each, payload, kind in zip(found, payloads, kinds, strict=True)
        ]

    patch.setattr(MemoryJournal, "outcomes", mixed)


def what_is_kept_is_not_looked_up_again(patch: pytest.MonkeyPatch) -> None:
    """A spawned call that a client says again, because it does not know whether it was accepted, is accepted once more."""
    patch.setattr(MemoryJournal, "known", lambda self, call_id, indices: {})


def containers_forget_outcomes_at_once(patch: pytest.MonkeyPatch) -> None:
    """They are said once, and not kept until their callers have them."""
    patch.setattr(KeptAttempts, "ended", lambda self, end: self.acknowledged([end.attempt]))


def streams_begin_again_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """When their container is lost, although their consumers have items."""
    patch.setattr(Input, "sent_items", lambda self, count: None)


def items_count_as_taken_when_they_are_sent(patch: pytest.MonkeyPatch) -> None:
    """Whether their consumer has them or not."""
    yielded = streams.yielded

    def early(container: Any, attempt: int, items: list[bytes], turn: Any) -> None:
        yielded(container, attempt, items, turn)
        turn.commands.append(AckItems(container.container_id, attempt, len(items)))

    patch.setattr(streams, "yielded", early)


def of_items_that_come_together_some_are_left_out(patch: pytest.MonkeyPatch) -> None:
    """All but the first three."""
    send_items = ClientSession.send_items
    patch.setattr(
        ClientSession, "send_items", lambda self, call, index, items: send_items(self, call, index, items[:3])
    )


def batches_are_one_larger_than_they_may_be(patch: pytest.MonkeyPatch) -> None:
    """One input too many is in a call."""
    init = BatchSlots.__init__

    def wide(self: BatchSlots, batching: Any, *rest: Any) -> None:
        init(self, msgspec.structs.replace(batching, max_batch_size=batching.max_batch_size + 1), *rest)

    patch.setattr(BatchSlots, "__init__", wide)


def members_of_batches_get_each_others_outcomes(patch: pytest.MonkeyPatch) -> None:
    """What was made of one input is taken for what was made of another."""
    finished = BatchSlots.finished

    def mixed(self: BatchSlots, container: Any, ends: Any, turn: Any) -> int:
        others = [
            msgspec.structs.replace(each, payload=other.payload, kind=other.kind)
            for each, other in zip(ends, reversed(ends), strict=True)
        ]
        return finished(self, container, others, turn)

    patch.setattr(BatchSlots, "finished", mixed)


def batches_come_back_one_by_one(patch: pytest.MonkeyPatch) -> None:
    """Containers do not tell the next server which attempts are one call."""
    cut = KeptAttempts.cut

    def alone(self: KeptAttempts, is_cancelled: Callable[[int], bool]) -> Any:
        running, ended, ends = cut(self, is_cancelled)
        return [msgspec.structs.replace(each, batch=0) for each in running], ended, ends

    patch.setattr(KeptAttempts, "cut", alone)


PLANTS: list[Plant] = [
    agents_forget_how_many_servers_there_were,
    containers_forget_what_they_run,
    outcomes_are_acknowledged_before_their_callers_have_them,
    clients_are_let_in_before_containers_are_back,
    containers_that_come_back_are_forgotten,
    clients_do_not_say_that_they_ask_again,
    stale_outcomes_are_accepted,
    the_disk_says_that_it_has_synced_and_has_not,
    spawns_are_acknowledged_before_the_commit,
    outcomes_are_told_before_the_commit,
    journals_forget_who_leads,
    kept_inputs_do_not_join_what_runs,
    conversations_are_taken_up_at_a_wrong_number,
    conversations_end_with_their_connections,
    attempts_go_to_two_containers,
    journals_mix_outcomes_up,
    what_is_kept_is_not_looked_up_again,
    containers_forget_outcomes_at_once,
    streams_begin_again_elsewhere,
    items_count_as_taken_when_they_are_sent,
    of_items_that_come_together_some_are_left_out,
    batches_are_one_larger_than_they_may_be,
    members_of_batches_get_each_others_outcomes,
    batches_come_back_one_by_one,
]
