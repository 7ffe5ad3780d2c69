"""New identifiers: the only place of the SDK that reads the clock and rolls dice for them."""

from __future__ import annotations

import random
import time

from motet.model.ids import ENTROPY_BITS, AppId, CallId, id_suffix

_random = random.SystemRandom()
_entropy = _random.getrandbits(ENTROPY_BITS)


def _suffix() -> str:
    # A counter on random ground: as unique as fresh dice, and twenty times cheaper (every call needs an id).
    global _entropy
    _entropy = (_entropy + 1) % (1 << ENTROPY_BITS)
    return id_suffix(int(time.time() * 1000), _entropy)


def reseed() -> None:
    """After a fork: two processes must not count on from the same number."""
    global _entropy
    _entropy = _random.getrandbits(ENTROPY_BITS)


def new_call_id() -> CallId:
    return CallId("fc-" + _suffix())


def new_app_id() -> AppId:
    return AppId("ap-" + _suffix())


def new_queue_id() -> str:
    return "qu-" + _suffix()
