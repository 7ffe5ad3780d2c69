"""Spawned calls of servers without a journal: what is kept of them, and what goes with results that are dropped."""

from __future__ import annotations

from typing import Any

from motet.core.commands import SaveOutcomes
from motet.core.events import InputsSubmitted
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.server.clients.spawned import SpawnedCalls, SpawnedInputs, SpawnKey
from motet.store.memory import MemoryCallStore
from motet.wire.client_messages import CallSpawned


class _Asker:
    number = 1
    principal = 7

    def reply(self, request_id: int, body: Any) -> None:
        raise AssertionError(body)


def _spawned(calls: SpawnedCalls, call_id: str, key: str) -> str:
    event = InputsSubmitted(
        client=1,
        principal=7,
        call_id=call_id,
        function_id="fu-1",
        kind=CallKind.SPAWNED,
        method="",
        inputs=[NewInput(0, b"")],
    )
    spawn = SpawnedInputs(event, lambda *events: None, "ap-1")
    reply = calls.spawn_once(_Asker(), 1, spawn, SpawnKey.of(key, event, ""))
    assert isinstance(reply, CallSpawned)
    return reply.call_id


def _end(calls: SpawnedCalls, call_id: str, payload: bytes) -> None:
    calls.save(SaveOutcomes(call_id, [InputEnd(0, OutcomeKind.SUCCESS, payload)]))


def test_keys_go_with_the_results_that_are_dropped_and_nothing_is_held_for_them() -> None:
    held: list[int] = []
    calls = SpawnedCalls(MemoryCallStore(most_bytes=1000), lambda principal, size: held.append(size))
    assert _spawned(calls, "fc-1", "first") == "fc-1"
    _end(calls, "fc-1", b"x" * 600)
    assert _spawned(calls, "fc-2", "first") == "fc-1"  # as long as its result is kept
    for number in range(2, 50):
        assert _spawned(calls, f"fc-{number}", f"key {number}") == f"fc-{number}"
        _end(calls, f"fc-{number}", b"x" * 600)
    assert sum(held) == 600
    assert (len(calls._used), len(calls._names), len(calls._principals), len(calls._sizes)) == (1, 1, 1, 1)
    assert _spawned(calls, "fc-50", "first") == "fc-50"
