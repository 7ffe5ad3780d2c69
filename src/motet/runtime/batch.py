"""Running a batch: the arguments of its inputs turned into lists, one call, and its list of results taken apart."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from motet.client.gate import Gate
from motet.errors import InvalidError
from motet.model.function import MethodSpec
from motet.model.outcome import AttemptEnd, Delivery
from motet.runtime.attempt import Cancelled, end_output, failed, succeeded
from motet.sdk.context import CurrentInput, current
from motet.wire import payload

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""What one caller gave: positional and keyword arguments."""


class Batch(Delivery, frozen=True, gc=False):
    """Attempts that run in one call. To slots, cancellation and `current_input_id()` it is its first member."""

    members: list[Delivery] = msgspec.field(default_factory=list)


class BatchEnd(AttemptEnd, frozen=True, gc=False, kw_only=True):
    """How a batch ended: `attempt` and `kind` are its first member's."""

    members: list[AttemptEnd]


def batch_of(members: list[Delivery]) -> Batch:
    """These attempts as one."""
    first = members[0]
    return Batch(first.attempt, first.call_id, first.index, first.method, b"", first.trace, members)


class Transposition:
    """The parameters of a batched function, to make lists of its callers' arguments by their names."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        parameters = inspect.signature(function).parameters.values()
        self._called = f"Motet batched function {name}"
        self._names = [it.name for it in parameters]
        self._positional = [it.name for it in parameters if it.kind is it.POSITIONAL_ONLY]
        self._output = f"Output of batched function {name} must be a list"

    def arguments(self, inputs: Sequence[Arguments]) -> Arguments:
        """The arguments to call the function with: for each parameter the list of the inputs' values.

        Raises `InvalidError` if one of the inputs does not fit the parameters.
        """
        columns: dict[str, list[Any]] = {name: [] for name in self._names}
        for positional, keywords in inputs:
            for name, value in self._named(positional, keywords).items():
                columns[name].append(value)
        return tuple(columns.pop(name) for name in self._positional), columns

    def _named(self, positional: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
        names = self._names
        given = len(positional) + len(keywords)
        if given != len(names):
            raise InvalidError(
                f"{self._called} takes {len(names)} positional arguments, but one invocation in the batch has {given}."
            )
        named = dict(zip(names, positional, strict=False))
        for name, value in keywords.items():
            if name not in names:
                raise InvalidError(
                    f"{self._called} got unexpected keyword argument {name} in one invocation in the batch."
                )
            if name in named:
                raise InvalidError(
                    f"{self._called} got multiple values for argument {name} in one invocation in the batch."
                )
            named[name] = value
        return named

    def results(self, output: Any, count: int) -> list[Any]:
        """What the function returned, if it is one result for each of `count` inputs; `InvalidError` otherwise."""
        if not isinstance(output, list):
            raise InvalidError(f"{self._output}.")
        if len(output) != count:
            raise InvalidError(f"{self._output} of equal length as its inputs.")
        return output


def batched(method: MethodSpec, call: Callable[..., Any]) -> Callable[[list[Arguments]], Any]:
    """A batched function as one that takes its inputs' arguments and gives (or awaits) the list of their results."""
    raw = getattr(call, "func", call)  # a method comes with its object
    transposition = Transposition(call, getattr(raw, "__name__", method.name))

    def run(inputs: list[Arguments]) -> list[Any]:
        args, kwargs = transposition.arguments(inputs)
        return transposition.results(call(*args, **kwargs), len(inputs))

    async def run_async(inputs: list[Arguments]) -> list[Any]:
        args, kwargs = transposition.arguments(inputs)
        return transposition.results(await call(*args, **kwargs), len(inputs))

    return run_async if method.is_async else run


def run_batch(call: Callable[..., list[Any]], batch: Delivery, gate: Gate, cancelled: Cancelled) -> AttemptEnd:
    """Run a sync batched function on this thread. Never raises, also when it is cancelled."""
    assert isinstance(batch, Batch)
    running = CurrentInput(batch.call_id, batch.index)
    token = current.set(running)
    try:
        inputs = _inputs(batch)
        try:
            gate.open()
            results = call(inputs)
        finally:
            gate.shut()
        return _succeeded(batch, results)
    except BaseException as error:
        gate.raised(error)
        return failed_batch(batch, error, cancelled(batch.attempt))
    finally:
        current.reset(token)
        end_output(running)


async def run_batch_async(
    call: Callable[..., Awaitable[list[Any]]], batch: Delivery, cancelled: Cancelled
) -> AttemptEnd:
    """Run an async batched function in this task. Never raises, also when it is cancelled."""
    assert isinstance(batch, Batch)
    running = CurrentInput(batch.call_id, batch.index)
    current.set(running)
    try:
        return _succeeded(batch, await call(_inputs(batch)))
    except BaseException as error:
        return failed_batch(batch, error, cancelled(batch.attempt))
    finally:
        end_output(running)


def _inputs(batch: Batch) -> list[Arguments]:
    return [payload.loads(member.payload, "the arguments") for member in batch.members]


def _succeeded(batch: Batch, results: list[Any]) -> BatchEnd:
    """One end for each member: a result that cannot be sent fails its own input alone."""
    members = [succeeded(member, result) for member, result in zip(batch.members, results, strict=True)]
    return BatchEnd(batch.attempt, members[0].kind, b"", members=members)


def failed_batch(batch: Delivery, error: BaseException, cancelled: bool = False) -> BatchEnd:
    """What was raised is every member's failure."""
    assert isinstance(batch, Batch)
    end = failed(batch, error, cancelled)
    members = [AttemptEnd(member.attempt, end.kind, end.payload) for member in batch.members]
    return BatchEnd(batch.attempt, end.kind, end.payload, members=members)
