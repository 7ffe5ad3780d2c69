"""A journal in memory: for tests, and for servers in simulated worlds. It outlives the servers that open it, and no process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence

from motet.errors import AlreadyExistsError, NotFoundError, ServiceError
from motet.model.outcome import InputEnd
from motet.store.blob_reference import MARKER
from motet.store.journal import (
    AppGone,
    AppKept,
    CallMade,
    CallsForgotten,
    Entry,
    InputsAdded,
    InputsEnded,
    InputTried,
    JournalFenced,
    KeptApp,
    KeptCall,
    UnfinishedInput,
    UnfinishedPart,
)


class _CallInMemory:
    """Those of one call."""

    __slots__ = ("call", "ended", "last_ended_at", "num_inputs", "waiting")

    def __init__(self, call: KeptCall) -> None:
        self.call = call
        self.num_inputs = 0
        self.last_ended_at = call.made_at
        self.waiting: dict[int, tuple[UnfinishedInput, bytes]] = {}
        self.ended: dict[int, InputEnd] = {}

    def tried(self, entry: InputTried) -> None:
        """This is what an input has been through, if it has not ended."""
        if (found := self.waiting.get(entry.index)) is not None:
            was, payload = found
            tried = entry.attempts, entry.retries, entry.lone_losses, entry.due_at, entry.last_attempt
            self.waiting[entry.index] = (
                UnfinishedInput(was.index, was.size, was.submitted_at, *tried, was.reference),
                payload,
            )


class JournalMemory:
    """What lies where a disk or a database would be; `MemoryJournal` opens it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.term = 0
        self.calls: dict[str, _CallInMemory] = {}
        self.unfinished: dict[str, None] = {}
        """Calls with unfinished inputs."""
        self.keys: dict[bytes, str] = {}
        self.apps: dict[str, KeptApp] = {}


