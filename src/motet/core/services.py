"""What a pool has of its engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from motet.core.autoscaler import Policy
from motet.core.calls import Calls
from motet.core.host import Host
from motet.core.roster import Roster
from motet.core.shares import Shares
from motet.core.timers import Timers

EncodeFailure = Callable[[Exception], bytes]
"""Encodes an exception that the platform reports: the engine decides the words, the wire knows the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all pools of an engine share. `attempts` are the numbers of attempts; `waits_for` says which call of an input has
    not begun, and why ("" if there is none)."""

    attempts: Iterator[int]
    failure: EncodeFailure
    policy: Policy
    host: Host
    shares: Shares
    roster: Roster
    timers: Timers[Any]
    calls: Calls
    waits_for: Callable[[str], str]
