"""A world whose server stays: what a user's test does to servers, disks and hosts, and what it finds then."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

import pytest

import motet
from motet.exception import ConnectionError, ContainerDied, InvalidError, ServiceError
from motet.testing import StayingWorld, world

app = motet.App("staying")
ran: list[str] = []


@app.function(timeout=600)
def slow(name: str) -> str:
    ran.append(name)
    time.sleep(20)
    return name.upper()


@app.function(timeout=600, max_containers=2)
@motet.concurrent(max_inputs=3)
async def slow_async(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@app.function(timeout=600, delivery="at_most_once")
def once(name: str) -> str:
    ran.append(name)
    time.sleep(20)
    return name


@app.function(timeout=600, delivery="at_most_once", max_containers=1)
def once_in_turn(name: str) -> str:
    ran.append(name)
    time.sleep(20)
    return name


@app.function(timeout=600)
def nested(count: int) -> float:
    return sum(slow_async.map([5.0] * count))


@app.function()
def counted(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(1)
        yield number


@app.function()
@motet.batched(max_batch_size=3, wait_ms=100)
def doubled(numbers: list[int]) -> list[int]:
    time.sleep(5)
    return [2 * number for number in numbers]


@app.function()
async def on_a_thread(x: int) -> int:
    return await asyncio.to_thread(lambda: x + 1)


@pytest.fixture
def here() -> Iterator[StayingWorld]:
    ran.clear()
    with world(stays=True) as it, app.run():
        yield it


def test_every_way_to_call_works(here: StayingWorld) -> None:
    assert slow.remote("a") == "A"
    assert list(slow_async.map([1.0, 2.0])) == [1.0, 2.0]
    assert list(counted.remote_gen(3)) == [0, 1, 2]
    assert list(doubled.map([1, 2, 3, 4])) == [2, 4, 6, 8]
    assert nested.remote(2) == 10
    assert on_a_thread.remote(1) == 2
    assert here.run(slow_async.remote.aio(1.0)) == 1.0


@pytest.mark.parametrize("down", [0.1, 40.0])
def test_what_runs_is_joined_by_the_next_server(here: StayingWorld, down: float) -> None:
    spawned, batch = slow.spawn("a"), doubled.spawn(4)
    here.advance(2)
    here.kill_server(down=down)
    here.kill_server()  # there is none
    assert (spawned.get(), batch.get()) == ("A", 8)
    assert [each.outcome for each in here.attempts()] == ["success", "success"]
    assert here.now == pytest.approx(max(20, down), abs=3)


def test_a_map_goes_on_over_one_server_after_the_other(here: StayingWorld) -> None:
    results = slow_async.map([10.0] * 12)
    for number, seconds in enumerate(results):
        assert seconds == 10.0
        if number % 3 == 0:
            here.kill_server()
    assert len(here.attempts("slow_async")) == 12


def test_functions_that_functions_call_outlive_servers_too(here: StayingWorld) -> None:
    call = nested.spawn(6)
    here.advance(2)
    here.kill_server()
    assert call.get() == 30
    assert len(here.attempts("slow_async")) == 6


def test_a_stream_ends_with_its_server(here: StayingWorld) -> None:
    items = counted.remote_gen(10)
    assert list(itertools.islice(items, 3)) == [0, 1, 2]
    here.kill_server()
    with pytest.raises(ConnectionError, match="while this stream was under way"):
        list(items)


def test_a_container_is_killed_while_there_is_no_server(here: StayingWorld) -> None:
    call = slow.spawn("a")
    here.advance(2)
    here.kill_server(down=5)
    (container,) = here.containers("slow")
    here.kill(container)
    assert call.get() == "A"
    assert [each.outcome for each in here.attempts("slow")] == [None, "success"]


def test_what_runs_at_most_once_and_had_not_begun_runs_with_the_next_server(here: StayingWorld) -> None:
    begun, waits = once_in_turn.spawn("a"), once_in_turn.spawn("b")
    here.advance(2)
    here.kill_server(down=5)
    (container,) = here.containers("once_in_turn")
    here.kill(container)
    assert waits.get() == "b"
    with pytest.raises(motet.exception.MayHaveRun, match="when its server was killed"):
        begun.get()
    assert ran == ["a", "b"]


def test_what_runs_at_most_once_begins_when_the_disk_knows_of_it(here: StayingWorld) -> None:
    first, second = once_in_turn.spawn("a"), once_in_turn.spawn("b")
    here.advance(2)
    here.break_disk()
    here.advance(25)
    assert ran == ["a"]
    here.kill_server()
    here.mend_disk()
    assert (first.get(), second.get()) == ("a", "b")
    assert ran == ["a", "b"]


def test_what_a_full_disk_cannot_keep_is_not_accepted(here: StayingWorld) -> None:
    running = slow.spawn("a")
    here.break_disk("it is full")
    with pytest.raises(ServiceError, match="it is full"):
        slow.spawn("b")
    here.advance(60)
    here.mend_disk()
    assert running.get() == "A"
    assert slow.spawn("c").get() == "C"
    assert ran == ["a", "c"]


def test_inputs_of_a_host_that_is_cut_off_run_on_another_one(here: StayingWorld) -> None:
    call = slow.spawn("a")
    here.advance(2)
    here.cut(here.host)
    assert call.get() == "A"
    first, second = here.attempts("slow")
    assert (first.host, second.host) == ("host-1", "host-2")
    assert first.began_at + 60 < second.began_at < first.began_at + 80
    here.heal(here.hosts[0])
    here.advance(10)
    assert {each.host for each in here.containers()} == {"host-2"}


def test_all_that_a_lost_host_ran_starts_on_the_next_one(here: StayingWorld) -> None:
    calls = [slow.spawn(each) for each in "abc"]
    here.advance(2)
    here.cut(here.host)  # and it never comes back
    assert [call.get() for call in calls] == ["A", "B", "C"]
    assert here.now < 200


def test_what_may_run_once_does_not_run_on_another_host(here: StayingWorld) -> None:
    call = once.spawn("order-17")
    here.advance(2)
    here.cut(here.host)
    with pytest.raises(ContainerDied, match="it may have had an effect already"):
        call.get()
    here.heal(here.hosts[0])
    here.advance(100)
    assert ran == ["order-17"]


def test_a_host_that_is_soon_back_goes_on(here: StayingWorld) -> None:
    call = slow.spawn("a")
    here.advance(2)
    host = here.host
    here.cut(host)
    here.advance(30)
    here.heal(host)
    assert call.get() == "A"
    assert here.now == pytest.approx(32, abs=1)
    assert here.hosts == [host]
    assert len(here.attempts()) == 1


def test_a_server_is_killed_while_its_host_is_cut_off(here: StayingWorld) -> None:
    call, lost = slow.spawn("a"), once.spawn("b")
    here.advance(2)
    here.cut(here.host)
    here.kill_server()
    assert call.get() == "A"
    with pytest.raises(ContainerDied):
        lost.get()
    here.heal(here.hosts[0])
    here.advance(100)
    assert sorted(ran) == ["a", "a", "b"]


def test_frozen_and_slow_containers_go_on(here: StayingWorld) -> None:
    call = slow.spawn("a")
    here.advance(2)
    (container,) = here.containers("slow")
    here.freeze(container)
    here.advance(5)
    here.thaw(container)
    here.delay(0.5)
    assert call.get() == "A"
    here.crash(container, code=3, stderr="the end\n")
    assert slow.remote("b") == "B"
    here.cut(here.containers("slow")[0])
    assert slow.remote("c") == "C"


@pytest.mark.parametrize("seed", range(8))
def test_every_call_ends_once_whatever_happens(here: StayingWorld, seed: int) -> None:
    calls = []
    with here.trouble(seed, every=3.0) as happened:
        for number in range(10):
            here.advance(1)
            try:
                calls.append((slow_async.spawn(4.0), once.spawn(str(number))))
            except ServiceError:
                assert "disk is full" in [kind for _, kind in happened]
    for call, may_be_lost in calls:
        assert call.get(timeout=600) == 4.0
        try:
            may_be_lost.get(timeout=600)
        except ContainerDied:
            assert happened
    assert len(ran) == len(set(ran))


def test_a_seed_has_the_same_happen_each_time() -> None:
    def what_happens() -> list[tuple[float, str]]:
        with world(stays=True) as here, app.run(), here.trouble(3, every=2.0) as happened:
            slow.spawn("a")
            here.advance(30)
        return happened

    first = what_happens()
    assert len(first) > 5
    assert what_happens() == first


def test_a_world_that_ends_without_its_server_ends() -> None:
    with world(stays=True) as here:
        with app.run():
            slow.spawn("a")
        here.kill_server(down=1000)
    assert here.hosts[0].containers == {}


def test_what_is_no_host_is_neither_cut_off_nor_healed(here: StayingWorld) -> None:
    with pytest.raises(InvalidError, match=r"^cut\(\) takes a host or a container, not 'host-1': `\.host` and "):
        here.cut("host-1")  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match=r"^heal\(\) takes a host, not 'host-1'"):
        here.heal("host-1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kinds",
    [["server is kiled"], ["disk is full", "earthquake"], [], "disk is full"],
    ids=["misspelled", "some", "none", "text"],
)
def test_trouble_of_unknown_kinds_is_refused(here: StayingWorld, kinds: list[str]) -> None:
    with pytest.raises(InvalidError, match="some of 'server is killed', 'container is killed', ") as refused:
        here.trouble(1, kinds=kinds).__enter__()  # type: ignore[arg-type]
    assert str(refused.value).endswith(f"not {kinds!r}")


@pytest.mark.parametrize("every", [0.0, -1.0])
def test_trouble_comes_with_some_time_in_between(here: StayingWorld, every: float) -> None:
    with pytest.raises(InvalidError, match="every= in seconds, more than 0; not "):
        here.trouble(1, every=every).__enter__()
