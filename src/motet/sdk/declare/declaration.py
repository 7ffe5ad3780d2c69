"""A function or class as `@app.function` or `@app.cls` declares it: the user's handle on it, and the spec to send."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from motet.context.main_module import adopt_main
from motet.errors import InvalidError
from motet.model.function import FunctionSpec, ImportedDefinition, MethodSpec, SerializedDefinition
from motet.model.parameters import ParameterSpec
from motet.model.scaling import Batching, Concurrency
from motet.sdk.call.function import Function
from motet.sdk.call.target import Target
from motet.sdk.declare.cls import Cls
from motet.sdk.declare.definition import Code, by_value_of, check_scope, place_of, public_name
from motet.sdk.declare.parameters import parameter_specs
from motet.sdk.declare.partials import PartialClass, PartialFunction, PartialMethod, method_spec
from motet.sdk.declare.rules import refuse
from motet.sdk.declare.stacking import refuse_hidden
from motet.sdk.declare.user_class import check_class, hooks, members, methods
from motet.sdk.options.batching import check_batched, check_class_batching
from motet.sdk.options.checks import check_name
from motet.sdk.options.keyword import Given
from motet.sdk.options.schedule import check_scheduled
from motet.sdk.options.specification import NO_RETRIES_OF_GENERATORS, spec_fields
from motet.wire.by_value import ByValue


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an app. `spec` lacks the definition, which is made when the app starts."""

    handle: Function[..., Any] | Cls[Any]
    spec: FunctionSpec
    code: Code
    serialized: bool

    @property
    def has_url(self) -> bool:
        """Whether requests reach it."""
        return any(method.web is not None for method in self.spec.methods)

    def set_aside(self, taken: int) -> Declared:
        """The same without its name, which was taken: its handle calls it by its key in the runs that begin from now on."""
        spec = replace(self.spec, taken=taken)
        self.handle.target = Target(self.handle.target.app, spec, before=self.spec)
        return replace(self, spec=spec)

    def place(self) -> ImportedDefinition | None:
        """Where containers find the code by its name, as things are now; None: nowhere."""
        return place_of(self.code, serialized=self.serialized)

    def by_value(self, by_value: ByValue) -> SerializedDefinition:
        """The code as it is now, for containers that cannot import `by_value` either."""
        handle = self.handle if isinstance(self.handle, Cls) else None
        return by_value_of(self.code, by_value, serialized=self.serialized, handle=handle)

    @property
    def where(self) -> str:
        """The code's place, for messages."""
        return f"[{self.code.__module__}].{self.code.__qualname__}"


def declare_function(app: Any, function: object, given: Given) -> Declared:
    """What `@app.function` makes of `function`. Raises `InvalidError`, or `TypeError` for a class."""
    decorated, batching, web = None, None, None
    if isinstance(function, PartialFunction):
        decorated, batching, web = function.concurrency, function.batching, function.web
    raw: Any = function.raw if isinstance(function, PartialFunction) else function
    refuse("app.function", raw)
    refuse_hidden(raw, f"The function {raw.__qualname__}")
    adopt_main(raw)
    said = given.of("declared")
    serialized = said.get("serialized", False)
    check_scope(raw, serialized=serialized)
    if isinstance(function, PartialFunction) and web is not None:
        method = function.method_spec
    else:
        method = method_spec(raw, is_generator=said.get("is_generator"))
    if batching is not None:
        check_batched(raw, method)
    name = said.get("name") or public_name(raw)
    if given.of().get("schedule") is not None:
        check_scheduled(name, raw, method, batching)
    spec = _spec(app, name, given, decorated, batching, methods=(method,), is_class=False)
    handle: Function[..., Any] = Function(Target(app, spec), method, raw)
    return Declared(handle=handle, spec=spec, code=raw, serialized=serialized)


def declare_class(app: Any, wrapped: Any, given: Given) -> Declared:
    """What `@app.cls` makes of a class. Raises `InvalidError`, or `TypeError` for what is no class."""
    refuse("app.cls", wrapped)
    decorated = wrapped.concurrency if isinstance(wrapped, PartialClass) else None
    user_cls = wrapped.user_cls if isinstance(wrapped, PartialClass) else wrapped
    check_class(user_cls)
    for base in user_cls.__mro__[:-1]:
        for name, value in vars(base).items():
            if not isinstance(value, PartialMethod | PartialFunction | type):
                refuse_hidden(value, f"{user_cls.__name__}.{name}")
    adopt_main(user_cls)
    serialized = given.of("declared").get("serialized", False)
    check_scope(user_cls, serialized=serialized)
    spec = _spec(
        app,
        public_name(user_cls),
        given,
        decorated,
        check_class_batching(user_cls.__name__, members(user_cls)),
        methods=methods(user_cls),
        is_class=True,
        parameters=parameter_specs(user_cls),
    )
    if hooks(user_cls, "snapshot") and not spec.memory_snapshot:
        raise InvalidError("A class must have `enable_memory_snapshot=True` to use `snap=True` on its methods.")
    cls: Cls[Any] = Cls(Target(app, spec), user_cls)
    cls.register()
    return Declared(handle=cls, spec=spec, code=user_cls, serialized=serialized)


def _spec(
    app: Any,
    name: str,
    given: Given,
    concurrency: Concurrency | None,
    batching: Batching | None,
    *,
    methods: tuple[MethodSpec, ...],
    is_class: bool,
    parameters: tuple[ParameterSpec, ...] = (),
) -> FunctionSpec:
    for method in methods:
        check_name("the name of a method", method.name)
    is_generator = not is_class and methods[0].is_generator
    spec = FunctionSpec(
        name=check_name("the name of a function", name),
        app_name=app.name or "",
        app_key=app.key,
        definition=SerializedDefinition(pickled=b"", qualname=name),
        methods=methods,
        is_class=is_class,
        parameters=parameters,
        batching=batching,
        **spec_fields(given, name, decorated=concurrency),
    )
    if spec.retries.max_retries and any(method.web for method in methods):
        raise InvalidError("Web Functions do not support retries.")
    if spec.retries.max_retries and is_generator:
        raise InvalidError(NO_RETRIES_OF_GENERATORS)
    return spec
