"""Which app, function, container, call or input somebody means, and where to look for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from motet.cli.deployed import server_if_any, serving
from motet.cli.records_there import RecordsThere
from motet.cli.servers import LiveServer, LiveServers, live_servers
from motet.cli.summary import count
from motet.cli.terminal import tell
from motet.client.home import home_directory
from motet.errors import InvalidError, NotFoundError
from motet.model.deployment import DeploymentView
from motet.model.ids import checked_id, split_input_id
from motet.model.nearest import did_you_mean
from motet.model.views import InputView
from motet.records.calls import CallSummary
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery
from motet.server.wiring import open_archive
from motet.store.records import RecordArchive

T = TypeVar("T")

LIVE_INPUTS = 100_000
_SHOWN = 5


class Candidate(NamedTuple):
    """What a text may mean: an id and a name."""

    object_id: str
    name: str


def choose(text: str, candidates: Sequence[Candidate], what: str, where: Path | str) -> int:
    """The place of the candidate whose id or name `text` is, or which alone has an id that begins or ends so; the first of
    several of that name. Raises `NotFoundError`, or `InvalidError` if several ids begin so."""
    exact = [place for place, each in enumerate(candidates) if text == each.object_id]
    named = [place for place, each in enumerate(candidates) if text and text == each.name]
    if exact or named:
        return (exact or named)[0]
    parts = [
        place
        for place, candidate in enumerate(candidates)
        if len(text) >= _SHOWN and (candidate.object_id.startswith(text) or candidate.object_id.endswith(text))
    ]
    if len(parts) == 1:
        return parts[0]
    if parts:
        raise InvalidError(
            f"{text!r} is a part of the ids of {len(parts)} {what}s; give a longer one: {_some(candidates, parts)}"
        )
    names = list(dict.fromkeys(each.name or each.object_id for each in candidates))
    if near := did_you_mean(text, names):
        raise NotFoundError(f"no {what} {text!r} is known under {where}{near}")
    there = (
        f"there are: {', '.join(names[:_SHOWN])}{' ...' if len(names) > _SHOWN else ''}" if names else "there is none"
    )
    raise NotFoundError(f"no {what} {text!r} is known under {where}; {there}")


def _some(candidates: Sequence[Candidate], places: Sequence[int]) -> str:
    return ", ".join(candidates[place].object_id for place in places[:_SHOWN]) + (
        " ..." if len(places) > _SHOWN else ""
    )


class Known:
    """All that there is to look at: records, and servers that run."""

    def __init__(self, home: Path, archive: RecordArchive, servers: LiveServers, server: LiveServer | None) -> None:
        self.home = home
        self.archive = archive
        self.servers = servers
        self.server = server
        """The one that stays, if there is one."""
        there = servers.elsewhere
        self.where = str(home) if there is None else f"{home} or by the server at {there.identity.address}"
        """Where things are looked for."""

    def deployments(self) -> list[DeploymentView]:
        """The versions of deployed apps that serve."""
        return serving(self.server)

    def deployment(self, text: str) -> DeploymentView | None:
        """The version that has a name, or this id, if any does."""
        views = [view for view in self.deployments() if text in (view.name, view.app_id)]
        return next((view for view in views if view.state == "live"), views[0] if views else None)

    def app(self, text: str) -> AppRecord:
        """The app that is meant: of several of that name, the version that serves, or else the one started last. Raises
        `NotFoundError`."""
        apps = self.archive.apps()
        if (view := self.deployment(text)) is not None:
            # The records of what serves elsewhere are there.
            elsewhere = AppRecord(view.app_id, view.name, view.deployed_at)
            return next((each for each in apps if each.app_id == view.app_id), elsewhere)
        return apps[choose(text, [Candidate(each.app_id, each.name) for each in apps], "app", self.where)]

    def check_which(self, app: str | None, function: str | None) -> None:
        """Where nothing was found of these: raises `NotFoundError` if that is because there is no such app or function."""
        if app is not None:
            self.app(app)
        if function is not None:
            self.function(function)

    def function(self, text: str, app: AppRecord | None = None) -> FunctionRecord:
        """The function that is meant, of the app if one is given. Raises `NotFoundError`."""
        found = self.archive.functions(None if app is None else app.app_id)[::-1]
        # A variant has its function's name: unless its id is given, the function itself is meant.
        found.sort(key=lambda each: each.variant_of is not None)
        return found[choose(text, [Candidate(each.function_id, each.name) for each in found], "function", self.where)]

    def container(self, text: str) -> ContainerRecord:
        """The container that is meant, by its id or the end of it. Raises `NotFoundError`."""
        exact = self.archive.container(text)
        if exact is not None:
            return exact
        found = self.archive.containers()
        return found[choose(text, [Candidate(each.container_id, "") for each in found], "container", self.where)]

    def call(self, call_id: str) -> CallSummary:
        """A call, by its whole id. Raises `NotFoundError`."""
        found = self.archive.call(checked_id(call_id, "fc", "function call"))
        if found is None:
            raise NotFoundError(f"no function call {call_id!r} is known under {self.where}{self._hint()}")
        return found

    def live_input(self, input_id: str) -> InputView | None:
        """An input that has not ended. Raises `InvalidError`."""
        call_id, _ = split_input_id(checked_id(input_id, "in", "input"))
        views = self.servers.inputs(call_id=call_id, limit=LIVE_INPUTS)
        return next((view for view in views if view.input_id == input_id), None)

    def no_input(self, input_id: str) -> NotFoundError:
        """What to raise for an input that nobody knows."""
        call_id, _ = split_input_id(input_id)
        if self._was_killed(self.archive.call(call_id)):
            return NotFoundError(
                f"nothing is kept of input {input_id!r}: its server was killed before it ended (or {call_id} has none of "
                f"that number); what was printed until then: motet logs --function-call {call_id}"
            )
        return NotFoundError(f"no input {input_id!r} is known under {self.where}{self._hint()}")

    def _was_killed(self, call: CallSummary | None) -> bool:
        """Whether the app of this call has not ended, and does not run."""
        if call is None or call.app_id in {view.app_id for _, view in self.servers.views()}:
            return False
        return any(app.app_id == call.app_id and app.ended_at is None for app in self.archive.apps())

    def tell_problems(self) -> None:
        """Say on stderr what could not be looked at."""
        if skipped := self.archive.skipped:
            example = next(iter(skipped.values()))
            tell(f"left out: records of {count(len(skipped), 'server')}, such as: {example}", err=True)
        for problem in self.servers.problems:
            tell(f"left out: {problem}", err=True)

    def _hint(self) -> str:
        newest = self.archive.calls(CallQuery(limit=1))
        return f" (the newest function call is {newest[0].call.call_id})" if newest else ": nothing has been kept there"


@contextlib.contextmanager
def known() -> Iterator[Known]:
    """What there is under MOTET_HOME, for as long as the block runs; what could not be read is told at its end."""
    home = home_directory(os.environ)
    archive = open_archive(home)
    try:
        with server_if_any() as server, live_servers(home, server) as servers:
            there = servers.elsewhere
            found = Known(home, archive if there is None else RecordsThere(there, archive), servers, server)
            yield found
            found.tell_problems()
    finally:
        archive.close()
