"""What the server that is named has kept, where its records are not under MOTET_HOME: asked over its connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import msgspec

from motet.cli.servers import LiveServer
from motet.errors import Error, NotFoundError
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.calls import CallSummary
from motet.records.facts import FactRecord, StallRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogLine
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.records import RecordArchive
from motet.wire import operator_messages as m

F = TypeVar("F", bound=FactRecord)
T = TypeVar("T")

_PAGE = 1000
_LONG = 365 * 86400.0
"""Seconds to wait for a line: as long as it takes."""


class RecordsThere:
    """A `RecordArchive` of a server elsewhere, and of what is kept here: what the server has nothing of is looked for here.

    Lists of apps and functions have both; if the server does not say what it has, `skipped` says why.
    """

    def __init__(self, server: LiveServer, here: RecordArchive) -> None:
        self._server = server
        self._here = here
        self._silent: dict[Path, str] = {}
        self._stalls: dict[str, list[StallRecord]] = {}

    @property
    def skipped(self) -> Mapping[Path, str]:
        """See `RecordArchive`."""
        return {**self._here.skipped, **self._silent}

    def apps(self) -> list[AppRecord]:
        """See `RecordArchive`."""
        there = self._listed(lambda: self._server.ask(m.FindApps(), m.AppsFound).apps)
        found = _together(there, self._here.apps(), attrgetter("app_id"))
        return sorted(found, key=attrgetter("started_at"), reverse=True)

    def functions(self, app: str | None = None) -> list[FunctionRecord]:
        """See `RecordArchive`."""
        there = self._listed(lambda: self._server.ask(m.FindFunctions(app), m.FunctionsFound).functions)
        return sorted(
            _together(there, self._here.functions(app), attrgetter("function_id")), key=attrgetter("function_id")
        )

    def calls(self, query: CallQuery) -> list[CallSummary]:
        """See `RecordArchive`."""
        return self._server.ask(m.FindCalls(query), m.CallsFound).calls or self._here.calls(query)

    def call(self, call_id: str) -> CallSummary | None:
        """See `RecordArchive`."""
        there = self._server.ask(m.FindCall(call_id), m.CallsFound).calls
        return there[0] if there else self._here.call(call_id)

    def inputs(self, query: InputQuery) -> list[InputRecord]:
        """See `RecordArchive`."""
        return self._server.ask(m.FindInputs(query), m.EndedInputsFound).records or self._here.inputs(query)

    def input(self, input_id: str) -> InputRecord | None:
        """See `RecordArchive`."""
        found = self._server.ask(m.FindInput(input_id), m.InputFound)
        if found.record is None:
            return self._here.input(input_id)
        for each in found.containers:
            self._stalls[each.container_id] = [it for it in found.stalls if it.container_id == each.container_id]
        return found.record

    def arguments(self, input_id: str) -> ArgumentsRecord | None:
        """See `RecordArchive`. Raises `NotFoundError` for those of the server: they stay there."""
        if (here := self._here.arguments(input_id)) is None and self.input(input_id) is not None:
            raise NotFoundError(self._stays(f"the arguments of {input_id} are"))
        return here

    def definition(self, function_id: str) -> DefinitionRecord | None:
        """See `RecordArchive`."""
        return self._here.definition(function_id)

    def containers(
        self, function: str | None = None, *, ids: Sequence[str] | None = None, running: bool = False
    ) -> list[ContainerRecord]:
        """See `RecordArchive`."""
        asked = m.FindContainers(function, tuple(ids or ()))
        there = self._listed(lambda: self._server.ask(asked, m.ContainersFound).containers) if function or ids else []
        there = [each for each in there if not running or each.ended_at is None]
        return there or self._here.containers(function, ids=ids, running=running)

    def container(self, container_id: str) -> ContainerRecord | None:
        """See `RecordArchive`."""
        return next(iter(self.containers(ids=[container_id])), None)

    def facts(
        self,
        kind: type[F],
        about: Sequence[str],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[F]:
        """See `RecordArchive`. Of the server's only what held up inputs that were asked for before. Raises `NotFoundError` for
        others."""
        here = self._here.facts(kind, about, since=since, until=until, limit=limit)
        if here:
            return here
        if not issubclass(kind, StallRecord):
            raise NotFoundError(self._stays(f"what is kept about {', '.join(about)} is"))
        return [stall for each in about for stall in self._stalls.get(each, ())]  # type: ignore[misc]

    def logs(self, query: LogQuery) -> list[LogLine]:
        """See `RecordArchive`."""
        return self._server.ask(m.FindLogs(query), m.LogsFound).lines or self._here.logs(query)

    def follow(self, query: LogQuery) -> Iterator[LogLine]:
        """See `RecordArchive`: lines of the server, and those that are kept here if it has none and will have none."""
        found = self._server.ask(m.FindLogs(query), m.LogsFound)
        if found.over and not found.lines:
            yield from self._here.follow(query)
            return
        yield from found.lines
        after = found.lines[-1].position if found.lines else -1
        while not found.over or len(found.lines) == _PAGE:
            asked = msgspec.structs.replace(query, after=after, newest=False, limit=_PAGE)
            found = self._server.ask(m.FindLogs(asked, wait=True), m.LogsFound, _LONG)
            yield from found.lines
            after = found.lines[-1].position if found.lines else after

    def close(self) -> None:
        """Idempotent; the connection is its owner's."""
        self._here.close()

    def _listed(self, ask: Callable[[], list[T]]) -> list[T]:
        try:
            return ask()
        except Error as error:
            self._silent[Path(self._server.identity.address)] = str(error)
            return []

    def _stays(self, what: str) -> str:
        return f"{what} kept by the server at {self._server.identity.address}; ask there, with its MOTET_HOME"


def _together(there: Iterable[T], here: Iterable[T], identity: Callable[[T], str]) -> list[T]:
    return list({identity(each): each for each in (*here, *there)}.values())
