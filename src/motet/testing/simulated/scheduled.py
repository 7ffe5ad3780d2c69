"""An app of a simulated world that is deployed with schedules: when each of its functions is to run, and as which calls."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec

from motet.model.function import AppSpec, FunctionSpec
from motet.model.schedule import Missed, PeriodTimes, ScheduleSpec
from motet.schedules.moments import next_moment
from motet.server.deployments.schedules import call_id_of
from motet.testing.history_events import AttemptBegan, Event, MomentCame, ScheduleDeclared
from motet.testing.simulated.client import ScriptedClient, key_of
from motet.testing.simulated.loop import WALL
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.transcript import spec
from motet.wire.deployment_messages import AppDeployed, DeployApp

APP = "scheduled"
DEPLOYER = "deployer"

AHEAD = 8 * 3600.0
"""Seconds of which all moments are known: wall clocks jump by hours."""


def _scheduled(name: str, seconds: float, missed: Missed, *, overlap: bool = True, containers: int = 3) -> FunctionSpec:
    made = ScheduleSpec(when=PeriodTimes(seconds=seconds), missed=missed, overlap=overlap)
    return msgspec.structs.replace(spec(f"{APP}/{name}", max_containers=containers), schedule=made)


FUNCTIONS = (
    _scheduled("often", 7.0, "run_once"),
    _scheduled("alone", 5.0, "run_once", overlap=False),
    _scheduled("late", 120.0, "run_once"),
    _scheduled("skipped", 130.0, "skip"),
)


class ScheduledApp:
    """Deployed once, before anything goes wrong. `tell` says to the history that a moment has come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, jumps: bool) -> None:
        self.functions = FUNCTIONS
        self._loop = loop
        self._jumps = jumps
        """The server's wall clock is not the world's: moments come when it says so."""
        self._moments: list[tuple[float, str, str]] = []
        """By when they come, each with its call and function."""
        self._known: dict[str, tuple[float, str]] = {}
        self._told: set[str] = set()
        self.calls: list[str] = []
        """Those of moments that have come."""

    async def deploy(self, process: SimulatedProcess, dice: Random, write: Any) -> None:
        """Have it serve, and say when what is to run."""
        app = AppSpec(name=APP, functions=self.functions)
        client = ScriptedClient(process, dice, write, app, calls=0, spawns=False)
        await client.connect(DEPLOYER)
        deployed = await client.ask(DeployApp(APP, app))
        assert isinstance(deployed, AppDeployed), deployed
        began_at = deployed.deployment.deployed_at
        for function in self.functions:
            schedule = function.schedule
            assert schedule is not None
            write(
                ScheduleDeclared(
                    at=self._loop.time(),
                    function=function.name,
                    runs_late=schedule.missed == "run_once",
                    overlaps=schedule.overlap,
                )
            )
            moment = next_moment(schedule.when, began_at, began_at)
            while moment is not None and moment < began_at + AHEAD:
                call_id = call_id_of((APP, function.key), moment)
                self._moments.append((moment - WALL, call_id, function.name))
                self._known[key_of(call_id, 0)] = moment - WALL, function.name
                moment = next_moment(schedule.when, began_at, moment)
        self._moments.sort()

    async def tell(self, write: Any) -> None:
        """Of each moment, when it comes."""
        for at, call_id, function in self._moments:
            # A little earlier: what is due then, and how floats are rounded, may come first.
            await asyncio.sleep(max(0.0, at - 0.001 - self._loop.time()))
            if not self._jumps:
                write(MomentCame(at=at, key=key_of(call_id, 0), function=function))
                self.calls.append(call_id)

    def before(self, event: Event) -> MomentCame | None:
        """What is to be told before an event: where clocks jump, that its moment came for the server."""
        if not self._jumps or not isinstance(event, AttemptBegan) or event.key in self._told:
            return None
        found = self._known.get(event.key)
        if found is None:
            return None
        self._told.add(event.key)
        self.calls.append(event.key.partition("#")[0])
        return MomentCame(at=event.at, key=event.key, function=found[1])
