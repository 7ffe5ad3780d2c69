"""Threads and loops seen from another thread: their place, their input, and their time on a CPU."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from motet.client.gate import Gate
from motet.context.current_input import CurrentInput, current
from motet.model.outcome import Delivery
from motet.runtime.attempts.ways import run_sync
from motet.runtime.stalls.stalls import Sight
from motet.runtime.stalls.whereabouts import ThreadClocks, sight_on_loop, sight_on_thread
from motet.wire import payload
from tests.runtime.attempts.alone import attempt_at

PATIENCE = 20.0


class Post:
    """Where code stands until it may go on."""

    def __init__(self) -> None:
        self.ident = 0
        self._reached = threading.Event()
        self._leave = threading.Event()

    def stand(self) -> None:
        self.ident = threading.get_ident()
        self._reached.set()
        self._leave.wait(PATIENCE)

    def sight(self) -> Sight | None:
        self._reached.wait(PATIENCE)
        return sight_on_thread(self.ident)

    def leave(self) -> None:
        self._leave.set()


@contextmanager
def standing(start: Callable[[Callable[[], None]], None]) -> Iterator[Post]:
    post = Post()
    start(post.stand)
    try:
        yield post
    finally:
        post.leave()


def within_input(work: Callable[[], object]) -> None:
    def run() -> None:
        current.set(CurrentInput("fc-abc", 7))
        work()

    contextvars.copy_context().run(run)


def test_place_is_the_innermost_frame_of_the_users_own() -> None:
    with standing(lambda work: threading.Thread(target=work).start()) as post:
        sight = post.sight()
    assert sight is not None
    assert (sight.input_id, sight.place.function, sight.place.file) == (None, "Post.stand", __file__)


def test_input_is_that_of_the_attempt_on_the_thread() -> None:
    def start(work: Callable[[], None]) -> None:
        gate = Gate()

        def run() -> None:
            gate.enter()
            run_sync(attempt_at(work, Delivery(1, "fc-abc", 7, "", payload.dumps(((), {}), "")), gate))

        threading.Thread(target=run).start()

    with standing(start) as post:
        sight = post.sight()
    assert sight is not None
    assert sight.input_id == "in-abc-7"


def test_input_of_an_executors_work_is_that_of_its_context() -> None:
    with ThreadPoolExecutor(1) as pool:

        def start(work: Callable[[], None]) -> None:
            within_input(lambda: pool.submit(contextvars.copy_context().run, work))

        with standing(start) as post:
            sight = post.sight()
    assert sight is not None
    assert (sight.input_id, sight.place.function) == ("in-abc-7", "Post.stand")


def test_thread_that_waits_for_work_is_at_nothing() -> None:
    with ThreadPoolExecutor(1) as pool:
        ident = pool.submit(threading.get_ident).result()
        for _ in range(100):  # it may be on its way back to the queue
            pool.submit(int).result()
            if sight_on_thread(ident) is None:
                break
        else:
            pytest.fail("an idle thread is still taken for one at work")
    assert sight_on_thread(ident) is None, "it has ended"


def test_input_on_a_loop_is_that_of_its_task_also_of_one_that_it_made() -> None:
    posts = [Post(), Post()]
    sights: list[Sight | None] = []

    async def make() -> None:
        current.set(CurrentInput("fc-abc", 7))
        await asyncio.create_task(stand())

    async def stand() -> None:
        posts[0].stand()
        asyncio.get_running_loop().call_soon(posts[1].stand)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(make(),))
    thread.start()
    for post in posts:
        post.sight()
        sights.append(sight_on_loop(loop, post.ident))
        post.leave()
    thread.join(PATIENCE)
    loop.close()
    in_task, in_callback = sights
    assert in_task is not None
    assert in_callback is not None
    assert (in_task.input_id, in_task.place.function) == ("in-abc-7", "Post.stand")
    assert (in_callback.input_id, in_callback.place.function) == (None, "Post.stand")


def test_busiest_thread_is_the_one_that_ran_most_since_the_clocks_were_noted() -> None:
    clocks = ThreadClocks()
    clocks.note()
    ran, enough = threading.Event(), threading.Event()

    def compute() -> None:
        while time.thread_time() < 0.2:
            sum(range(10_000))
        ran.set()
        enough.wait(PATIENCE)

    threads = [threading.Thread(target=compute), threading.Thread(target=enough.wait, args=(PATIENCE,))]
    for thread in threads:
        thread.start()
    # Not asked until then: to look at many threads takes time of its own.
    assert ran.wait(PATIENCE)
    busiest = clocks.busiest()
    enough.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert busiest is not None
    assert busiest.ident == threads[0].ident
    assert busiest.ran > 0.19
    assert busiest.starved >= 0
    assert busiest.others_ran < busiest.ran


def test_clocks_of_a_thread_that_is_gone_show_nothing() -> None:
    assert ThreadClocks().read(2**22 + 1) == (0.0, 0.0)


def test_a_thread_that_shares_a_cpu_waits_for_it_as_its_clock_shows() -> None:
    cpu = min(os.sched_getaffinity(0))
    there, enough = threading.Barrier(3), threading.Event()

    def compute() -> None:
        os.sched_setaffinity(threading.get_native_id(), {cpu})
        there.wait(PATIENCE)
        while not enough.is_set():
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10_000)  # lets go of the GIL

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    there.wait(PATIENCE)
    clocks = ThreadClocks()
    assert clocks.waits() == (0.0, 0.0)
    clocks.note()
    while clocks.waits()[0] < 0.05:
        enough.wait(0.01)
    enough.set()
    for thread in threads:
        thread.join(PATIENCE)
