"""Schedules on virtual time: what is run when, what the next server makes of it, and what is said of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from motet.errors import Error, NotFoundError, ServiceError
from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec
from motet.model.outcome import OutcomeKind
from motet.model.schedule import CronTimes, PeriodTimes, ScheduleSpec, ScheduleView
from motet.server.access.door import Principal
from motet.server.clock import Clock
from motet.server.deployments.register import Deployment, Register
from motet.server.deployments.schedules import NO_ARGUMENTS, Schedules
from motet.server.deployments.unkept import MemoryDeployments
from motet.store.base import KeptDeployment, KeptSchedule
from motet.wire import client_messages as c
from motet.wire import deployment_messages as d
from motet.wire import schedule_messages as m
from tests.server.stage import Client, Stage, app, function, play, refusal
from tests.server.virtual_loop import run_virtually

BEGAN = 1_000_000.0
NOBODY: Any = None
HOURLY = ScheduleSpec(when=PeriodTimes(seconds=3600.0))


class Spawned:
    """Takes calls, as a server does: one of an id that is there is left as it is."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.moments: list[float] = []
        self.unfinished: set[str] = set()
        self.refusals: list[Error] = []
        self.by: list[Principal] = []

    async def spawn(self, by: Principal, function_id: str, call_id: str, payload: bytes, method: str = "") -> None:
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.pop(0)
        assert (function_id, payload) == ("fu-@shop/f", NO_ARGUMENTS)
        if call_id not in self.calls:
            self.by.append(by)
            self.calls.append(call_id)
            self.moments.append(asyncio.get_running_loop().time())


class Store(MemoryDeployments):
    """`forgets_ends`: it cannot keep that a moment is done with."""

    forgets_ends = False

    def keep_schedule(self, kept: KeptSchedule) -> None:
        if self.forgets_ends and kept.handled_at:
            raise ServiceError("the disk is full")
        super().keep_schedule(kept)


class World:
    """A store, and the servers that have it one after the other, on one virtual clock."""

    def __init__(self, spec: ScheduleSpec = HOURLY) -> None:
        self.store = Store()
        self.spawned = Spawned()
        self.spec = spec
        self.broken: list[Exception] = []
        self.skew = 0.0
        self.schedules: Schedules

    async def start(self) -> Schedules:
        """A server with one deployed app, whose version was deployed when the world began."""
        clock = Clock(asyncio.get_running_loop().time, lambda: BEGAN + asyncio.get_running_loop().time() + self.skew)
        register = Register(self.store, NOBODY, NOBODY, NOBODY)
        self.schedules = Schedules(
            register, clock, self.spawned.spawn, self.spawned.unfinished.__contains__, self.broken.append
        )
        view = DeploymentView(
            name="shop", version=1, app_id="ap-1", state="live", deployed_at=BEGAN, deployed_by="ci", share=100.0
        )
        spec = AppSpec(name="shop", functions=(function(schedule=self.spec), function("plain")))
        kept = KeptDeployment(view=view, spec=spec, function_ids={}, owner="pr-ci", rights=("deploy",))
        self.store.add(kept)
        register.state("shop").live = Deployment(kept, NOBODY)
        await self.schedules.prepare()
        self.schedules.look()
        return self.schedules

    async def restart(self, away: float) -> None:
        await self.schedules.close()
        await asyncio.sleep(away)
        await self.start()
        await asyncio.sleep(1)

    async def ask(self, body: Any) -> Any:
        return await self.schedules.answers[type(body)](body, NOBODY)

    async def view(self) -> ScheduleView:
        (view,) = (await self.ask(m.ListSchedules("shop"))).found
        return view  # type: ignore[no-any-return]


def in_world(
    scene: Callable[[World], Coroutine[Any, Any, None]], spec: ScheduleSpec = HOURLY, *, breaks: bool = False
) -> None:
    async def main() -> None:
        world = World(spec)
        await world.start()
        try:
            await scene(world)
        finally:
            await world.schedules.close()
        assert bool(world.broken) == breaks

    run_virtually(main())


