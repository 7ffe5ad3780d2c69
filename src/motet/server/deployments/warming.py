"""Containers that are to be ready before anything is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from motet.core import events as e
from motet.core.commands import ReportCold, ReportWarm
from motet.errors import NotFoundError
from motet.server.deployments.wanted import WantedContainers
from motet.server.driver import Driver
from motet.wire import report

LONGEST_FOR_THE_REST = 10.0
"""Seconds that are waited at most for further containers of a function, once each has one."""


class ColdError(Exception):
    """A container could not start, or was not ready in time: why, for whoever deployed it."""


@dataclass(slots=True)
class _Warmed:
    wanted: WantedContainers
    ready: int = 0


@dataclass(slots=True)
class _Round:
    """Functions that are waited for together."""

    functions: dict[str, _Warmed]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    problem: str = ""


class Warming:
    """Has containers of functions started, and waits for them."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._rounds: dict[str, _Round] = {}

    async def warm(self, wanted: Mapping[str, WantedContainers], patience: float) -> None:
        """Return when each of these functions, by id, has a container, and, unless that takes much longer, all
        of them. They keep them until `cool`. Raises `ColdError` when one fails, or has none after `patience` seconds."""
        if not wanted:
            return
        these = _Round({function_id: _Warmed(it) for function_id, it in wanted.items()})
        self._rounds.update(dict.fromkeys(wanted, these))
        try:
            self._driver.take(*(e.FunctionWarmed(each, it.containers, it.replaces) for each, it in wanted.items()))
            began = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(patience):
                    await self._wait(these, lambda it: it.ready > 0)
            except TimeoutError:
                raise ColdError(self._too_late(these, patience)) from None
            taken = asyncio.get_running_loop().time() - began
            try:
                async with asyncio.timeout(min(taken, LONGEST_FOR_THE_REST)):
                    await self._wait(these, lambda it: it.ready >= it.wanted.containers)
            except TimeoutError:
                pass  # they come while it serves
        finally:
            for function_id in wanted:
                del self._rounds[function_id]

    async def _wait(self, these: _Round, enough: Callable[[_Warmed], bool]) -> None:
        while not all(map(enough, these.functions.values())):
            if these.problem:
                raise ColdError(these.problem)
            these.changed.clear()
            await these.changed.wait()

    def _too_late(self, these: _Round, patience: float) -> str:
        late = [(function_id, it) for function_id, it in these.functions.items() if not it.ready]
        names = ", ".join(it.wanted.name for _, it in late)
        shortages = {self._shortage(function_id) for function_id, _ in late} - {""}
        room = "make room for it (motet container list), and deploy again"
        why = f": {'; '.join(sorted(shortages))}; {room}" if shortages else ""
        return f"no container of {names} was ready within {patience:g} s{why}"

    def _shortage(self, function_id: str) -> str:
        try:
            return self._driver.engine.inspection.view(function_id, self._driver.clock.now()).shortage
        except NotFoundError:
            return ""

    def cool(self, functions: Mapping[str, object]) -> None:
        """Keep no more containers of these than their bounds say."""
        self._driver.take(*(e.FunctionWarmed(function_id, 0) for function_id in functions))

    # --- what the engine says -----------------------------------------------------------------------------------------

    def ready(self, command: ReportWarm) -> None:
        """A container is."""
        if (these := self._rounds.get(command.function_id)) is not None:
            these.functions[command.function_id].ready += 1
            these.changed.set()

    def failed(self, command: ReportCold) -> None:
        """One cannot be."""
        these = self._rounds.get(command.function_id)
        if these is not None and not these.functions[command.function_id].ready:
            told = report.read(command.failure)
            text = f"{told.type_name}: {told.message}" if told.message else told.type_name
            story = told.traceback.strip()
            story = f"\n{story}" if story and story != text else ""  # what has no frames says it once more
            these.problem = (
                f"a container of {these.functions[command.function_id].wanted.name} failed to start: {text}{story}"
            )
            these.changed.set()
