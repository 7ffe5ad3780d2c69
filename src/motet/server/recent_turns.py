"""The last turns of the engine, for the story that a broken promise is told with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from motet.core import events as e

TURNS = 24
EVENTS_PER_TURN = 6
MAX_TEXT = 300

_OUTLINES: dict[type[e.Event], Callable[[Any], str | tuple[object, ...]]] = {
    e.FunctionAdded: lambda event: (event.function_id, event.app_id, event.spec.name),
    e.InputsSubmitted: lambda event: (event.call_id, event.function_id, event.client, len(event.inputs)),
    e.InputFed: lambda event: (event.call_id, event.index, len(event.items)),
    e.ContainerFailed: lambda event: (event.container_id,),
    e.AttemptsFinished: lambda event: (
        event.container_id,
        *[each.attempt for each in event.attempts[:EVENTS_PER_TURN]],
    ),
    e.ItemsYielded: lambda event: (event.container_id, event.attempt, len(event.items)),
}
"""What is kept of events that carry what users sent: who and how many. Of all others, everything."""


class RecentTurns:
    """A ring of what the engine was told lately. It keeps no arguments, results or items."""

    def __init__(self) -> None:
        self._turns: deque[tuple[float, list[tuple[str, object]], int]] = deque(maxlen=TURNS)

    def add(self, now: float, events: Sequence[e.Event]) -> None:
        """The engine is about to handle these."""
        kept: list[tuple[str, object]] = []
        for event in events[:EVENTS_PER_TURN]:
            kind = type(event)
            outline = _OUTLINES.get(kind)
            kept.append((kind.__name__, event if outline is None else outline(event)))
        self._turns.append((now, kept, len(events)))

    def __str__(self) -> str:
        lines = []
        for now, kept, count in self._turns:
            said = [f"{name}{what}" if isinstance(what, tuple) else repr(what) for name, what in kept]
            more = [f"... {count - len(kept)} more"] if count > len(kept) else []
            lines.append(f"  {now:.3f} " + "; ".join(each[:MAX_TEXT] for each in [*said, *more]))
        return "\n".join(lines)
