"""A program written for Modal, with one line changed: the import. Sentiment of reviews, by way of most of the API."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass

import motet as modal
from motet import method
from motet.exception import FunctionTimeoutError, InvalidError
from motet.functions import FunctionCall

image = (
    modal.Image.debian_slim(python_version="3.11")
    .apt_install("curl")
    .pip_install("cloudpickle", "msgspec>=0.18")
    .env({"HF_HOME": "/cache"})
    .run_commands("echo ready")
)
app = modal.App("sentiment", image=image, secrets=[modal.Secret.from_dict({"API_KEY": "sesame"})])


@dataclass
class Review:
    number: int
    text: str


@app.function(cpu=1.0, memory=256, timeout=60, retries=modal.Retries(max_retries=2, initial_delay=0.1, max_delay=1.0))
def load(number: int) -> Review:
    time.sleep(0.01)
    return Review(number, "good " * (number % 3) + "bad " * (number % 2))


@app.cls(gpu="A10G", scaledown_window=10, max_containers=2)
@modal.concurrent(max_inputs=20, target_inputs=16)
class Model:
    size: str = modal.parameter(default="small")

    @modal.enter()
    def load_weights(self) -> None:
        self.weights = {"good": 1, "bad": -1}
        self.lock = threading.Lock()
        self.calls = 0

    @modal.enter()
    async def warm_up(self) -> None:
        await asyncio.sleep(0.01)
        self.warm = True

    @modal.method()
    def score(self, review: Review) -> int:
        assert self.warm
        with self.lock:
            self.calls += 1
        return sum(self.weights[word] for word in review.text.split())

    @method()
    async def stream(self, review: Review):
        for word in review.text.split():
            await asyncio.sleep(0)
            yield word, self.weights[word]

    @modal.exit()
    def report(self) -> None:
        print(f"{self.size} model is done")


@app.function()
@modal.concurrent(max_inputs=100)
async def pipeline(number: int) -> tuple[str, int]:
    review = await load.remote.aio(number)
    return modal.current_input_id(), await Model().score.remote.aio(review)


@app.function()
def surroundings() -> tuple[str, str, bool]:
    return os.environ["API_KEY"], os.environ["HF_HOME"], modal.is_local()


@app.function(timeout=1)
def slow() -> None:
    time.sleep(30)


@app.function()
def fragile(x: int) -> int:
    if x == 3:
        raise KeyError("three")
    return x


@app.function()
def consume(queue: modal.Queue) -> int:
    return sum(queue.get() for _ in range(3))


@app.local_entrypoint()
def main(reviews: int = 30) -> None:
    results = list(pipeline.map(range(reviews)))
    assert len({input_id for input_id, _ in results}) == reviews
    print("scores", sum(score for _, score in results))
    print("surroundings", surroundings.remote())

    model = Model(size="large")
    print("stream", list(model.stream.remote_gen(Review(0, "good bad"))))
    print("local", load.local(2).text.split())

    call = model.score.spawn(Review(0, "good good"))
    again = FunctionCall.from_id(call.object_id)
    print("spawned", call.get(timeout=10), again.get(), modal.FunctionCall.gather(call, again))

    print("errors", [type(result).__name__ for result in fragile.map(range(5), return_exceptions=True)])
    try:
        fragile.remote(3)
    except KeyError as error:
        print("raised", error)
    try:
        slow.remote()
    except FunctionTimeoutError:
        print("timed out")
    try:
        modal.concurrent(max_inputs=2, target_inputs=3)
    except InvalidError as error:
        print("refused", error)

    with modal.Queue.ephemeral() as queue:
        counting = consume.spawn(queue)
        queue.put_many([1, 2, 3])
        print("queue", counting.get())
    load.for_each(range(3))
    print("unordered", sorted(fragile.starmap([(1,), (2,)], order_outputs=False)))
    print("stats", load.get_current_stats().backlog)


if __name__ == "__main__":
    with modal.enable_output(), app.run():
        main()