class MemoryJournal:
    """See `Journal`. Each one that is made is an opening of `memory`, and fences those before it."""

    def __init__(self, memory: JournalMemory) -> None:
        self._memory = memory
        self._is_closed = False
        with memory.lock:
            memory.term += 1
            self._term = memory.term

    @property
    def term(self) -> int:
        """See `Journal`."""
        return self._term

    def keep(self, entries: Sequence[Entry]) -> None:
        """See `Journal`."""
        with self._memory.lock:
            self._check_leads()
            self._check_calls(entries)
            for entry in entries:
                self._take(entry)

    def _check_leads(self) -> None:
        self._check_open()
        if self._memory.term != self._term:
            raise JournalFenced(
                f"another server leads since term {self._memory.term}, and this one had term {self._term}"
            )

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServiceError("this journal is closed")

    def _check_calls(self, entries: Sequence[Entry]) -> None:
        memory = self._memory
        used: dict[bytes, str] = {}
        owners: dict[str, int] = {}
        for entry in entries:
            if not isinstance(entry, CallMade):
                continue
            call = entry.call
            kept = memory.calls.get(call.call_id)
            owner = owners.setdefault(call.call_id, call.principal if kept is None else kept.call.principal)
            if owner != call.principal:
                raise AlreadyExistsError(f"{call.call_id} is another principal's")
            if kept is None and call.key:
                holder = memory.keys.get(call.key) or used.setdefault(call.key, call.call_id)
                if holder != call.call_id:
                    raise AlreadyExistsError(f"{holder} has the key of {call.call_id} already")

    def _take(self, entry: Entry) -> None:
        memory = self._memory
        match entry:
            case CallMade(call):
                self._make(call)
            case InputsAdded(call_id):
                if (kept := memory.calls.get(call_id)) is not None:
                    self._add(kept, entry)
            case InputTried(call_id):
                if (kept := memory.calls.get(call_id)) is not None:
                    kept.tried(entry)
            case InputsEnded(call_id):
                if (kept := memory.calls.get(call_id)) is not None:
                    self._end(kept, entry)
            case CallsForgotten(call_ids):
                for call_id in call_ids:
                    self._forget(call_id)
            case AppKept(app):
                memory.apps[app.app_id] = app
            case AppGone(app_id):
                memory.apps.pop(app_id, None)

    def _make(self, call: KeptCall) -> None:
        if call.call_id not in self._memory.calls:
            self._memory.calls[call.call_id] = _CallInMemory(call)
            if call.key:
                self._memory.keys[call.key] = call.call_id

    def _add(self, kept: _CallInMemory, entry: InputsAdded) -> None:
        for new in entry.inputs:
            if new.index not in kept.waiting and new.index not in kept.ended:
                reference = new.payload if new.payload.startswith(MARKER) else b""
                unfinished = UnfinishedInput(new.index, len(new.payload), entry.at, reference=reference)
                kept.waiting[new.index] = unfinished, new.payload
                kept.num_inputs += 1
        if kept.waiting:
            self._memory.unfinished[entry.call_id] = None

    def _end(self, kept: _CallInMemory, entry: InputsEnded) -> None:
        for each in entry.ended:
            if kept.waiting.pop(each.index, None) is not None:
                kept.ended[each.index] = each
                kept.last_ended_at = max(kept.last_ended_at, entry.at)
        if not kept.waiting:
            self._memory.unfinished.pop(entry.call_id, None)

    def _forget(self, call_id: str) -> None:
        memory = self._memory
        if (kept := memory.calls.pop(call_id, None)) is not None:
            memory.unfinished.pop(call_id, None)
            memory.keys.pop(kept.call.key, None)

    def unfinished(self, most: int = 1000) -> Iterator[UnfinishedPart]:
        """See `Journal`."""
        with self._memory.lock:
            self._check_open()
            calls = [self._memory.calls[each] for each in self._memory.unfinished]
            found = [(kept.call, [kept.waiting[index][0] for index in sorted(kept.waiting)]) for kept in calls]
        for call, inputs in sorted(found, key=lambda it: it[0].made_at):
            for place in range(0, len(inputs), most):
                yield UnfinishedPart(call, inputs[place : place + most])

    def payloads(self, inputs: Sequence[tuple[str, int]]) -> list[bytes]:
        """See `Journal`."""
        with self._memory.lock:
            self._check_open()
            calls = self._memory.calls
            found = [calls[call_id].waiting.get(index) if call_id in calls else None for call_id, index in inputs]
            return [b"" if each is None else each[1] for each in found]

    def kept(self, call_id: str) -> KeptCall:
        """See `Journal`."""
        return self.call(call_id)[0]

    def call(self, call_id: str) -> tuple[KeptCall, int]:
        """See `Journal`."""
        with self._memory.lock:
            kept = self._find(call_id)
            return kept.call, kept.num_inputs

    def known(self, call_id: str, indices: Collection[int]) -> dict[int, bool]:
        """See `Journal`."""
        with self._memory.lock:
            self._check_open()
            kept = self._memory.calls.get(call_id)
            if kept is None:
                return {}
            return {index: index in kept.ended for index in indices if index in kept.ended or index in kept.waiting}

    def outcomes(self, call_id: str, index: int, limit: int) -> list[InputEnd]:
        """See `Journal`."""
        with self._memory.lock:
            kept = self._find(call_id)
            if index not in kept.ended and index not in kept.waiting:
                raise NotFoundError(f"{call_id} has no input {index}: it has {kept.num_inputs}")
            found: list[InputEnd] = []
            while len(found) < limit and (ended := kept.ended.get(index + len(found))) is not None:
                found.append(ended)
            return found

    def by_key(self, key: bytes) -> KeptCall | None:
        """See `Journal`."""
        with self._memory.lock:
            self._check_open()
            call_id = self._memory.keys.get(key)
            return None if call_id is None else self._memory.calls[call_id].call

    def apps(self) -> list[KeptApp]:
        """See `Journal`."""
        with self._memory.lock:
            self._check_open()
            return list(self._memory.apps.values())

    def expire(self, before: float, most: int = 1000) -> int:
        """See `Journal`."""
        with self._memory.lock:
            self._check_leads()
            gone = 0
            for call_id, kept in list(self._memory.calls.items()):
                if gone >= most:
                    break
                if not kept.waiting and kept.last_ended_at < before:
                    gone += max(1, kept.num_inputs)
                    self._forget(call_id)
            return gone

    def check(self) -> list[str]:
        """See `Journal`."""
        with self._memory.lock:
            self._check_open()
            memory = self._memory
            wrong = [
                f"{call_id} is {'' if call_id in memory.unfinished else 'not '}listed as unfinished"
                for call_id, kept in memory.calls.items()
                if bool(kept.waiting) != (call_id in memory.unfinished)
            ]
            return wrong + [f"the key of {it} leads nowhere" for it in memory.keys.values() if it not in memory.calls]

    def close(self) -> None:
        """See `Journal`."""
        self._is_closed = True

    def _find(self, call_id: str) -> _CallInMemory:
        self._check_open()
        kept = self._memory.calls.get(call_id)
        if kept is None:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server (any more)")
        return kept
