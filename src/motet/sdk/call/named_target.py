"""Which pool a call by name goes to: that of a function, or of a class's object, of a deployed app."""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from motet.client.connection import Connection
from motet.client.dual import DualPair, Steps, run_async, run_blocking
from motet.client.running_app import NO_VARIANT, RunningApp
from motet.client.standing import by_value_over, connection_for
from motet.errors import InvalidError, NotFoundError
from motet.model.function import FunctionSpec, FunctionVariant, ImportedDefinition, MethodSpec
from motet.sdk.call.target import LogScope, Target, UrlQuestion, with_query
from motet.sdk.call.ways import Way, refuse_other_kinds
from motet.sdk.options.checks import type_name
from motet.wire.by_value import NOTHING, ByValue
from motet.wire.client_messages import BindFunction
from motet.wire.deployment_messages import FindFunction, FunctionFound
from motet.wire.parameters import checked_parameters, encoded_parameters

Kind = Literal["Function", "Cls"]


class Lookup:
    """A function or class of a deployed app by its name: of one version, or, with version 0, of whichever has the name when
    it is called. Nothing is asked of a server before it is needed."""

    __slots__ = ("_asked", "app_name", "by_value", "found", "kind", "name", "version")

    def __init__(self, kind: Kind, app_name: str, name: str, version: int = 0) -> None:
        self.kind: Kind = kind
        self.app_name = app_name
        self.name = name
        self.version = version
        self.found: FunctionFound | None = None
        """What a server last said of it."""
        self.by_value = NOTHING
        self._asked: Connection | None = None

    def connect(self) -> Steps[Connection]:
        """The connection to a server that may know it. Raises `ConnectionError` if there is none."""
        what_for = f"{self.kind}.from_name({self.app_name!r}, {self.name!r})"
        return (yield from connection_for(what_for, "motet deploy FILE"))

    def find(self) -> Steps[tuple[Connection, FunctionFound]]:
        """What the server says of it, asked once over each connection. Raises `NotFoundError`, `ConnectionError`."""
        connection = yield from self.connect()
        found = self.found
        if found is None or self._asked is not connection:
            found = yield from self._ask(connection)
            self.found, self._asked, self.by_value = found, connection, by_value_over(connection)
        return connection, found

    def _ask(self, connection: Connection) -> Steps[FunctionFound]:
        try:
            found: FunctionFound = yield from connection.request(FindFunction(self.app_name, self.name, self.version))
        except NotFoundError as error:
            raise NotFoundError(
                f"Lookup failed for {self.kind} {self.name!r} from the {self.app_name!r} app: {error}"
            ) from None
        if found.spec.is_class and self.kind == "Function":
            raise NotFoundError(
                f"Function {self.name!r} from the {self.app_name!r} app is a motet.Cls. Use `motet.Cls.from_name` instead."
            )
        if not found.spec.is_class and self.kind == "Cls":
            raise NotFoundError(
                f"Cls {self.name!r} from the {self.app_name!r} app is a motet.Function. Use `motet.Function.from_name` instead."
            )
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return (Lookup, (self.kind, self.app_name, self.name, self.version))


def looked_up(kind: Kind, app_name: object, name: object, version: object) -> NamedTarget:
    """For `from_name`. Raises `InvalidError` for what cannot be a name or a version."""
    for what, value in (("app", app_name), (kind.lower(), name)):
        if not isinstance(value, str) or not value:
            raise InvalidError(
                f"{kind}.from_name: the name of the {what} must be a string, and not empty; got {value!r}"
            )
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 1):
        raise InvalidError(
            f"{kind}.from_name: `version` must be a positive number, as `motet app history` has it, not {type_name(version)}"
            f" {version!r}"
        )
    return NamedTarget(Lookup(kind, str(app_name), str(name), int(version or 0)))


class _Deployed:
    """The app of a name: none that runs in this program."""

    running: RunningApp | None = None

    def successor_of(self, spec: FunctionSpec) -> str | None:
        """None: no declaration of this program takes a name of another."""
        return None


