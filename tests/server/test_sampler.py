"""Pools' numbers over time."""

from __future__ import annotations

import asyncio

from motet.records.pools import SampleRecord
from motet.server.recorder import Recorder
from motet.server.sampler import Sampler
from motet.wire.client_messages import StopApp
from tests.server.stage import Client, Stage, play


class Samples(Recorder):
    """Keeps what is sampled, and nothing else."""

    def __init__(self) -> None:
        self.taken: list[list[SampleRecord]] = []

    def sampled(self, samples: list[SampleRecord]) -> None:
        self.taken.append(samples)


def test_nothing_is_remembered_of_functions_that_are_gone_and_numbers_that_stay_are_taken_once() -> None:
    async def scene(on: Stage, client: Client) -> None:
        recorder = Samples()
        sampler = Sampler(on.server._driver, recorder)
        for number in range(3):
            await client.create(app_id=f"ap-{number}")
            sampler.start()
            sampler._sample()
            sampler.stop()
            await client.answer(StopApp(f"ap-{number}"))
            assert [len(taken) for taken in recorder.taken] == [1, 0]
            recorder.taken.clear()
        await asyncio.sleep(0)
        sampler._sample()
        sampler.stop()
        assert sampler._last == {}

    play(scene)
