"""What can be seen of an engine: looking changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from motet.core.calls import Calls
from motet.core.containers import STOPPING, Container
from motet.core.host import Host
from motet.core.inputs import RUNNING, Input
from motet.core.pool import Pool
from motet.core.timers import Timers
from motet.core.view import sample_pool, some_inputs, view_input, view_inputs, view_pool
from motet.errors import InternalError, NotFoundError, ResourceExhaustedError
from motet.model.outcome import CallKind
from motet.model.views import FunctionView, InputView, LearnedTargetView
from motet.records.pools import SampleRecord


class Inspection:
    """The part of an engine that others look at: its pools, calls and containers."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pools: dict[str, Pool] = {}
        self._calls = Calls()
        self._pool_of_container: dict[str, Pool] = {}
        self._timers: Timers[Pool] = Timers()

    def view(self, function_id: str, now: float) -> FunctionView:
        """One function's pool as it is now. Raises `NotFoundError`."""
        pool = self._pools.get(function_id)
        if pool is None:
            raise NotFoundError(f"no function {function_id} runs on this server")
        return view_pool(pool, now)

    def takes(self, function_id: str) -> bool:
        """Whether a function is here to be called."""
        pool = self._pools.get(function_id)
        return pool is not None and not pool.closed

    def refusal(self, function_id: str, kind: CallKind) -> ResourceExhaustedError | None:
        """Why one more input of a function would not be taken now; None if it would."""
        pool = self._pools.get(function_id)
        return None if pool is None else pool.admission.refusal(kind)

    def waiting(self, function_id: str) -> int:
        """How many inputs of a function wait for a container; 0 if there is no such function."""
        pool = self._pools.get(function_id)
        return 0 if pool is None else pool.waiting

    def learned_target(self, function_id: str, now: float) -> LearnedTargetView | None:
        """What a function with `target_inputs="auto"` has learned; None if it has not, or is not here."""
        pool = self._pools.get(function_id)
        learned = None if pool is None else pool.fleet.learned
        return None if learned is None else learned.view(now)

    def views(self, app_id: str, now: float) -> tuple[FunctionView, ...]:
        """All functions of an app."""
        return tuple(view_pool(pool, now) for pool in self._pools_of(app_id))

    def has_call(self, call_id: str) -> bool:
        """Whether a call has unfinished inputs."""
        return call_id in self._calls

    def has_input(self, call_id: str, index: int) -> bool:
        """Whether an input has not ended."""
        call = self._calls.get(call_id)
        return call is not None and index in call.inputs

    def unfinished(self, call_id: str | None, function_id: str | None, limit: int) -> list[Input]:
        """Unfinished inputs of a call or a function, `limit` at most, running ones first: for `view_inputs`, perhaps later."""
        call = None if call_id is None else self._calls.get(call_id)
        calls = self._calls.of_function(function_id or "") if call_id is None else [] if call is None else [call]
        pool = self._pools.get(function_id or "" if call is None else call.function_id)
        return [] if pool is None else some_inputs(calls, pool, limit)

    def view_inputs(self, items: Iterable[Input], wall: Callable[[float], float]) -> list[InputView]:
        """Those of these inputs that have not ended meanwhile; `wall` gives the moments the outside knows."""
        return view_inputs(items, wall)

    def live_inputs(
        self, call_id: str | None, function_id: str | None, limit: int, wall: Callable[[float], float]
    ) -> list[InputView]:
        """Unfinished inputs of a call or a function, running ones first."""
        return self.view_inputs(self.unfinished(call_id, function_id, limit), wall)

    def live_input(self, call_id: str, index: int, wall: Callable[[float], float]) -> InputView | None:
        """One of them."""
        call = self._calls.get(call_id)
        item = None if call is None else call.inputs.get(index)
        return None if item is None else view_input(item, wall)

    def has_container(self, container_id: str) -> bool:
        """Whether it lives."""
        return container_id in self._pool_of_container

    def samples(self, at: float) -> list[SampleRecord]:
        """The numbers of every pool."""
        return [sample_pool(pool, at) for pool in self._pools.values()]

    def story(self, object_id: str) -> str:
        """Why a container or an unfinished input is where it is. Raises `NotFoundError`."""
        _, container = self._find(object_id)
        if container is not None:
            return container.story()
        item = self._calls.find(object_id)
        if item is not None:
            return item.story()
        raise NotFoundError(f"{object_id} is neither a container nor an unfinished input of this server")

    def check(self) -> None:
        """Raise `InternalError` unless every invariant holds. For tests: it looks at everything."""
        for pool in self._pools.values():
            pool.check(self._calls)
        facts = {
            "starting": self._host.starting == sum(pool.fleet.starting for pool in self._pools.values()),
            "containers of the host": self._host.containers == len(self._pool_of_container),
            "leaving": self._host.leaving
            == sum(c.state is STOPPING for pool in self._pools.values() for c in pool.fleet.containers.values()),
            **self._host.devices.check(),
            **self._calls.check(),
            "containers": set(self._pool_of_container)
            == {cid for pool in self._pools.values() for cid in pool.fleet.containers},
            "alarms": not any(
                item.state is RUNNING and pool not in self._timers
                for pool in self._pools.values()
                for call in self._calls.values()
                if call.function_id == pool.fleet.function_id
                for item in call.inputs.values()
            ),
        }
        broken = [name for name, holds in facts.items() if not holds]
        if broken:
            raise InternalError(f"engine: {', '.join(broken)}")

    def _find(self, container_id: str) -> tuple[Pool | None, Container | None]:
        pool = self._pool_of_container.get(container_id)
        return (pool, pool.fleet.get(container_id)) if pool is not None else (None, None)

    def _pools_of(self, app_id: str) -> list[Pool]:
        return [pool for pool in self._pools.values() if pool.app_id == app_id]
