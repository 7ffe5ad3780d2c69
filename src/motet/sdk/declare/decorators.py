"""`@motet.concurrent`, `@motet.batched`, `@motet.method`, `@motet.enter`, `@motet.exit`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Literal, Never, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from motet.errors import InvalidError
from motet.model.scaling import Batching, Concurrency
from motet.sdk.declare.partials import PartialClass, PartialFunction, PartialMethod, method_spec
from motet.sdk.declare.rules import refuse
from motet.sdk.options.checks import check_bool, refuse_positional
from motet.sdk.options.keywords import BatchingOptions, ConcurrencyOptions
from motet.sdk.options.specification import batching_from, concurrency_from

P = ParamSpec("P")
R = TypeVar("R")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class MethodDecorator(Protocol):
    """What `@motet.method()` is to a type checker: methods of an asynchronous function give what it returns."""

    @overload
    def __call__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> PartialMethod[P, R]: ...
    @overload
    def __call__(self, method: Callable[Concatenate[Any, P], R], /) -> PartialMethod[P, R]: ...


def concurrent(*positional: Never, **options: Unpack[ConcurrencyOptions]) -> Callable[[Decorated], Decorated]:
    """Let each container of a function or class run up to `max_inputs` inputs at once, 1 to 1000.

    The autoscaler provides for `target_inputs` per container (default: `max_inputs`); above it a container bursts. "auto"
    learns from the running pool how many are worth it, never more than `max_inputs`: those that give the most throughput for
    the time they take, or with `slo_p95` as many as let 95 % of inputs run for that many seconds at most. Goes under
    `@app.function` or `@app.cls`. Synchronous functions then run on threads, asynchronous ones as tasks.
    Raises `InvalidError` for values out of range and for what cannot be decorated.
    """
    refuse_positional(positional, "@motet.concurrent()")
    concurrency = concurrency_from(options, "concurrent", "@motet.concurrent()")

    def decorate(wrapped: Decorated) -> Decorated:
        return cast(Decorated, _with_concurrency(wrapped, concurrency))

    return decorate


def _with_concurrency(wrapped: Any, concurrency: Concurrency) -> PartialFunction | PartialClass:
    refuse("concurrent", wrapped)
    if isinstance(wrapped, PartialFunction):
        return PartialFunction(wrapped.raw, concurrency, wrapped.batching, wrapped.web)
    return PartialClass(wrapped, concurrency) if isinstance(wrapped, type) else PartialFunction(wrapped, concurrency)


def batched(
    *positional: Never, **options: Unpack[BatchingOptions]
) -> Callable[[Callable[..., Any] | PartialMethod[..., Any]], Any]:
    """Collect inputs into batches: the function gets a list of values for each parameter and returns a list of results.

    Callers pass single values and get single results. A batch leaves with `max_batch_size` inputs (1 to 1000), or
    `wait_ms` milliseconds (up to 600,000) after its first one came; `"auto"` learns that time from how often inputs come
    and how long batches take. Under `@app.function`, or on the one method of a class. With
    `@motet.concurrent(max_inputs=k)` a container runs k batches at once. Raises `InvalidError`.
    """
    refuse_positional(positional, "@motet.batched()")
    batching = batching_from(options, "batched")
    return lambda wrapped: _with_batching(wrapped, batching)


def _with_batching(wrapped: Any, batching: Batching) -> PartialFunction | PartialMethod[Any, Any]:
    refuse("batched", wrapped)
    if isinstance(wrapped, PartialMethod):
        wrapped.batching = batching
        return wrapped
    if isinstance(wrapped, PartialFunction):
        return PartialFunction(wrapped.raw, wrapped.concurrency, batching)
    return PartialFunction(wrapped, batching=batching)


def method(*positional: Never, is_generator: bool | None = None) -> MethodDecorator:
    """Make a method callable from outside its container. Its class needs `@app.cls()`.

    `is_generator`: whether it yields its results; None looks it up.
    """
    refuse_positional(positional, "@motet.method()")
    if is_generator is not None:
        check_bool("is_generator", is_generator)

    def decorate(wrapped: Any, /) -> PartialMethod[Any, Any]:
        partial = _partial_method(wrapped, "method")
        partial.spec = method_spec(partial.raw, is_generator=is_generator)
        return partial

    return cast(MethodDecorator, decorate)


def enter(*positional: Never, snap: bool = False) -> Callable[[Callable[[Any], Any]], PartialMethod[[], Any]]:
    """Run a method once in each container, before its first input. Hooks with `snap=True` run before the others."""
    refuse_positional(positional, "@motet.enter()")
    check_bool("snap", snap)

    def decorate(wrapped: Callable[[Any], Any]) -> PartialMethod[[], Any]:
        partial = _hook(wrapped, "enter")
        partial.enter_phase = "snapshot" if snap else "start"
        return partial

    return decorate


def exit(*positional: Never) -> Callable[[Callable[[Any], Any]], PartialMethod[[], Any]]:
    """Run a method once in each container, after its last input."""
    refuse_positional(positional, "@motet.exit()")

    def decorate(wrapped: Callable[[Any], Any]) -> PartialMethod[[], Any]:
        partial = _hook(wrapped, "exit")
        partial.is_exit = True
        return partial

    return decorate


def _hook(wrapped: object, kind: Literal["enter", "exit"]) -> PartialMethod[[], Any]:
    partial = _partial_method(wrapped, kind)
    if inspect.isgeneratorfunction(partial.raw) or inspect.isasyncgenfunction(partial.raw):
        raise InvalidError(f"`@motet.{kind}()` cannot be used on a generator: {partial.raw.__qualname__}")
    required = [
        it.name
        for it in inspect.signature(partial.raw).parameters.values()
        if it.default is it.empty and it.kind not in (it.VAR_POSITIONAL, it.VAR_KEYWORD)
    ]
    if len(required) > 1:
        raise InvalidError(
            f"`@motet.{kind}()` methods are called without arguments; {partial.raw.__qualname__} needs "
            f"{', '.join(required[1:])}"
        )
    return partial


def _partial_method(wrapped: Any, decorator: Literal["method", "enter", "exit"]) -> PartialMethod[Any, Any]:
    refuse(decorator, wrapped)
    if isinstance(wrapped, PartialMethod):
        return wrapped
    if not isinstance(wrapped, PartialFunction):
        return PartialMethod(wrapped)
    partial = PartialMethod[Any, Any](wrapped.raw)
    partial.batching = wrapped.batching
    return partial
