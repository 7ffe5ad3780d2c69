"""Which spares templates are to have: processes forked ahead, so that the next container of a kind starts at once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from pathlib import Path
from typing import NamedTuple

from motet.backends.templates import LiveTemplate
from motet.backends.walls.limit_keeper import LimitKeeper
from motet.model.isolation import Limits, Walls
from motet.wire.template import DropSpare, MakeSpare

QUIET = 0.1
"""Seconds after a start before a spare is made: what starts now, or a burst of starts, has the processors to itself."""
WINDOW = 300.0
"""Seconds after the last start of a kind, after which its spare ends."""
MOST = 8
"""Kinds of which there is a spare. Each holds some 3 MB, and bubblewrap's processes another one."""


class Kind(NamedTuple):
    """What containers must have in common to start from one spare."""

    template: LiveTemplate
    walls: Walls
    limits: Limits


class ReadyPlace(NamedTuple):
    """What a spare was made with, for the container that it becomes: it has the group of that `name`."""

    number: int
    directory: Path
    name: str
    joins: tuple[str, ...]


class SpareKeeper:
    """Of one backend. `limits` makes their control groups. Methods are called on the loop's thread."""

    def __init__(self, limits: LimitKeeper) -> None:
        self._limits = limits
        self._numbers = itertools.count(1)
        self._ready: dict[Kind, ReadyPlace] = {}
        """The kind that was used last comes last."""
        self._timers: dict[Kind, asyncio.TimerHandle] = {}

    def take(self, kind: Kind) -> ReadyPlace | None:
        """The spare of this kind, if there is one."""
        self._cancel(kind)
        return self._ready.pop(kind, None)

    def has_started(self, kind: Kind) -> None:
        """A container of this kind was asked for: have one more made, once it is quiet."""
        self._cancel(kind)
        self._timers[kind] = asyncio.get_running_loop().call_later(QUIET, self._make, kind)

    def forget(self, template: LiveTemplate) -> None:
        """It forks nothing more; its spares end with it."""
        for kind in [kind for kind in {**self._ready, **self._timers} if kind.template is template]:
            self._cancel(kind)
            if (place := self._ready.pop(kind, None)) is not None:
                self._give_up(place)

    def close(self) -> None:
        """All templates have ended."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for place in self._ready.values():
            self._give_up(place)
        self._ready.clear()

    def _make(self, kind: Kind) -> None:
        del self._timers[kind]
        if kind in self._ready or kind.template.why_ended is not None:
            return
        if len(self._ready) >= MOST:
            self._drop(next(iter(self._ready)))
        number = next(self._numbers)
        directory = kind.template.directory / f"s{number}"
        name = f"{directory.parent.parent.name}-{directory.parent.name}-{number}"
        try:
            make_directory(directory, kind.walls)
            joins = self._limits.prepare(name, kind.limits)
        except OSError:  # the container tells why it cannot start
            with contextlib.suppress(OSError):
                directory.rmdir()
            return
        self._ready[kind] = ReadyPlace(number, directory, name, joins)
        kind.template.link.send_nowait(MakeSpare(number, str(directory), kind.limits, kind.walls, joins))
        self._timers[kind] = asyncio.get_running_loop().call_later(WINDOW, self._drop, kind)

    def _drop(self, kind: Kind) -> None:
        self._cancel(kind)
        place = self._ready.pop(kind)
        kind.template.link.send_nowait(DropSpare(place.number))
        self._give_up(place)

    def _cancel(self, kind: Kind) -> None:
        if (timer := self._timers.pop(kind, None)) is not None:
            timer.cancel()

    def _give_up(self, place: ReadyPlace) -> None:
        self._limits.give_up(place.name)
        with contextlib.suppress(OSError):
            place.directory.rmdir()


def make_directory(directory: Path, walls: Walls) -> None:
    """A container's own, which nobody else's user gets into. Raises `OSError`."""
    directory.mkdir()
    if (user := walls.own_user) is not None:
        directory.chmod(0o700)
        os.chown(directory, user, user)
