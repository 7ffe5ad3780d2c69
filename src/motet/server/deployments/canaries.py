"""What is seen of versions that serve side by side, and what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from motet.core.commands import Command, RecordInputs, RecordSuccesses
from motet.core.events import Event
from motet.model.deployment import VersionStats
from motet.model.outcome import OutcomeKind
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.deployments.rules import RollbackRules, VersionScore, verdict
from motet.server.driver import Driver

JUDGE_EVERY = 1.0
"""Seconds between two judgements of a canary that has rules."""

_FAILED = (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)
_NOT_COUNTED = (OutcomeKind.CANCELLED, OutcomeKind.REFUSED)


@dataclass(slots=True)
class _Pair:
    """A canary and the version beside it."""

    live: ServedApp
    canary: ServedApp
    rules: RollbackRules


class Canaries:
    """Keeps scores of deployed versions, and judges canaries by their rules. `on_verdict` is told a name and why its canary is
    to be rolled back."""

    def __init__(self, driver: Driver, catalogue: Catalogue) -> None:
        self._driver = driver
        self._catalogue = catalogue
        self.on_verdict: Callable[[str, str], None] = lambda name, why: None
        self._scores: dict[str, VersionScore] = {}
        self._versions: dict[str, tuple[str, int]] = {}
        self._pairs: dict[str, _Pair] = {}
        self._share: dict[str, float] = {}
        self._follows = False
        self._timer: asyncio.TimerHandle | None = None

    def note(self, app: ServedApp, share: float) -> None:
        """This version serves from now on, or gets another share."""
        if not self._follows:
            self._follows = True
            self._driver.follow(self._turned)
        self._scores.setdefault(app.app_id, VersionScore())
        self._versions[app.app_id] = (app.spec.name, app.version)
        self._share[app.app_id] = share

    def gone(self, app_id: str) -> None:
        """A version serves no more. Idempotent."""
        for known in (self._scores, self._versions, self._share):
            known.pop(app_id, None)

    def watch(self, name: str, live: ServedApp, canary: ServedApp, rules: RollbackRules) -> None:
        """Judge this canary from now on, until `forget`."""
        self._pairs[name] = _Pair(live, canary, rules)
        if rules and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(JUDGE_EVERY, self._judge)

    def forget(self, name: str) -> None:
        """It is a canary no more. Idempotent."""
        self._pairs.pop(name, None)

    def views(self, name: str) -> list[VersionStats]:
        """What was seen lately of the versions of a name, newest first."""
        found = [self._stats(app_id) for app_id, (owner, _) in self._versions.items() if owner == name]
        return sorted(found, key=lambda stats: stats.version, reverse=True)

    def _stats(self, app_id: str) -> VersionStats:
        name, version = self._versions[app_id]
        return self._scores[app_id].stats(self._driver.clock.now(), name, version, self._share[app_id])

    def _judge(self) -> None:
        self._timer = None
        for name, pair in list(self._pairs.items()):
            if not pair.rules or {pair.live.app_id, pair.canary.app_id} - self._scores.keys():
                continue
            if why := verdict(pair.rules, self._stats(pair.canary.app_id), self._stats(pair.live.app_id)):
                del self._pairs[name]
                self.on_verdict(name, why)
        if any(pair.rules for pair in self._pairs.values()):
            self._timer = asyncio.get_running_loop().call_later(JUDGE_EVERY, self._judge)

    def close(self) -> None:
        """Nothing is judged any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _turned(self, events: Sequence[Event], commands: Sequence[Command], now: float) -> None:
        """See `Driver.follow`."""
        for command in commands:
            if isinstance(command, RecordSuccesses):
                if (score := self._score(command.function_id)) is not None:
                    inputs = command.inputs
                    for submitted_at, ended_at in zip(inputs.submitted_at, inputs.ended_at, strict=True):
                        score.add(ended_at, False, ended_at - submitted_at)
            elif isinstance(command, RecordInputs) and (score := self._score(command.function_id)) is not None:
                for each in command.inputs:
                    if each.kind not in _NOT_COUNTED:
                        score.add(each.ended_at, each.kind in _FAILED, each.ended_at - each.submitted_at)

    def _score(self, function_id: str) -> VersionScore | None:
        app_id = self._catalogue.app_id_of(function_id)
        return None if app_id is None else self._scores.get(app_id)
