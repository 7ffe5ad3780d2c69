"""What `@app.cls` makes of a class (`Cls`), and what calling that gives (`Obj`): handles on functions in containers."""

from __future__ import annotations

from typing import Any, Generic, Literal, NoReturn, TypeVar, Unpack, cast

from motet.errors import InvalidError
from motet.model.function import FunctionVariant, MethodSpec
from motet.sdk.batching_options import batching_from, check_class_batching
from motet.sdk.bound_method import is_registered, register
from motet.sdk.function import Function
from motet.sdk.hydration import Hydrated
from motet.sdk.local_instance import LocalInstance
from motet.sdk.options import VariantOptions, concurrency_from, variant_from_options
from motet.sdk.parameters import checked_parameters, encoded_parameters
from motet.sdk.partials import cannot_inherit
from motet.sdk.target import Target
from motet.sdk.user_class import members, parameters_of

T = TypeVar("T", covariant=True)


class Cls(Hydrated, Generic[T]):
    """A class whose methods run in containers. `MyClass()` gives an object whose methods have `.remote` and the like.

    `user_cls` is the class itself, `target` the function it is to the server. Immutable.
    """

    def __init__(self, target: Target, user_cls: type) -> None:
        self.target = target
        self.user_cls = user_cls
        self.__name__ = user_cls.__name__
        self.__doc__ = user_cls.__doc__

    def __call__(self, /, *positional: Any, **parameters: Any) -> T:
        """An object with these parameters; nothing runs yet. Raises `TypeError` for missing, unknown and mistyped ones."""
        spec = self.target.spec
        if positional:
            raise InvalidError(
                "Can't use positional arguments with motet.parameter-based synthetic constructors.\n"
                "Use (<parameter_name>=value) keyword arguments when constructing classes instead."
            )
        return cast(T, Obj(self, checked_parameters(spec.parameters, parameters, spec.name)))

    def with_options(self, **options: Unpack[VariantOptions]) -> Cls[T]:
        """This class with other options: its objects have containers of their own. Chainable; later values win."""
        return self._varied(variant_from_options(onto=self.target.spec.resources, **options))

    def with_concurrency(
        self, *, max_inputs: int, target_inputs: int | Literal["auto"] | None = None, slo_p95: float | None = None
    ) -> Cls[T]:
        """This class with another `@motet.concurrent`; otherwise as `with_options`."""
        concurrency = concurrency_from(max_inputs, target_inputs, slo_p95, decorator="with_concurrency()")
        return self._varied(FunctionVariant(concurrency=concurrency))

    def with_batching(self, *, max_batch_size: int, wait_ms: int | Literal["auto"]) -> Cls[T]:
        """This class with its one method batched, as by `@motet.batched`; otherwise as `with_options`."""
        batching = batching_from(max_batch_size, wait_ms)
        check_class_batching(self.user_cls.__name__, members(self.user_cls), batching)
        return self._varied(FunctionVariant(batching=batching))

    def _varied(self, variant: FunctionVariant) -> Cls[T]:
        return Cls(self.target.varied(variant), self.user_cls)

    def register(self) -> None:
        """Give `self.method` inside the class's own objects its `.remote` and the like, on this class's pool."""
        register(self.user_cls, lambda instance: self.target_for(parameters_of(instance)))

    def target_for(self, parameters: dict[str, Any]) -> Target:
        """The function that an object with these parameters is to the server."""
        if not self.target.spec.parameters:
            return self.target
        given = encoded_parameters(parameters, self.target.spec.name)
        return self.target.varied(FunctionVariant(parameters_given=given))

    def __getattr__(self, name: str) -> Any:
        # Looked up in __dict__: during unpickling there is no `user_cls` yet, and copies ask for dunder names.
        user_cls = self.__dict__.get("user_cls")
        if user_cls is None or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        if name in members(user_cls):
            cls_name = user_cls.__name__
            raise AttributeError(
                "You can't access methods on a Cls directly - Did you forget to instantiate the class first?\n"
                f"e.g. instead of {cls_name}.{name}.remote(), do {cls_name}().{name}.remote()"
            )
        return getattr(user_cls, name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise cannot_inherit(self.user_cls.__name__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if not is_registered(self.user_cls):
            self.register()

    def __repr__(self) -> str:
        return f"<motet.Cls {self.target.spec.name}>"


class Obj:
    """An object of a `Cls`: its `@motet.method()`s are functions; everything else is that of a local object, made when
    first asked for. Parameters are attributes."""

    # Mangled names, which leave every other one to the user's class.
    def __init__(self, cls: Cls[Any], parameters: dict[str, Any]) -> None:
        self.__cls = cls
        self.__parameters = parameters
        self.__target = cls.target_for(parameters)
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
            member = members(self.__cls.user_cls).get(name)
            if member is None or member.spec is None:
                return getattr(self.__local.get(), name)
            self.__functions[name] = Function(self.__target, member.named_spec(), self.__local.method(member.raw))
        return self.__functions[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return (Obj, (self.__cls, self.__parameters))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.__parameters.items())
        return f"<motet.Obj {self.__target.spec.name}({given})>"
