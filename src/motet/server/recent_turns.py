"""The last turns of the engine, for the story that a broken promise is told with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from motet.core import events as e

TURNS = 24
EVENTS_PER_TURN = 6
MAX_TEXT = 300

_OUTLINES: dict[type[e.Event], Callable[[Any], tuple[object, ...]]] = {
    e.FunctionAdded: lambda event: (e.FunctionAdded, event.function_id, event.app_id, event.spec.name),
    e.InputsSubmitted: lambda event: (
        e.InputsSubmitted,
        event.call_id,
        event.function_id,
        event.client,
        len(event.inputs),
    ),
    e.InputsRestored: lambda event: (e.InputsRestored, event.call_id, event.function_id, len(event.inputs)),
    e.InputFed: lambda event: (e.InputFed, event.call_id, event.index, len(event.items)),
    e.ContainerFailed: lambda event: (e.ContainerFailed, event.container_id),
    e.AttemptsFinished: lambda event: (
        e.AttemptsFinished,
        event.container_id,
        event.attempts[0].attempt if event.attempts else 0,
        len(event.attempts),
    ),
    e.ItemsYielded: lambda event: (e.ItemsYielded, event.container_id, event.attempt, len(event.items)),
}
"""What is kept of events that carry what users sent: who (the first of several), and how many. Of all others, everything."""

_outline_of = _OUTLINES.get


class RecentTurns:
    """A ring of what the engine was told lately. It keeps no arguments, results or items; text is made when it is wanted."""

    def __init__(self) -> None:
        self._turns: deque[tuple[float, int, list[object]]] = deque(maxlen=TURNS)

    def add(self, now: float, events: Sequence[e.Event]) -> None:
        """The engine is about to handle these."""
        kept: list[object] = []
        for event in events[:EVENTS_PER_TURN]:
            outline = _outline_of(type(event))
            kept.append(event if outline is None else outline(event))
        self._turns.append((now, len(events), kept))

    def __str__(self) -> str:
        return "\n".join(_told(*turn) for turn in self._turns)


def _told(now: float, count: int, kept: list[object]) -> str:
    said = [_outlined(*what) if isinstance(what, tuple) else repr(what) for what in kept]
    more = [f"... {count - len(kept)} more"] if count > len(kept) else []
    return f"  {now:.3f} " + "; ".join(each[:MAX_TEXT] for each in [*said, *more])


def _outlined(kind: type[e.Event], *what: object) -> str:
    return f"{kind.__name__}({', '.join(map(repr, what))})"