def test_a_function_is_run_at_its_moments_as_its_deployer() -> None:
    async def scene(world: World) -> None:
        await asyncio.sleep(3 * 3600 + 60)
        assert world.spawned.moments == pytest.approx([3600, 7200, 10800], abs=0.01)
        (first, *_) = world.spawned.by
        assert (first.name, first.identity) == ("ci", "pr-ci")
        assert await world.view() == ScheduleView(
            app="shop",
            function="f",
            version=1,
            when="every 1 hour",
            missed="run_once",
            overlap=True,
            next_at=BEGAN + 4 * 3600,
            ran_at=BEGAN + 3 * 3600,
            call_id=world.spawned.calls[-1],
        )

    in_world(scene)


def test_the_wall_clock_counts_also_when_it_is_set() -> None:
    async def scene(world: World) -> None:
        await asyncio.sleep(60)
        world.skew = 3600.0
        await asyncio.sleep(11)
        assert len(world.spawned.calls) == 1
        world.skew = 0.0
        await asyncio.sleep(3600)
        assert len(world.spawned.calls) == 1, "the moment had been done with"
        await asyncio.sleep(3600)
        assert len(world.spawned.calls) == 2

    in_world(scene)


@pytest.mark.parametrize(
    ("missed", "runs", "note"), [("run_once", 2, "late by 1,799 s"), ("skip", 1, "skipped: it was")]
)
def test_what_was_missed_while_no_server_was_there_runs_once_or_not_as_set(missed: Any, runs: int, note: str) -> None:
    async def scene(world: World) -> None:
        await asyncio.sleep(3601)
        await world.restart(3 * 3600 + 1798)
        assert len(world.spawned.calls) == runs
        view = await world.view()
        assert view.note.startswith(note)
        assert view.next_at == BEGAN + 5 * 3600
        await asyncio.sleep(1801)
        assert len(world.spawned.calls) == runs + 1
        assert (await world.view()).note == ""

    in_world(scene, msgspec.structs.replace(HOURLY, missed=missed))


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_was_days_ahead_does_not_end_a_schedule(restarts: bool) -> None:
    async def scene(world: World) -> None:
        await asyncio.sleep(1.5 * 3600)
        world.skew = 2 * 86400.0
        await asyncio.sleep(3600)
        before = len(world.spawned.calls)
        world.skew = 0.0
        if restarts:
            await world.restart(1.0)
        await asyncio.sleep(3 * 3600)
        assert len(world.spawned.calls) == before + 3
        assert (await world.view()).note == ""

    in_world(scene)


def test_a_server_that_ends_between_a_run_and_its_note_does_not_run_it_twice() -> None:
    async def scene(world: World) -> None:
        await asyncio.sleep(3601)
        (kept,) = world.store.schedules()
        world.store.keep_schedule(msgspec.structs.replace(kept, handled_at=0.0, ran_at=0.0, call_id=""))
        await world.restart(2)
        assert len(world.spawned.calls) == 1
        assert (await world.view()).call_id == world.spawned.calls[0]

    in_world(scene)


def test_a_run_that_its_server_has_not_noted_is_known_to_the_next_one() -> None:
    async def scene(world: World) -> None:
        world.store.forgets_ends = True
        await asyncio.sleep(3600 + 1)
        (call,) = world.spawned.calls
        world.spawned.unfinished.add(call)
        world.store.forgets_ends = False
        await world.restart(3600)  # another moment has come, and the run goes on
        assert world.spawned.calls == [call]
        assert (await world.view()).note == f"skipped: {call} had not ended"

    in_world(scene, msgspec.structs.replace(HOURLY, overlap=False))


def test_a_run_waits_for_none_unless_they_may_not_overlap() -> None:
    async def scene(world: World) -> None:
        await asyncio.sleep(3601)
        world.spawned.unfinished.add(world.spawned.calls[0])
        await asyncio.sleep(3600)
        assert len(world.spawned.calls) == (2 if world.spec.overlap else 1)
        if not world.spec.overlap:
            assert (await world.view()).note == f"skipped: {world.spawned.calls[0]} had not ended"
            world.spawned.unfinished.clear()
            await asyncio.sleep(3600)
            assert len(world.spawned.calls) == 2

    in_world(scene)
    in_world(scene, msgspec.structs.replace(HOURLY, overlap=False))


