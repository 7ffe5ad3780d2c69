"""What `@app.cls` makes of a class (`Cls`), and what calling that gives (`Obj`): handles on functions in containers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Generic, NoReturn, Self, TypeVar, cast

from motet.errors import InvalidError
from motet.model.function import FunctionVariant, MethodSpec
from motet.model.scaling import Batching
from motet.sdk.call.bound_method import is_registered, register
from motet.sdk.call.found_here import found_here
from motet.sdk.call.function import Function
from motet.sdk.call.handle import Handle
from motet.sdk.call.named_target import looked_up
from motet.sdk.call.target import Target
from motet.sdk.call.variants import Varied
from motet.sdk.declare.local_instance import LocalInstance
from motet.sdk.declare.partials import cannot_inherit
from motet.sdk.declare.user_class import members, parameters_of
from motet.sdk.options.batching import check_class_batching

T = TypeVar("T", covariant=True)


class Cls(Varied, Handle, Generic[T]):
    """A class whose methods run in containers. `MyClass()` gives an object whose methods have `.remote` and the like.

    `user_cls` is the class itself, `target` the function it is to the server. Immutable. A handle travels as a name: if the
    class `is_here`, in a process where its module was imported, `user_cls` is it, and else an empty one.
    """

    def __init__(self, target: Target, user_cls: type, *, is_here: bool = True) -> None:
        self.target = target
        self.user_cls = user_cls
        self.is_here = is_here
        self.__name__ = user_cls.__name__
        self.__doc__ = user_cls.__doc__

    @staticmethod
    def from_name(
        app_name: str,
        name: str,
        *,
        version: int | None = None,
        environment_name: str | None = None,
        client: object = None,
    ) -> Cls[Any]:
        """A class of a deployed app, for any process; otherwise as `Function.from_name`. Parameters and names of methods are
        checked when the server has said which there are."""
        return Cls(looked_up("Cls", app_name, name, version), type(str(name), (), {}), is_here=False)

    def __call__(self, /, *positional: Any, **parameters: Any) -> T:
        """An object with these parameters; nothing runs yet. Raises `TypeError` for missing, unknown and mistyped ones."""
        if positional:
            raise InvalidError(
                "Can't use positional arguments with motet.parameter-based synthetic constructors.\n"
                "Use (<parameter_name>=value) keyword arguments when constructing classes instead."
            )
        return cast(T, Obj(self, self.target.checked_parameters(parameters)))

    def _check_batching(self, batching: Batching) -> None:
        if self.is_here:
            check_class_batching(self.user_cls.__name__, members(self.user_cls), batching)

    def _varied(self, variant: FunctionVariant) -> Self:
        return type(self)(self.target.varied(variant), self.user_cls, is_here=self.is_here)

    def register(self) -> None:
        """Give `self.method` inside the class's own objects its `.remote` and the like, on this class's pool."""
        register(self.user_cls, lambda instance: self.target.with_parameters(parameters_of(instance)))

    def __getattr__(self, name: str) -> Any:
        # Looked up in __dict__: during unpickling there is no `user_cls` yet, and copies ask for dunder names.
        user_cls = self.__dict__.get("user_cls")
        if user_cls is None or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        cls_name = user_cls.__name__
        if self.target.method_named(name) is not None or name in members(user_cls):
            raise AttributeError(
                "You can't access methods on a Cls directly - Did you forget to instantiate the class first?\n"
                f"e.g. instead of {cls_name}.{name}.remote(), do {cls_name}().{name}.remote()"
            )
        if not self.is_here:
            raise AttributeError(
                f"the handle of class {cls_name} came from another process without the class, so it has no {name!r} here; "
                "import its module first"
            )
        return getattr(user_cls, name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise cannot_inherit(self.user_cls.__name__)

    def __reduce__(self) -> tuple[Any, ...]:
        if _with_code.get():
            return (_with_its_code, (self.target, self.user_cls))
        names = self.user_cls.__module__, self.user_cls.__qualname__, self.user_cls.__name__
        return (_by_name, (self.target, *names))

    def __repr__(self) -> str:
        return f"<motet.Cls {self.target.spec.name}>"


_with_code: ContextVar[bool] = ContextVar("motet_classes_with_code", default=False)


@contextlib.contextmanager
def classes_with_code() -> Iterator[None]:
    """What is pickled meanwhile is code that travels by value: the classes that it uses come along."""
    token = _with_code.set(True)
    try:
        yield
    finally:
        _with_code.reset(token)


def _with_its_code(target: Target, user_cls: type) -> Cls[Any]:
    cls: Cls[Any] = Cls(target, user_cls)
    if not is_registered(user_cls):
        cls.register()
    return cls


def _by_name(target: Target, module: str, qualname: str, name: str) -> Cls[Any]:
    """The handle, with its class if that was imported here."""
    found = found_here(Cls, target.declared, module, qualname)
    if found is not None:
        return Cls(target, found.user_cls, is_here=found.is_here)
    return Cls(target, type(name, (), {"__module__": module, "__qualname__": qualname}), is_here=False)


class Obj(Handle):
    """An object of a `Cls`: its `@motet.method()`s are functions; everything else is that of a local object, made when
    first asked for. Parameters are attributes."""

    # Mangled names, which leave every other one to the user's class.
    def __init__(self, cls: Cls[Any], parameters: dict[str, Any]) -> None:
        self.__cls = cls
        self.__parameters = parameters
        self.__target = cls.target.with_parameters(parameters)
        self.__local = LocalInstance(cls.user_cls, parameters)
        self.__functions: dict[str, Function[..., Any]] = {}

    @property
    def update_autoscaler(self) -> Any:
        """`obj.update_autoscaler(min_containers=..., ...)`: change the bounds of this object's pool while the app runs."""
        function: Any = Function(self.__target, MethodSpec(), None)
        return function.update_autoscaler

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_Obj__") or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        if name in self.__parameters:
            return self.__parameters[name]
        if name not in self.__functions:
            method = self.__target.method_named(name)
            if method is None:
                return getattr(self.__local.get() if self.__cls.is_here else self.__cls, name)
            raw = self.__local.method(members(self.__cls.user_cls)[name].raw) if self.__cls.is_here else None
            # Kept: `obj.method` is written at each call, and the handle is to be made once.
            self.__functions[name] = Function(self.__target, method, raw)
        return self.__functions[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return (Obj, (self.__cls, self.__parameters))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.__parameters.items())
        return f"<motet.Obj {self.__target.spec.name}({given})>"
