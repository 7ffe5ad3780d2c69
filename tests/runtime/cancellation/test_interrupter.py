"""Interrupting one thread among many, whatever it is doing: real threads, real signals."""

from __future__ import annotations

import ctypes
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest

from motet.client.gate import Gate, shield_cancellation
from motet.errors import InputCancellation
from motet.runtime.cancellation.interrupter import CANCEL_SIGNAL, Interrupter
from motet.runtime.cancellation.signalled_thread import SignalledThread
from tests.runtime.cancellation.victims import LONG, TIMEOUT, Victim, cancelled, live_on


def loop() -> None:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        pass


idle: list[socket.socket] = []
"""On which nothing comes."""


@pytest.fixture(autouse=True, scope="module")
def an_idle_socket() -> Iterator[None]:
    """Made here: a thread may be interrupted after it has made one, and before it would close it."""
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(LONG)
        idle.append(one)
        yield
        idle.clear()


def receive() -> None:
    idle[0].recv(1)


def lock() -> None:
    held = threading.Lock()
    held.acquire()
    held.acquire(timeout=LONG)


def condition() -> None:
    mine = threading.Condition()
    with mine:
        mine.wait(LONG)


def sleeper() -> threading.Thread:
    thread = threading.Thread(target=time.sleep, args=(LONG,), daemon=True)
    thread.start()
    return thread


def read_pipe() -> None:
    reading, writing = os.pipe()
    try:
        os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)


def run_process() -> None:
    subprocess.run([sys.executable, "-c", f"import time; time.sleep({LONG})"], check=True)


BLOCKING: dict[str, Callable[[], Any]] = {
    "time.sleep": lambda: time.sleep(LONG),
    "socket.recv": receive,
    "queue.get": lambda: queue.Queue[int]().get(timeout=LONG),
    "SimpleQueue.get": lambda: queue.SimpleQueue[int]().get(timeout=LONG),
    "Lock.acquire": lock,
    "Event.wait": lambda: threading.Event().wait(LONG),
    "Condition.wait": condition,
    "Semaphore.acquire": lambda: threading.Semaphore(0).acquire(timeout=LONG),
    "Thread.join": lambda: sleeper().join(),
    "Future.result": lambda: Future[int]().result(LONG),
    "os.read": read_pipe,
    "subprocess.run": run_process,
}


@pytest.mark.parametrize("name", [*BLOCKING, "loop"])
def test_a_thread_is_interrupted_whatever_it_waits_for(name: str, interrupter: Interrupter) -> None:
    if name != "loop" and not interrupter.reaches_blocking_calls:
        pytest.skip("this interpreter has no way to interrupt blocking calls in threads")
    victim = Victim({**BLOCKING, "loop": loop}[name])
    victim.wait_in_work()
    time.sleep(0.02)
    began = time.monotonic()
    interrupter.interrupt(victim.gate)
    assert cancelled(victim.result())
    assert time.monotonic() - began < LONG / 4


def test_the_main_thread_is_interrupted_out_of_a_blocking_call(interrupter: Interrupter) -> None:
    gate, begun = Gate(), threading.Event()

    def cancel() -> None:
        begun.wait(TIMEOUT)
        interrupter.interrupt(gate)

    def sleep_at(gate: Gate) -> None:
        gate.enter()
        try:
            gate.open()
            begun.set()
            time.sleep(LONG)
        finally:
            gate.shut()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(InputCancellation):
        sleep_at(gate)
    thread.join()


def test_finally_blocks_run_undisturbed_and_what_swallows_it_is_not_hit_again(interrupter: Interrupter) -> None:
    story: list[str] = []
    inside = threading.Event()

    def work() -> str:
        try:
            try:
                inside.set()
                time.sleep(LONG)
            finally:
                time.sleep(0.1)
                story.append("finally")
        except BaseException:
            story.append("swallowed")
        for _ in range(1000):
            time.sleep(0.0001)
        return "went on"

    victim = Victim(work)
    inside.wait(TIMEOUT)
    interrupter.interrupt(victim.gate)
    assert victim.result() == "went on"
    assert story == ["finally", "swallowed"]


