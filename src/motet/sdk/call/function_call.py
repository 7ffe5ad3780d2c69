"""A call whose results are kept: `spawn` makes one, and it can be asked from anywhere, any number of times."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from motet.client.connection import Connection, checked
from motet.client.dual import Dual, HandOut, ItemSteps, Steps, dual, dual_items
from motet.client.standing import connection_for_id, is_standing
from motet.client.waiter import Waiter
from motet.context.container import is_local
from motet.errors import InvalidError, NotFoundError
from motet.model.outcome import InputEnd, OutcomeKind
from motet.sdk.call.handle import Handle
from motet.sdk.call.hydration import HydratedById
from motet.sdk.call.logs import Logs
from motet.wire import failure, payload
from motet.wire.client_messages import AwaitOutcomes, CancelCall, Outcomes, ReplyBody, ViewCall
from motet.wire.operator_messages import FindCallGraph

if TYPE_CHECKING:
    from motet.sdk.call.call_graph import InputInfo

R = TypeVar("R")


def result_of(ended: InputEnd) -> Any:
    """The value an input ended with; raises the exception it ended with."""
    if ended.kind is OutcomeKind.SUCCESS:
        return payload.loads(ended.payload, "the result")
    raise failure.rebuild(ended.payload)


class FunctionCall(Handle, HydratedById, Generic[R]):
    """A spawned call. Its results are kept while the app runs; asking twice gives the same answer.

    Handles are values: they can be pickled, sent to another function, and made from an id with `from_id`.
    """

    def __init__(self, call_id: str, connection: Connection | None = None) -> None:
        self._call_id = call_id
        self._connection = connection

    @property
    def object_id(self) -> str:
        """`fc-...`; what `from_id` takes."""
        return self._call_id

    @staticmethod
    def from_id(function_call_id: str, client: object = None) -> FunctionCall[Any]:
        """A handle for the call with this id. Whether the call exists shows when it is asked for something."""
        if not isinstance(function_call_id, str) or not function_call_id.startswith("fc-"):
            raise InvalidError(f"{function_call_id!r} is no function call id; they start with 'fc-'")
        return FunctionCall(function_call_id)

    @dual
    def get(self, timeout: float | None = None, *, index: int = 0) -> Steps[R]:
        """The result of input number `index`, waiting for it as long as it takes or `timeout` seconds (0: only look).

        Raises the builtin `TimeoutError` when the result is not there in time, and the exception the function raised.
        """
        if timeout is not None and timeout < 0:
            raise InvalidError(f"`timeout` must not be negative, got {timeout}")
        ended = yield from self._outcomes(index, timeout, count=1)
        return result_of(ended[0])  # type: ignore[no-any-return]

    def _outcomes(self, index: int, timeout: float | None, count: int = 100) -> Steps[list[InputEnd]]:
        wait = timeout != 0
        question = AwaitOutcomes(self._call_id, index, wait, count)
        try:
            reply = yield from (yield from self._on()).request(question, timeout if wait else None)
        except builtins.TimeoutError:
            raise builtins.TimeoutError(f"{self._call_id}: no result within {timeout} s") from None
        if not reply.ended:
            raise builtins.TimeoutError(f"{self._call_id}: no result yet")
        return reply.ended  # type: ignore[no-any-return]

    @dual_items
    def iter(self, *, start: int = 0, end: int | None = None) -> ItemSteps[R]:
        """`for result in call.iter(start=0, end=None)`: the results in index order, each as soon as it is there."""
        stop = yield from self._end_of(start, end)
        while start < stop:
            found = (yield from self._outcomes(start, None))[: stop - start]
            start += len(found)
            # Not `map`: a StopIteration that an input raised would be taken for its end.
            yield HandOut(result_of(ended) for ended in found)

    def _end_of(self, start: int, end: int | None) -> Steps[int]:
        count = yield from self._count()
        stop = count if end is None else end
        if not 0 <= start <= stop <= count:
            raise ValueError(f"start={start}, end={end} is out of range for a call with {count} inputs")
        return stop

    @dual
    def num_inputs(self) -> Steps[int]:
        """How many inputs the call has."""
        return (yield from self._count())

    def _count(self) -> Steps[int]:
        reply = yield from (yield from self._on()).request(ViewCall(self._call_id))
        return reply.num_inputs  # type: ignore[no-any-return]

    @dual
    def get_call_graph(self) -> Steps[list[InputInfo]]:
        """The call's inputs, and in the `children` of each the inputs of the calls that it made, and so on.

        10,000 inputs at most. Those that have not ended are PENDING. Raises `NotFoundError` where no records are kept.
        """
        reply = yield from (yield from self._on()).request(FindCallGraph(self._call_id))
        from motet.sdk.call.call_graph import input_infos  # late: few programs ask

        return input_infos(reply.inputs)

    @dual
    def cancel(self, terminate_containers: bool = False) -> Steps[None]:
        """End the call's unfinished inputs, without retrying them. Does nothing to ended ones; idempotent. Any call can be
        cancelled by its id, not only spawned ones: who waits for it gets `RemoteError`.

        Those that run get `asyncio.CancelledError` (async) or `motet.exception.InputCancellation` (sync); other inputs in
        their containers go on, unless `terminate_containers` kills these: the other inputs are then run elsewhere, from
        the beginning. What the inputs called and wait for is cancelled, too; what they spawned is not.
        """
        (yield from self._on()).send(CancelCall(self._call_id, terminate_containers))
        # An answer says that the server has seen to it; of a call whose results are not kept it knows nothing more.
        with contextlib.suppress(NotFoundError):
            yield from self._count()

    @property
    def logs(self) -> Logs:
        """What its inputs wrote, and only they; `call.logs.input(3)` for one of them. While the call runs, too."""
        return Logs(self._on, call_id=self._call_id)

    gather: ClassVar[Dual[..., list[Any]]]
    """`FunctionCall.gather(*calls)`: their results, in order. The first failure raises at once; the others keep running."""

    def _on(self) -> Steps[Connection]:
        connection = self._connection
        # A forked process has a connection of its own, and a container makes its own once more; a server may come back.
        if (
            connection is None
            or connection.is_parents
            or (connection.ended and (not is_local() or is_standing(connection)))
        ):
            connection, _ = yield from connection_for_id(self._call_id)
            self._connection = connection
        return connection

    def __reduce__(self) -> tuple[Any, ...]:
        return (FunctionCall, (self._call_id,))

    def __repr__(self) -> str:
        return f"FunctionCall.from_id({self._call_id!r})"


def _gather(*calls: FunctionCall[Any]) -> Steps[list[Any]]:
    """The results of several calls, in order. The first one to fail raises at once; the others keep running."""
    replies: list[Outcomes | None] = [None] * len(calls)
    missing = len(calls)
    over: Waiter[Exception | None] = Waiter()

    def reply_to(place: int) -> Callable[[ReplyBody | Exception], None]:
        def on_reply(reply: ReplyBody | Exception) -> None:
            nonlocal missing
            try:
                replies[place] = checked(reply)
            except Exception as error:
                over.set(error)
                return
            missing -= 1
            outcomes = replies[place]
            if not missing or (outcomes is not None and outcomes.ended[0].kind is not OutcomeKind.SUCCESS):
                over.set(None)

        return on_reply

    asked = []
    for place, call in enumerate(calls):
        connection = yield from call._on()
        asked.append((connection, connection.ask(AwaitOutcomes(call.object_id, 0, count=1), reply_to(place))))
    try:
        problem = (yield over) if calls else None
    finally:
        for connection, number in asked:
            connection.forget(number)
    if problem is not None:
        raise problem
    for outcomes in replies:
        if outcomes is not None and outcomes.ended[0].kind is not OutcomeKind.SUCCESS:
            result_of(outcomes.ended[0])
    return [result_of(outcomes.ended[0]) for outcomes in replies if outcomes is not None]


FunctionCall.gather = Dual(_gather, "FunctionCall.gather")
