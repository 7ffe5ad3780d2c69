"""Running apps: their functions and variants, who owns them, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from motet.core import events as e
from motet.core.commands import ReportAppStopped, ReportFunctionRetired
from motet.errors import AlreadyExistsError, InvalidError, NotFoundError, RequestSizeError
from motet.model.function import AppSpec, FunctionSpec, FunctionVariant, ImportedDefinition
from motet.model.ids import AppId, numbered_suffix
from motet.model.limits import MAX_PAYLOAD_BYTES
from motet.model.parameters import checked_parameters, decoded_parameters
from motet.model.retires import Retires
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import AppView
from motet.records.pools import FunctionRecord
from motet.server import facts
from motet.server.driver import Driver
from motet.server.records.recorder import Recorder
from motet.server.variants import Bound, Variants
from motet.wire.client_messages import OutputLines
from motet.wire.container_messages import Configure

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Owner(Protocol):
    """The client session an app belongs to: it gets the app's output, and the app ends with it."""

    principal: int

    def send_lines(self, lines: OutputLines) -> None: ...


class Web(Protocol):
    """What makes web functions reachable."""

    def open(self, app: ServedApp) -> list[tuple[str, str, str]]:
        """Take requests for the app's web functions; their URLs, by function id and method. Raises `ServiceError`."""
        ...

    def close(self, app_id: str) -> None:
        """Take no more requests for this app."""
        ...


class ServedApp:
    """One app on this server."""

    def __init__(self, app_id: str, spec: AppSpec, owner: Owner) -> None:
        self.app_id = app_id
        self.spec = spec
        self.owner = owner
        self.declared: dict[str, FunctionSpec] = {}
        self.web_urls: list[tuple[str, str, str]] = []
        self.stopping: list[Callable[[], None]] | None = None

    def function_ids(self) -> list[tuple[str, str, str]]:
        """(key of the app it was declared on, its own key, id) of every declared function."""
        return [(spec.app_key, spec.key, function_id) for function_id, spec in self.declared.items()]


