"""Which attempt at its input code runs in, and why there is one."""

from __future__ import annotations

from typing import Literal

import msgspec

Why = Literal["first", "retry", "redelivered"]

FAILED, TIMED_OUT = "failed", "timed out"
DIED, PREEMPTED, STOPPED, FROZEN = "container died", "container preempted", "container stopped", "container frozen"
NEIGHBOUR, BLOCKED, RESTARTED = "neighbour cancelled", "container blocked", "server restarted"


class Attempt(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One attempt at an input, as its code sees it: its number, from 1, and why it is made. A server counts the attempts that
    it has made, or has found running when it began, and no others.

    `why` is "first", "retry" (its function's `retries=` asked for it) or "redelivered" (the container of the one before is
    gone or did not run it, which is charged to nobody). `cause` says what ended the one before. Of a retry: "failed" or
    "timed out". Of a redelivery: "container died", "container preempted" (it was told to end, and did not finish in time),
    "container stopped" (by an operator), "container frozen", "neighbour cancelled" (it went with another input that could not
    be cancelled alone), "container blocked" (it had not begun there) or "server restarted" (it may have run before that: then
    1 is a redelivery's number, too). It is "" for the first attempt, and more causes may come. `detail` is a sentence for
    people. `retries`: how many of the attempts so far, this one included, `retries=` was charged with.
    """

    number: int = 1
    why: Why = "first"
    cause: str = ""
    detail: str = ""
    retries: int = 0


FIRST = Attempt()
