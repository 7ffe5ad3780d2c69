"""What each principal and each app holds of a server, and may hold: who competes for the same containers gets turns by it."""

from __future__ import annotations

import sys

from motet.core.pace import Pace
from motet.errors import ResourceExhaustedError
from motet.model.quota import NO_QUOTA, Quota


class Share:
    """One principal's, or an app's, which is part of its principal's (`whole`)."""

    __slots__ = ("apps", "containers", "inputs", "live", "name", "quota", "whole")

    def __init__(self, name: str, whole: Share | None = None, quota: Quota = NO_QUOTA) -> None:
        self.name = name
        self.whole = whole
        self.quota = quota
        self.containers = 0
        """That have not ended."""
        self.live = 0
        """Of these, the ones that start or serve."""
        self.inputs = 0
        """That wait or run; counted only of calls that were made while there was a bound."""
        self.apps = 0
        """How many are part of it."""

    def change(self, name: str, quota: Quota) -> None:
        """It may have so much from now on."""
        self.name, self.quota = name, quota

    def add_app(self, count: int) -> None:
        """So many apps more are part of it."""
        self.apps += count

    # --- containers ---------------------------------------------------------------------------------------------------

    def add_containers(self, count: int) -> None:
        """So many more are there."""
        self.containers += count
        if self.whole is not None:
            self.whole.add_containers(count)

    def add_live(self, count: int) -> None:
        """So many more start or serve."""
        self.live += count
        if self.whole is not None:
            self.whole.add_live(count)

    @property
    def full(self) -> Share | None:
        """What may have no more containers: this, or what it is part of; None if one may start."""
        most = self.quota.containers
        if most is not None and self.containers >= most:
            return self
        return None if self.whole is None else self.whole.full

    @property
    def is_doubled(self) -> bool:
        """It, or what it is part of, has twice as many containers as it may: as while one version takes over from another."""
        most = self.quota.containers
        doubled = most is not None and self.containers >= 2 * most
        return doubled or (self.whole is not None and self.whole.is_doubled)

    def shortage(self) -> str:
        """Why no container of it may start, if that is so."""
        full = self.full
        if full is None:
            return ""
        return f"{full.containers} containers of {full.name} run, which may have {full.quota.containers} (limit `containers`)"

    # --- inputs -------------------------------------------------------------------------------------------------------

    def add_inputs(self, count: int) -> None:
        """So many more wait or run."""
        self.inputs += count

    def input_ended(self) -> None:
        """One less."""
        self.inputs -= 1

    def room(self, *, accepted: bool = False) -> int:
        """How many more inputs are taken now. `accepted`: of those that a server before this one had taken."""
        most = self.quota.inputs
        if most is None:  # any more: its calls from when there was a bound are still counted here
            return sys.maxsize
        return (2 * most if accepted else most) - self.inputs

    def refusal(self, pace: Pace) -> ResourceExhaustedError | None:
        """Why no more input is taken now, if that is so; when to come again follows from how fast others end."""
        if self.room() > 0:
            return None
        retry_after = pace.retry_after(self.inputs)
        return ResourceExhaustedError(
            f"{self.name} has {self.inputs} inputs that wait or run, and may have {self.quota.inputs} (limit `inputs`). "
            f"Try again in {retry_after:.2g} s.",
            retry_after,
            "inputs",
        )


class Shares:
    """All of a server's. An app of which nobody said whose it is belongs to nobody's share."""

    def __init__(self) -> None:
        self._principals: dict[int | None, Share] = {}
        self._apps: dict[str, Share] = {}

    def limit(self, principal: int, name: str, quota: Quota) -> None:
        """A principal may have so much."""
        self._principal(principal).change(name, quota)

    def own(self, app_id: str, name: str, principal: int | None, quota: Quota) -> None:
        """An app is a principal's, and may have so much. To be said before it has any function."""
        if app_id not in self._apps:
            whole = self._principal(principal)
            whole.add_app(1)
            self._apps[app_id] = Share(name, whole, quota)

    def of(self, principal: int, app_id: str) -> Share:
        """That of an app that is known, or else of a principal."""
        share = self._apps.get(app_id)
        return self._principal(principal) if share is None else share

    def app(self, app_id: str) -> Share:
        """That of an app."""
        if app_id not in self._apps:
            self.own(app_id, f"the app {app_id}", None, NO_QUOTA)
        return self._apps[app_id]

    def forget_app(self, app_id: str) -> None:
        """It is gone, and so is its principal's share if nothing is known of that."""
        share = self._apps.pop(app_id, None)
        whole = None if share is None else share.whole
        if whole is not None:
            whole.add_app(-1)
            if not whole.apps and whole.quota == NO_QUOTA:
                self._principals = {key: each for key, each in self._principals.items() if each is not whole}

    def bounding(self, principal: int | None, app_id: str) -> tuple[Share, ...]:
        """Those that bound the inputs of a call: its principal's and its app's."""
        whole, app = self._principals.get(principal), self._apps.get(app_id)
        found = (whole,) if whole is not None and whole.quota.inputs is not None else ()
        return (*found, app) if app is not None and app.quota.inputs is not None else found

    def _principal(self, principal: int | None) -> Share:
        share = self._principals.get(principal)
        if share is None:
            share = self._principals[principal] = Share(f"principal {principal}")
        return share
