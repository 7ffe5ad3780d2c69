"""What can be seen of an engine: looking changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from motet.core.inputs import Input
from motet.core.state import State
from motet.core.view import sample_pool, some_inputs, view_input, view_inputs, view_pool
from motet.errors import NotFoundError, ResourceExhaustedError
from motet.model.host import HostView
from motet.model.outcome import CallKind
from motet.model.reservation import HostUse
from motet.model.views import FunctionView, InputView, LearnedTargetView
from motet.records.facts import SampleRecord


class Inspection:
    """The part of an engine that others look at."""

    def __init__(self, state: State) -> None:
        self._state = state

    def view(self, function_id: str, now: float) -> FunctionView:
        """One function's pool as it is now. Raises `NotFoundError`."""
        pool = self._state.pools.get(function_id)
        if pool is None:
            raise NotFoundError(f"no function {function_id} runs on this server")
        return view_pool(pool, now)

    def takes(self, function_id: str) -> bool:
        """Whether a function is here to be called."""
        pool = self._state.pools.get(function_id)
        return pool is not None and not pool.closed

    def takes_new(self, function_id: str) -> bool:
        """Whether a function is here to be called from outside of its app."""
        pool = self._state.pools.get(function_id)
        return pool is not None and not pool.closed and not pool.is_retired

    def runs_in(self, call_id: str, index: int) -> str | None:
        """The function in whose container an input runs that was submitted to a server before this one; None: in none."""
        for function_id, pool in self._state.pools.items():
            if pool.earlier.are_any and pool.earlier.has(call_id, index):
                return function_id
        return None

    def hosts(self) -> list[HostView]:
        """The machines that containers run on, the server's own first if it is one of them."""
        return self._state.host.hosts.views()

    def uses(self) -> dict[str, HostUse]:
        """What containers have of each of them, by host."""
        return self._state.host.hosts.uses()

    def containers(self, function_id: str) -> int:
        """How many containers of a function are ready, or are starting."""
        pool = self._state.pools.get(function_id)
        return 0 if pool is None else pool.fleet.live

    def refusal(self, function_id: str, kind: CallKind, principal: int | None = None) -> ResourceExhaustedError | None:
        """Why one more input of a function would not be taken now of this principal; None if it would."""
        pool = self._state.pools.get(function_id)
        if pool is None:
            return None
        return pool.admission.refusal(kind, self._state.shares.bounding(principal, pool.app_id))

    def sandbox_refusal(self, principal: int, app_id: str) -> ResourceExhaustedError | None:
        """Why no sandbox would be started now for this principal, in this app; None if one would."""
        return self._state.sandboxes.refusal(principal, app_id)

    def waiting(self, function_id: str) -> int:
        """How many inputs of a function wait for a container; 0 if there is no such function."""
        pool = self._state.pools.get(function_id)
        return 0 if pool is None else pool.waiting

    def learned_target(self, function_id: str, now: float) -> LearnedTargetView | None:
        """What a function with `target_inputs="auto"` has learned; None if it has not, or is not here."""
        pool = self._state.pools.get(function_id)
        learned = None if pool is None else pool.fleet.learned
        return None if learned is None else learned.view(now)

    def views(self, app_id: str, now: float) -> tuple[FunctionView, ...]:
        """All functions of an app."""
        return tuple(view_pool(pool, now) for pool in self._state.pools_of(app_id))

    def has_call(self, call_id: str) -> bool:
        """Whether a call has unfinished inputs."""
        return call_id in self._state.calls

    def has_input(self, call_id: str, index: int) -> bool:
        """Whether an input has not ended."""
        call = self._state.calls.get(call_id)
        return call is not None and index in call.inputs

    def unfinished(self, call_id: str | None, function_id: str | None, limit: int) -> list[Input]:
        """Unfinished inputs of a call or a function, `limit` at most, running ones first: for `view_inputs`, perhaps later."""
        call = None if call_id is None else self._state.calls.get(call_id)
        calls = self._state.calls.of_function(function_id or "") if call_id is None else [] if call is None else [call]
        pool = self._state.pools.get(function_id or "" if call is None else call.function_id)
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
        call = self._state.calls.get(call_id)
        item = None if call is None else call.inputs.get(index)
        return None if item is None else view_input(item, wall)

    def has_container(self, container_id: str) -> bool:
        """Whether it lives."""
        return container_id in self._state.containers

    def holds(self, container_id: str, slot: int) -> bool:
        """Whether what a container has in the slot of this number is waited for by somebody."""
        container = self._state.containers.get(container_id)
        return container is not None and container.running.get(slot) is not None

    def samples(self, at: float) -> list[SampleRecord]:
        """The numbers of every pool."""
        return [sample_pool(pool, at) for pool in self._state.pools.values()]

    def story(self, object_id: str) -> str:
        """Why a container or an unfinished input is where it is. Raises `NotFoundError`."""
        container = self._state.containers.get(object_id)
        if container is not None:
            return container.story()
        item = self._state.calls.find(object_id)
        if item is not None:
            return item.story()
        raise NotFoundError(f"{object_id} is neither a container nor an unfinished input of this server")
