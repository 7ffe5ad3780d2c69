"""New identifiers: the only place of the SDK that reads the clock and rolls dice for them."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

from motet.client.forks import in_forked_child
from motet.model.ids import ENTROPY_BITS, AppId, CallId, id_suffix


def _rolled() -> int:
    return int.from_bytes(os.urandom(ENTROPY_BITS // 8))


def _counter() -> Callable[[], int]:
    # A counter on random ground: as unique as fresh dice, and twenty times cheaper (every call needs an id). Its step is one
    # C call, which no other thread and no signal handler can get between: an id given twice gives one call's result to another.
    return itertools.count(_rolled()).__next__


_next_entropy = _counter()


def _suffix() -> str:
    return id_suffix(int(time.time() * 1000), _next_entropy() % (1 << ENTROPY_BITS))


def _count_elsewhere() -> None:
    global _next_entropy
    _next_entropy = _counter()


# Parent and child must not count on from the same number.
in_forked_child(_count_elsewhere)


def new_call_id() -> CallId:
    return CallId("fc-" + _suffix())


def new_app_id() -> AppId:
    return AppId("ap-" + _suffix())


def new_sandbox_id() -> str:
    """`sb-...`"""
    return "sb-" + _suffix()


def new_process_id() -> str:
    """Of a command in a sandbox: `pr-...`"""
    return "pr-" + _suffix()


def new_queue_id() -> str:
    """Fresh dice: whoever knows it may use the queue, and those who know other ids must not guess it."""
    return "qu-" + id_suffix(int(time.time() * 1000), _rolled())


def new_dict_id() -> str:
    """As of queues."""
    return "di-" + id_suffix(int(time.time() * 1000), _rolled())
