"""What decorators leave behind until `@app.function` or `@app.cls` picks it up."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, Literal, NoReturn, ParamSpec, TypeVar, overload

from msgspec.structs import replace

from motet.errors import InvalidError
from motet.model.function import MethodSpec
from motet.model.scaling import Batching, Concurrency
from motet.model.web import WebSpec
from motet.sdk.call.bound_method import BoundMethod, is_registered

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

NOT_ON_METHODS = "The `@motet.concurrent` decorator cannot be used on methods; decorate the class instead."

EnterPhase = Literal["snapshot", "start"]


def method_spec(raw: Any, name: str = "", is_generator: bool | None = None) -> MethodSpec:
    """How a function or method is called. `is_generator`: the user's word for it, for wrappers that do not show it."""
    generates = inspect.isgeneratorfunction(raw) or inspect.isasyncgenfunction(raw)
    if is_generator is False and generates:
        raise InvalidError(f"`is_generator=False` was given for {raw.__qualname__}, which is a generator function")
    if is_generator and inspect.iscoroutinefunction(raw):
        raise InvalidError(
            f"`is_generator=True` was given for {raw.__qualname__}, a coroutine function; an asynchronous generator yields"
        )
    is_async = inspect.iscoroutinefunction(raw) or inspect.isasyncgenfunction(raw)
    return MethodSpec(name=name, is_async=is_async, is_generator=generates if is_generator is None else is_generator)


class PartialFunction:
    """A function under `@motet.concurrent`, `@motet.batched`, a web decorator or several of them. Calling it runs the
    function here."""

    def __init__(
        self,
        raw: Callable[..., Any],
        concurrency: Concurrency | None = None,
        batching: Batching | None = None,
        web: WebSpec | None = None,
    ) -> None:
        functools.update_wrapper(self, raw)
        self.raw = raw
        self.concurrency = concurrency
        self.batching = batching
        self.web = web

    @property
    def method_spec(self) -> MethodSpec:
        """How it is called. To a container, a web function is one that streams."""
        return method_spec(self.raw) if self.web is None else MethodSpec(is_async=True, is_generator=True, web=self.web)

    def __set_name__(self, owner: type, name: str) -> None:
        """In a class, what is under `@motet.batched` or a web decorator is a method, with or without `@motet.method()`."""
        if (self.batching is not None or self.web is not None) and self.concurrency is None:
            method = PartialMethod[..., Any](self.raw)
            method.name, method.batching, method.spec = name, self.batching, self.method_spec
            setattr(owner, name, method)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.raw(*args, **kwargs)

    def __repr__(self) -> str:
        decorator = "concurrent" if self.batching is None else "batched"
        return f"<{self.raw.__qualname__} under @motet.{decorator}, not yet under @app.function>"


class PartialClass:
    """A class under `@motet.concurrent`. Calling it makes an object of the class here."""

    def __init__(self, user_cls: type, concurrency: Concurrency) -> None:
        functools.update_wrapper(self, user_cls, updated=())
        self.user_cls = user_cls
        self.concurrency = concurrency

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.user_cls(*args, **kwargs)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise cannot_inherit(self.user_cls.__name__)

    def __repr__(self) -> str:
        return f"<class {self.user_cls.__qualname__} under @motet.concurrent, not yet under @app.cls>"


class PartialMethod(Generic[P, R]):
    """A method under `@motet.method`, `@motet.batched`, `@motet.enter` or `@motet.exit`; `raw` is what the user wrote."""

    def __init__(self, raw: Callable[..., Any]) -> None:
        wrapper: Any = self
        functools.update_wrapper(wrapper, raw)
        self.raw = raw
        self.name: str = raw.__name__
        self.spec: MethodSpec | None = None
        self.batching: Batching | None = None
        self.enter_phase: EnterPhase | None = None
        self.is_exit = False

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> PartialMethod[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> BoundMethod[P, R]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        """On an object: the plain method, or, once the class is declared, the function that it also is."""
        if instance is None:
            return self
        # As cheap as can be: `self.method(x)` may be the innermost loop of somebody's program.
        bound = self.raw.__get__(instance, owner)
        if self.spec is None or not is_registered(type(instance)):
            return bound
        return BoundMethod(bound, instance, self.named_spec)

    def named_spec(self) -> MethodSpec:
        """How the method is called, under the name it has in its class."""
        assert self.spec is not None
        return replace(self.spec, name=self.name)

    def __repr__(self) -> str:
        return f"<method {self.raw.__qualname__} of a Motet class>"


def cannot_inherit(name: str) -> InvalidError:
    """The error for `class Child(Parent)` where Parent is decorated already."""
    return InvalidError(
        f"{name} is decorated and cannot be inherited from. Leave the parent class undecorated, with its "
        "`@motet.enter`, `@motet.exit` and `@motet.method` members, and put the class decorators on its children."
    )
