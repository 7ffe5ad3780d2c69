"""Pools' numbers over time."""

from __future__ import annotations

import asyncio

from motet.core.commands import Command
from motet.core.engine import Engine
from motet.records.facts import SampleRecord
from motet.server.clock import Clock
from motet.server.driver import Driver
from motet.server.facts import Fact
from motet.server.records.sampler import Sampler
from motet.testing.playbook import text_failure
from motet.testing.transcript import function, submit
from motet.testing.virtual_loop import VirtualLoop
from motet.wire import client_messages as m
from tests.server.stage import Client, Stage, play


class Samples:
    def __init__(self, driver: Driver) -> None:
        self.taken: list[SampleRecord] = []
        driver.listen(self._told)

    def _told(self, fact: Fact) -> None:
        if isinstance(fact, SampleRecord):
            self.taken.append(fact)


def test_nothing_is_remembered_of_functions_that_are_gone_and_numbers_that_stay_are_taken_once() -> None:
    async def scene(on: Stage, client: Client) -> None:
        samples = Samples(on.server._driver)
        sampler = Sampler(on.server._driver)
        for number in range(3):
            await client.create(app_id=f"ap-{number}")
            sampler._sample()
            assert len(samples.taken) == 1
            sampler._sample()
            await client.answer(m.StopApp(f"ap-{number}"))
            assert len(samples.taken) == 1
            samples.taken.clear()
        await asyncio.sleep(0)
        sampler._sample()
        assert sampler._last == {}

    play(scene)


def test_numbers_are_told_once_a_second_while_something_happens_and_nobody_wakes_otherwise() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        driver = Driver(Engine(failure=text_failure), loop, Clock.of_loop(loop))
        driver.attach(dict.fromkeys(Command.__subclasses__()), lambda error: None, lambda seconds: None)
        samples, sampler = Samples(driver), Sampler(driver)
        driver.follow(sampler.turned)
        driver.take(function("f"))
        await asyncio.sleep(0.1)
        assert [it.waiting_inputs for it in samples.taken] == [0]
        for number in range(8):
            driver.take(submit(f"{number}", 1))
            await asyncio.sleep(0.2)
        assert [it.waiting_inputs for it in samples.taken] == [0, 5]
        await asyncio.sleep(1.0)
        assert [it.waiting_inputs for it in samples.taken] == [0, 5, 8]
        assert sampler._timer is None

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
