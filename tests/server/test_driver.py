"""The loop around the engine: one turn at a time, in order, however events come up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from motet.core.commands import (
    Command,
    KillContainer,
    ReadArguments,
    RecordArguments,
    RecordCalls,
    RecordEnd,
    RecordInputs,
    RecordStart,
    RecordSuccesses,
    ReportDecision,
    SeekRoom,
    WakeAt,
)
from motet.core.events import ContainerReady, Event, InputsSubmitted, ServerStoodStill, TimerFired
from motet.errors import InternalError
from motet.model.outcome import CallKind, NewInput
from motet.server.clock import Clock
from motet.server.config import ServerConfig
from motet.server.driver import HEARING, Driver
from motet.server.facts import AppEnded
from motet.server.recent_turns import TURNS, RecentTurns
from motet.server.server import Server
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from motet.testing.virtual_loop import VirtualLoop


class Script:
    """An engine that answers as the test says, and the effects of what it answers."""

    def __init__(self, answer: Callable[[Event], list[Command]]) -> None:
        self.turns: list[list[Event]] = []
        self.recorded: list[bool] = []
        self.done: list[Command] = []
        self.depth = 0
        self.on_perform: Callable[[Command], None] = lambda command: None
        self.broken: list[InternalError] = []
        self.stood: list[float] = []
        self._answer = answer

    def handle(self, events: Iterable[Event], now: float, *, records: bool) -> list[Command]:
        assert self.depth == 0, "the engine was entered while it was at work"
        self.recorded.append(records)
        self.turns.append(list(events))
        return [command for event in self.turns[-1] for command in self._answer(event)]

    def perform(self, command: Command) -> None:
        assert self.depth == 0, "a command was carried out within another"
        self.depth += 1
        try:
            self.done.append(command)
            self.on_perform(command)
        finally:
            self.depth -= 1


def driver_of(script: Script, loop: Any) -> Driver:
    driver = Driver(script, loop, Clock.of_loop(loop))  # type: ignore[arg-type]
    everything = dict.fromkeys(Command.__subclasses__(), script.perform)
    driver.attach(everything, script.broken.append, script.stood.append)
    return driver


def kill(name: str) -> KillContainer:
    return KillContainer(name, "")


def ready(name: str) -> ContainerReady:
    return ContainerReady(name)


def answer(event: Event) -> list[Command]:
    return [kill(event.container_id)] if isinstance(event, ContainerReady) else []


def run(scene: Callable[[asyncio.AbstractEventLoop], Any]) -> None:
    async def main() -> None:
        result = scene(asyncio.get_running_loop())
        if asyncio.iscoroutine(result):
            await result

    asyncio.run(main())


def test_events_that_come_up_while_commands_are_carried_out_wait_for_the_next_turn() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> None:
        script = Script(answer)
        driver = driver_of(script, loop)

        def on_perform(command: Command) -> None:
            if command == kill("1"):
                driver.take(ready("3"))
                driver.take(ready("4"))

        script.on_perform = on_perform
        driver.take(ready("1"), ready("2"))
        assert script.turns == [[ready("1"), ready("2")], [ready("3"), ready("4")]]
        assert script.done == [kill("1"), kill("2"), kill("3"), kill("4")]

    run(scene)


def divide(*_: object) -> Any:
    return 1 / 0


@pytest.mark.parametrize("where", ["engine", "effect"])
def test_after_a_broken_promise_nothing_is_taken_and_the_story_is_told_once(where: str) -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> None:
        script = Script(divide if where == "engine" else answer)
        driver = driver_of(script, loop)
        script.on_perform = divide
        new = [NewInput(index, b"secret") for index in range(3)]
        driver.take(InputsSubmitted("fc-1", "fu-1", 1, CallKind.ATTACHED, "", new), ready("1"))
        driver.take(ready("2"))
        driver.fail(ZeroDivisionError())
        assert len(script.turns) == 1
        (story,) = script.broken
        assert isinstance(story.__cause__, ZeroDivisionError)
        for fragment in (
            "ZeroDivisionError: division by zero",
            "InputsSubmitted('fc-1', 'fu-1', 1, 3)",
            repr(ready("1")),
        ):
            assert fragment in str(story)
        assert "secret" not in str(story)

    run(scene)


def test_a_report_that_the_engine_must_not_miss_and_that_raises_is_a_broken_promise() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> None:
        script = Script(answer)
        driver = driver_of(script, loop)
        driver.guard(driver.take, ready("1"))
        assert not script.broken
        driver.guard(divide)
        assert len(script.broken) == 1

    run(scene)


def test_observers_are_told_of_turns_that_were_carried_out_and_of_facts_in_between() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> None:
        script = Script(answer)
        driver = driver_of(script, loop)
        told: list[Any] = []
        driver.listen(told.append)
        driver.follow(lambda events, commands, now: told.append((events, list(commands), list(script.done))))

        def on_perform(command: Command) -> None:
            driver.tell(AppEnded("in a turn"))
            if command == kill("1"):
                driver.take(ready("2"))

        script.on_perform = on_perform
        driver.tell(AppEnded("before"))
        driver.take(ready("1"))
        driver.tell(AppEnded("after"))
        assert told == [
            AppEnded("before"),
            ((ready("1"),), [kill("1")], [kill("1")]),
            AppEnded("in a turn"),
            ((ready("2"),), [kill("2")], [kill("1"), kill("2")]),
            AppEnded("in a turn"),
            AppEnded("after"),
        ]

    run(scene)


def test_the_engine_tells_of_inputs_once_somebody_follows() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> None:
        script = Script(answer)
        driver = driver_of(script, loop)
        driver.take(ready("1"))
        driver.listen(lambda fact: None)
        driver.take(ready("2"))
        driver.follow(lambda events, commands, now: None)
        driver.take(ready("3"))
        assert script.recorded == [False, False, True]

    run(scene)


def test_an_observer_that_fails_is_a_broken_promise() -> None:
    def scene(loop: asyncio.AbstractEventLoop) -> None:
        script = Script(answer)
        driver = driver_of(script, loop)
        driver.follow(divide)
        driver.take(ready("1"))
        assert len(script.broken) == 1

    run(scene)


def test_each_command_is_carried_out_or_told_to_observers_alone() -> None:
    async def main() -> None:
        server = Server(ServerConfig(), FakeBackend(), MemoryCallStore())
        performers = server._driver._performers
        assert performers is not None
        assert set(performers) == set(Command.__subclasses__())
        told = {kind for kind, perform in performers.items() if perform is None}
        assert told == {
            ReadArguments,  # until a journal attaches itself
            RecordArguments,
            RecordCalls,
            RecordInputs,
            RecordSuccesses,
            RecordStart,
            RecordEnd,
            ReportDecision,
            SeekRoom,  # until a cluster is found
        }

    asyncio.run(main())


def test_the_story_has_the_last_turns_alone_and_a_long_turn_shortened() -> None:
    turns = RecentTurns()
    for number in range(1000):
        turns.add(float(number), [ready(f"{number}-{each}") for each in range(100)])
    text = str(turns)
    assert len(text.splitlines()) == TURNS
    assert "999-0" in text
    assert "... 94 more" in text
    assert "900-0" not in text
    assert "999-50" not in text


def test_a_later_wake_up_replaces_the_earlier_one() -> None:
    async def scene(loop: asyncio.AbstractEventLoop) -> None:
        fired = asyncio.Event()

        def wake(event: Event) -> list[Command]:
            if isinstance(event, TimerFired):
                fired.set()
                return []
            return [WakeAt(loop.time() + (60 if event == ready("late") else 0.01))]

        script = Script(wake)
        driver = driver_of(script, loop)
        driver.take(ready("late"))
        driver.take(ready("soon"))
        async with asyncio.timeout(30):
            await fired.wait()
        assert script.turns[-1] == [TimerFired()]
        assert not script.done

    run(scene)


def test_after_a_standstill_what_came_meanwhile_is_heard_before_the_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        script = Script(lambda event: [WakeAt(2.0)] if event == ready("1") else [])
        driver = driver_of(script, loop)
        driver.take(ready("1"))
        loop.call_at(1.5, lambda: loop.skip(30.0))
        loop.call_at(31.5 + HEARING / 2, lambda: driver.take(ready("late news")))
        await asyncio.sleep(40.0)
        seconds = script.turns[1][0]
        assert isinstance(seconds, ServerStoodStill)
        assert 29.0 < seconds.seconds <= 30.5
        assert script.turns[2:] == [[ready("late news")], [TimerFired()]]
        assert script.stood == [seconds.seconds]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_a_standstill_is_noticed_though_no_timer_was_due_in_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        script = Script(lambda event: [WakeAt(300.0)] if event == ready("1") else [])
        driver = driver_of(script, loop)
        driver.take(ready("1"))
        loop.call_at(1.5, lambda: loop.skip(30.0))
        await asyncio.sleep(100.0)
        assert [type(turn[0]) for turn in script.turns] == [ContainerReady, ServerStoodStill]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_a_standstill_is_noticed_while_a_timer_rings_that_does_not_tell_when() -> None:
    class ShortOfHandles(VirtualLoop):
        """Makes a handle without a moment of what is due now, as uvloop does."""

        def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
            if when <= self.time():
                return self.call_soon(callback, *args, context=context)
            return super().call_at(when, callback, *args, context=context)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        script = Script(lambda event: {ready("1"): [WakeAt(2.0)], ready("2"): [WakeAt(0.0)]}.get(event, []))
        driver = driver_of(script, loop)
        driver.take(ready("1"))
        loop.call_at(1.5, lambda: loop.skip(30.0))
        loop.call_at(1.6, lambda: driver.take(ready("2")))
        await asyncio.sleep(40.0)
        assert [type(turn[0]) for turn in script.turns] == [
            ContainerReady,
            ContainerReady,
            ServerStoodStill,
            TimerFired,
        ]

    with asyncio.Runner(loop_factory=ShortOfHandles) as runner:
        runner.run(main())


def test_after_its_end_there_are_no_timers_and_no_effects() -> None:
    async def scene(loop: asyncio.AbstractEventLoop) -> None:
        script = Script(lambda event: [WakeAt(loop.time())])
        driver = driver_of(script, loop)
        driver.take(ready("1"))
        driver.close()
        driver.close()
        driver.take(ready("2"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert script.turns == [[ready("1")]]

    run(scene)
