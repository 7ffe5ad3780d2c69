"""Failures of spawned calls of deployed apps, told to the address that their deployment named, beside all else."""

from __future__ import annotations

import asyncio
import http.client
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from motet.core.commands import Command, RecordInputs, SaveOutcomes
from motet.core.events import Event
from motet.errors import NotFoundError
from motet.model.ids import input_id
from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord
from motet.server.apps.catalogue import Catalogue
from motet.server.deployments.register import Deployment, Register
from motet.server.driver import Driver
from motet.wire import report

logger = logging.getLogger("motet.server")

WAITS = (0.0, 1.0, 10.0, 60.0)
"""Seconds before each try to tell it: so many there are."""
AT_ONCE = 2
"""Failures that one address is told concurrently."""
MAX_WAITING = 1000
"""Failures that wait to be told; more are not."""
MAX_MESSAGE = 2000
"""Characters of what an exception says."""

_FAILED = (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)
_AGAIN = (408, 425, 429)
"""Answers that say "later", of those that say that it is the request's fault."""

Post = Callable[[str, bytes, str], Coroutine[Any, Any, int]]
"""Posts JSON, with a key, and gives the status (see `post_json`)."""


class FailureHooks:
    """Those of a server. It looks at what fails once a deployment that is here names an address."""

    def __init__(self, register: Register, catalogue: Catalogue, driver: Driver, post: Post) -> None:
        self._register = register
        self._catalogue = catalogue
        self._driver = driver
        self._post = post
        self._follows = False
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failing: set[str] = set()
        """Addresses of which it has been said that they cannot be told."""

    def look(self) -> None:
        """Other versions may be here than before."""
        here = (it for state in self._register.names.values() for it in state.here.values())
        if not self._follows and any(it.kept.on_failure for it in here):
            self._follows = True
            self._driver.follow(self._turned)

    async def close(self) -> None:
        """Nothing is told any more. Idempotent."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _turned(self, events: Sequence[Event], commands: Sequence[Command], now: float) -> None:
        """See `Driver.follow`."""
        spawned = {command.call_id for command in commands if isinstance(command, SaveOutcomes)}
        if not spawned:
            return
        for command in commands:
            if isinstance(command, RecordInputs):
                for record in command.inputs:
                    if record.kind in _FAILED and record.call_id in spawned:
                        self._failed(command.function_id, record)

    def _failed(self, function_id: str, record: InputRecord) -> None:
        deployment = self._deployment_of(function_id)
        if deployment is None or not (url := deployment.kept.on_failure):
            return
        if len(self._tasks) >= MAX_WAITING:
            self._say(url, f"{MAX_WAITING} failures wait to be told already; others are not")
            return
        key = input_id(record.call_id, record.index)
        body = msgspec.json.encode(self._told(deployment, function_id, record))
        task = asyncio.get_running_loop().create_task(self._tell(url, body, key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _deployment_of(self, function_id: str) -> Deployment | None:
        app_id = self._catalogue.app_id_of(function_id) or ""
        found = (state.here.get(app_id) for state in self._register.names.values())
        return next((it for it in found if it is not None), None)

    def _told(self, deployment: Deployment, function_id: str, record: InputRecord) -> dict[str, Any]:
        failure = report.read(record.failure) if record.failure else report.Failure("", "")
        clock = self._driver.clock
        return {
            "event": "input_failed",
            "app": deployment.view.name,
            "version": deployment.view.version,
            "function": self._name_of(function_id),
            "call_id": record.call_id,
            "input_id": input_id(record.call_id, record.index),
            "outcome": record.kind.name.lower(),
            "error": {"type": failure.type_name, "message": failure.message[:MAX_MESSAGE]},
            "attempts": len(record.attempts),
            "submitted_at": clock.wall(record.submitted_at),
            "ended_at": clock.wall(record.ended_at),
        }

    def _name_of(self, function_id: str) -> str:
        try:
            return self._driver.engine.inspection.view(function_id, self._driver.clock.now()).name
        except NotFoundError:  # it has gone in the same turn
            return ""

    async def _tell(self, url: str, body: bytes, key: str) -> None:
        problem = ""
        turn = self._turns.setdefault(url, asyncio.Semaphore(AT_ONCE))
        for wait in WAITS:
            await asyncio.sleep(wait)
            try:
                async with turn:
                    status = await self._post(url, body, key)
            except (OSError, ValueError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if 200 <= status < 300:
                self._failing.discard(url)
                return
            problem = f"it answers {status}"
            if 300 <= status < 500 and status not in _AGAIN:
                break
        self._say(url, f"{key} is not told: {problem}")

    def _say(self, url: str, what: str) -> None:
        """Once, until it works again. The address may have a secret in it, and is not written down."""
        if url not in self._failing:
            self._failing.add(url)
            logger.warning("the on_failure address of an app cannot be told what failed: %s", what)
