"""Questions about records: what to look for, and how much of it."""

from __future__ import annotations

import math

import msgspec

from motet.errors import InvalidError
from motet.model.outcome import OutcomeKind
from motet.records.logs import LogSource

MAX_FOUND = 20_000
"""Records that one question may bring."""
MAX_SEARCH = 10_000
"""Characters of text that lines can be searched for."""


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to find; every filter that is given must hold.

    `app` and `function` are ids or names. `search` is text: its words must follow each other in a line, in any case, and
    the last, if it has three characters or more, may be the beginning of one. Text without a word (a letter or digit) must be
    in the line as it is. `since` and `until` are wall-clock seconds. `newest`: the last `limit` lines, else
    the first; either way they come oldest first. `after`: only lines of a greater `LogLine.position`.
    """

    app: str | None = None
    function: str | None = None
    call_id: str | None = None
    input_id: str | None = None
    container_id: str | None = None
    sources: tuple[LogSource, ...] = ()
    search: str | None = None
    since: float | None = None
    until: float | None = None
    after: int | None = None
    newest: bool = True
    limit: int = 100

    def __post_init__(self) -> None:
        _check_limit(self.limit)
        _check_search(self.search)
        _check_range(self.since, self.until)
        _check_number("after", self.after)


class CallQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls to find, the newest first. `kinds`: only those with an input that ended so. `before`: only calls submitted
    earlier (to page on)."""

    app: str | None = None
    function: str | None = None
    parent_input_id: str | None = None
    kinds: tuple[OutcomeKind, ...] = ()
    since: float | None = None
    until: float | None = None
    before: float | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        _check_limit(self.limit)
        _check_range(self.since, self.until)
        _check_number("before", self.before)


class InputQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which ended inputs to find: those of a call in order of their index, or else those of a function or app, the latest
    ended first. `after_index` and `before` page on."""

    call_id: str | None = None
    function: str | None = None
    app: str | None = None
    container_id: str | None = None
    kinds: tuple[OutcomeKind, ...] = ()
    since: float | None = None
    until: float | None = None
    after_index: int | None = None
    before: float | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        _check_limit(self.limit)
        _check_range(self.since, self.until)
        _check_number("after_index", self.after_index)
        _check_number("before", self.before)


def _check_number(name: str, value: float | None) -> None:
    if value is not None and not -(2**63) <= value < 2**63:
        raise InvalidError(f"`{name}` must be a number of 64 bits, got {value}")


def _check_search(search: str | None) -> None:
    if search is not None and len(search) > MAX_SEARCH:
        raise InvalidError(f"at most {MAX_SEARCH} characters can be searched for, got {len(search)}")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_FOUND:
        raise InvalidError(f"between 1 and {MAX_FOUND} records can be asked for at once, got {limit}")


def _check_range(since: float | None, until: float | None) -> None:
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and not math.isfinite(moment):
            raise InvalidError(f"`{name}` must be a moment in seconds since the epoch, got {moment}")
    if since is not None and until is not None and since > until:
        raise InvalidError(f"`since` ({since}) must not be later than `until` ({until})")