class NamedTarget(Target):
    """What a `Lookup` finds, with what is changed of it, and for a class with the parameters of an object."""

    __slots__ = ("_bound", "_given", "_lookup")

    def __init__(
        self, lookup: Lookup, variant: FunctionVariant = NO_VARIANT, given: dict[str, Any] | None = None
    ) -> None:
        spec = FunctionSpec(
            name=lookup.name,
            app_name=lookup.app_name,
            definition=ImportedDefinition(module="", qualname=""),
            is_class=lookup.kind == "Cls",
        )
        super().__init__(_Deployed(), spec, variant)
        self._lookup = lookup
        self._given = given
        self._bound: tuple[Connection, str] | None = None

    # --- changes ------------------------------------------------------------------------------------------------------

    def varied(self, variant: FunctionVariant) -> Target:
        """See `Target`."""
        return NamedTarget(self._lookup, self.variant.merged(variant), self._given)

    def checked_parameters(self, given: dict[str, Any]) -> dict[str, Any]:
        """See `Target`. Until the class was found, they are not checked."""
        found = self._lookup.found
        return given if found is None else checked_parameters(found.spec.parameters, given, self._lookup.name)

    def with_parameters(self, given: dict[str, Any]) -> Target:
        """See `Target`."""
        return NamedTarget(self._lookup, self.variant, given)

    def method_named(self, name: str) -> MethodSpec | None:
        """See `Target`. Until the class was found, any name may be one."""
        if not self.declared.is_class:
            return None
        found = self._lookup.found
        if found is None:
            return None if name.startswith("_") else MethodSpec(name=name)
        return next((method for method in found.spec.methods if method.name == name), None)

    # --- calls --------------------------------------------------------------------------------------------------------

    def resolve(self) -> Steps[tuple[Connection, str]]:
        """See `Target`. Raises `ConnectionError` without a server, and `NotFoundError` if nothing is deployed by this name."""
        connection, found = yield from self._lookup.find()
        variant = self._variant_of(found.spec)
        if variant == NO_VARIANT:
            return connection, found.function_id
        bound = self._bound
        if bound is None or bound[0] is not connection:
            reply = yield from connection.request(BindFunction(found.function_id, variant))
            bound = self._bound = connection, reply.function_id
        return bound

    def resolve_for(self, method: MethodSpec, way: Way) -> Steps[tuple[Connection, str]]:
        """See `Target`."""
        resolved = yield from self.resolve()
        refuse_other_kinds(self._known(method), way)
        return resolved

    def _known(self, method: MethodSpec) -> MethodSpec:
        """The method as the server describes it. Raises `NotFoundError` if the class has none of that name."""
        assert self._lookup.found is not None
        methods = {each.name: each for each in self._lookup.found.spec.methods}
        if method.name not in methods:
            known = ", ".join(methods) or "none"
            raise NotFoundError(
                f"Cls {self._lookup.name!r} from the {self._lookup.app_name!r} app has no method {method.name!r} (it has: "
                f"{known})"
            )
        return methods[method.name]

    def _variant_of(self, spec: FunctionSpec) -> FunctionVariant:
        """What is changed, of the function as it is declared there."""
        variant = self.variant
        if variant.resources is not None:
            asked = variant.resources
            given = {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name))}
            variant = replace(variant, resources=replace(spec.resources, **given))
        if spec.parameters and self._given is not None:
            values = checked_parameters(spec.parameters, self._given, spec.name)
            variant = replace(variant, parameters_given=encoded_parameters(values, spec.name))
        elif self._given:
            checked_parameters(spec.parameters, self._given, spec.name)
        return variant

    @property
    def is_running(self) -> bool:
        """Whether it was found."""
        return self._lookup.found is not None

    @property
    def by_value(self) -> ByValue:
        """See `Target`."""
        return self._lookup.by_value

    # --- the rest -----------------------------------------------------------------------------------------------------

    @property
    def log_scope(self) -> LogScope:
        """See `Target`: those of all versions."""
        return LogScope(self._lookup.connect, {"app": self._lookup.app_name, "function": self._lookup.name})

    def url_of(self, method: MethodSpec) -> UrlQuestion:
        """See `Target`; the server is asked."""
        return DualPair(
            lambda: run_blocking(self._find_url(method)), lambda: run_async(self._find_url(method)), "get_web_url"
        )

    def _find_url(self, method: MethodSpec) -> Steps[str | None]:
        self._refuse_changed()
        _, found = yield from self._lookup.find()
        if self._known(method).web is None:
            return None
        url = dict(found.web_urls).get(method.name)
        if url is None:
            raise NotFoundError(
                f"version {found.deployment.version} of {self._lookup.app_name!r} does not serve: {self._lookup.name!r} has no "
                "URL"
            )
        return with_query(url, self._variant_of(found.spec).parameters_given)

    def __reduce__(self) -> tuple[Any, ...]:
        return (NamedTarget, (self._lookup, self.variant, self._given))