class Apps:
    """All running apps and their functions."""

    def __init__(
        self,
        driver: Driver,
        id_base: str,
        stop_grace: float,
        on_stopped: Callable[[str], None],
        web: Web,
        recorder: Recorder | None = None,
    ) -> None:
        self._driver = driver
        self._id_base = id_base
        self._stop_grace = stop_grace
        self._on_stopped = on_stopped
        self._web = web
        self._recorder = recorder
        self._apps: dict[str, ServedApp] = {}
        self._functions: dict[str, tuple[ServedApp, FunctionSpec]] = {}
        self._variants = Variants()
        self._numbers = 0

    def create(self, app_id: AppId, spec: AppSpec, owner: Owner) -> ServedApp:
        """A new app; pools with `min_containers` begin to start at once. Raises `AlreadyExistsError`."""
        if app_id in self._apps:
            raise AlreadyExistsError(f"an app with id {app_id} is running already")
        for function in spec.functions:
            _check_size(function)
        app = ServedApp(app_id, spec, owner)
        app.declared = {self._new_id(): function for function in spec.functions}
        app.web_urls = self._web.open(app)
        self._apps[app_id] = app
        self._driver.tell(facts.AppStarted(app_id, spec.name))
        for function_id, function in app.declared.items():
            self._add(app, function_id, function)
        return app

    def _new_id(self) -> str:
        self._numbers += 1
        return "fu-" + numbered_suffix(self._id_base, self._numbers)

    def _add(
        self,
        app: ServedApp,
        function_id: str,
        spec: FunctionSpec,
        variant_of: str | None = None,
        retires: Retires = "never",
    ) -> None:
        self._functions[function_id] = (app, spec)
        concurrency = spec.concurrency
        record = FunctionRecord(
            function_id, app.app_id, spec.name, concurrency.max_inputs, concurrency.target_inputs, variant_of
        )
        self._driver.tell(facts.FunctionDeclared(record, app.spec.name, spec.has_pool))
        if spec.has_pool:
            self._driver.take(e.FunctionAdded(function_id, app.app_id, spec, retires))

    def bind(self, function_id: str, variant: FunctionVariant, *, by_request: bool = False) -> str:
        """The function a variant is; made when it is first asked for, and again when nobody used it for a while.

        Raises `NotFoundError`, `InvalidError`; `by_request` of HTTP, `ResourceExhaustedError` if there are too many.
        """
        app, spec = self._find(function_id)
        key = _encode((function_id, variant))
        bound = self._variants.find(key)
        retires: Retires = "when idle" if by_request else "when empty"
        if bound is not None and self._driver.engine.inspection.takes(bound):
            if not by_request:
                self._variants.hold(bound)
            self._driver.take(e.FunctionWanted(bound, retires))
        else:
            if by_request:
                self._variants.check_room()
            if variant.parameters_given is not None:
                _check_parameters(spec, variant.parameters_given)
            varied = spec.varied(variant)
            if not varied.has_pool:
                raise _needs_instance(spec)
            _check_size(varied)
            bound = self._new_id()
            self._variants.add(bound, Bound(key, function_id, variant, not by_request))
            self._add(app, bound, varied, function_id, retires)
        return bound

    def revive(self, function_id: str) -> None:
        """Somebody calls this function: have it be here if it is a variant that was retired."""
        if self._variants.is_retired(function_id):
            self._find(function_id)

    def retired(self, command: ReportFunctionRetired) -> None:
        """The engine says that nobody has used a variant for a while: nothing of it is kept but what brings it back."""
        function_id = command.function_id
        del self._functions[function_id]
        self._variants.retire(function_id)
        self._driver.tell(facts.FunctionGone(function_id))

    def update_autoscaler(self, function_id: str, change: AutoscalerUpdate) -> AutoscalerSettings:
        """New bounds for a pool. Raises `NotFoundError`, or `InvalidError` if they contradict each other or there is none."""
        app, spec = self._find(function_id)
        if not spec.has_pool:
            raise _needs_instance(spec)
        varied = spec.varied(FunctionVariant(autoscaler_changes=change))
        self._functions[function_id] = (app, varied)
        self._variants.change(function_id, change)
        self._driver.take(e.AutoscalerChanged(function_id, varied.autoscaler))
        return varied.autoscaler

    def settings(self, function_id: str) -> AutoscalerSettings:
        """A function's bounds. Raises `NotFoundError`."""
        return self._find(function_id)[1].autoscaler

    def module_of(self, function_id: str) -> str:
        """The module that a function is imported from; empty if it travels by value, or does not run here any more."""
        found = self._functions.get(function_id)
        definition = None if found is None else found[1].definition
        return definition.module if isinstance(definition, ImportedDefinition) else ""

    def app_of(self, function_id: str) -> str:
        """The id of the app a function belongs to. Raises `NotFoundError`."""
        return self._find(function_id)[0].app_id

    def owner_of(self, function_id: str) -> Owner:
        """Whose app a function belongs to. Raises `NotFoundError`."""
        return self._find(function_id)[0].owner

    def check_owner(self, app_id: str, principal: int | None) -> None:
        """Raise `InvalidError` if an app that runs is another principal's; None may reach for any."""
        app = self._apps.get(app_id)
        if app is not None and principal not in (None, app.owner.principal):
            raise InvalidError(f"app {app_id} belongs to another client of this server")

    def configuration(self, function_id: str) -> Configure:
        """What a container of this function must know."""
        app, spec = self._find(function_id)
        return Configure(
            app.app_id,
            app.spec.name,
            function_id,
            spec,
            app.spec.sys_path,
            app.spec.project_dir,
            app.spec.argv,
            app.function_ids(),
            app.web_urls,
            app.spec.main,
            app.spec.sources,
        )

    def view(self, app_id: str) -> AppView:
        """What there is to see of an app. Raises `NotFoundError`."""
        app = self._apps.get(app_id)
        if app is None:
            raise NotFoundError(f"no app {app_id} runs on this server")
        functions = self._driver.engine.inspection.views(app_id, self._driver.clock.now())
        return AppView(app_id=app_id, name=app.spec.name, functions=functions)

    def views(self) -> tuple[AppView, ...]:
        """What there is to see of every app, in the order they began."""
        return tuple(self.view(app_id) for app_id in self._apps)

    def runs(self, app: str | None, function: str | None) -> bool:
        """Whether an app, or a function of it, by id or name, runs; None: any."""
        if function is None:
            return any(app in (None, each.app_id, each.spec.name) for each in self._apps.values())
        return any(
            function in (function_id, spec.name) and app in (None, owner.app_id, owner.spec.name)
            for function_id, (owner, spec) in self._functions.items()
        )

    def show_output(self, function_id: str, lines: Callable[[ServedApp, FunctionSpec], OutputLines]) -> None:
        """Give lines of a function's container to the app's owner."""
        found = self._functions.get(function_id)
        if found is None:
            return
        output = lines(*found)
        if self._recorder is not None:
            self._recorder.wrote(function_id, output)
        found[0].owner.send_lines(output)

    # --- the end ------------------------------------------------------------------------------------------------------

    def stop(self, app_id: str, then: Callable[[], None]) -> None:
        """Stop an app; `then` is called when its last container is gone. Raises `NotFoundError`; idempotent meanwhile."""
        app = self._apps.get(app_id)
        if app is None:
            raise NotFoundError(f"no app {app_id} runs on this server")
        if app.stopping is not None:
            app.stopping.append(then)
            return
        app.stopping = [then]
        self._web.close(app_id)
        self._driver.take(e.AppStopped(app_id, self._stop_grace))

    def stopped(self, command: ReportAppStopped) -> None:
        """The engine says that an app's last container is gone."""
        app_id = command.app_id
        app = self._apps.pop(app_id)
        gone = {function_id for function_id, (owner, _) in self._functions.items() if owner is app}
        for function_id in gone:
            del self._functions[function_id]
            self._driver.tell(facts.FunctionGone(function_id))
        self._variants.forget(gone)
        self._on_stopped(app_id)
        self._driver.tell(facts.AppEnded(app_id))
        for then in app.stopping or ():
            then()

    def owner_gone(self, owner: Owner) -> None:
        """A client is gone: its apps stop."""
        for app in [app for app in self._apps.values() if app.owner is owner]:
            self.stop(app.app_id, lambda: None)

    def stop_all(self, then: Callable[[], None]) -> None:
        """Stop every app; `then` is called when the last is gone."""
        left = len(self._apps)
        if not left:
            then()
            return

        def one_less() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for app_id in list(self._apps):
            self.stop(app_id, one_less)

    def _find(self, function_id: str) -> tuple[ServedApp, FunctionSpec]:
        found = self._functions.get(function_id)
        if found is None and (bound := self._variants.revive(function_id)) is not None:
            app, base = self._functions[bound.base]
            found = app, base.varied(bound.variant)
            self._add(app, function_id, found[1], bound.base, "when empty")
        if found is None:
            raise NotFoundError(f"no function {function_id} runs on this server")
        return found


def _check_size(spec: FunctionSpec) -> None:
    """A container is told of its function in one message, and its environment is part of another."""
    if (size := len(_encode(spec))) > MAX_PAYLOAD_BYTES:
        raise RequestSizeError(
            f"the declaration of {spec.name} is {size / 2**20:.1f} MiB, and may be {MAX_PAYLOAD_BYTES // 2**20} MiB at most: "
            "make its `env`, `secrets` or options smaller"
        )


def _check_parameters(spec: FunctionSpec, given: bytes) -> None:
    try:
        checked_parameters(spec.parameters, decoded_parameters(given), spec.name)
    except TypeError as error:
        raise InvalidError(str(error)) from None


def _needs_instance(spec: FunctionSpec) -> InvalidError:
    return InvalidError(f"class {spec.name} has parameters; make an instance first: {spec.name}(...)")
