"""The inputs of a continuous batcher, one step after another: who is in, what the step answers, who leaves. No threads."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from motet.batching.member_stream import MemberOutputs, Wake, wake_tasks
from motet.batching.scheduler import BatchLimits, BatchScheduler, MemberPlace
from motet.errors import ExecutionError, InvalidError

T = TypeVar("T")
Y = TypeVar("Y")


class More(Generic[Y]):
    """A step's answer for an input that goes on, with its outputs of this step: none or several."""

    __slots__ = ("outputs",)

    def __init__(self, *outputs: Y) -> None:
        self.outputs = outputs


class Last(Generic[Y]):
    """A step's answer for an input that is through, with its outputs of this step: none or several."""

    __slots__ = ("outputs",)

    def __init__(self, *outputs: Y) -> None:
        self.outputs = outputs


class Failed:
    """A step's answer for an input that failed: its stream raises `error`, the others go on."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


Answer = More[Y] | Last[Y] | Failed


class Member(Generic[T]):
    """One input in the batch; the same object in each of its steps.

    value: What was given to `stream`.
    weight: Its weight.
    slot: Its place, below `max_batch_size` and shared with no other in the batch: the row of a preallocated cache.
    steps: Steps it has been through; 0 in its first.
    state: For `step` to keep what it likes.
    """

    __slots__ = ("slot", "state", "steps", "value", "weight")

    def __init__(self, value: T, place: MemberPlace) -> None:
        self.value = value
        self.weight = place.weight
        self.slot = place.slot
        self.steps = 0
        self.state: Any = None

    def __repr__(self) -> str:
        return f"<Member: {self.value!r}, slot {self.slot}, weight {self.weight}, {self.steps} steps>"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatcherStats:
    """A batcher at one instant: inputs that wait, those in the batch, how many of these sit out because their consumers are
    behind, and their weight; steps and answers since it began."""

    waiting: int
    running: int
    paused: int
    used: int
    steps: int
    answers: int


class BatchInFlight(Generic[T, Y]):
    """Inputs by ticket, each with where its outputs go. All of it runs on one thread; `stats` may be read from others."""

    def __init__(
        self,
        step: Callable[[Sequence[Member[T]]], Sequence[Answer[Y]]],
        release: Callable[[Member[T]], object] | None,
        limits: BatchLimits,
    ) -> None:
        self._step = step
        self._release = release
        self._scheduler: BatchScheduler[object] = BatchScheduler(limits)
        self._inputs: dict[object, tuple[T, MemberOutputs[Y]]] = {}
        self._members: dict[object, Member[T]] = {}
        self._paused: set[object] = set()
        self._steps = 0
        self._answers = 0

    def stats(self) -> BatcherStats:
        """How it stands."""
        scheduler = self._scheduler
        return BatcherStats(
            waiting=scheduler.waiting,
            running=scheduler.running,
            paused=len(self._paused),
            used=scheduler.used,
            steps=self._steps,
            answers=self._answers,
        )

    def add(self, ticket: object, value: T, weight: int, outputs: MemberOutputs[Y]) -> None:
        """An input arrived."""
        self._scheduler.add(ticket, weight)
        self._inputs[ticket] = (value, outputs)

    def leave(self, ticket: object) -> None:
        """Its consumer left; if it ended meanwhile, nothing happens."""
        if ticket in self._inputs:
            wakes: list[Wake] = []
            try:
                self._end(ticket, wakes)
            except BaseException as error:
                self.fail_batch(error)
            wake_tasks(wakes)

    def resume(self, ticket: object) -> None:
        """The consumer of an input that sat out has caught up."""
        self._paused.discard(ticket)

    def step(self) -> bool:
        """Form the batch, run the user's step over it, and hand its answers out. False if there was nothing to run."""
        for ticket, place in self._scheduler.step().items():
            if ticket not in self._members:
                self._members[ticket] = Member(self._inputs[ticket][0], place)
        members = [each for each in self._members.items() if each[0] not in self._paused]
        if not members:
            return False
        try:
            answers = self._checked(self._step([member for _, member in members]), len(members))
            self._hand_out(members, answers)
        except (
            BaseException
        ) as error:  # it is the consumers' to handle, whatever it is: this thread has no other purpose
            self.fail_batch(error)
        return True

    def fail_batch(self, error: BaseException) -> None:
        """End all inputs in the batch with this error. Those that wait for their place are not touched."""
        self._fail(list(self._members), error)

    def fail_all(self, error: BaseException) -> None:
        """End every input with this error."""
        self._fail(list(self._inputs), error)

    def _checked(self, answers: Any, count: int) -> Sequence[Answer[Y]]:
        if not isinstance(answers, Sequence) or len(answers) != count:
            what = f"{len(answers)} of them" if isinstance(answers, Sequence) else repr(type(answers))
            raise InvalidError(f"`step` must return one answer for each of the {count} inputs in its batch, got {what}")
        for answer in answers:
            if not isinstance(answer, More | Last | Failed):
                raise InvalidError(
                    f"`step` must answer with motet.batching.More(...), Last(...) or Failed(...), got {answer!r}"
                )
        self._steps += 1
        self._answers += count
        return answers

    def _hand_out(self, members: list[tuple[object, Member[T]]], answers: Sequence[Answer[Y]]) -> None:
        wakes: list[Wake] = []
        try:
            for (ticket, member), answer in zip(members, answers, strict=True):
                member.steps += 1
                if isinstance(answer, More):
                    outputs = self._inputs[ticket][1]
                    wake = outputs.put(answer.outputs)
                    if wake is not None:
                        wakes.append(wake)
                    if outputs.pause():
                        self._paused.add(ticket)
                elif isinstance(answer, Last):
                    self._end(ticket, wakes, answer.outputs)
                else:
                    self._end(ticket, wakes, error=answer.error)
        finally:
            wake_tasks(wakes)

    def _fail(self, tickets: list[object], error: BaseException) -> None:
        wakes: list[Wake] = []
        for ticket in tickets:
            try:
                self._end(ticket, wakes, error=error)
            except BaseException as another:
                traceback.print_exception(another)  # from `release`: all it could fail has failed already
        wake_tasks(wakes)

    def _end(
        self, ticket: object, wakes: list[Wake], outputs: Sequence[Y] = (), error: BaseException | None = None
    ) -> None:
        """Forget this input and hand over its end. Raises what `release` raises, when all that is done."""
        _, destination = self._inputs.pop(ticket)
        member = self._members.pop(ticket, None)
        self._paused.discard(ticket)
        self._scheduler.cancel(ticket)
        wake = destination.put(outputs, ended=True, error=None if error is None else _raisable(error))
        if wake is not None:
            wakes.append(wake)
        if member is not None and self._release is not None:
            self._release(member)


def _raisable(error: BaseException) -> Exception:
    """`error` if a stream can raise it; otherwise one that says so, as `StopIteration` would silently end the stream."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    wrapped = ExecutionError(f"`step` raised {error!r}")
    wrapped.__cause__ = error
    return wrapped
