"""Running a batch: the arguments of its inputs turned into lists, one call, and its list of results taken apart.

An input whose arguments do not fit fails alone, before the call, which is made for the others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from typing import Any

import msgspec

from motet.errors import InvalidError
from motet.model.function import MethodSpec
from motet.model.outcome import AttemptEnd, Delivery
from motet.runtime.attempts.arguments import read_arguments
from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.attempts.outcomes import failed, succeeded


class BatchDelivery(Delivery, frozen=True, gc=False):
    """Attempts that run in one call. To slots, cancellation and `current_input_id()` it is its first member."""

    members: list[Delivery] = msgspec.field(default_factory=list)


class BatchEnd(AttemptEnd, frozen=True, gc=False, kw_only=True):
    """How a batch ended: `attempt` and `kind` are its first member's."""

    members: list[AttemptEnd]


def batch_of(members: list[Delivery]) -> BatchDelivery:
    """These attempts as one."""
    first = members[0]
    return BatchDelivery(
        first.attempt, first.call_id, first.index, first.method, b"", first.trace, first.again, members=members
    )


class Transposition:
    """The parameters of a batched function, to make lists of its callers' arguments by their names."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        parameters = inspect.signature(function).parameters.values()
        self._called = f"Motet batched function {name}"
        self._names = [it.name for it in parameters]
        self._positional = [it.name for it in parameters if it.kind is it.POSITIONAL_ONLY]
        self._output = f"Output of batched function {name} must be a list"

    def named(self, positional: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """One input's arguments by their names. Raises `InvalidError` if they do not fit the parameters."""
        names = self._names
        given = len(positional) + len(keywords)
        if given != len(names):
            raise InvalidError(
                f"{self._called} takes {len(names)} positional arguments, but this invocation has {given}."
            )
        named = dict(zip(names, positional, strict=False))
        for name, value in keywords.items():
            if name not in names:
                raise InvalidError(f"{self._called} got unexpected keyword argument {name} in this invocation.")
            if name in named:
                raise InvalidError(f"{self._called} got multiple values for argument {name} in this invocation.")
            named[name] = value
        return named

    def arguments(self, inputs: Sequence[dict[str, Any]]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What to call the function with, given the inputs' named arguments: for each parameter the list of their values."""
        columns = {name: [named[name] for named in inputs] for name in self._names}
        return tuple(columns.pop(name) for name in self._positional), columns

    def results(self, output: Any, count: int) -> list[Any]:
        """What the function returned, if it is one result for each of `count` inputs; `InvalidError` otherwise."""
        if not isinstance(output, list):
            raise InvalidError(f"{self._output}.")
        if len(output) != count:
            raise InvalidError(f"{self._output} of equal length as its inputs.")
        return output


class Batched:
    """A batched function, to be called with what `Fitting` has found in a batch. Awaitable if the function is async."""

    def __init__(self, method: MethodSpec, call: Callable[..., Any]) -> None:
        raw = getattr(call, "func", call)  # a method comes with its object
        self.transposition = Transposition(call, getattr(raw, "__name__", method.name))
        self.function = call

    def __call__(self, inputs: Sequence[dict[str, Any]]) -> Any:
        args, kwargs = self.transposition.arguments(inputs)
        return self.function(*args, **kwargs)


class Fitting:
    """The members of a batch whose arguments fit the function, and the ends of those whose do not.

    What the attempt raises from now on is the failure of the former alone.
    """

    def __init__(self, attempt: RunningAttempt) -> None:
        batch, call = attempt.delivery, attempt.call
        assert isinstance(batch, BatchDelivery)
        assert isinstance(call, Batched)
        self._batch = batch
        self._transposition = call.transposition
        self._misfits: dict[int, AttemptEnd] = {}
        self.inputs: list[dict[str, Any]] = []
        self.members: list[Delivery] = []
        for member in batch.members:
            try:
                positional, keywords = read_arguments(member.payload, call.function, batched=True)
                self.inputs.append(call.transposition.named(positional, keywords))
            except Exception as error:
                self._misfits[member.attempt] = copy_context().run(_failed_alone, attempt, member, error)
            else:
                self.members.append(member)
        attempt.fail = self.failed
        attempt.runs_for(self.members)

    def ended(self, output: Any) -> BatchEnd:
        """The function returned this. A result that cannot be sent fails its own input alone."""
        results = self._transposition.results(output, len(self.members))
        return self._end([succeeded(member, result) for member, result in zip(self.members, results, strict=True)])

    def failed(self, batch: Delivery, error: BaseException, cancelled: bool) -> BatchEnd:
        """What was raised is the failure of every member that it ran for."""
        end = failed(batch, error, cancelled)
        return self._end([AttemptEnd(member.attempt, end.kind, end.payload) for member in self.members])

    def misfits_alone(self) -> BatchEnd:
        """There is nothing to call the function with."""
        return self._end([])

    def _end(self, ends: list[AttemptEnd]) -> BatchEnd:
        known = self._misfits | {end.attempt: end for end in ends}
        members = [known[member.attempt] for member in self._batch.members]
        return BatchEnd(self._batch.attempt, members[0].kind, b"", members=members)


def _failed_alone(attempt: RunningAttempt, member: Delivery, error: Exception) -> AttemptEnd:
    """Its traceback is among its own lines, not among those of the batch."""
    alone = RunningAttempt(attempt.call, member, None, attempt.sender, None, lambda _: False)
    with alone:
        raise error
    return alone.end


def run_batch(attempt: RunningAttempt) -> AttemptEnd:
    """A sync batched function, on this thread."""
    gate = attempt.gate
    assert gate is not None
    with attempt:
        fitting = Fitting(attempt)
        if fitting.members:
            try:
                gate.open()
                output = attempt.call(fitting.inputs)
            finally:
                gate.shut()
            attempt.end = fitting.ended(output)
        else:
            attempt.end = fitting.misfits_alone()
    return attempt.end


async def run_batch_async(attempt: RunningAttempt) -> AttemptEnd:
    """An async batched function, in this task."""
    with attempt:
        fitting = Fitting(attempt)
        if fitting.members:
            attempt.end = fitting.ended(await attempt.call(fitting.inputs))
        else:
            attempt.end = fitting.misfits_alone()
    return attempt.end


def failed_batch(batch: Delivery, error: BaseException, cancelled: bool = False) -> BatchEnd:
    """What was raised is every member's failure."""
    assert isinstance(batch, BatchDelivery)
    end = failed(batch, error, cancelled)
    members = [AttemptEnd(member.attempt, end.kind, end.payload) for member in batch.members]
    return BatchEnd(batch.attempt, end.kind, end.payload, members=members)
