"""A function that runs in containers: every way to call it, and to look at and change its pool."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Self, TypeVar, Unpack

from motet.client import tracing
from motet.client.connection import Connection
from motet.client.dual import DualPair, HandOut, ItemSteps, Steps, dual, dual_items, run_blocking
from motet.client.new_ids import new_call_id
from motet.context.current_input import current_input_id
from motet.errors import ExecutionError, InvalidError
from motet.model.function import FunctionVariant, MethodSpec
from motet.model.outcome import CallKind, NewInput
from motet.model.scaling import AutoscalerSettings, Batching
from motet.sdk.call import many
from motet.sdk.call.found_here import found_here
from motet.sdk.call.function_call import FunctionCall, result_of
from motet.sdk.call.handle import NamedAfter
from motet.sdk.call.keyed import KeyedFunction
from motet.sdk.call.logs import Logs
from motet.sdk.call.many import MapOptions, Results
from motet.sdk.call.mapping import Inputs, Mapping
from motet.sdk.call.named_target import looked_up
from motet.sdk.call.nested import own_cancellation_first, say_if_it_cannot_begin
from motet.sdk.call.one_outcome import OneOutcome
from motet.sdk.call.spawning import MAX_UNANSWERED_CALLS, in_chunks, spawn_all
from motet.sdk.call.stream import Stream
from motet.sdk.call.target import Target, UrlQuestion
from motet.sdk.call.variants import Varied
from motet.sdk.options.batching import check_batched
from motet.sdk.options.keywords import AutoscalerOptions
from motet.sdk.options.specification import update_from
from motet.wire import payload
from motet.wire.client_messages import SpawnOnce, SubmitInputs
from motet.wire.encoding import Encoding, marked_arguments

if TYPE_CHECKING:
    from motet.sdk.call.current_stats import FunctionStats

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


def _by_name(
    target: Target, method: MethodSpec, module: str, qualname: str, results: Encoding = Encoding.PICKLE
) -> Function[..., Any]:
    """A handle that was pickled, with its Python function if that was imported here."""
    found = found_here(Function, target.declared, module, qualname)
    return Function(target, method, None if found is None else found.raw, results)


class Function(Varied, NamedAfter, Generic[P, R]):
    """A declared function, or one method of a class. Handles are cheap, thread-safe, and can be pickled.

    It is not callable: `.remote(...)` runs it in a container, `.local(...)` here.
    """

    def __init__(
        self,
        target: Target,
        method: MethodSpec,
        raw: Callable[P, Any] | None,
        results: Encoding = Encoding.PICKLE,
    ) -> None:
        self.target = target
        self.method = method
        self.raw = raw
        self._results = results
        self._take_documentation()

    @staticmethod
    def from_name(
        app_name: str,
        name: str,
        *,
        version: int | None = None,
        environment_name: str | None = None,
        client: object = None,
    ) -> Function[..., Any]:
        """A function of a deployed app, for any process: each call goes to the version that has the name then, or always to
        `version`. The server, which `MOTET_SERVER` or a profile names or else runs under `MOTET_HOME`, is asked when it is
        first used. Then `NotFoundError` is raised for what is not deployed."""
        if "." in name:
            raise InvalidError(
                f"Invalid Function name: {name!r}. If you are trying to look up a class method, use "
                "`motet.Cls.from_name` instead."
            )
        return Function(looked_up("Function", app_name, name, version), MethodSpec(), None)

    @functools.cached_property
    def name(self) -> str:
        """As it was declared: "f", or "Class.method"."""
        name = self.target.declared.name
        return f"{name}.{self.method.name}" if self.method.name else name

    # --- one input --------------------------------------------------------------------------------------------------

    @dual
    def remote(self, /, *args: P.args, **kwargs: P.kwargs) -> Steps[R]:
        """Run it in a container and return its result; raises what it raises, with the remote traceback as the cause.

        `await f.remote.aio(...)` in async code.
        """
        connection, function_id = yield from self.target.resolve_for(self.method, "remote")
        data = self._encoded(args, kwargs)
        call_id, outcome = new_call_id(), OneOutcome()
        # Before it is submitted: its outcome may be here before `submit` returns.
        connection.open_call(call_id, outcome)
        traced, ended = self._traced("call", call_id), None
        inputs, parent = [NewInput(0, data)], current_input_id()
        if parent is not None:
            say_if_it_cannot_begin(function_id)
        try:
            trace = tracing.header(traced)
            connection.submit(call_id, function_id, CallKind.ATTACHED, self.method.name, inputs, parent, trace)
            ended = yield outcome.waiter
        finally:
            # Without an outcome the caller was interrupted, and the input would run for nobody.
            connection.close_call(call_id, cancel=ended is None)
            if traced is not None:
                traced.end(ended)
        if isinstance(ended, Exception):
            raise ended
        yield from own_cancellation_first(ended)
        return result_of(ended)  # type: ignore[no-any-return]

    @dual_items
    def remote_gen(self, /, *args: P.args, **kwargs: P.kwargs) -> ItemSteps[Any]:
        """Run a generator function in a container and iterate over its items as they come, at your pace.

        `async for x in f.remote_gen.aio(...)` in async code. Leaving the loop early cancels the generator.
        """
        connection, function_id = yield from self.target.resolve_for(self.method, "remote_gen")
        data, call_id = self._encoded(args, kwargs), new_call_id()
        traced = self._traced("stream", call_id)
        say_if_it_cannot_begin(function_id)
        stream = Stream(connection, call_id, function_id, self.method.name, data, current_input_id(), traced)
        try:
            while (yield from stream.wait_item()):
                yield HandOut(stream.take())
        finally:
            stream.close()

    def local(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the Python function here, as if it had not been decorated (an async one gives a coroutine)."""
        if self.raw is None:
            raise ExecutionError(
                "The definition for this Function is missing, so it is not possible to invoke it locally. "
                "This happens to handles that came from another process; use `.remote(...)`."
            )
        return self.raw(*args, **kwargs)

    @dual
    def spawn(self, /, *args: P.args, **kwargs: P.kwargs) -> Steps[FunctionCall[R]]:
        """Start it in a container and return at once, with a `FunctionCall` to ask for the result later.

        Raises `ResourceExhaustedError` if too many inputs of the function wait (a million, or `max_waiting_inputs`).
        """
        connection, function_id = yield from self.target.resolve_for(self.method, "spawn")
        call_id, data = new_call_id(), self._encoded(args, kwargs)
        with tracing.span_of(self._traced("spawn", call_id)) as trace:
            yield from connection.request_gathered(self._spawning(call_id, function_id, [NewInput(0, data)], trace))
        return FunctionCall(call_id, connection)

    def with_key(self, key: str) -> KeyedFunction[P, R]:
        """`f.with_key("order-17").spawn(x)`: spawn it once. Whoever spawns this function with the same key as the same
        principal, from any process, gets the same call, for as long as that is kept. With other arguments it is an error."""
        return KeyedFunction(self._spawn_once, key, repr(self))

    def _spawn_once(self, key: str, args: Any, kwargs: Any) -> Steps[FunctionCall[R]]:
        connection, function_id = yield from self.target.resolve_for(self.method, "spawn")
        call_id, data = new_call_id(), self._encoded(args, kwargs)
        with tracing.span_of(self._traced("spawn", call_id)) as trace:
            inputs = self._spawning(call_id, function_id, [NewInput(0, data)], trace)
            found = yield from connection.request_gathered(SpawnOnce(key, inputs))
        return FunctionCall(found.call_id, connection)

    def _spawning(self, call_id: str, function_id: str, inputs: list[NewInput], trace: str) -> SubmitInputs:
        return SubmitInputs(call_id, function_id, CallKind.SPAWNED, self.method.name, inputs, current_input_id(), trace)

    def with_result_encoding(self, encoding: Literal["pickle", "json", "cbor"]) -> Self:
        """This one with results that callers in other languages can read, too: who polls a spawned call over HTTP, say. Here
        they are what JSON or CBOR has of them: a tuple comes back as a list."""
        if encoding not in (each.value for each in Encoding):
            raise InvalidError(f"the encoding of results is 'pickle', 'json' or 'cbor', not {encoding!r}")
        return type(self)(self.target, self.method, self.raw, Encoding(encoding))

    # --- many inputs ------------------------------------------------------------------------------------------------

    @property
    def map(self) -> DualPair[..., Iterator[R], AsyncIterator[R]]:
        """`for result in f.map(iterable, ..., kwargs={}, order_outputs=True, return_exceptions=False)`.

        One input per element (several iterables are zipped, the shortest ends the map). The iterables are pulled as
        inputs are accepted, on this thread, so they may be endless. Results come in input order, or as they are ready
        with `order_outputs=False`. A failing input ends the map with its exception as soon as it is known, and cancels
        the rest; with `return_exceptions` exceptions are results. `f.map.aio(...)` takes async iterables too.
        """
        return DualPair(self._map, self._map_async, "map")

    @property
    def starmap(self) -> DualPair[..., Iterator[R], AsyncIterator[R]]:
        """Like `map`, over one iterable of argument tuples."""
        return DualPair(self._starmap, self._starmap_async, "starmap")

    def _map(self, *iterables: Any, **options: Unpack[MapOptions]) -> Iterator[R]:
        return Results(many.results(run_blocking, self._mapping, many.zipped(iterables), options), f"{self.name}.map")

    def _starmap(self, input_iterator: Iterable[Any], **options: Unpack[MapOptions]) -> Iterator[R]:
        inputs = many.tuples(input_iterator)
        return Results(many.results(run_blocking, self._mapping, inputs, options), f"{self.name}.starmap")

    def _map_async(self, *iterables: Any, **options: Unpack[MapOptions]) -> AsyncIterator[R]:
        return many.results_async(self._mapping, many.zipped_async(iterables), options)

    def _starmap_async(self, input_iterator: Any, **options: Unpack[MapOptions]) -> AsyncIterator[R]:
        return many.results_async(self._mapping, many.tuples_async(input_iterator), options)

    def _mapping(
        self,
        *,
        kwargs: dict[str, Any] | None = None,
        order_outputs: bool = True,
        return_exceptions: bool = False,
        wrap_returned_exceptions: bool | None = None,
    ) -> Steps[Mapping]:
        connection, function_id = yield from self.target.resolve_for(self.method, "map")
        say_if_it_cannot_begin(function_id)
        return Mapping(
            connection,
            function_id,
            self.method.name,
            what=self.name,
            kwargs=kwargs or {},
            ordered=order_outputs,
            return_exceptions=return_exceptions,
            by_value=self.target.by_value,
            parent=current_input_id(),
            traced=self._traced("map"),
            results=self._results,
        )

    @property
    def for_each(self) -> DualPair[..., None, Coroutine[Any, Any, None]]:
        """`f.for_each(iterable, ..., kwargs={}, ignore_exceptions=False)`: run all, hand out nothing."""
        return DualPair(self._for_each, self._for_each_async, "for_each")

    def _for_each(self, *iterables: Any, kwargs: dict[str, Any] | None = None, ignore_exceptions: bool = False) -> None:
        options = MapOptions(kwargs=kwargs, order_outputs=False, return_exceptions=ignore_exceptions)
        for _ in self._map(*iterables, **options):
            pass

    async def _for_each_async(
        self, *iterables: Any, kwargs: dict[str, Any] | None = None, ignore_exceptions: bool = False
    ) -> None:
        options = MapOptions(kwargs=kwargs, order_outputs=False, return_exceptions=ignore_exceptions)
        async for _ in self._map_async(*iterables, **options):
            pass

    @dual
    def spawn_map(self, *iterables: Any, kwargs: dict[str, Any] | None = None) -> Steps[None]:
        """`f.spawn_map(iterable, ..., kwargs={})`: start one call per element and return when all have been accepted; their
        results are not handed out. `f.spawn_map.aio(...)` takes async iterables too."""
        parts = many.Parts(iterables)
        while (inputs := (yield parts)) is not None:
            yield from self._spawn_each(inputs, kwargs)

    @dual
    def experimental_spawn_map(self, *iterables: Any, kwargs: dict[str, Any] | None = None) -> Steps[FunctionCall[R]]:
        """The same as one call with an input per element, whose handle is returned."""
        call_id, count, parts = new_call_id(), 0, many.Parts(iterables)
        while (inputs := (yield parts)) is not None:
            call, count = yield from self._spawn_inputs(call_id, count, inputs, kwargs)
        return call

    def _spawn_each(self, inputs: Inputs, kwargs: dict[str, Any] | None) -> Steps[None]:
        connection, function_id = yield from self._resolved_for_spawn_map()
        with tracing.span_of(self._traced("spawn")) as trace:
            payloads = (self._encoded(arguments, kwargs or {}) for arguments in inputs.arguments)
            chunks = in_chunks(payloads, together=inputs.at_hand)
            calls = ([self._spawned_alone(function_id, each.payload, trace) for each in chunk] for chunk in chunks)
            yield from spawn_all(connection, calls, MAX_UNANSWERED_CALLS)

    def _spawned_alone(self, function_id: str, data: bytes, trace: str) -> SubmitInputs:
        return self._spawning(new_call_id(), function_id, [NewInput(0, data)], trace)

    def _spawn_inputs(
        self, call_id: str, first: int, inputs: Inputs, kwargs: dict[str, Any] | None
    ) -> Steps[tuple[FunctionCall[R], int]]:
        """Add inputs, from number `first` on, to a call; its handle, and how many it has then."""
        connection, function_id = yield from self._resolved_for_spawn_map()
        payloads = (self._encoded(arguments, kwargs or {}) for arguments in inputs.arguments)
        count = first

        def requests(trace: str) -> Iterator[list[SubmitInputs]]:
            nonlocal count
            for chunk in in_chunks(payloads, first=first, together=inputs.at_hand):
                count += len(chunk)
                yield [self._spawning(call_id, function_id, chunk, trace)]

        with tracing.span_of(self._traced("spawn", call_id)) as trace:
            yield from spawn_all(connection, requests(trace))
        return FunctionCall(call_id, connection), count

    def _resolved_for_spawn_map(self) -> Steps[tuple[Connection, str]]:
        return (yield from self.target.resolve_for(self.method, "spawn_map"))

    # --- the pool ---------------------------------------------------------------------------------------------------

    @property
    def logs(self) -> Logs:
        """What its inputs and containers write and have written since its app runs."""
        scope = self.target.log_scope
        return Logs(scope.connect, **scope.filters)

    @dual
    def get_current_stats(self) -> Steps[FunctionStats]:
        """What the function's pool does now."""
        from motet.sdk.call.current_stats import stats_of  # late: few programs ask

        return stats_of((yield from self.target.view()))

    @dual
    def update_autoscaler(self, **bounds: Unpack[AutoscalerOptions]) -> Steps[AutoscalerSettings]:
        """Change the running pool's bounds; what is not given stays as it is. Lasts until the app stops."""
        if self.method.name:
            raise InvalidError("Cannot call .update_autoscaler() on a method. Call it on the class instance instead.")
        return (yield from self.target.update_autoscaler(update_from(bounds)))

    @property
    def get_web_url(self) -> UrlQuestion:
        """The URL at which a web function answers while its app runs, without a slash at its end; None for any other.

        Parameters of its class are a part of it. Raises `ExecutionError` if the app is not running, and `InvalidError` if
        the function was made by `with_options` or the like.
        """
        return self.target.url_of(self.method)

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def _is_generator(self) -> bool:
        return self.method.is_generator

    def _check_batching(self, batching: Batching) -> None:
        if self.method.name:
            raise InvalidError("Cannot call .with_batching() on a method. Call it on the class instead.")
        if self.raw is not None:
            check_batched(self.raw, self.method)

    def _varied(self, variant: FunctionVariant) -> Self:
        return type(self)(self.target.varied(variant), self.method, self.raw, self._results)

    def _traced(self, way: tracing.Way, call_id: str = "") -> tracing.CallSpan | None:
        return tracing.begin(way, self.target.declared.app_name, self.name, call_id)

    def _encoded(self, args: Any, kwargs: Any) -> bytes:
        data = payload.dumps((args, kwargs), f"the arguments of {self.name}", by_value=self.target.by_value)
        return data if self._results is Encoding.PICKLE else marked_arguments(data, Encoding.PICKLE, self._results)

    def __reduce__(self) -> tuple[Any, ...]:
        raw = None if self.method.name else self.raw
        names = ("", "") if raw is None else (raw.__module__, raw.__qualname__)
        return (_by_name, (self.target, self.method, *names, self._results))

    def __repr__(self) -> str:
        return f"<motet.Function {self.name} of app {self.target.declared.app_name!r}>"
