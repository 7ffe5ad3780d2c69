"""Which inputs of a call have not ended, as the journal knows it: asked where the engine has let go of them."""

from __future__ import annotations

from motet.errors import NotFoundError
from motet.store.journal import Journal

MOST_KNOWN = 1000
"""Inputs that one question to the journal is about, and that one entry ends."""


def still_unfinished(journal: Journal, call_id: str, by: int | None) -> list[int]:
    """Their indices. Raises `NotFoundError` for a call that is not here, or is another principal's than `by`; None: anybody's
    will do."""
    call, count = journal.call(call_id)
    if by is not None and call.principal != by:
        raise not_here(call_id)
    parts = (range(first, min(first + MOST_KNOWN, count)) for first in range(0, count, MOST_KNOWN))
    return [index for part in parts for index, has_ended in journal.known(call_id, part).items() if not has_ended]


def not_here(call_id: str) -> NotFoundError:
    """What is said of a call that is not known, or not for whoever asks."""
    return NotFoundError(f"no spawned call {call_id} is kept on this server (any more)")
