"""Where cancellations land: nowhere that their thread's neighbours would miss a lock, a notification or half a module."""

from __future__ import annotations

import gc
import logging
import queue
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from motet.client.gate import shield_cancellation
from motet.errors import InputCancellation
from motet.runtime.cancellation.interrupter import Interrupter
from motet.runtime.cancellation.landing import Landing, landing_at, place_of_harm
from tests.runtime.cancellation.victims import LONG, TIMEOUT, Victim, cancelled

# --- by frames alone --------------------------------------------------------------------------------------------------


def frame_in(module: str, name: str, call: Callable[[], Any] | None = None) -> Any:
    """What `call` returns, called by a function of this name in a module of this name."""
    space: dict[str, Any] = {"__name__": module, "call": call or (lambda: sys._getframe(1))}
    exec(f"def {name}():\n    return call()", space)
    return space[name]()


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("my_app", "handle", Landing.HERE),
        ("socket", "readinto", Landing.HERE),
        ("logging", "acquire", Landing.SOON),
        ("logging.handlers", "emit", Landing.SOON),
        ("threading", "__exit__", Landing.SOON),
        ("threading", "run", Landing.HERE),
        ("concurrent.futures._base", "set_result", Landing.SOON),
        ("tempfile", "_get_candidate_names", Landing.SOON),
        ("tempfile", "mkdtemp", Landing.HERE),
        ("my_app", "__del__", Landing.SOON),
    ],
)
def test_a_cancellation_lands_in_the_users_code_and_in_what_keeps_no_locks(
    module: str, name: str, expected: Landing
) -> None:
    assert landing_at(frame_in(module, name)) is expected


def test_it_lands_in_a_callback_of_logging_but_not_of_a_queue() -> None:
    def here() -> Landing:
        return landing_at(sys._getframe())

    assert frame_in("logging", "handle", lambda: frame_in("my_handler", "emit", here)) is Landing.HERE
    assert frame_in("queue", "put", lambda: frame_in("my_items", "__lt__", here)) is Landing.SOON


def test_a_traceback_tells_whether_something_may_have_been_broken() -> None:
    def raises() -> None:
        raise InputCancellation("Input was cancelled")

    with pytest.raises(InputCancellation) as fine:
        frame_in("my_app", "handle", raises)
    assert place_of_harm(fine.value.__traceback__) is None
    space: dict[str, Any] = {"__name__": "logging", "error": fine.value.with_traceback(None)}
    exec("def acquire():\n    raise error", space)
    with pytest.raises(InputCancellation) as bad:
        space["acquire"]()
    assert place_of_harm(bad.value.__traceback__) == "<string>:2, in acquire"


# --- real threads -----------------------------------------------------------------------------------------------------


