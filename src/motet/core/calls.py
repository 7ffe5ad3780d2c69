"""The calls that have unfinished inputs, and whom they belong to."""

from __future__ import annotations

from motet.core.inputs import Call, Input
from motet.model.outcome import CallKind


class Calls(dict[str, Call]):
    """By id. Those of a client, and those that an input made, are found without looking at the others."""

    def __init__(self) -> None:
        super().__init__()
        self._of_client: dict[int, dict[Call, None]] = {}
        """Of each client that has made a call and is still there."""
        self._of_input: dict[str, dict[Call, None]] = {}

    def add(self, call: Call) -> None:
        """It has an unfinished input. Spawned ones belong to nobody."""
        self[call.call_id] = call
        if call.kind is CallKind.SPAWNED:
            return
        calls = self._of_client.get(call.client)
        if calls is None:
            calls = self._of_client[call.client] = {}
        calls[call] = None
        if call.parent_input_id is not None:
            self._of_input.setdefault(call.parent_input_id, {})[call] = None

    def forget(self, call: Call) -> None:
        """All its inputs have ended, perhaps before it was added."""
        if self.pop(call.call_id, None) is None or call.kind is CallKind.SPAWNED:
            return
        if (calls := self._of_client.get(call.client)) is not None:
            calls.pop(call, None)
        if call.parent_input_id is not None:
            siblings = self._of_input[call.parent_input_id]
            del siblings[call]
            if not siblings:
                del self._of_input[call.parent_input_id]

    def lost(self, client: int) -> list[Call]:
        """Those whose outcomes only this client could take, which is gone."""
        return list(self._of_client.pop(client, ()))

    def of_input(self, input_id: str) -> list[Call]:
        """Those that end with this input, because it waits for them."""
        return list(self._of_input.get(input_id, ()))

    def find(self, input_id: str) -> Input | None:
        """An unfinished input by its id. Looks at all of them."""
        every = (item for call in self.values() for item in call.inputs.values())
        return next((item for item in every if item.input_id == input_id), None)

    def check(self) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        claimed = {call for call in self.values() if call.kind is not CallKind.SPAWNED}
        made = {call for call in claimed if call.parent_input_id is not None}
        by_client = [(client, call) for client, calls in self._of_client.items() for call in calls]
        by_input = [(input_id, call) for input_id, calls in self._of_input.items() for call in calls]
        return {
            "calls": all(call.inputs for call in self.values()),
            "callers": {c for _, c in by_client} == claimed and all(c.client == client for client, c in by_client),
            "children": {c for _, c in by_input} == made and all(c.parent_input_id == name for name, c in by_input),
        }
