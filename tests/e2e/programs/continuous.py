"""A class that counts in batches: each input's outputs are its numbers, each step's batch has all that are in flight."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

import motet
from motet.batching import Answer, BatcherStats, ContinuousBatcher, Failed, Last, Member, More

app = motet.App("continuous")


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=32)
class Counter:
    @motet.enter()
    def load(self) -> None:
        self.largest = 0
        self.batcher: ContinuousBatcher[int, int] = ContinuousBatcher(self.step, max_batch_size=8)

    def step(self, batch: Sequence[Member[int]]) -> list[Answer[int]]:
        self.largest = max(self.largest, len(batch))
        if any(member.value == -2 for member in batch):
            raise ArithmeticError("the step failed")
        return [self.answer(member) for member in batch]

    def answer(self, member: Member[int]) -> Answer[int]:
        if member.value == -1:
            return Failed(ValueError("a bad input"))
        return (Last if member.steps + 1 == member.value else More)(member.steps)

    @motet.method()
    async def in_task(self, count: int) -> AsyncIterator[int]:
        async for number in self.batcher.stream(count):
            yield number

    @motet.method()
    def on_thread(self, count: int) -> Iterator[int]:
        yield from self.batcher.stream(count)

    @motet.method()
    async def stats(self) -> tuple[BatcherStats, int]:
        return self.batcher.stats(), self.largest

    @motet.exit()
    def close(self) -> None:
        self.batcher.close()
        print("closed")