class Shared:
    """What inputs of one container have in common, used in a tight loop."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("tests.landing")
        self.logger.propagate = False
        self.logger.setLevel("INFO")
        self.handler = logging.StreamHandler(open("/dev/null", "w"))  # noqa: SIM115
        self.logger.addHandler(self.handler)
        self.condition = threading.Condition()
        self.semaphore = threading.Semaphore(2)
        self.event = threading.Event()
        self.queue: queue.Queue[int] = queue.Queue()
        self.pool = ThreadPoolExecutor(2)

    def close(self) -> None:
        self.logger.removeHandler(self.handler)
        self.handler.stream.close()
        self.pool.shutdown()

    def use_logging(self) -> None:
        self.logger.info("at %s", 1)

    def use_condition(self) -> None:
        with self.condition:
            self.condition.notify_all()

    def use_semaphore(self) -> None:
        with self.semaphore:
            pass

    def use_event(self) -> None:
        self.event.set()
        self.event.wait(LONG)
        self.event.clear()
        self.event.set()

    def use_queue(self) -> None:
        self.queue.put(1)
        self.queue.get(timeout=LONG)

    def use_future(self) -> None:
        self.pool.submit(int).result(LONG)


@pytest.fixture
def shared() -> Iterator[Shared]:
    shared = Shared()
    yield shared
    shared.close()


@pytest.mark.parametrize("what", ["logging", "condition", "semaphore", "event", "queue", "future"])
def test_neighbours_go_on_using_what_cancelled_inputs_used(what: str, shared: Shared, interrupter: Interrupter) -> None:
    use: Callable[[], None] = getattr(shared, f"use_{what}")
    moments = random.Random(3)

    def endless() -> None:
        while True:
            use()

    for _ in range(12):
        victims = [Victim(endless) for _ in range(2)]
        for victim in victims:
            victim.wait_in_work()
        time.sleep(moments.uniform(0, 0.002))
        for victim in victims:
            interrupter.interrupt(victim.gate)
        assert all(cancelled(victim.result()) for victim in victims)
        assert [victim.gate.harm for victim in victims] == [None, None]
    assert Victim(lambda: [use() for _ in range(20)]).result() == [None] * 20


def test_what_is_put_while_a_waiting_input_is_cancelled_goes_to_the_next(interrupter: Interrupter) -> None:
    """A notification that only a cancelled waiter had heard would leave its item lying, and the next one waiting."""
    if not interrupter.reaches_blocking_calls:
        pytest.skip("this interpreter has no way to interrupt blocking calls in threads")
    moments = random.Random(5)
    for number in range(25):
        items: queue.Queue[int] = queue.Queue()
        taken: list[int] = []

        def take(items: queue.Queue[int] = items, taken: list[int] = taken) -> None:
            taken.append(items.get(timeout=LONG))

        first, second = Victim(take), Victim(take)
        first.wait_in_work()
        second.wait_in_work()
        time.sleep(0.002)
        putting = threading.Timer(moments.uniform(0, 0.0005), items.put, (number,))
        putting.start()
        interrupter.interrupt(first.gate)
        first_end = first.result()
        if not taken:
            assert second.result() is None
        else:
            interrupter.interrupt(second.gate)
            second.result()
        assert taken == [number]
        assert cancelled(first_end) or first_end is None
        putting.join(TIMEOUT)


def test_a_thread_that_a_cancelled_input_waited_for_is_not_taken_for_ended(interrupter: Interrupter) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(TIMEOUT,))
    thread.start()
    victim = Victim(lambda: thread.join(LONG))
    victim.wait_in_work()
    time.sleep(0.01)
    interrupter.interrupt(victim.gate)
    assert cancelled(victim.result()) or not interrupter.reaches_blocking_calls
    assert thread.is_alive()
    over.set()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


def test_an_import_is_finished_first_and_its_module_is_whole(
    interrupter: Interrupter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import threading, time\nprint('begins')\nbegun.set()\ntime.sleep(0.1)\nlast = 'there'\n".replace(
            "begun.set()", "import builtins; builtins.slow_import_begun.set()"
        )
    )
    begun = threading.Event()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("builtins.slow_import_begun", begun, raising=False)
    story = []

    def work() -> None:
        with shield_cancellation():  # as Motet's streams are while they are written to
            pass
        import slow_to_import  # type: ignore[import-not-found]

        story.append(slow_to_import.last)
        while True:
            time.sleep(0.001)

    victim = Victim(work)
    assert begun.wait(TIMEOUT)
    interrupter.interrupt(victim.gate)
    assert cancelled(victim.result())
    assert sys.modules["slow_to_import"].last == "there"
    assert story in ([], ["there"])
    assert victim.gate.harm is None


@pytest.mark.parametrize("how", ["__del__", "weakref.finalize", "gc.callbacks", "an object in gc.callbacks"])
def test_a_cancellation_does_not_get_lost_in_what_the_interpreter_calls(how: str, interrupter: Interrupter) -> None:
    inside = threading.Event()

    class Slow:
        def __del__(self) -> None:
            if how == "__del__":
                take_long()

        def __call__(self, _phase: str, _info: dict[str, int]) -> None:
            take_long()

    def take_long() -> None:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            end = time.monotonic() + 0.02
            while time.monotonic() < end:
                pass

    def take_long_after(_phase: str, _info: dict[str, int]) -> None:
        take_long()

    def work() -> None:
        while True:
            one = Slow()
            if how == "weakref.finalize":
                weakref.finalize(one, take_long)
            elif "gc" in how:
                gc.collect(0)

    called = {"gc.callbacks": take_long_after, "an object in gc.callbacks": Slow()}.get(how)
    if called is not None:
        gc.callbacks.append(called)
    victim = Victim(work)
    assert inside.wait(TIMEOUT)
    interrupter.interrupt(victim.gate)
    try:
        assert cancelled(victim.result())
    finally:
        if called is not None:
            gc.callbacks.remove(called)
