"""What handles say of themselves, to programs and to frameworks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable

import pytest

import motet
from motet.exception import ExecutionError, InvalidError
from motet.testing import world

app = motet.App("handles")


@app.function()
def double(x: int) -> int:
    return 2 * x


@app.cls()
class Model:
    size: int = motet.parameter(default=1)

    @motet.method()
    def get(self) -> int:
        return self.size


def test_handles_are_hydrated_while_their_app_runs() -> None:
    handles = [double, Model, Model(size=2).get, double.with_options(timeout=5)]
    assert [it.is_hydrated for it in handles] == [False] * 4
    with pytest.raises(ExecutionError, match="its app is not running"):
        double.hydrate()
    with world() as here, app.run():
        assert [it.is_hydrated for it in handles] == [True] * 4
        assert [it.hydrate() for it in handles] == handles
        assert here.run(double.hydrate.aio()) is double
    assert not double.is_hydrated


def test_calls_and_queues_need_only_their_ids() -> None:
    for handle in (motet.FunctionCall.from_id("fc-1"), motet.Queue.from_name("jobs")):
        assert handle.is_hydrated
        assert handle.hydrate() is handle


def test_the_blocking_results_of_a_map_do_not_claim_to_be_asynchronous() -> None:
    """Frameworks stream them from a thread then, as they do other iterators."""
    with world(), app.run():
        results = double.map([1, 2])
        assert isinstance(results, Iterable)
        assert not isinstance(results, AsyncIterable)
        assert list(results) == [2, 4]


def test_the_image_of_an_app_may_be_set_for_functions_declared_later() -> None:
    late = motet.App("late-image")
    late.image = image = motet.Image.debian_slim().pip_install("motet")
    assert late.image is image

    @late.function(serialized=True)
    def installed() -> None: ...

    assert [it.name for it in late.spec().functions if it.image.requirements] == ["installed"]
    with pytest.raises(InvalidError, match=r"`image=` has to be a `motet\.Image` object"):
        late.image = "debian"  # type: ignore[assignment]


def test_a_map_is_handed_on_between_threads_as_servers_do() -> None:
    async def scene() -> list[int]:
        results = double.map(range(3))
        return [await asyncio.to_thread(next, results) for _ in range(3)]

    with app.run(), pytest.warns(motet.exception.AsyncUsageWarning):
        assert asyncio.run(scene()) == [0, 2, 4]
