"""Dynamic batching: callers pass single values, the function gets lists of them.

A model's step has a fixed cost (reading its weights, starting kernels) and a cost per item. The more inputs share a
step, the less of the fixed cost each of them pays.

Run it: motet run examples/dynamic_batching.py
"""

import time

import motet

FIXED, PER_ITEM = 0.020, 0.0005  # seconds

app = motet.App("dynamic-batching")


@app.cls(max_containers=1)
class Model:
    @motet.enter()
    def load(self) -> None:
        self.steps = 0

    @motet.batched(max_batch_size=64, wait_ms=50)
    def embed(self, text: list[str]) -> list[tuple[int, int]]:
        """One step for all of them: a list of values comes in, a list of results of the same length goes out."""
        time.sleep(FIXED + PER_ITEM * len(text))
        self.steps += 1
        return [(len(it), self.steps) for it in text]


def measure(label: str, model: type[Model], inputs: int) -> float:
    """Embed many texts and tell how it went."""
    texts = [f"text {n}" for n in range(inputs)]
    embed = model().embed
    before = embed.remote("warm up")[1]  # the container starts here
    began = time.perf_counter()
    results = list(embed.map(texts))
    took = time.perf_counter() - began
    assert [length for length, _ in results] == [len(text) for text in texts]
    steps = max(step for _, step in results) - before
    print(f"{label:>18}: {inputs / took:6,.0f} inputs/s, {inputs} inputs in {steps} steps")
    return inputs / took


@app.local_entrypoint()
def main(inputs: int = 200) -> None:
    """The same model with batches of several sizes, and with a window that is learned."""
    rates = [
        measure(f"max_batch_size={size}", Model.with_batching(max_batch_size=size, wait_ms=50), inputs)
        for size in (1, 4, 16, 64)
    ]
    measure('wait_ms="auto"', Model.with_batching(max_batch_size=64, wait_ms="auto"), inputs)
    print(f"batches of 64 are {rates[-1] / rates[0]:.1f} times as fast as single inputs")
