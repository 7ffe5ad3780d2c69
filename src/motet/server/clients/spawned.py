"""Spawned calls: outcomes go to the store, and to whoever waits for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from motet.core.commands import SaveOutcomes
from motet.errors import NotFoundError
from motet.model.outcome import InputEnd
from motet.server.clients.asker import Asker
from motet.store.base import CallStore
from motet.wire import report
from motet.wire.client_messages import Outcomes, RequestFailed

MAX_AT_ONCE = 100
MAX_BYTES_AT_ONCE = 4 * 1024 * 1024
"""Whoever asks gets one outcome, and those that follow while they are small."""


class SpawnedCalls:
    """Answers requests for outcomes, now or when they are there."""

    def __init__(self, store: CallStore, hold: Callable[[int, int], None] = lambda principal, size: None) -> None:
        """`hold` is told of bytes of outcomes more, or fewer, that are kept for a principal."""
        self.store = store
        self._hold = hold
        self._sizes: dict[str, int] = {}
        """Bytes of the outcomes of each call."""
        self._waiting: dict[tuple[str, int], dict[tuple[int, int], Asker]] = {}
        self._keys: dict[tuple[int, int], tuple[str, int]] = {}
        self._principals: dict[str, int] = {}
        """Whose each call is."""

    def claim(self, call_id: str, principal: int) -> None:
        """A principal makes this call, or adds to it. Raises `NotFoundError` if it is another's."""
        if self._principals.setdefault(call_id, principal) != principal:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server")

    def check_owner(self, call_id: str, principal: int | None) -> None:
        """Raise `NotFoundError` if a call is another's; None may see all."""
        if principal is not None and self._principals.get(call_id, principal) != principal:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server")

    def outcomes(self, call_id: str, index: int, count: int = MAX_AT_ONCE) -> list[InputEnd]:
        """What has ended from input `index` on, `count` outcomes at most. Raises `NotFoundError`."""
        found = self.store.outcomes(call_id, index, max(1, min(count, MAX_AT_ONCE)))
        size = 0
        for place, each in enumerate(found):
            size += len(each.payload)
            if place and size > MAX_BYTES_AT_ONCE:
                return found[:place]
        return found

    def wait(self, asker: Asker, request_id: int, call_id: str, index: int) -> None:
        """Answer this request when the input has ended."""
        request = (asker.number, request_id)
        self._waiting.setdefault((call_id, index), {})[request] = asker
        self._keys[request] = (call_id, index)

    def save(self, command: SaveOutcomes) -> None:
        """Inputs ended: keep their outcomes, and answer those who wait."""
        call_id = command.call_id
        self.store.save_outcomes(call_id, command.ended)
        if (principal := self._principals.get(call_id)) is not None:
            size = sum(len(each.payload) for each in command.ended)
            self._sizes[call_id] = self._sizes.get(call_id, 0) + size
            self._hold(principal, size)
        for each in command.ended:  # kept first: whoever is answered may ask again at once
            for (number, request_id), asker in self._waiting.pop((call_id, each.index), {}).items():
                self._keys.pop((number, request_id), None)
                asker.reply(request_id, Outcomes(call_id, [each]))

    def forget(self, client: int, request_id: int) -> None:
        """This answer is not wanted any more."""
        key = self._keys.pop((client, request_id), None)
        if key is not None:  # an answer that is on its way has none
            askers = self._waiting[key]
            del askers[client, request_id]
            if not askers:
                del self._waiting[key]

    def forget_client(self, client: int) -> None:
        """None of this client's answers is wanted any more."""
        for number, request_id in [request for request in self._keys if request[0] == client]:
            self.forget(number, request_id)

    def forget_app(self, app_id: str) -> None:
        """The app stopped: its calls are gone, and whoever still waits is told."""
        self._gone(set(self.store.forget_app(app_id)), "its app has stopped")

    async def erase(self, call_ids: Sequence[str]) -> bool:
        """Have nothing left of calls that have ended; whether there was something. Raises `ServiceError`."""
        found = self.store.forget_calls(call_ids)
        self._gone(set(found), "it has been erased")
        return bool(found)

    def _gone(self, gone: set[str], why: str) -> None:
        for call_id in gone:
            principal, size = self._principals.pop(call_id, None), self._sizes.pop(call_id, 0)
            if principal is not None:
                self._hold(principal, -size)
        for call_id, index in [key for key in self._waiting if key[0] in gone]:
            problem = report.of(NotFoundError(f"{call_id}: {why}"))
            for (number, request_id), asker in self._waiting.pop((call_id, index)).items():
                self._keys.pop((number, request_id), None)
                asker.reply(request_id, RequestFailed(problem))
