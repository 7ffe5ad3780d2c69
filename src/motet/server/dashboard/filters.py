"""What a query string asks for: filters as they stand in a page's address, read and checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import cast, get_args

from motet.errors import InvalidError
from motet.model import ids
from motet.model.outcome import OutcomeKind
from motet.records.logs import LogSource
from motet.records.queries import MAX_FOUND, CallQuery, InputQuery, LogQuery
from motet.server.moments import parse_moment

KINDS = {kind.name.lower(): kind for kind in OutcomeKind}
SOURCES: tuple[str, ...] = get_args(LogSource)
MAX_FILTER_CHARS = 2000


class Filters:
    """The parameters of one request. Each `take_...` reads one; `done` refuses those that nobody read.

    All raise `InvalidError`, which names the parameter, its value and what it should be. `now`: wall-clock seconds.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], now: float) -> None:
        self._now = now
        self._given: dict[str, str] = {}
        self._taken: list[str] = []
        for name, value in pairs:
            if name in self._given:
                raise InvalidError(f"{name}= is given twice; give it once (several values: {name}=a,b)")
            if len(value) > MAX_FILTER_CHARS:
                raise InvalidError(f"{name}= has {len(value):,} characters; {MAX_FILTER_CHARS:,} is the most")
            self._given[name] = value.strip()

    def text(self, name: str) -> str | None:
        """Any text; None if it is not given, or empty."""
        self._taken.append(name)
        return self._given.get(name) or None

    def identifier(self, name: str, prefix: str) -> str | None:
        """An id of one kind, such as a call's, which begins with "fc-"."""
        text = self.text(name)
        return None if text is None else checked_id(text, prefix, name)

    def place(self, name: str) -> str | None:
        """The id of what writes lines: a container, or a sandbox."""
        text = self.text(name)
        return None if text is None else checked_id(text, "sb" if text.startswith("sb-") else "ta", name)

    def moment(self, name: str) -> float | None:
        """A moment: so long ago (30s, 5m, 2h, 1d), in ISO 8601, or in seconds since the epoch."""
        text = self.text(name)
        return None if text is None else parse_moment(text, self._now, name)

    def number(self, name: str, default: int | None, *, least: int = 0, most: int | None = None) -> int | None:
        """A whole number."""
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,18}", text) or int(text) < least or (most is not None and int(text) > most):
            span = f"from {least} to {most:,}" if most is not None else f"not below {least}"
            raise InvalidError(f"{name}={text} is not a whole number {span}")
        return int(text)

    def limit(self, default: int = 100) -> int:
        """How many to find."""
        return cast(int, self.number("limit", default, least=1, most=MAX_FOUND))

    def choices(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Some of the words that there are for it, with commas between them."""
        text = self.text(name)
        words = [] if text is None else [word.strip() for word in text.split(",") if word.strip()]
        for word in words:
            if word not in known:
                raise InvalidError(f"{name}={word} is not known; it can be: {', '.join(known)}")
        return tuple(dict.fromkeys(words))

    def kinds(self) -> tuple[OutcomeKind, ...]:
        """Ways for an input to end."""
        return tuple(KINDS[word] for word in self.choices("kind", KINDS))

    def done(self) -> None:
        """Refuse a parameter that was not read: one that is misspelt would seem to filter, and would not."""
        for name in self._given:
            if name not in self._taken:
                known = ", ".join(dict.fromkeys(self._taken)) or "none"
                raise InvalidError(f"there is no filter {name!r} here; there is: {known}")


def checked_id(text: str, prefix: str, name: str) -> str:
    """`text`, if it looks like an id of this kind. Raises `InvalidError`."""
    return ids.checked_id(text, prefix, name, tail=r"[\w-]{1,100}")


def log_query(filters: Filters) -> LogQuery:
    """Which lines a request is for."""
    query = LogQuery(
        app=filters.text("app"),
        function=filters.text("function"),
        call_id=filters.identifier("call", "fc"),
        input_id=filters.identifier("input", "in"),
        container_id=filters.place("container"),
        sources=cast("tuple[LogSource, ...]", filters.choices("source", SOURCES)),
        search=filters.text("search"),
        since=filters.moment("since"),
        until=filters.moment("until"),
        after=filters.number("after", None),
        newest=filters.number("newest", 1, most=1) == 1,
        limit=filters.limit(200),
    )
    filters.done()
    return query


def call_query(filters: Filters) -> CallQuery:
    """Which calls a request is for."""
    query = CallQuery(
        app=filters.text("app"),
        function=filters.text("function"),
        parent_input_id=filters.identifier("parent", "in"),
        kinds=filters.kinds(),
        since=filters.moment("since"),
        until=filters.moment("until"),
        before=filters.moment("before"),
        limit=filters.limit(50),
    )
    filters.done()
    return query


def input_query(filters: Filters, call_id: str) -> InputQuery:
    """Which ended inputs of a call a request is for."""
    query = InputQuery(
        call_id=call_id, kinds=filters.kinds(), after_index=filters.number("after", None), limit=filters.limit(200)
    )
    filters.done()
    return query
