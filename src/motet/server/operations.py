"""What one may see of a running server and ask of it: `Observed`, carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from motet.core import events as e
from motet.errors import NotFoundError
from motet.model.ids import split_input_id
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import AppView, InputView
from motet.records.batch import RecordBatch
from motet.server.catalogue import Catalogue
from motet.server.containers import Containers
from motet.server.driver import Driver
from motet.server.records.queue import NoRecords, RecordQueue
from motet.store.records import RecordReader

INPUTS_AT_ONCE = 500
"""How many inputs are seen in one go."""


class Operations:
    """See `Observed`. One for each server, for all who look at it."""

    def __init__(
        self, driver: Driver, catalogue: Catalogue, containers: Containers, records: RecordQueue | NoRecords
    ) -> None:
        self._driver = driver
        self._catalogue = catalogue
        self._containers = containers
        self._records = records

    @property
    def records(self) -> RecordReader | None:
        """See `Observed`."""
        return self._records.store

    async def flush(self) -> None:
        """See `Observed`."""
        await self._records.flush()

    def views(self) -> tuple[AppView, ...]:
        """See `Observed`."""
        return self._catalogue.views()

    def live_inputs(self, *, call_id: str | None = None, function_id: str | None = None, limit: int) -> list[InputView]:
        """See `Observed`."""
        return self._driver.engine.inspection.live_inputs(call_id, function_id, limit, self._driver.clock.wall)

    async def all_live_inputs(self, call_id: str | None, function_id: str | None, limit: int) -> list[InputView]:
        """The same, for many: a few at a time, so that the loop goes on meanwhile. Those that end meanwhile are left out."""
        engine = self._driver.engine
        items = engine.inspection.unfinished(call_id, function_id, limit)
        views: list[InputView] = []
        for first in range(0, len(items), INPUTS_AT_ONCE):
            views += engine.inspection.view_inputs(items[first : first + INPUTS_AT_ONCE], self._driver.clock.wall)
            await asyncio.sleep(0)
        return views

    def has_call(self, call_id: str) -> bool:
        """Whether a call has unfinished inputs."""
        return self._driver.engine.inspection.has_call(call_id)

    def has_input(self, input_id: str) -> bool:
        """Whether an input has not ended. Raises `ValueError` for what is no id."""
        return self._driver.engine.inspection.has_input(*split_input_id(input_id))

    def runs(self, app: str | None, function: str | None) -> bool:
        """Whether an app, or a function of it, by id or name, runs; None: any."""
        return self._catalogue.runs(app, function)

    def live_input(self, input_id: str) -> InputView | None:
        """See `Observed`."""
        return self._driver.engine.inspection.live_input(*split_input_id(input_id), self._driver.clock.wall)

    def settings(self, function_id: str) -> AutoscalerSettings:
        """See `Observed`."""
        return self._catalogue.settings(function_id)

    def module_of(self, function_id: str) -> str:
        """The module that a function is imported from, or empty. Any thread may ask."""
        return self._catalogue.module_of(function_id)

    def cancel_call(self, call_id: str, *, terminate_containers: bool = False) -> None:
        """See `Observed`."""
        if not self._driver.engine.inspection.has_call(call_id):
            raise NotFoundError(f"no call {call_id} has unfinished inputs on this server")
        self._driver.take(e.CallCancelled(call_id, "by an operator", terminate_containers))

    def stop_container(self, container_id: str, *, graceful: bool) -> None:
        """See `Observed`."""
        if not self._driver.engine.inspection.has_container(container_id):
            raise NotFoundError(f"no container {container_id} runs on this server")
        self._driver.take(e.ContainerStopAsked(container_id, graceful))

    def environment(self, container_id: str) -> dict[str, str]:
        """What a container was given. Raises `NotFoundError`."""
        return self._containers.environment(container_id)

    def update_autoscaler(self, function_id: str, change: AutoscalerUpdate) -> AutoscalerSettings:
        """See `Observed`."""
        return self._catalogue.update_autoscaler(function_id, change)

    def subscribe(self, listener: Callable[[RecordBatch], None]) -> Callable[[], None]:
        """See `Observed`."""
        return self._records.subscribe(listener)
