"""What can be called: apps, their functions, and variants of those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from motet.bundles.environment import own_path
from motet.core import events as e
from motet.core.commands import ReportFunctionRetired
from motet.errors import AlreadyExistsError, InvalidError, NotFoundError, RequestSizeError
from motet.model.function import AppSpec, FunctionSpec, FunctionVariant, ImportedDefinition
from motet.model.ids import checked_id, numbered_suffix
from motet.model.limits import MAX_PAYLOAD_BYTES
from motet.model.retires import Retires
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import AppView
from motet.records.arguments import DefinitionRecord
from motet.records.pools import FunctionRecord
from motet.server import facts
from motet.server.apps.levels import LevelsHere
from motet.server.apps.variants import Bound, Variants
from motet.server.driver import Driver
from motet.wire.container_messages import Configure
from motet.wire.parameters import checked_parameters, decoded_parameters

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class ServedApp:
    """An app that can be called. `declared`: its functions by id; `web_urls`: those of web functions, by function id and
    method. `version`: of the name that it is deployed under; 0: it is not. `is_detached`: its program may have left it."""

    app_id: str
    spec: AppSpec
    declared: dict[str, FunctionSpec]
    web_urls: list[tuple[str, str, str]] = field(default_factory=list)
    version: int = 0
    is_detached: bool = False

    def function_ids(self) -> list[tuple[str, str, str]]:
        """(key of the app it was declared on, its own key, id) of every declared function."""
        return [(spec.app_key, spec.key, function_id) for function_id, spec in self.declared.items()]


class Catalogue:
    """All apps and functions of a server. It knows not why they are here, nor for how long (see `Lifetimes`)."""

    def __init__(self, driver: Driver, id_base: str, levels: LevelsHere) -> None:
        self.levels = levels
        self._driver = driver
        self._id_base = id_base
        self._numbers = 0
        self._apps: dict[str, ServedApp] = {}
        self._functions: dict[str, tuple[ServedApp, FunctionSpec]] = {}
        self._variants = Variants()
        self.bundles: dict[str, Path] = {}
        """The bundles of apps that are here: by digest, where each lies. A new one whenever that changes."""
        self.claim: Callable[[str], list[e.Event]] = lambda function_id: []
        """What the engine is to know when a function is here: its containers that a server before this one has started."""

    # --- apps ---------------------------------------------------------------------------------------------------------

    def new_app(
        self,
        app_id: str,
        spec: AppSpec,
        version: int = 0,
        *,
        is_detached: bool = False,
        functions: Sequence[tuple[str, str, str]] = (),
    ) -> ServedApp:
        """An app with ids for its functions, which can be called once it is added; `functions` are those that they had on a
        server before this one. Raises `AlreadyExistsError`."""
        if app_id in self._apps:
            raise AlreadyExistsError(f"an app with id {app_id} is running already")
        spec = msgspec.structs.replace(spec, functions=tuple(map(self.levels.settled, spec.functions)))
        for function in spec.functions:
            _check_size(function)
        known = {(app_key, key): self._id_again(function_id) for app_key, key, function_id in functions}
        ids = [known.get((function.app_key, function.key)) or self._new_id() for function in spec.functions]
        declared = dict(zip(ids, spec.functions, strict=True))
        return ServedApp(app_id, spec, declared, version=version, is_detached=is_detached)

    def add(self, app: ServedApp, *, held: bool = False) -> None:
        """It can be called from now on; pools with `min_containers` begin to start at once, unless it is `held`."""
        self._apps[app.app_id] = app
        if app.spec.bundle:
            self._know_bundles()
        self._driver.tell(facts.AppStarted(app.app_id, app.spec.name))
        for function_id, function in app.declared.items():
            self._add(app, function_id, function, held=held)

    def remove(self, app_id: str) -> None:
        """It has stopped, and its functions are gone for good."""
        app = self._apps.pop(app_id)
        if app.spec.bundle:
            self._know_bundles()
        gone = {function_id for function_id, (owner, _) in self._functions.items() if owner is app}
        for function_id in gone:
            del self._functions[function_id]
            self._driver.tell(facts.FunctionGone(function_id))
        self._variants.forget(gone)
        self._driver.tell(facts.AppEnded(app_id))

    def _know_bundles(self) -> None:
        self.bundles = {
            Path(app.spec.bundle).name: Path(app.spec.bundle) for app in self._apps.values() if app.spec.bundle
        }

    def view(self, app_id: str) -> AppView:
        """What there is to see of an app. Raises `NotFoundError`."""
        app = self._apps.get(app_id)
        if app is None:
            raise NotFoundError(f"no app {app_id} runs on this server")
        functions = self._driver.engine.inspection.views(app_id, self._driver.clock.now())
        return AppView(
            app_id=app_id,
            name=app.spec.name,
            functions=functions,
            version=app.version,
            is_detached=app.is_detached,
        )

    def views(self) -> tuple[AppView, ...]:
        """What there is to see of every app, in the order they began."""
        return tuple(self.view(app_id) for app_id in self._apps)

    def find(self, app: str) -> ServedApp | None:
        """An app by its id, or the newest by its name."""
        if app in self._apps:
            return self._apps[app]
        return next((each for each in reversed(self._apps.values()) if each.spec.name == app), None)

    def runs(self, app: str | None, function: str | None) -> bool:
        """Whether an app, or a function of it, by id or name, runs; None: any."""
        if function is None:
            return any(app in (None, each.app_id, each.spec.name) for each in self._apps.values())
        return any(
            function in (function_id, spec.name) and app in (None, owner.app_id, owner.spec.name)
            for function_id, (owner, spec) in self._functions.items()
        )

    # --- functions ----------------------------------------------------------------------------------------------------

    def has(self, function_id: str) -> bool:
        """Whether a function is here."""
        return function_id in self._functions

    def app_of(self, function_id: str) -> ServedApp:
        """The app a function belongs to. Raises `NotFoundError`."""
        return self._find(function_id)[0]

    def app_id_of(self, function_id: str) -> str | None:
        """The same, by its id; None if there is no such function here."""
        found = self._functions.get(function_id)
        return None if found is None else found[0].app_id

    def settings(self, function_id: str) -> AutoscalerSettings:
        """A function's bounds. Raises `NotFoundError`."""
        return self._find(function_id)[1].autoscaler

    def module_of(self, function_id: str) -> str:
        """The module that a function is imported from; empty if it travels by value, or does not run here any more."""
        found = self._functions.get(function_id)
        definition = None if found is None else found[1].definition
        return definition.module if isinstance(definition, ImportedDefinition) else ""

    def configuration(self, function_id: str) -> Configure:
        """What a container of this function must know."""
        app, spec = self._find(function_id)
        return Configure(
            app.app_id,
            app.spec.name,
            function_id,
            spec,
            own_path(app.spec.sys_path) if spec.image.python else app.spec.sys_path,
            app.spec.project_dir,
            app.spec.argv,
            app.function_ids(),
            app.web_urls,
            app.spec.main,
            app.spec.sources,
            app.spec.bundle,
        )

    def update_autoscaler(self, function_id: str, change: AutoscalerUpdate) -> AutoscalerSettings:
        """New bounds for a pool. Raises `NotFoundError`, or `InvalidError` if they contradict each other or there is none."""
        app, spec = self._find(function_id)
        if not spec.has_pool:
            raise _needs_instance(spec)
        varied = spec.varied(FunctionVariant(autoscaler_changes=change))
        self._functions[function_id] = (app, varied)
        self._variants.change(function_id, change)  # one that is retired comes back with these bounds
        self._driver.take(e.AutoscalerChanged(function_id, varied.autoscaler))
        return varied.autoscaler

    def variant(self, function_id: str) -> Bound | None:
        """What a function is a variant of, if it is one."""
        return self._variants.of(function_id)

    # --- variants -----------------------------------------------------------------------------------------------------

    def bind(self, function_id: str, variant: FunctionVariant, *, by_request: bool = False, again: str = "") -> str:
        """The function a variant is; made when it is first asked for, and again when nobody used it for a while. `again`: the
        id that it had on a server before this one.

        Raises `NotFoundError`, `InvalidError`; `by_request` of HTTP, `ResourceExhaustedError` if there are too many.
        """
        app, spec = self._find(function_id)
        key = _encode((function_id, variant))
        bound = self._variants.find(key)
        retires: Retires = "when idle" if by_request else "when empty"
        if bound is not None and self._driver.engine.inspection.takes(bound):
            if not by_request:
                self._variants.hold(bound)
            # It may be about to go: whoever got its id is to find it.
            self._driver.take(e.FunctionWanted(bound, retires))
        else:
            if by_request:
                self._variants.check_room()
            if variant.parameters_given is not None:
                _check_parameters(spec, variant.parameters_given)
            varied = self.levels.settled(spec.varied(variant))
            if not varied.has_pool:
                raise _needs_instance(spec)
            _check_size(varied)
            # A new id also for one whose pool is just being closed: what was asked of that one ends there.
            bound = self._id_again(again) if again else self._new_id()
            self._variants.add(bound, Bound(key, function_id, variant, not by_request))
            self._add(app, bound, varied, function_id, retires)
        return bound

    def takes(self, function_id: str) -> bool:
        """Whether a function is here, and takes inputs from outside."""
        return self._driver.engine.inspection.takes_new(function_id)

    def waiting(self, function_id: str) -> int:
        """How many inputs of a function wait; 0 if it is not here."""
        return self._driver.engine.inspection.waiting(function_id)

    def runs_in(self, call_id: str, index: int) -> str | None:
        """Where an input runs already that was submitted to a server before this one."""
        return self._driver.engine.inspection.runs_in(call_id, index)

    def containers(self, function_id: str) -> int:
        """How many containers of a function serve, or are about to."""
        return self._driver.engine.inspection.containers(function_id)

    def knows(self, function_id: str) -> bool:
        """Whether a function is here, or would come back."""
        return function_id in self._functions or self._variants.is_retired(function_id)

    def revive(self, function_id: str) -> None:
        """Somebody calls this function: have it be here if it is a variant that was retired."""
        if self._variants.is_retired(function_id):
            self._find(function_id)

    def retired(self, command: ReportFunctionRetired) -> None:
        """The engine says that nobody has used a variant for a while: nothing of it is kept but what brings it back."""
        del self._functions[command.function_id]
        self._variants.retire(command.function_id)
        self._driver.tell(facts.FunctionGone(command.function_id))

    def _find(self, function_id: str) -> tuple[ServedApp, FunctionSpec]:
        found = self._functions.get(function_id)
        if found is None and (bound := self._variants.revive(function_id)) is not None:
            app, base = self._functions[bound.base]
            found = app, base.varied(bound.variant)
            self._add(app, function_id, found[1], bound.base, "when empty")
        if found is None:
            raise NotFoundError(f"no function {function_id} runs on this server")
        return found

    def _id_again(self, function_id: str) -> str:
        """An id that a server before this one has given. Raises `AlreadyExistsError`, `InvalidError`."""
        checked_id(function_id, "fu", "function", "[0-9a-z]+")
        if function_id in self._functions:
            raise AlreadyExistsError(f"a function with id {function_id} is here already")
        return function_id

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
        held: bool = False,
    ) -> None:
        # Before the engine is told: it may start a container at once, whose configuration is asked for here.
        self._functions[function_id] = (app, spec)
        concurrency = spec.concurrency
        record = FunctionRecord(
            function_id, app.app_id, spec.name, concurrency.max_inputs, concurrency.target_inputs, variant_of
        )
        definition = DefinitionRecord.of(function_id, spec, app.spec, app.version)
        self._driver.tell(facts.FunctionDeclared(record, app.spec.name, spec.has_pool, definition))
        if spec.has_pool:
            # Together: containers of it that are here count before others are started.
            self._driver.take(
                e.FunctionAdded(
                    *(function_id, app.app_id, spec, retires, held, is_of_own_host(app.spec, spec)),
                    Path(app.spec.bundle).name,
                ),
                *self.claim(function_id),
            )


def is_of_own_host(app: AppSpec, spec: FunctionSpec) -> bool:
    """Whether its containers need what no host has that has joined: files that only the server has, or walls."""
    image = spec.image
    return bool(image.python or (image.files and not app.bundle)) or spec.isolation not in (None, "process")


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
