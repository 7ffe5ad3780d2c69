"""The loop around the engine: events go in, commands are carried out."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from motet.core.commands import Command, WakeAt
from motet.core.engine import Engine
from motet.core.events import Event, ServerStoodStill, TimerFired
from motet.errors import InternalError
from motet.server.clock import Clock
from motet.server.facts import Fact
from motet.server.recent_turns import RecentTurns

logger = logging.getLogger("motet.server")


LOOK_INTERVAL = 1.0
"""Seconds between two looks at the clock, while a timer is set."""
LATE = 1.0
"""Seconds that a timer may ring late on a busy machine without anything being made of it."""
HEARING = 1.0
"""Seconds for what came while the server stood still to be heard, before the engine is told the time."""


Performer = Callable[[Any], None]
Performers = Mapping[type[Command], Performer | None]
"""What carries out each kind of command; it may call `Driver.take` again while it does. None: it is for observers alone."""
Turned = Callable[[Sequence[Event], Sequence[Command], float], None]
"""Is told of a turn: what happened, what the engine answered, and when."""


def try_step(step: Callable[..., None], *args: Any) -> None:
    """One of the steps of an end: its failure must not keep the others from being taken."""
    try:
        step(*args)
    except Exception:
        logger.exception("something else went wrong while this server was ending")


class Driver:
    """Feeds the engine on the loop's thread, one turn at a time.

    An exception in the engine or in an effect is a broken promise: what was to follow is lost, so nothing that runs can be
    trusted to end. The driver takes nothing any more then, and tells who was attached, with the story.

    Observers are told of each turn when its commands have been carried out, so that nobody waits for them, and of facts that
    the engine need not know. An exception of theirs is a broken promise, too.

    After a standstill of the whole program (Ctrl-Z, a paused machine) what came meanwhile is heard before the engine is told
    that time is over for anything.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self._loop = loop
        self._performers: Performers | None = None
        self._on_broken: Callable[[InternalError], None] | None = None
        self._on_standstill: Callable[[float], None] = lambda seconds: None
        self._turns = RecentTurns()
        self._of_turns: tuple[Turned, ...] = ()
        self._of_facts: tuple[Callable[[Fact], None], ...] = ()
        self._facts: list[Fact] = []
        """Those that came up in the turn that is being carried out."""
        self._pending: deque[Event] = deque()
        self._busy = False
        self._timer: asyncio.Handle | None = None
        self._rings_at = 0.0
        """When the timer rings, if there is one: uvloop makes a handle that does not tell where that is now."""
        self._look: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        """The engine is not told the time earlier."""
        self._now = clock.now

    def attach(
        self,
        performers: Performers,
        on_broken: Callable[[InternalError], None],
        on_standstill: Callable[[float], None],
    ) -> None:
        """Have commands carried out from now on. `on_broken` is called at most once; `on_standstill` when the server did
        nothing for so many seconds until now: containers are to be asked whether they did, too."""
        self._performers = {**performers, WakeAt: self._wake_at}
        self._on_broken = on_broken
        self._on_standstill = on_standstill

    def perform(self, performers: Performers) -> None:
        """Have commands of these kinds carried out by others from now on."""
        if self._performers is not None:
            self._performers = {**self._performers, **performers}

    # --- observers ----------------------------------------------------------------------------------------------------

    def follow(self, turned: Turned) -> None:
        """Tell of turns from now on. While nobody is told, the engine does not say what calls and inputs went through."""
        self._of_turns += (turned,)

    def listen(self, told: Callable[[Fact], None]) -> None:
        """Tell of facts from now on."""
        self._of_facts += (told,)

    def tell(self, fact: Fact) -> None:
        """Something happened that the engine need not know. Of what comes up in a turn is told after that turn."""
        if self._busy:
            self._facts.append(fact)
        else:
            for told in self._of_facts:
                told(fact)

    def _tell_facts(self) -> None:
        while self._facts:
            facts, self._facts = self._facts, []
            for fact in facts:
                for told in self._of_facts:
                    told(fact)

    # --- turns --------------------------------------------------------------------------------------------------------

    def take(self, *events: Event) -> None:
        """Something happened. Events that come up while commands are carried out wait for the next turn."""
        if self._performers is None:
            return
        self._pending.extend(events)
        if self._busy:
            return
        # Whatever comes up until the end waits: commands of a later turn must not overtake those of this one.
        self._busy = True
        performers = self._performers
        try:
            while self._pending:
                batch = tuple(self._pending)
                self._pending.clear()
                now = self._now()
                # Before it is handled: the turn that breaks a promise is to be in the story.
                self._turns.add(now, batch)
                observers = self._of_turns
                commands = self.engine.handle(batch, now, records=bool(observers))
                for command in commands:
                    perform = performers[type(command)]
                    if perform is not None:
                        perform(command)
                for turned in observers:
                    turned(batch, commands, now)
                if self._facts:
                    self._tell_facts()
        except Exception as error:
            self.fail(error)
        finally:
            self._busy = False

    def guard(self, report: Callable[..., None], *args: Any) -> None:
        """Call `report`, which feeds the engine what it must not miss: if it raises, a promise is broken, too."""
        try:
            report(*args)
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """A promise of ours was broken. Idempotent."""
        self._pending.clear()
        # Taken away first: what is done because of this may fail, too, and comes back here.
        on_broken, self._on_broken = self._on_broken, None
        self.close()
        if on_broken is not None:
            where = traceback.extract_tb(error.__traceback__)[-1:]
            story = InternalError(
                f"Motet broke a promise and has ended this server: {type(error).__name__}: {error}"
                + "".join(f" ({frame.filename}:{frame.lineno} in {frame.name})" for frame in where)
                + f". This is a bug in Motet: please report it with this message. The last turns were\n{self._turns}"
            )
            story.__cause__ = error
            logger.critical("%s", story, exc_info=error)
            on_broken(story)

    # --- time ---------------------------------------------------------------------------------------------------------

    def _wake_at(self, command: WakeAt) -> None:
        self._ring_at(command.deadline)

    def _ring_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = deadline = max(deadline, self._not_before)
        self._timer = self._loop.call_at(deadline, self._ring, deadline)
        if self._look is None:
            self._look = self._loop.call_later(LOOK_INTERVAL, self._look_at_clock, self._now() + LOOK_INTERVAL)

    def _ring(self, deadline: float) -> None:
        self._timer = None
        if not self._was_late(deadline):
            self.take(TimerFired())

    def _look_at_clock(self, due: float) -> None:
        """Often enough to notice a standstill during which no timer was due."""
        self._look = None
        self._was_late(due)
        if self._timer is not None:
            self._look = self._loop.call_later(LOOK_INTERVAL, self._look_at_clock, self._now() + LOOK_INTERVAL)

    def _was_late(self, due: float) -> bool:
        """Whether the loop stood still until now, so that what came meanwhile is still to be heard."""
        now = self._now()
        seconds = now - due
        if seconds <= LATE or due < self._not_before:  # or this was noticed already
            return False
        # Timers that were due meanwhile ring then, too: what came while nobody listened is older than they are.
        self._not_before = now + HEARING
        if self._timer is None or self._rings_at < self._not_before:
            self._ring_at(self._not_before)
        self.take(ServerStoodStill(seconds))
        if self._performers is not None:
            self._on_standstill(seconds)
        return True

    async def finish(self) -> None:
        """End what is left of calls that nobody wants, which the engine would do in its next turns, and close."""
        while self._performers is not None and self.engine.has_backlog:
            self.take(TimerFired())
            await asyncio.sleep(0)  # others are not to wait for all of it
        self.close()

    def close(self) -> None:
        """No more timers. Idempotent."""
        for timer in (self._timer, self._look):
            if timer is not None:
                timer.cancel()
        self._timer = self._look = None
        self._performers = None
