"""Which pool a call goes to: a declared function's, or that of a variant of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from urllib.parse import urlencode

from msgspec.structs import replace

from motet.client.connection import Connection
from motet.client.dual import AtOnce, DualPair, Steps
from motet.client.running_app import NO_VARIANT, HasRunning, RunningApp, container_app, find_running, running_with
from motet.errors import ExecutionError, InvalidError
from motet.model.function import FunctionSpec, FunctionVariant, ImportedDefinition, MethodSpec
from motet.model.image import ImageSpec
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import FunctionView
from motet.sdk.call.ways import Way, refuse_other_kinds
from motet.wire.by_value import NOTHING, ByValue
from motet.wire.client_messages import UpdateAutoscaler, ViewFunction
from motet.wire.parameters import checked_parameters, decoded_parameters, encoded_parameters

UrlQuestion = AtOnce[[], str | None] | DualPair[[], str | None, Coroutine[Any, Any, str | None]]
"""`get_web_url`: it is known here, or the server is asked."""


class LogScope(NamedTuple):
    """Where lines are asked for, and by which filters."""

    connect: Callable[[], Steps[Connection]]
    filters: dict[str, str]


class _Elsewhere:
    """The app of a handle that was unpickled: the one it came from where that runs, or another that has the function."""

    __slots__ = ("_app_id", "_spec")

    def __init__(self, app_id: str, spec: FunctionSpec) -> None:
        self._app_id = app_id
        self._spec = spec

    @property
    def running(self) -> RunningApp | None:
        """In a container, that is known without."""
        return running_with(self._app_id, self._spec)

    def successor_of(self, spec: FunctionSpec) -> str | None:
        """None: it was checked where the handle comes from."""
        return None


_NOT_HERE = ImportedDefinition(module="", qualname="")


class Target:
    """A function's declaration and what is changed of it. Two targets with the same variant share one pool."""

    __slots__ = ("_before", "_resolved", "app", "declared", "spec", "variant")

    def __init__(
        self,
        app: HasRunning,
        spec: FunctionSpec,
        variant: FunctionVariant = NO_VARIANT,
        before: FunctionSpec | None = None,
    ) -> None:
        self.app = app
        self.declared = spec
        self.variant = variant
        self.spec = spec if variant is NO_VARIANT else spec.varied(variant)
        """The declaration as it is with the changes."""
        self._before = before
        """The declaration when it still had its name, which runs that have begun then know."""
        self._resolved: tuple[RunningApp, Connection, str] | None = None

    def varied(self, variant: FunctionVariant) -> Target:
        """The same function with more changes; later ones win."""
        return Target(self.app, self.declared, self.variant.merged(variant), self._before)

    # --- objects of a class -------------------------------------------------------------------------------------------

    def checked_parameters(self, given: dict[str, Any]) -> dict[str, Any]:
        """All parameters of an object, defaults included. Raises `TypeError` as a call would."""
        return checked_parameters(self.spec.parameters, given, self.spec.name)

    def with_parameters(self, given: dict[str, Any]) -> Target:
        """The function that an object with these parameters, which were checked, is to the server."""
        if not self.spec.parameters:
            return self
        return self.varied(FunctionVariant(parameters_given=encoded_parameters(given, self.spec.name)))

    def method_named(self, name: str) -> MethodSpec | None:
        """The method of this name; None if there is none."""
        return next((method for method in self.spec.methods if method.name == name), None)

    # --- calls --------------------------------------------------------------------------------------------------------

    def resolve_for(self, method: MethodSpec, way: Way) -> Steps[tuple[Connection, str]]:
        """As `resolve`, to call a method in this way. Raises `InvalidError` if it is of another kind."""
        refuse_other_kinds(method, way)
        return (yield from self.resolve())

    def resolve(self) -> Steps[tuple[Connection, str]]:
        """The connection to call it over, and the id of its pool. Raises `ExecutionError` if its app is not running."""
        running = find_running(self.app, self.declared.name)
        connection = yield from running.connected()
        resolved = self._resolved
        # Each run has pools of its own, and the same handle may be called in several, one after the other or by turns. Another
        # connection may be to another server, which has to be told of variants.
        if resolved is None or resolved[0] is not running or resolved[1] is not connection:
            declared = self._declared_in(running)
            if not running.began_with(declared):
                self._check_name()
            function_id = yield from running.function_id(declared, self.variant, takes_part=self._takes_part(running))
            resolved = self._resolved = (running, connection, function_id)
        return connection, resolved[2]

    def _declared_in(self, running: RunningApp | None) -> FunctionSpec:
        """The declaration as this run knows it."""
        before = self._before
        return self.declared if before is None or running is None or not running.began_with(before) else before

    def _takes_part(self, running: RunningApp) -> bool:
        """Whether its app was started with this one, and not just the app that its handle travelled from."""
        return not isinstance(self.app, _Elsewhere) and self.app.running is running

    def _check_name(self) -> None:
        """Names are what a call goes by: one that another function has taken since would run that."""
        if (successor := self.app.successor_of(self.declared)) is not None:
            raise ExecutionError(
                f"this function cannot be called any more: {successor} was declared later under its name, "
                f"{self.declared.name!r}. Give one of them another name (for a function: `@app.function(name=...)`)."
            )

    @property
    def log_scope(self) -> LogScope:
        """What its lines are found by. Raises `ExecutionError` if its app is not running."""
        running = find_running(self.app, self.declared.name)
        name = running.name_in_logs(self._declared_in(running))
        return LogScope(running.connected, {"app": running.app_id, "function": name})

    @property
    def is_running(self) -> bool:
        """Whether it can be called now."""
        try:
            running = find_running(self.app, self.declared.name)
            return running.has(self._declared_in(running))
        except ExecutionError:
            return False

    @property
    def by_value(self) -> ByValue:
        """What its containers cannot import, once it is resolved."""
        return NOTHING if self._resolved is None else self._resolved[0].by_value

    def url_of(self, method: MethodSpec) -> UrlQuestion:
        """The URL of a method, None if it has none. Raises `ExecutionError` if its app is not running, `InvalidError` for a
        variant."""
        return AtOnce(lambda: self._url(method) if method.web is not None else None)

    def _url(self, method: MethodSpec) -> str:
        self._refuse_changed()
        url = find_running(self.app, self.declared.name).web_url(self.declared, method.name)
        if url is None:
            raise ExecutionError(f"the web function {self.declared.name!r} is not a part of the running app")
        return with_query(url, self.variant.parameters_given)

    def _refuse_changed(self) -> None:
        if self.variant.merged(FunctionVariant(parameters_given=b"")) != FunctionVariant(parameters_given=b""):
            raise InvalidError(
                f"{self.declared.name!r} as changed by `with_options`, `with_concurrency` or `with_batching` has no URL: "
                "requests reach declared functions only. Declare a second one with these options."
            )

    def update_autoscaler(self, change: AutoscalerUpdate) -> Steps[AutoscalerSettings]:
        """Change the running pool's bounds; the settings as they are then."""
        connection, function_id = yield from self.resolve()
        reply = yield from connection.request(UpdateAutoscaler(function_id, change))
        return reply.settings  # type: ignore[no-any-return]

    def view(self) -> Steps[FunctionView]:
        """What there is to see of the pool now."""
        connection, function_id = yield from self.resolve()
        reply = yield from connection.request(ViewFunction(function_id))
        return reply.view  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        # Names and settings are enough where it is used: code and secrets must not travel with every handle.
        self._check_name()
        running = self.app.running or container_app()
        spec = replace(self._declared_in(running), definition=_NOT_HERE, env={}, image=ImageSpec())
        return (_rebuild, (spec, self.variant, "" if running is None else running.app_id))


def with_query(url: str, parameters: bytes | None) -> str:
    """The URL of an object with these parameters; None: it has none."""
    if parameters is None:
        return url
    values = decoded_parameters(parameters)
    plain = {name: str(it).lower() if isinstance(it, bool) else it for name, it in values.items()}
    return f"{url}/?{urlencode(plain)}"


def _rebuild(spec: FunctionSpec, variant: FunctionVariant, app_id: str) -> Target:
    return Target(_Elsewhere(app_id, spec), spec, NO_VARIANT if variant == NO_VARIANT else variant)