def test_a_shielded_block_ends_first_and_then_the_cancellation_comes(interrupter: Interrupter) -> None:
    story: list[str] = []
    inside = threading.Event()

    def work() -> None:
        with shield_cancellation():
            inside.set()
            time.sleep(0.1)
            story.append("written")
        story.append("not reached")

    victim = Victim(work)
    inside.wait(TIMEOUT)
    interrupter.interrupt(victim.gate)
    assert cancelled(victim.result())
    assert story == ["written"]


def test_an_attempt_that_has_not_begun_does_not_run(interrupter: Interrupter) -> None:
    gate, ran = Gate(), []
    interrupter.interrupt(gate)
    assert cancelled(Victim(lambda: ran.append(1), gate).result())
    assert ran == []


def test_an_attempt_that_ended_leaves_its_thread_alone(interrupter: Interrupter) -> None:
    victim = Victim(lambda: "done")
    while victim.ended is None:
        time.sleep(0.001)
    interrupter.interrupt(victim.gate)
    assert victim.result() == "done"


class Late(SignalledThread):
    """The first interrupt after the test meets a machine that is too busy: the thread does not run in time."""

    uses = 0

    def moved_to(self, thread: int) -> AbstractContextManager[None]:
        self.uses += 1
        return super().moved_to(thread if self.uses != 2 else threading.main_thread().ident or 0)


def test_an_interrupt_that_brought_nothing_is_tried_again(interrupter: Interrupter) -> None:
    late = Interrupter(Late.found)
    late.install()
    if not late.reaches_blocking_calls:
        pytest.skip("this interpreter has no way to interrupt blocking calls in threads")
    victim = Victim(receive)
    victim.wait_in_work()
    time.sleep(0.02)
    late.interrupt(victim.gate)
    assert cancelled(victim.result())


def test_handlers_can_be_set_on_the_main_thread_alone_while_another_one_is_interrupted(
    interrupter: Interrupter,
) -> None:
    if not interrupter.reaches_blocking_calls:
        pytest.skip("this interpreter has no way to interrupt blocking calls in threads")
    signalled = SignalledThread.found()
    assert signalled is not None
    before, moved, over = signal.getsignal(signal.SIGUSR2), threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def move() -> None:
        with signalled.moved_to(threading.get_ident()):
            moved.set()
            over.wait(0.05)  # nobody says that it is over: the main thread waits meanwhile

    def set_elsewhere() -> None:
        try:
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        except ValueError as error:
            raised.append(error)

    threads = [threading.Thread(target=it) for it in (move, set_elsewhere)]
    threads[0].start()
    moved.wait(TIMEOUT)
    threads[1].start()
    assert signal.signal(signal.SIGUSR2, signal.SIG_DFL) is before
    over.set()
    for thread in threads:
        thread.join()
    assert "main thread" in str(raised)


# --- without the private field ----------------------------------------------------------------------------------------


class Elsewhere(SignalledThread):
    """A word that the interpreter does not look at: the test on a thread of ours must find that out."""

    def __init__(self) -> None:
        super().__init__(ctypes.c_ulong(threading.main_thread().ident or 0))


@pytest.fixture(params=["no word found", "the test fails", "the user's handler"])
def without(request: pytest.FixtureRequest) -> Iterator[Interrupter]:
    before = signal.getsignal(CANCEL_SIGNAL)
    interrupter = Interrupter(
        {"no word found": lambda: None, "the test fails": Elsewhere}.get(request.param, Elsewhere)
    )
    interrupter.install()
    if request.param == "the user's handler":
        signal.signal(CANCEL_SIGNAL, lambda *_: None)
    yield interrupter
    signal.signal(CANCEL_SIGNAL, before)


def test_without_it_code_is_interrupted_between_bytecodes(without: Interrupter) -> None:
    victim = Victim(loop)
    victim.wait_in_work()
    without.interrupt(victim.gate)
    assert cancelled(victim.result())


def test_without_it_a_blocking_call_ends_first(without: Interrupter) -> None:
    story: list[str] = []

    def work() -> None:
        for step in range(1000):
            time.sleep(0.01)
            story.append(str(step))

    victim = Victim(work)
    victim.wait_in_work()
    without.interrupt(victim.gate)
    assert cancelled(victim.result())
    assert len(story) < 1000


