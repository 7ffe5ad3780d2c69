"""Failures of spawned calls of deployed apps, told to the address that their deployment named, beside all else."""

from __future__ import annotations

import asyncio
import http.client
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from motet.core.commands import Command, RecordInputs, SaveOutcomes
from motet.core.events import Event
from motet.errors import NotFoundError, ServiceError
from motet.model.hidden import hides_secrets
from motet.model.ids import input_id
from motet.model.outcome import OutcomeKind
from motet.model.webhook import signatures
from motet.records.inputs import InputRecord
from motet.server.apps.catalogue import Catalogue
from motet.server.deployments.register import Deployment, Register
from motet.server.driver import Driver
from motet.store.base import KeptDeployment, KeptNotice
from motet.wire import report

logger = logging.getLogger("motet.server")

WAITS = (0.0, 5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0)
"""Seconds before each try to tell it: so many there are, in about seven and a half hours."""
MAX_AGE = 86400.0
"""Seconds after a failure from which on a server that starts does not begin to tell it any more."""
AT_ONCE = 2
"""Failures that one address is told concurrently."""
MAX_WAITING = 1000
"""Failures that wait for one address; more are not told."""
MAX_WAITING_IN_ALL = 10_000
MAX_MESSAGE = 2000
"""Characters of what an exception says."""

_FAILED = (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)
_AGAIN = (408, 425, 429)
"""Answers that say "later", of those that say that it is the request's fault."""

Post = Callable[[str, bytes, Mapping[str, str]], Coroutine[Any, Any, int]]
"""Posts JSON, with headers, and gives the status (see `post_json`)."""


@hides_secrets
class FailureAddress(NamedTuple):
    """Where failures of a version are told, and what that is signed with."""

    url: str
    secrets: str

    @classmethod
    def of(cls, kept: KeptDeployment) -> FailureAddress:
        """Its URL is "" if they are told nowhere."""
        return cls(kept.on_failure, kept.on_failure_secret)


