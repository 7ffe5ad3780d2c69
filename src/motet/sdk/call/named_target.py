"""Which pool a call by name goes to: that of a function of a deployed app."""

from __future__ import annotations

from typing import Any

from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.running_app import NO_VARIANT, RunningApp
from motet.client.standing import connection_for
from motet.errors import ExecutionError
from motet.model.function import FunctionSpec, FunctionVariant, ImportedDefinition, MethodSpec
from motet.sdk.call.target import Target
from motet.wire.by_value import NOTHING, ByValue
from motet.wire.client_messages import BindFunction
from motet.wire.deployment_messages import FindFunction, FunctionFound


class _Deployed:
    """The app of a name: none that runs in this program."""

    running: RunningApp | None = None

    def successor_of(self, spec: FunctionSpec) -> str | None:
        """None: no declaration of this program takes a name of another."""
        return None


class NamedTarget(Target):
    """A function of a deployed app by its name, of one version, or, with version 0, of whichever has the name when it is
    called. Nothing is asked of a server before it is needed."""

    __slots__ = ("_app_name", "_asked", "_found", "_version")

    def __init__(self, app_name: str, function: str, version: int = 0, variant: FunctionVariant = NO_VARIANT) -> None:
        spec = FunctionSpec(name=function, app_name=app_name, definition=ImportedDefinition(module="", qualname=""))
        super().__init__(_Deployed(), spec, variant)
        self._app_name = app_name
        self._version = version
        self._asked: tuple[Connection, str] | None = None
        self._found: FunctionFound | None = None

    def varied(self, variant: FunctionVariant) -> Target:
        """See `Target`."""
        return NamedTarget(self._app_name, self.declared.name, self._version, self.variant.merged(variant))

    def resolve(self) -> Steps[tuple[Connection, str]]:
        """See `Target`. Raises `ConnectionError` without a server, and `NotFoundError` if nothing is deployed by this name."""
        connection = yield from connection_for(f"Function.from_name({self._app_name!r}, {self.declared.name!r})")
        asked = self._asked
        if asked is None or asked[0] is not connection:
            found = yield from connection.request(FindFunction(self._app_name, self.declared.name, self._version))
            self._found = found
            function_id: str = found.function_id
            if self.variant != NO_VARIANT:
                function_id = (yield from connection.request(BindFunction(function_id, self.variant))).function_id
            asked = self._asked = connection, function_id
        return asked

    @property
    def name_in_logs(self) -> tuple[RunningApp, str]:
        """See `Target`."""
        raise ExecutionError(f"{self.declared.name!r} was found by name: ask `motet logs` for its lines")

    @property
    def is_running(self) -> bool:
        """Whether it was found."""
        return self._found is not None

    @property
    def by_value(self) -> ByValue:
        """Nothing: its containers are not of this program."""
        return NOTHING

    def web_url(self, method: MethodSpec) -> str:
        """The URL of a web function, once it was found."""
        for name, url in self._found.web_urls if self._found is not None else ():
            if name == method.name:
                return url
        raise ExecutionError(f"{self.declared.name!r} of {self._app_name!r} has no URL that is known here")

    def __reduce__(self) -> tuple[Any, ...]:
        return (NamedTarget, (self._app_name, self.declared.name, self._version, self.variant))
