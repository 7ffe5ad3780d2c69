"""Schedules of deployed functions: they are run when their moments come, and what is asked about them is answered."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from motet.errors import Error, NotFoundError, ServiceError
from motet.model.ids import ENTROPY_BITS, id_suffix
from motet.model.schedule import ScheduleSpec, ScheduleView
from motet.schedules.due import AHEAD, Due, ScheduleProgress, due, next_at
from motet.server.access.door import Principal
from motet.server.access.rights import named_rights
from motet.server.clock import Clock
from motet.server.deployments.aliases import Alias, labels
from motet.server.deployments.register import Deployment, Register
from motet.store.base import KeptSchedule
from motet.wire import schedule_messages as m
from motet.wire.client_messages import ReplyBody
from motet.wire.encoding import Encoding, marked_arguments

logger = logging.getLogger("motet.server")

LOOK_INTERVAL = 10.0
"""Seconds between two looks at the wall clock, at most: it can be set, and a timer stands still while the machine sleeps."""

TRY_AGAIN = 10.0
"""Seconds until a run that could not be submitted is tried again."""

CLOSING_GRACE = 5.0
"""Seconds that what is on its way to be kept has when the server ends."""

NO_ARGUMENTS = marked_arguments(b"", Encoding.JSON, Encoding.PICKLE)

Key = tuple[str, str]


class Spawn(Protocol):
    """Makes a call with one input in the name of a principal, unless there is one of that id already."""

    def __call__(
        self, by: Principal, function_id: str, call_id: str, payload: bytes, method: str = ""
    ) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True)
class _Scheduled:
    """A function of the version that has a name, which has a schedule."""

    deployment: Deployment
    label: str
    spec: ScheduleSpec

    @property
    def key(self) -> Key:
        return self.deployment.view.name, self.label

    @property
    def shown(self) -> str:
        return f"{self.deployment.view.name}/{self.label}"


class Schedules:
    """All of a server's. `has_call`: whether a call has unfinished inputs. `broke` is told of what must not happen."""

    def __init__(
        self,
        register: Register,
        clock: Clock,
        spawn: Spawn,
        has_call: Callable[[str], bool],
        broke: Callable[[Exception], None],
    ) -> None:
        self._register = register
        self._clock = clock
        self._spawn = spawn
        self._has_call = has_call
        self._broke = broke
        self._kept: dict[Key, KeptSchedule] = {}
        self._retry_at: dict[Key, float] = {}
        """Of runs that could not be submitted: when to try again."""
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self.answers: dict[type[Any], Callable[[Any, Any], Coroutine[Any, Any, ReplyBody]]] = {
            m.ListSchedules: self._list,
            m.ChangeSchedule: self._change,
            m.RunScheduled: self._run_now,
        }

    async def prepare(self) -> None:
        """Know what servers before this one have kept. Raises `ServiceError`."""
        for kept in await self._register.ask(lambda store: store.schedules()):
            self._kept[kept.app, kept.function] = kept

    def look(self) -> None:
        """Another version has a name, or none: what is due may be another from now on."""
        if self._task is None and not self._is_closing and self._all():
            self._task = asyncio.get_running_loop().create_task(self._attend())
            self._task.add_done_callback(self._ended)
        self._changed.set()

    async def close(self) -> None:
        """Nothing is run any more. Idempotent."""
        self._is_closing = True
        self._changed.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=CLOSING_GRACE)
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._broke(error)

    # --- what is due ------------------------------------------------------------------------------------------------------

    async def _attend(self) -> None:
        while not self._is_closing:
            self._changed.clear()
            wait = await self._turn()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _turn(self) -> float | None:
        """Do what is due; seconds until something may be, None: nothing is scheduled."""
        for scheduled in self._all():
            if self._retry_at.get(scheduled.key, 0.0) > self._clock.now():
                continue
            await self._check_ahead(scheduled)
            found = due(scheduled.spec, self._progress(scheduled), self._clock.wall_now())
            if found is not None and not self._is_closing:
                await self._do(scheduled, found)
        waits = [self._wait_of(scheduled) for scheduled in self._all()]
        return min(waits, default=None)

    async def _check_ahead(self, scheduled: _Scheduled) -> None:
        """Where the clock was far ahead, what has been done then is no measure: it goes on from now."""
        kept, now = self._of(scheduled.key), self._clock.wall_now()
        if kept.handled_at > now + AHEAD:
            logger.warning(
                "%s has run for a moment %.0f h from now, by a clock that was ahead: it goes on from now",
                scheduled.shown,
                (kept.handled_at - now) / 3600,
            )
            await self._keep(msgspec.structs.replace(kept, handled_at=now))

    def _wait_of(self, scheduled: _Scheduled) -> float:
        now = self._clock.wall_now()
        moment = next_at(scheduled.spec, self._progress(scheduled), now)
        until = math.inf if moment is None else moment - now
        retry = self._retry_at.get(scheduled.key, 0.0) - self._clock.now()
        return min(LOOK_INTERVAL, max(until, retry, 0.0))

    async def _do(self, scheduled: _Scheduled, found: Due) -> None:
        before = self._of(scheduled.key)
        self._retry_at.pop(scheduled.key, None)
        is_begun = before.call_id == call_id_of(scheduled.key, found.moment)
        if found.is_skipped and not is_begun:
            note = f"skipped: it was missed by {found.late:,.0f} s"
        elif not scheduled.spec.overlap and not is_begun and before.call_id and self._has_call(before.call_id):
            note = f"skipped: {before.call_id} had not ended"
        else:
            await self._run(scheduled, found)
            return
        logger.info("%s: its run for %.0f is %s", scheduled.shown, found.moment, note)
        await self._keep(msgspec.structs.replace(self._of(scheduled.key), handled_at=found.moment, note=note))

    async def _run(self, scheduled: _Scheduled, found: Due) -> None:
        # The same whichever server makes it, however often: there is one call for a moment.
        call_id = call_id_of(scheduled.key, found.moment)
        try:
            if not scheduled.spec.overlap and self._of(scheduled.key).call_id != call_id:
                # First: a server that is gone before it has noted the run leaves the next one to know of it when another moment
                # has come by then, whose run must not begin beside it.
                await self._note_before(scheduled.key, call_id)
            await self._spawn_as_owner(scheduled, call_id)
        except Error as error:
            self._retry_at[scheduled.key] = self._clock.now() + TRY_AGAIN
            self._kept[scheduled.key] = msgspec.structs.replace(
                self._of(scheduled.key), note=f"not run yet, and tried again: {error}"
            )
            logger.warning("%s could not be run for %.0f: %s", scheduled.shown, found.moment, error)
            return
        note = f"late by {found.late:,.0f} s" if found.late >= LOOK_INTERVAL else ""
        kept = self._of(scheduled.key)
        await self._keep(
            msgspec.structs.replace(kept, handled_at=found.moment, ran_at=found.moment, call_id=call_id, note=note)
        )

    async def _note_before(self, key: Key, call_id: str) -> None:
        kept = msgspec.structs.replace(self._of(key), call_id=call_id)
        await self._register.ask(lambda store: store.keep_schedule(kept))
        self._kept[key] = kept

    async def _spawn_as_owner(self, scheduled: _Scheduled, call_id: str) -> None:
        kept = scheduled.deployment.kept
        owner = Principal(kept.view.deployed_by, named_rights(kept.rights or ("call",)), key=kept.owner)
        await self._spawn(owner, Alias(*scheduled.key).function_id, call_id, NO_ARGUMENTS)

    # --- what is known of each ----------------------------------------------------------------------------------------

    def _all(self) -> list[_Scheduled]:
        return [
            _Scheduled(state.live, label, function.schedule)
            for state in self._register.names.values()
            if state.live is not None
            for label, function in labels(state.live.kept.spec).items()
            if function.schedule is not None
        ]

    def _of(self, key: Key) -> KeptSchedule:
        return self._kept.get(key) or KeptSchedule(app=key[0], function=key[1])

    def _progress(self, scheduled: _Scheduled) -> ScheduleProgress:
        kept = self._of(scheduled.key)
        return ScheduleProgress(scheduled.deployment.view.deployed_at, kept.handled_at, kept.paused)

    async def _keep(self, kept: KeptSchedule) -> None:
        """What happened has happened, whether that can be kept or not: then the next server finds the call by its id."""
        self._kept[kept.app, kept.function] = kept
        try:
            await self._register.ask(lambda store: store.keep_schedule(kept))
        except ServiceError as error:
            logger.warning("%s/%s: what its schedule has done is not kept: %s", kept.app, kept.function, error)

    # --- what is asked ------------------------------------------------------------------------------------------------

    async def _list(self, body: m.ListSchedules, by: object) -> ReplyBody:
        if body.app:
            await self._register.history(body.app)
        views = [self._view(it) for it in self._all() if body.app in ("", it.key[0])]
        return m.SchedulesListed(
            sorted(views, key=lambda it: (math.inf if it.next_at is None else it.next_at, it.app, it.function))
        )

    async def _change(self, body: m.ChangeSchedule, by: object) -> ReplyBody:
        scheduled = self._find(body.app, body.function)
        kept = self._of(scheduled.key)
        if kept.paused != body.paused:
            changed = msgspec.structs.replace(kept, paused=body.paused, note="")
            if not body.paused:
                changed = msgspec.structs.replace(changed, handled_at=self._clock.wall_now())
            await self._register.ask(lambda store: store.keep_schedule(changed))
            self._kept[scheduled.key] = changed
            self.look()
        return m.SchedulesListed([self._view(scheduled)])

    async def _run_now(self, body: m.RunScheduled, by: object) -> ReplyBody:
        scheduled = self._find(body.app, body.function)
        now = self._clock.wall_now()
        call_id = "fc-" + id_suffix(int(now * 1000), secrets.randbits(ENTROPY_BITS))
        await self._spawn_as_owner(scheduled, call_id)
        kept = self._of(scheduled.key)
        await self._keep(msgspec.structs.replace(kept, ran_at=now, call_id=call_id, note="run by hand"))
        return m.ScheduledRun(call_id)

    def _find(self, app: str, function: str) -> _Scheduled:
        """The schedule of a function. Raises `NotFoundError`."""
        state = self._register.names.get(app)
        if state is None or state.live is None:
            raise self._register.not_deployed(app)
        of_app = {it.label: it for it in self._all() if it.key[0] == app}
        if function in of_app:
            return of_app[function]
        known = ", ".join(sorted(of_app)) or "none"
        raise NotFoundError(f"App {app!r} has no scheduled function {function!r} (those with a schedule: {known})")

    def _view(self, scheduled: _Scheduled) -> ScheduleView:
        kept, view, now = self._of(scheduled.key), scheduled.deployment.view, self._clock.wall_now()
        return ScheduleView(
            app=view.name,
            function=scheduled.label,
            version=view.version,
            when=str(scheduled.spec.when),
            missed=scheduled.spec.missed,
            overlap=scheduled.spec.overlap,
            paused=kept.paused,
            next_at=next_at(scheduled.spec, self._progress(scheduled), now),
            ran_at=kept.ran_at or None,
            call_id=kept.call_id,
            note=kept.note,
        )


def call_id_of(key: Key, moment: float) -> str:
    """The id of the call that a schedule makes for a moment: it follows from both."""
    digest = hashlib.sha256("\0".join((*key, repr(moment))).encode()).digest()
    return "fc-" + id_suffix(int(moment * 1000), int.from_bytes(digest[: ENTROPY_BITS // 8]))
