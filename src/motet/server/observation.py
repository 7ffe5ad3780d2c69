"""What the outside may see of a running server and ask of it: the seam for its dashboard, `motet` commands and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import AppView, InputView
from motet.records.batch import RecordBatch
from motet.store.records import RecordReader


class Observed(Protocol):
    """A server. All methods are called on its loop's thread, and return at once, except `flush`."""

    @property
    def records(self) -> RecordReader | None:
        """What is kept, also of apps that have ended here; thread-safe, and best asked on another thread. None: nothing is."""
        ...

    async def flush(self) -> None:
        """Return when all that happened until now is in `records`."""
        ...

    def views(self) -> tuple[AppView, ...]:
        """The apps that run, and their functions and containers as they are now."""
        ...

    def live_inputs(self, *, call_id: str | None = None, function_id: str | None = None, limit: int) -> list[InputView]:
        """Inputs that have not ended: of a call or a function, running ones first. None for unknown ids."""
        ...

    def live_input(self, input_id: str) -> InputView | None:
        """One of them; None if there is none of this id. Raises `ValueError` for what is no id."""
        ...

    def settings(self, function_id: str) -> AutoscalerSettings:
        """A pool's bounds. Raises `NotFoundError`."""
        ...

    def cancel_call(self, call_id: str, *, terminate_containers: bool = False) -> None:
        """End a call's unfinished inputs. Raises `NotFoundError` for a call that has none."""
        ...

    def stop_container(self, container_id: str, *, graceful: bool) -> None:
        """Have a container end: when it has finished what it runs, or now, and what it runs is run elsewhere. Raises
        `NotFoundError`."""
        ...

    def update_autoscaler(self, function_id: str, change: AutoscalerUpdate) -> AutoscalerSettings:
        """Other bounds for a pool. Raises `NotFoundError`, `InvalidError`."""
        ...

    def subscribe(self, listener: Callable[[RecordBatch], None]) -> Callable[[], None]:
        """Have `listener` called with every batch of records, moments on the wall clock, right after it was kept (several
        times a second while things happen); call what this returns to stop that."""
        ...
