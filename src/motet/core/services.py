"""What a pool has of its engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from motet.core.inputs import Call, Input

EncodeFailure = Callable[[Exception], bytes]
"""Encodes an exception that the platform reports: the engine decides the words, the wire knows the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Attempts' numbers, the form of failures, and how to ask for more.

    `retry_at` brings an input back at a moment, `alarm` asks for `Pool.tick`, `forget` drops a call that has ended,
    `waits_for` says which call of an input has not begun, and why ("" if there is none).
    """

    attempts: Iterator[int]
    failure: EncodeFailure
    retry_at: Callable[[float, Input], None]
    alarm: Callable[[float], None]
    forget: Callable[[Call], None]
    waits_for: Callable[[str], str]