def test_a_run_that_is_refused_is_tried_again() -> None:
    async def scene(world: World) -> None:
        world.spawned.refusals = [ServiceError("the disk is full"), NotFoundError("no function")]
        await asyncio.sleep(3601)
        assert (await world.view()).note == "not run yet, and tried again: the disk is full"
        await asyncio.sleep(10)
        assert (await world.view()).note == "not run yet, and tried again: no function"
        await asyncio.sleep(10)
        assert len(world.spawned.calls) == 1
        assert (await world.view()).note == "late by 20 s"

    in_world(scene)


def test_a_paused_schedule_runs_nothing_and_makes_up_for_nothing() -> None:
    async def scene(world: World) -> None:
        await world.ask(m.ChangeSchedule("shop", "f", True))
        assert (await world.view()).next_at is None
        await world.restart(2 * 3600)
        assert (await world.view()).paused
        changed = await world.ask(m.ChangeSchedule("shop", "f", False))
        assert changed.found[0].next_at == BEGAN + 3 * 3600
        await asyncio.sleep(60)
        assert world.spawned.calls == []
        await asyncio.sleep(3600)
        assert len(world.spawned.calls) == 1

    in_world(scene)


def test_a_function_is_run_by_hand_whatever_its_schedule_says() -> None:
    async def scene(world: World) -> None:
        await world.ask(m.ChangeSchedule("shop", "f", True))
        run: m.ScheduledRun = await world.ask(m.RunScheduled("shop", "f"))
        assert world.spawned.calls == [run.call_id]
        view = await world.view()
        assert (view.call_id, view.note, view.next_at) == (run.call_id, "run by hand", None)
        for unknown in (("shop", "plain"), ("shop", "x"), ("kiosk", "f")):
            with pytest.raises(NotFoundError, match=r"no scheduled function '(plain|x)'|'kiosk' is not deployed"):
                await world.ask(m.RunScheduled(*unknown))

    in_world(scene)


def test_what_must_not_happen_breaks_the_server() -> None:
    async def scene(world: World) -> None:
        world.spawned.refusals = [RuntimeError("a bug")]  # type: ignore[list-item]
        await asyncio.sleep(3601)
        assert [str(each) for each in world.broken] == ["a bug"]

    in_world(scene, breaks=True)


def test_a_cron_schedule_is_told_with_its_time_zone() -> None:
    async def scene(world: World) -> None:
        assert (await world.view()).when == "0 6 * * * (Europe/Berlin)"

    in_world(scene, ScheduleSpec(when=CronTimes(expression="0 6 * * *", timezone="Europe/Berlin")))


# --- on a server ----------------------------------------------------------------------------------------------------------


def test_a_scheduled_run_is_a_spawned_call_of_the_version_that_has_the_name() -> None:
    async def scene(on: Stage, _: Client) -> None:
        client = on.operator()
        deployed = await client.answer(d.DeployApp("shop", app(function(schedule=HOURLY))))
        assert isinstance(deployed, d.AppDeployed), refusal(deployed)
        listed: m.SchedulesListed = await client.answer(m.ListSchedules())
        assert [(it.app, it.function, it.version) for it in listed.found] == [("shop", "f", 1)]
        run: m.ScheduledRun = await client.answer(m.RunScheduled("shop", "f"))
        container = await on.container()
        (delivered,) = await container.deliveries()
        assert (delivered.call_id, bytes(delivered.payload)) == (run.call_id, NO_ARGUMENTS)
        container.finish([delivered])
        outcomes: c.Outcomes = await client.answer(c.AwaitOutcomes(run.call_id, 0))
        assert outcomes.ended[0].kind is OutcomeKind.SUCCESS
        await client.answer(d.StopDeployed("shop"))
        assert (await client.answer(m.ListSchedules())).found == []
        unknown = await client.answer(m.ListSchedules("kiosk"))
        assert "'kiosk' is not deployed" in str(refusal(unknown))

    play(scene)


def test_an_app_that_a_program_runs_has_no_schedules() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await client.create(function(schedule=ScheduleSpec(when=PeriodTimes(seconds=1.0))))
        assert (await client.answer(m.ListSchedules())).found == []

    play(scene)
