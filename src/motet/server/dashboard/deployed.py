"""Deployed apps for pages: which versions there are, and how those that serve compare."""

from __future__ import annotations

from typing import Any

import msgspec

from motet.errors import NotFoundError
from motet.model.deployment import DeploymentView
from motet.model.outcome import OutcomeKind
from motet.model.views import AppView
from motet.records.queries import InputQuery
from motet.server.dashboard.api import Api
from motet.server.dashboard.filters import Filters
from motet.server.dashboard.series import quantile
from motet.server.dashboard.shown import Json
from motet.store.records import RecordReader
from motet.wire.deployment_messages import ListDeployments
from motet.wire.schedule_messages import ListSchedules

COMPARED_SECONDS = 300.0
COMPARED_INPUTS = 2000
"""Of each version, what ended lately: so long ago at most, and at most so many."""

_FAILED = (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)
_NOT_COUNTED = (OutcomeKind.CANCELLED, OutcomeKind.REFUSED)


class DeployedApps:
    """Questions about deployed apps. On a server that keeps none, there are none."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def all(self, filters: Filters) -> Json:
        """The versions that serve, newest first."""
        filters.done()
        views = self._views()
        return {"deployments": [_version(it, views.get(it.app_id)) for it in await self._list("")]}

    async def one(self, name: str, filters: Filters) -> Json:
        """All versions of a name, newest first; those that serve with how their inputs ended lately."""
        filters.done()
        versions = await self._list(name)
        views = self._views()
        serving = [it.app_id for it in versions if it.state in ("live", "canary") and it.app_id in views]
        now = self._api.clock()
        stats: dict[str, Json] = {}
        if self._api.operations.records is not None:
            stats = await self._api.read(
                lambda records: {app_id: version_stats(records, app_id, now) for app_id in serving}
            )
        return {
            "name": name,
            "versions": [{**_version(it, views.get(it.app_id)), "lately": stats.get(it.app_id)} for it in versions],
        }

    async def schedules(self, filters: Filters) -> Json:
        """When functions of deployed apps, or of the one named `app`, run by themselves, those that are next first."""
        name = filters.text("app") or ""
        filters.done()
        found: Any = self._api.operations.answers[ListSchedules](ListSchedules(name))
        return {"schedules": (await found).found}

    def _views(self) -> dict[str, AppView]:
        return {view.app_id: view for view in self._api.operations.views()}

    async def _list(self, name: str) -> list[DeploymentView]:
        answer = self._api.operations.answers.get(ListDeployments)
        if answer is None:
            if name:
                raise NotFoundError("this server keeps no deployed apps")
            return []
        found: Any = answer(ListDeployments(name))
        return list((await found).found)


def version_stats(records: RecordReader, app_id: str, now: float) -> Json:
    """How the inputs of a version ended lately, and how long the others than failed ones took from their submission."""
    query = InputQuery(app=app_id, since=now - COMPARED_SECONDS, limit=COMPARED_INPUTS)
    ended = [record for record in records.inputs(query) if record.kind not in _NOT_COUNTED]
    failed = sum(record.kind in _FAILED for record in ended)
    times = sorted(it.ended_at - it.submitted_at for it in ended if it.kind not in _FAILED)
    return {
        "inputs": len(ended),
        "failed": failed,
        "error_rate": failed / len(ended) if ended else None,
        "p50": quantile(times, 0.5) if times else None,
        "p95": quantile(times, 0.95) if times else None,
    }


def _version(view: DeploymentView, running: AppView | None) -> Json:
    plain: Json = msgspec.to_builtins(view)
    functions = () if running is None else running.functions
    return {
        **plain,
        "running": running is not None,
        "containers": sum(len(each.containers) for each in functions),
        "running_inputs": sum(each.running_inputs for each in functions),
        "waiting_inputs": sum(each.waiting_inputs for each in functions),
    }
