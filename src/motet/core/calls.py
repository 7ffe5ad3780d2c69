"""The calls that have unfinished inputs, and whom they belong to."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from motet.core.inputs import Call, Input
from motet.model.ids import split_input_id
from motet.model.outcome import CallKind


class Calls(dict[str, Call]):
    """By id. Those of a client, of a function, and those that an input made, are found without looking at the others."""

    def __init__(self) -> None:
        super().__init__()
        self._of_client: dict[int, dict[Call, None]] = {}
        """Of each client that has made a call and is still there."""
        self._of_input: dict[str, dict[Call, None]] = {}
        self._of_function: dict[str, dict[Call, None]] = {}

    def add(self, call: Call) -> None:
        """It has an unfinished input. Spawned ones belong to nobody."""
        self[call.call_id] = call
        of_function = self._of_function.get(call.function_id)
        if of_function is None:
            of_function = self._of_function[call.function_id] = {}
        of_function[call] = None
        if call.kind is CallKind.SPAWNED:  # it outlives its client, and the input that made it
            return
        calls = self._of_client.get(call.client)
        if calls is None:
            calls = self._of_client[call.client] = {}
        calls[call] = None
        if call.parent_input_id is not None:
            self._of_input.setdefault(call.parent_input_id, {})[call] = None

    def forget(self, call: Call) -> None:
        """All its inputs have ended, perhaps before it was added."""
        if self.pop(call.call_id, None) is None:
            return
        self._of_function[call.function_id].pop(call, None)
        if call.kind is CallKind.SPAWNED:
            return
        if (calls := self._of_client.get(call.client)) is not None:
            calls.pop(call, None)
        if (siblings := self._of_input.get(call.parent_input_id or "")) is not None:
            siblings.pop(call, None)
            if not siblings:
                del self._of_input[call.parent_input_id or ""]

    def lost(self, client: int) -> dict[Call, None]:
        """Those whose outcomes only this client could take, which is gone. They are its no longer."""
        return self._of_client.pop(client, {})

    def of_input(self, input_id: str) -> Collection[Call]:
        """Those that end with this input, because it waits for them."""
        return self._of_input.get(input_id, {})

    def take_of_input(self, input_id: str) -> dict[Call, None]:
        """The same; they are its no longer."""
        return self._of_input.pop(input_id, {})

    def of_function(self, function_id: str) -> dict[Call, None]:
        """Those of a function, as they are from now on."""
        return self._of_function.get(function_id, {})

    def take_spawned(self, function_id: str) -> list[Call]:
        """Those of a function that are spawned, and that nobody has cancelled. They are here no longer."""
        calls = self.of_function(function_id)
        spawned = [call for call in calls if call.kind is CallKind.SPAWNED and call.cancelled is None]
        for call in spawned:
            del calls[call], self[call.call_id]
        return spawned

    def forget_function(self, function_id: str) -> None:
        """It is gone, and has no calls any more."""
        self._of_function.pop(function_id, None)

    def find(self, input_id: str) -> Input | None:
        """An unfinished input by its id."""
        with contextlib.suppress(ValueError):
            call_id, index = split_input_id(input_id)
            if (call := self.get(call_id)) is not None:
                return call.inputs.get(index)
        return None

    def check(self) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        claimed = {call for call in self.values() if call.kind is not CallKind.SPAWNED}
        of_function = [(name, call) for name, calls in self._of_function.items() for call in calls]
        by_client = [(client, call) for client, calls in self._of_client.items() for call in calls]
        by_input = [(input_id, call) for input_id, calls in self._of_input.items() for call in calls]
        return {
            "calls": all(call.inputs for call in self.values()),
            "callers": {c for _, c in by_client} <= claimed and all(c.client == client for client, c in by_client),
            "children": {c for _, c in by_input} <= claimed and all(c.parent_input_id == it for it, c in by_input),
            "functions": {c for _, c in of_function} == set(self.values())
            and all(c.function_id == name for name, c in of_function),
        }
