"""Which pool a call goes to: a declared function's, or that of a variant of it."""

from __future__ import annotations

import pickle
from typing import Any
from urllib.parse import urlencode

from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.errors import ExecutionError, InvalidError
from motet.model.function import FunctionSpec, FunctionVariant, ImportedDefinition, MethodSpec
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import FunctionView
from motet.sdk.running import NO_VARIANT, HasRunning, RunningApp, find_running
from motet.wire.by_value import NOTHING, ByValue
from motet.wire.messages import UpdateAutoscaler, ViewFunction


class _Elsewhere:
    """The app of a handle that was unpickled: whichever runs where the handle is used."""

    running: RunningApp | None = None


_ELSEWHERE = _Elsewhere()
_NOT_HERE = ImportedDefinition(module="", qualname="")


class Target:
    """A function's declaration and what is changed of it. Two targets with the same variant share one pool."""

    __slots__ = ("_resolved", "app", "declared", "spec", "variant")

    def __init__(self, app: HasRunning, spec: FunctionSpec, variant: FunctionVariant = NO_VARIANT) -> None:
        self.app = app
        self.declared = spec
        self.variant = variant
        self.spec = spec if variant is NO_VARIANT else spec.varied(variant)
        """The declaration as it is with the changes."""
        self._resolved: tuple[RunningApp, str] | None = None

    def varied(self, variant: FunctionVariant) -> Target:
        """The same function with more changes; later ones win."""
        return Target(self.app, self.declared, self.variant.merged(variant))

    def resolve(self) -> Steps[tuple[Connection, str]]:
        """The connection to call it over, and the id of its pool. Raises `ExecutionError` if its app is not running."""
        running = find_running(self.app, self.declared.name)
        resolved = self._resolved
        if resolved is None or resolved[0] is not running:
            function_id = yield from running.function_id(
                self.declared, self.variant, takes_part=self.app.running is running
            )
            resolved = self._resolved = (running, function_id)
        return running.connection, resolved[1]

    @property
    def is_running(self) -> bool:
        """Whether it can be called now."""
        try:
            return find_running(self.app, self.declared.name).has(self.declared)
        except ExecutionError:
            return False

    @property
    def by_value(self) -> ByValue:
        """What its containers cannot import, once it is resolved."""
        return NOTHING if self._resolved is None else self._resolved[0].by_value

    def web_url(self, method: MethodSpec) -> str:
        """The URL of a web function. Raises `ExecutionError` if its app is not running, `InvalidError` for a variant."""
        if self.variant.merged(FunctionVariant(parameters_given=b"")) != FunctionVariant(parameters_given=b""):
            raise InvalidError(
                f"{self.declared.name!r} as changed by `with_options`, `with_concurrency` or `with_batching` has no URL: "
                "requests reach declared functions only. Declare a second one with these options."
            )
        url = find_running(self.app, self.declared.name).web_url(self.declared, method.name)
        if url is None:
            raise ExecutionError(f"the web function {self.declared.name!r} is not a part of the running app")
        given = self.variant.parameters_given
        if given is None:
            return url
        values = pickle.loads(given)
        plain = {name: str(it).lower() if isinstance(it, bool) else it for name, it in values.items()}
        return f"{url}/?{urlencode(plain)}"

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
        # Names are enough where it is used, and code must not travel with every handle that refers to it.
        spec = self.declared
        return (_rebuild, (spec.app_name, spec.app_key, spec.name, spec.methods, spec.parameters, self.variant))


def _rebuild(app_name: str, app_key: str, name: str, methods: Any, parameters: Any, variant: FunctionVariant) -> Target:
    spec = FunctionSpec(
        name=name,
        app_name=app_name,
        app_key=app_key,
        definition=_NOT_HERE,
        methods=methods,
        parameters=parameters,
    )
    return Target(_ELSEWHERE, spec, NO_VARIANT if variant == NO_VARIANT else variant)
