"""Which function a request is for: of a deployed app, or of one that runs on the server without having been deployed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from motet.errors import InvalidError
from motet.model.function import FunctionSpec, FunctionVariant, MethodSpec
from motet.server.api.problems import Problem
from motet.server.api.reception import FindRunning
from motet.server.api.visit import Visit
from motet.wire.client_messages import BindFunction
from motet.wire.deployment_messages import AppFound, FindApp, FindFunction, FunctionFound
from motet.wire.parameters import checked_parameters, encoded_parameters


@dataclass(frozen=True, slots=True)
class AppTarget:
    """An app that can be called: its functions with their ids. `version`: None for one that is not deployed."""

    name: str
    app_id: str
    version: int | None
    functions: list[tuple[str, FunctionSpec]]
    web_urls: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class CallTarget:
    """A function, or a method of a class, by the id of its pool."""

    app: AppTarget
    function_id: str
    function: FunctionSpec
    method: MethodSpec

    @property
    def name(self) -> str:
        """As it is called."""
        return f"{self.function.name}.{self.method.name}" if self.method.name else self.function.name


class Targets:
    """Finds them, for requests."""

    def __init__(self, running: FindRunning) -> None:
        self._running = running

    async def app(self, visit: Visit, name: str, version: int = 0) -> AppTarget:
        """An app, or a version of it. Raises `Problem`."""
        try:
            found: AppFound = await visit.ask(FindApp(name, version))
        except Problem as problem:
            if problem.status == 404 and not version and (running := self._running(name)) is not None:
                return AppTarget(
                    running.spec.name, running.app_id, None, list(running.declared.items()), running.web_urls
                )
            raise
        ids = [function_id for _, _, function_id in found.functions]
        functions = list(zip(ids, found.specs, strict=True))
        return AppTarget(name, found.deployment.app_id, found.deployment.version, functions, found.web_urls)

    async def function(
        self, visit: Visit, app_name: str, name: str, version: int, parameters: str | None
    ) -> CallTarget:
        """A function ("f") or a method ("Class.method"), with the `parameters` of its class, a JSON object. Raises
        `Problem`."""
        target = await self._deployed(visit, app_name, name, version)
        if target is None:
            target = _named(await self.app(visit, app_name, version), name)
        if not target.function.parameters:
            if parameters is not None:
                raise Problem("bad-request", f"parameters= is given, and {name} is of no class that has any")
            return target
        variant = FunctionVariant(parameters_given=_encoded_parameters(target.function, parameters))
        bound = await visit.ask(BindFunction(target.function_id, variant))
        return replace(target, function_id=bound.function_id)

    async def _deployed(self, visit: Visit, app_name: str, name: str, version: int) -> CallTarget | None:
        """The one that is asked for, if its app is deployed: nothing is to be known of all others."""
        owner, _, method_name = name.rpartition(".")
        for label, wanted in ((owner, method_name), (name, "")) if owner else ((name, ""),):
            try:
                found: FunctionFound = await visit.ask(FindFunction(app_name, label, version))
            except Problem as problem:
                if problem.status != 404:
                    raise
                continue
            method = next((each for each in found.spec.methods if each.name == wanted), None)
            if method is not None:
                deployment, functions = found.deployment, [(found.function_id, found.spec)]
                app = AppTarget(app_name, deployment.app_id, deployment.version, functions, [])
                return CallTarget(app, found.function_id, found.spec, method)
        return None


def callables(app: AppTarget) -> list[CallTarget]:
    """All that can be called of an app."""
    return [CallTarget(app, fid, function, method) for fid, function in app.functions for method in function.methods]


def _named(app: AppTarget, name: str) -> CallTarget:
    """The function that has this name now, or the method."""
    known = [each for each in callables(app) if not each.function.taken]
    for target in known:
        if target.name == name:
            return target
    names = ", ".join(sorted(each.name for each in known)) or "none"
    raise Problem("not-found", f"app {app.name!r} has no function {name!r}; it has: {names:.1000}")


def _encoded_parameters(function: FunctionSpec, text: str | None) -> bytes:
    try:
        given = msgspec.json.decode(text or "{}", type=dict[str, Any])
        types = {spec.name: spec.type_name for spec in function.parameters}
        for name, value in given.items():
            if types.get(name) == "bytes" and isinstance(value, str):
                given[name] = msgspec.convert(value, bytes)  # base64, as everywhere in JSON
        return encoded_parameters(checked_parameters(function.parameters, given, function.name), function.name)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem("bad-request", f'parameters= must be a JSON object, such as {{"size": 3}}: {error}') from None
    except (TypeError, InvalidError) as error:
        raise Problem("bad-arguments", f"parameters=: {error}") from None