def test_without_it_shields_hold_and_nothing_lands_after_the_end(without: Interrupter) -> None:
    inside, story = threading.Event(), []

    def work() -> None:
        with shield_cancellation():
            inside.set()
            for _ in range(100):
                time.sleep(0.001)
            story.append("written")
        story.append("not reached")

    victim = Victim(work)
    inside.wait(TIMEOUT)
    without.interrupt(victim.gate)
    assert cancelled(victim.result())
    assert story == ["written"]


def test_on_an_interpreter_like_this_the_word_is_found_and_works(interrupter: Interrupter) -> None:
    if sys.implementation.name != "cpython" or "t" in sys.abiflags:
        assert SignalledThread.found() is None
    else:
        assert interrupter.reaches_blocking_calls


def test_a_handler_of_the_users_is_kept_and_they_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(CANCEL_SIGNAL, mine)
    try:
        interrupter = Interrupter()
        interrupter.install()
        victim = Victim(loop)
        victim.wait_in_work()
        interrupter.interrupt(victim.gate)
        assert cancelled(victim.result())
        assert signal.getsignal(CANCEL_SIGNAL) is mine
    finally:
        signal.signal(CANCEL_SIGNAL, before)
    assert capsys.readouterr().err.count("has a handler of its own for signal") == 1


def test_signals_that_programs_use_for_themselves_are_left_alone(interrupter: Interrupter) -> None:
    assert CANCEL_SIGNAL not in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


# --- many -------------------------------------------------------------------------------------------------------------


def test_among_many_threads_those_that_were_asked_for_are_hit_once_and_no_other(interrupter: Interrupter) -> None:
    chosen = random.Random(4)
    ends = threading.Event()

    def ticking() -> str:
        while not ends.is_set():
            time.sleep(0.002)
        return "ran"

    def computing() -> str:
        while not ends.is_set():
            sum(range(200))
            time.sleep(0.0005)
        return "ran"

    def waiting() -> str:
        ends.wait(LONG)
        return "ran"

    def shielding() -> str:
        while not ends.is_set():
            with shield_cancellation():
                time.sleep(0.001)
        return "ran"

    def counting(work: Callable[[], str], hits: list[int], number: int) -> Callable[[], str]:
        def run() -> str:
            try:
                return work()
            except InputCancellation:
                hits[number] += 1
                with suppress(RuntimeError):
                    time.sleep(0.01)
                raise

        return run

    for _ in range(6):
        ends.clear()
        hits = [0] * 30
        kinds = [chosen.choice([ticking, computing, waiting, shielding]) for _ in hits]
        victims = [Victim(counting(kind, hits, number)) for number, kind in enumerate(kinds)]
        for victim in victims:
            victim.wait_in_work()
        asked = chosen.sample(range(30), 15)
        for number in asked:
            interrupter.interrupt(victims[number].gate)
        # On a busy machine it is tried again: what ends by itself before that is not cancelled.
        while any(victims[number].gate.pending for number in asked):
            time.sleep(0.001)
        ends.set()
        results = [victim.result() for victim in victims]
        assert [number for number, it in enumerate(results) if cancelled(it)] == sorted(asked)
        assert [it for number, it in enumerate(results) if number not in asked] == ["ran"] * 15
        assert max(hits) <= 1


def test_short_inputs_that_end_while_they_are_cancelled_end_once_and_their_thread_serves_the_next(
    interrupter: Interrupter,
) -> None:
    """The instants around the opening and shutting of a gate: whatever happens, nothing lands outside."""
    gates: queue.SimpleQueue[Gate | None] = queue.SimpleQueue()
    ends: list[str] = []
    stray: list[BaseException] = []
    over = threading.Event()

    def serve() -> None:
        try:
            while (gate := gates.get()) is not None:
                gate.enter()
                try:
                    try:
                        gate.open()
                        sum(range(50))
                    finally:
                        gate.shut()
                    ends.append("ran")
                except InputCancellation:
                    ends.append("cancelled")
        except BaseException as error:
            stray.append(error)
        over.set()
        live_on()

    threading.Thread(target=serve, daemon=True).start()
    for _ in range(1500):
        gate = Gate()
        gates.put(gate)
        interrupter.interrupt(gate)
    gates.put(None)
    assert over.wait(TIMEOUT)
    assert stray == []
    assert len(ends) == 1500
