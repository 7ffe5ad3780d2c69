"""Calls of any kind can be cancelled by their id, and who waits for them hears of it immediately. On virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

import motet
from motet.exception import RemoteError
from motet.testing import world
from motet.testing.world import World

app = motet.App("cancelling-by-id")
ids: list[str] = []
seen: list[str] = []


def begun() -> None:
    call_id = motet.current_function_call_id()
    assert call_id is not None
    ids.append(call_id)


@app.function()
@motet.concurrent(max_inputs=10)
def rest(seconds: float) -> float:
    begun()
    time.sleep(seconds)
    return seconds


@app.function()
@motet.concurrent(max_inputs=10)
async def rest_async(seconds: float) -> float:
    begun()
    await asyncio.sleep(seconds)
    return seconds


@app.function()
@motet.concurrent(max_inputs=10)
def parent(way: str) -> str:
    try:
        list(rest.map([50])) if way == "map" else rest.remote(50)
    except RemoteError as error:
        return str(error)
    except BaseException as error:
        seen.append(type(error).__name__)
        raise
    return "no error"


@app.function()
@motet.concurrent(max_inputs=10)
async def parent_async() -> str:
    try:
        await rest_async.remote.aio(50)
    except RemoteError as error:
        return str(error)
    return "no error"


@pytest.fixture
def here() -> Iterator[World]:
    ids.clear()
    seen.clear()
    with world() as here, app.run():
        yield here


@pytest.mark.parametrize("way", ["remote", "map", "async"])
def test_the_input_that_called_it_goes_on_immediately(here: World, way: str) -> None:
    call = parent_async.spawn() if way == "async" else parent.spawn(way)
    here.advance(1)
    began = here.now
    motet.FunctionCall.from_id(ids[0]).cancel()
    assert call.get() == "Input was cancelled: by its caller"
    assert here.now - began < 0.1


def test_a_caller_that_is_cancelled_itself_sees_that_and_not_the_end_of_what_it_called(here: World) -> None:
    call = parent.spawn("remote")
    here.advance(1)
    call.cancel()
    here.advance(1)
    assert seen == ["InputCancellation"]
    with pytest.raises(RemoteError, match="by its caller"):
        call.get()


def test_a_call_that_has_ended_or_that_nobody_knows_is_left_alone(here: World) -> None:
    assert rest.remote(0) == 0
    motet.FunctionCall.from_id(ids[0]).cancel()
    motet.FunctionCall.from_id("fc-nobody-knows").cancel()
    assert rest.remote(0) == 0
