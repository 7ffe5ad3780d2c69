"""A value that will be there once, waited for by a thread or a task."""

from __future__ import annotations

import asyncio
import builtins
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from motet.client.waiter import Waiter

PATIENCE = 30.0


def test_a_value_that_is_there_is_not_waited_for() -> None:
    waiter: Waiter[int] = Waiter()
    waiter.set(1)
    assert waiter.wait() == 1
    assert waiter.wait() == 1
    assert asyncio.run(waiter.wait_async()) == 1


def test_the_first_value_counts() -> None:
    waiter: Waiter[int] = Waiter()
    waiter.set(1)
    waiter.set(2)
    assert waiter.wait() == 1


def test_a_thread_waits_until_another_one_sets_the_value() -> None:
    waiter: Waiter[int] = Waiter()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiter.wait)
        waiter.set(3)
        assert waiting.result(5) == 3


def test_a_task_waits_until_a_thread_sets_the_value_and_others_run_meanwhile() -> None:
    async def main() -> tuple[int, bool]:
        waiter: Waiter[int] = Waiter()
        waiting = asyncio.create_task(waiter.wait_async())
        await asyncio.sleep(0)
        ran_meanwhile = not waiting.done()
        threading.Thread(target=waiter.set, args=(4,)).start()
        return await waiting, ran_meanwhile

    assert asyncio.run(main()) == (4, True)


def test_waiting_ends_with_timeout_error_in_both_colours() -> None:
    with pytest.raises(builtins.TimeoutError):
        Waiter[int](0.01).wait()
    with pytest.raises(builtins.TimeoutError):
        asyncio.run(Waiter[int](0.01).wait_async())


def test_a_value_for_a_loop_that_is_closed_is_dropped_silently() -> None:
    waiter: Waiter[int] = Waiter()

    async def main() -> None:
        task = asyncio.create_task(waiter.wait_async())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    waiter.set(1)


def test_setting_from_many_threads_at_once_is_safe() -> None:
    for _ in range(50):
        waiter: Waiter[int] = Waiter()
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(waiter.set, n) for n in range(4)]:
                done.result()
        assert waiter.wait() in range(4)


def test_tasks_whose_values_come_together_are_woken_with_one_call_into_their_loop() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        calls: list[object] = []
        waiters: list[Waiter[int]] = [Waiter() for _ in range(50)]
        tasks = [asyncio.create_task(waiter.wait_async()) for waiter in waiters]
        await asyncio.sleep(0)
        into_loop = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args, **kwargs: calls.append(args) or into_loop(*args, **kwargs)  # type: ignore[method-assign, func-returns-value, assignment]

        def set_all() -> None:
            for number, waiter in enumerate(waiters):
                waiter.set(number)

        thread = threading.Thread(target=set_all)
        thread.start()
        thread.join()
        assert len(calls) == 1
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == list(range(50))


def test_a_task_that_no_longer_waits_does_not_keep_the_others_from_waking() -> None:
    async def main() -> int:
        given_up, waits = Waiter[int](), Waiter[int]()
        tasks = [asyncio.create_task(waiter.wait_async()) for waiter in (given_up, waits)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        given_up.set(1)
        waits.set(2)
        return await tasks[1]

    assert asyncio.run(main()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_that_does_not_wake_the_main_thread_is_handled_while_that_waits() -> None:
    waiter: Waiter[str] = Waiter(PATIENCE)
    main = threading.get_ident()
    assert main == threading.main_thread().ident, "handlers run there"

    def signal_this_thread() -> None:
        seen = 0
        while seen < 5:  # it waits, and has done so for some turns of the interpreter
            frame = sys._current_frames()[main]
            seen = seen + 1 if frame.f_code is Waiter._acquire.__code__ else 0
            os.sched_yield()
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)

    usual = signal.signal(signal.SIGUSR2, lambda *_: waiter.set("handled"))
    other = threading.Thread(target=signal_this_thread)
    other.start()
    try:
        assert waiter.wait() == "handled"
    finally:
        other.join()
        signal.signal(signal.SIGUSR2, usual)
