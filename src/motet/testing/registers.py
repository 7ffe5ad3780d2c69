"""Whether a history of keys that many read and write may have happened: each operation in one moment between its begin and end.

Known as linearizability. Keys do not know of each other, so each is checked by itself (Wing and Gong's search, with what was
seen already left out). An operation whose answer was lost may have happened at any later moment, or never.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Value = int | None
"""None: there is no such key."""
Kind = Literal["put", "put if absent", "get", "pop"]


@dataclass(frozen=True, slots=True)
class KeyOperation:
    """What one client asked of a key, and when, by a clock that all of them share. `value`: what it put. `answer`: what it got:
    of `put if absent` 1 or 0. `ended_at`: None if the answer was lost."""

    key: str
    kind: Kind
    value: Value
    answer: Value
    began_at: float
    ended_at: float | None


def impossible_keys(history: Iterable[KeyOperation]) -> list[str]:
    """The keys whose history cannot have happened."""
    by_key: defaultdict[str, list[KeyOperation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    return sorted(key for key, operations in by_key.items() if not may_have_happened(operations))


def may_have_happened(operations: Sequence[KeyOperation]) -> bool:
    """Whether there is an order in which each operation of one key has the answer that it had."""
    line = sorted(operations, key=lambda each: each.began_at)
    everything = sum(1 << index for index, each in enumerate(line) if each.ended_at is not None)
    stack: list[tuple[int, Value]] = [(0, None)]
    seen = set(stack)
    while stack:
        done, state = stack.pop()
        if done & everything == everything:
            return True
        waiting = [index for index in range(len(line)) if not done >> index & 1]
        # Nothing that began after another had ended comes before it.
        first_end = min((end for index in waiting if (end := line[index].ended_at) is not None), default=float("inf"))
        for index in waiting:
            if line[index].began_at > first_end:
                break
            is_right, after = _carried_out(line[index], state)
            following = done | 1 << index, after
            if is_right and following not in seen:
                seen.add(following)
                stack.append(following)
    return False


def _carried_out(operation: KeyOperation, state: Value) -> tuple[bool, Value]:
    """Whether its answer is the right one, and what there is then. A lost answer is always right."""
    match operation.kind:
        case "put":
            answer: Value = operation.answer
            after = operation.value
        case "put if absent":
            answer = int(state is None)
            after = operation.value if state is None else state
        case "get":
            answer, after = state, state
        case "pop":
            answer, after = state, None
    return operation.ended_at is None or answer == operation.answer, after
