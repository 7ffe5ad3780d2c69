"""A value that will be there once, waited for by a thread or a task."""

from __future__ import annotations

import asyncio
import builtins
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from motet.client.waiter import Waiter


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