class FailureHooks:
    """Those of a server. It looks at what fails once a deployment that is here names an address. What is to be told is kept
    until it has been, or will not be: what a server does not get to, the next one tells."""

    def __init__(self, register: Register, catalogue: Catalogue, driver: Driver, post: Post) -> None:
        self._register = register
        self._catalogue = catalogue
        self._driver = driver
        self._post = post
        self._follows = False
        self._is_closing = False
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._waiting: Counter[str] = Counter()
        """Failures that wait, by address."""
        self._telling: set[asyncio.Task[None]] = set()
        self._storing: set[asyncio.Task[None]] = set()
        self._said: set[tuple[str, str]] = set()
        """What has been said of which address."""
        self._problems: dict[str, str] = {}
        """By address, which has no place in it: an app, and why it is not told now."""

    async def prepare(self) -> None:
        """Tell what servers before this one did not get to. Raises `ServiceError`."""
        now = self._driver.clock.wall_now()
        for notice in await self._register.ask(lambda store: store.notices()):
            kept = await self._register.ask(lambda store, of=notice: store.find(of.app, of.version))  # type: ignore[misc]
            if kept is None or now - notice.failed_at > MAX_AGE or not self._has_room(kept.on_failure):
                self._store(self._forget(notice))
                continue
            self._waiting[kept.on_failure] += 1
            self._tell(FailureAddress.of(kept), notice)

    @property
    def problem(self) -> str:
        """What cannot be told now; "" if all can, as far as is known."""
        some = "; ".join(sorted(self._problems.values())[:3])
        count = self._waiting.total()
        waiting = "1 failure waits" if count == 1 else f"{count} failures wait"
        return f"{waiting} to be told to on_failure addresses: {some}" if some else ""

    def look(self) -> None:
        """Other versions may be here than before."""
        here = (it for state in self._register.names.values() for it in state.here.values())
        if not self._follows and any(it.kept.on_failure for it in here):
            self._follows = True
            self._driver.follow(self._turned)

    async def close(self) -> None:
        """Nothing is told any more, and what was to be is kept. Idempotent."""
        self._is_closing = True
        for task in self._telling:
            task.cancel()
        if tasks := self._telling | self._storing:
            await asyncio.wait(tasks)

    # --- what fails ---------------------------------------------------------------------------------------------------

    def _turned(self, events: Sequence[Event], commands: Sequence[Command], now: float) -> None:
        """See `Driver.follow`."""
        spawned = {command.call_id for command in commands if isinstance(command, SaveOutcomes)}
        if not spawned:
            return
        failed: list[tuple[FailureAddress, KeptNotice]] = []
        for command in commands:
            if isinstance(command, RecordInputs):
                for record in command.inputs:
                    if record.kind in _FAILED and record.call_id in spawned:
                        failed += self._failed(command.function_id, record)
        if failed:
            self._store(self._take(failed))

    def _failed(self, function_id: str, record: InputRecord) -> list[tuple[FailureAddress, KeptNotice]]:
        """What is to be told of it, if anything is."""
        deployment = self._deployment_of(function_id)
        if deployment is None or not (url := deployment.kept.on_failure):
            return []
        if not self._has_room(url):
            self._say(
                url,
                deployment.view.name,
                "full",
                f"{self._waiting[url]} failures wait for it: others are in `motet call list --failed` alone",
            )
            return []
        self._waiting[url] += 1
        notice = KeptNotice(
            id=input_id(record.call_id, record.index),
            app=deployment.view.name,
            version=deployment.view.version,
            body=msgspec.json.encode(self._told(deployment, function_id, record)),
            failed_at=self._driver.clock.wall(record.ended_at),
        )
        return [(FailureAddress.of(deployment.kept), notice)]

    def _has_room(self, url: str) -> bool:
        return self._waiting[url] < MAX_WAITING and self._waiting.total() < MAX_WAITING_IN_ALL

    def _deployment_of(self, function_id: str) -> Deployment | None:
        app_id = self._catalogue.app_id_of(function_id) or ""
        found = (state.here.get(app_id) for state in self._register.names.values())
        return next((it for it in found if it is not None), None)

    def _told(self, deployment: Deployment, function_id: str, record: InputRecord) -> dict[str, Any]:
        failure = report.read(record.failure) if record.failure else report.Failure("", "")
        clock = self._driver.clock
        ended_at = clock.wall(record.ended_at)
        return {
            "type": "input.failed",
            "timestamp": datetime.fromtimestamp(ended_at, UTC).isoformat(timespec="milliseconds"),
            "app": deployment.view.name,
            "version": deployment.view.version,
            "function": self._name_of(function_id),
            "call_id": record.call_id,
            "input_id": input_id(record.call_id, record.index),
            "outcome": record.kind.name.lower(),
            "error": {"type": failure.type_name, "message": failure.message[:MAX_MESSAGE]},
            "attempts": len(record.attempts),
            "submitted_at": clock.wall(record.submitted_at),
            "ended_at": ended_at,
        }

    def _name_of(self, function_id: str) -> str:
        try:
            return self._driver.engine.inspection.view(function_id, self._driver.clock.now()).name
        except NotFoundError:  # it has gone in the same turn
            return ""

    # --- what is kept -------------------------------------------------------------------------------------------------

    def _store(self, storing: Coroutine[Any, Any, None]) -> None:
        """On a task that the end of the server waits for."""
        task = asyncio.get_running_loop().create_task(storing)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    async def _take(self, failed: list[tuple[FailureAddress, KeptNotice]]) -> None:
        """Keep it first: what has been told was forgotten, and would be kept for good after that."""
        try:
            await self._register.ask(lambda store: store.keep_notices([notice for _, notice in failed]))
        except ServiceError as error:
            logger.warning("failures that are to be told would be lost if the server ended now: %s", error)
        if not self._is_closing:
            for target, notice in failed:
                self._tell(target, notice)

    async def _forget(self, notice: KeptNotice) -> None:
        try:
            await self._register.ask(lambda store: store.forget_notice(notice.id))
        except ServiceError as error:
            logger.warning("%s may be told again by the next server: %s", notice.id, error)

    # --- telling ------------------------------------------------------------------------------------------------------

    def _tell(self, target: FailureAddress, notice: KeptNotice) -> None:
        task = asyncio.get_running_loop().create_task(self._tried(target, notice))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tried(self, target: FailureAddress, notice: KeptNotice) -> None:
        """Try to tell it, again and again; then it is over, told or not."""
        problem = ""
        turn = self._turns.setdefault(target.url, asyncio.Semaphore(AT_ONCE))
        for wait in WAITS:
            await asyncio.sleep(wait)
            try:
                async with turn:
                    status = await self._post(target.url, notice.body, self._headers(target, notice))
            except (OSError, ValueError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
                self._problems[target.url] = f"{notice.app} ({problem})"
                self._say(target.url, notice.app, "failing", f"{problem}; it is tried again for some hours")
                continue
            if 200 <= status < 300:
                self._said = {said for said in self._said if said[0] != target.url}
                problem = ""
                break
            problem = f"it answers {status}"
            if 300 <= status < 500 and status not in _AGAIN:
                break
            self._problems[target.url] = f"{notice.app} ({problem})"
            self._say(target.url, notice.app, "failing", f"{problem}; it is tried again for some hours")
        self._waiting[target.url] -= 1
        if not (problem and self._waiting[target.url]):
            self._problems.pop(target.url, None)
        if problem:
            self._say(
                target.url,
                notice.app,
                "given up",
                f"{problem}; {notice.id} is not told, and is in `motet call list --failed` alone",
            )
        self._store(self._forget(notice))

    def _headers(self, target: FailureAddress, notice: KeptNotice) -> dict[str, str]:
        """As Standard Webhooks has them. The id stays the same from try to try."""
        at = int(self._driver.clock.wall_now())
        headers = {"webhook-id": notice.id, "webhook-timestamp": str(at), "idempotency-key": notice.id}
        if target.secrets:
            headers["webhook-signature"] = signatures(target.secrets, notice.id, at, notice.body)
        return headers

    def _say(self, url: str, app: str, what: str, text: str) -> None:
        """Once, until it works again. The address may have a secret in it, and is not written down."""
        if (url, what) not in self._said:
            self._said.add((url, what))
            logger.warning("%s: its on_failure address is not told what failed: %s", app, text)
