"""What keeps records of what ran: the seam between the server, which writes them, and those who look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.batch import RecordBatch
from motet.records.calls import CallSummary
from motet.records.facts import FactRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogLine
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery

F = TypeVar("F", bound=FactRecord)


class RecordReader(Protocol):
    """Finds records. Thread-safe; sees what was added before it is asked.

    Names and ids that are not known find nothing: only `call`, `input` and `container` say so, with None.
    """

    def apps(self) -> list[AppRecord]:
        """All apps, the latest started first."""
        ...

    def functions(self, app: str | None = None) -> list[FunctionRecord]:
        """The functions of an app (by id or name), or all, in the order of their ids."""
        ...

    def calls(self, query: CallQuery) -> list[CallSummary]: ...

    def call(self, call_id: str) -> CallSummary | None: ...

    def inputs(self, query: InputQuery) -> list[InputRecord]: ...

    def input(self, input_id: str) -> InputRecord | None: ...

    def arguments(self, input_id: str) -> ArgumentsRecord | None:
        """Those of an input that failed; None if it did not, or they are not kept."""
        ...

    def definition(self, function_id: str) -> DefinitionRecord | None:
        """Where the function of such an input is found."""
        ...

    def containers(
        self, function: str | None = None, *, ids: Sequence[str] | None = None, running: bool = False
    ) -> list[ContainerRecord]:
        """Containers of a function (id or name) or all, or those with these ids, the latest started first."""
        ...

    def container(self, container_id: str) -> ContainerRecord | None: ...

    def facts(
        self,
        kind: type[F],
        about: Sequence[str],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[F]:
        """Facts of a kind about these containers or functions that overlap a span of time, in order; of more than `limit`, the
        latest."""
        ...

    def logs(self, query: LogQuery) -> list[LogLine]: ...


class RecordStore(RecordReader, Protocol):
    """Keeps records, too. One thread adds."""

    def add(self, batch: RecordBatch) -> None:
        """Keep all of these, or none: they survive the end of this process, though perhaps not that of the machine.

        An app, function, call or container that is there already gets the newer values. An input ends once, so it is to be
        added once: nobody checks.
        Raises `ServiceError` if nothing can be kept now (the disk is full), and anything else for a value that never can be.
        """

    def erase_calls(self, call_ids: Sequence[str]) -> int:
        """Have nothing left of these calls: inputs, arguments, stalls and lines, whose bytes are overwritten. Of how many there
        was something. Calls that they made stay."""
        ...

    def forget(self, before: float) -> int:
        """Drop lines, inputs (with their arguments), calls, stalls, decisions and samples older than this moment; how many
        lines went."""
        ...

    def close(self) -> None:
        """Idempotent."""


class RecordArchive(RecordReader, Protocol):
    """The records of several servers as one: those that ran here before, and those that run now.

    `skipped`: why the records of a server could not be read, by its directory, as the last question found it.
    """

    @property
    def skipped(self) -> Mapping[Path, str]: ...

    def follow(self, query: LogQuery) -> Iterator[LogLine]:
        """Lines as they come, after the newest `limit` ones that are there; ends when no server runs any more, or nothing there
        that could write such lines."""
        ...

    def close(self) -> None:
        """Idempotent."""
