"""Deployed apps: their versions, which of them serve, and what is asked of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from motet.errors import InvalidError, NotFoundError
from motet.model.deployment import DeploymentView, checked_name, checked_strategy
from motet.model.function import AppSpec, FunctionSpec, ImageSpec, ImportedDefinition
from motet.model.ids import ENTROPY_BITS, id_suffix
from motet.server.access.rights import Right
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.apps.lifetimes import Lifetimes, UntilReplaced
from motet.server.clock import Clock
from motet.server.deployments.aliases import Alias, labels
from motet.server.deployments.names import Names
from motet.wire import deployment_messages as m
from motet.wire.client_messages import Done, ReplyBody

_NOT_HERE = ImportedDefinition(module="", qualname="")


@dataclass(frozen=True, slots=True)
class Deployer:
    """Who asks: the principal's name, its number in the engine, and its rights."""

    name: str
    number: int
    rights: Right


@dataclass(slots=True)
class Deployment:
    """What is kept of a deployment, and the app that it is while it serves."""

    view: DeploymentView
    spec: AppSpec
    app: ServedApp | None = None


@dataclass(slots=True)
class _NameHistory:
    """All versions of a name."""

    versions: dict[int, Deployment] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time changes which of them serves."""

    @property
    def live(self) -> Deployment | None:
        """The one that has the name."""
        return next((it for it in reversed(self.versions.values()) if it.view.state == "live"), None)


class Deployments:
    """All of a server's. `place` makes of what is deployed what containers here are told, once its bundle is here.
    `forget_calls` is told of a name that has been stopped."""

    def __init__(
        self,
        catalogue: Catalogue,
        lifetimes: Lifetimes,
        names: Names,
        clock: Clock,
        place: Callable[[AppSpec, str], Awaitable[AppSpec]],
        forget_calls: Callable[[str], None],
    ) -> None:
        self._catalogue = catalogue
        self._lifetimes = lifetimes
        self._names = names
        self._clock = clock
        self._place = place
        self._forget_calls = forget_calls
        self._histories: dict[str, _NameHistory] = {}
        self.answers: dict[type[Any], Callable[[Any, Deployer], Coroutine[Any, Any, ReplyBody]]] = {
            m.DeployApp: self._deploy,
            m.RollBackApp: self._roll_back,
            m.PromoteApp: self._promote,
            m.StopDeployed: self._stop,
            m.ListDeployments: self._list,
            m.FindApp: self._find_app,
            m.FindFunction: self._find_function,
        }

    def bundles(self, keep_versions: int | None = None) -> frozenset[str]:
        """The bundles that are needed: of all versions that serve or are being left, and of those that one can roll back to,
        the newest `keep_versions` of each name (None: all)."""
        needed: set[str] = set()
        for history in self._histories.values():
            newest = sorted(history.versions, reverse=True)[:keep_versions]
            needed |= {
                version.view.bundle
                for number, version in history.versions.items()
                if number in newest or version.app is not None or version is history.live
            }
        return frozenset(needed - {""})

    # --- versions come and go -----------------------------------------------------------------------------------------

    async def _deploy(self, body: m.DeployApp, by: Deployer) -> ReplyBody:
        name = checked_name(body.name)
        checked_strategy(body.strategy)
        history = self._histories.setdefault(name, _NameHistory())
        async with history.turn:
            return await self._take_over(history, body, by, replace(body.spec, name=name))

    async def _roll_back(self, body: m.RollBackApp, by: Deployer) -> ReplyBody:
        history = self._history(body.name)
        async with history.turn:
            live = history.live
            number = body.version or _version_before(history, live)
            old = history.versions.get(number)
            if old is None:
                raise NotFoundError(f"App {body.name!r} has no version {number}; it has {_numbers(history)}")
            again = m.DeployApp(
                body.name, old.spec, body.strategy, old.view.tag, old.view.commit, body.client, old.view.bundle
            )
            return await self._take_over(history, again, by, old.spec, source=number)

    async def _take_over(
        self, history: _NameHistory, body: m.DeployApp, by: Deployer, spec: AppSpec, source: int = 0
    ) -> m.AppDeployed:
        name, before = body.name, history.live
        number = max(history.versions, default=0) + 1
        now = self._clock.wall_now()
        app_id = "ap-" + id_suffix(int(now * 1000), secrets.randbits(ENTROPY_BITS))
        view = DeploymentView(
            name=name,
            version=number,
            app_id=app_id,
            state="live",
            deployed_at=now,
            deployed_by=by.name,
            client=body.client,
            tag=body.tag,
            commit=body.commit,
            strategy=body.strategy,
            bundle=body.bundle,
            source_version=source,
            functions=len(spec.functions),
            web_functions=sum(it.web is not None for function in spec.functions for it in function.methods),
            share=100.0,
        )
        if body.dry_run:
            self._catalogue.new_app(app_id, spec, number)
            return m.AppDeployed(view, [], [])
        app = self._catalogue.new_app(app_id, await self._place(spec, body.bundle), number)
        self._lifetimes.deploy(app, UntilReplaced(by.number, by.rights, name))
        version = history.versions[number] = Deployment(view, spec, app)
        self._names.serve(name, number, app)
        self._names.move(name, number)
        if before is not None:
            self._retire(before)
        return m.AppDeployed(version.view, self._function_ids(version), self._web_urls(version))

    def _retire(self, version: Deployment) -> None:
        """Another one has its name."""
        self._end(version, "replaced")

        def gone() -> None:
            version.app = None

        self._names.withdraw(version.view.name, version.view.version)
        self._lifetimes.retire(version.view.app_id, gone)

    def _end(self, version: Deployment, state: Any) -> None:
        version.view = replace(version.view, state=state, share=0.0, ended_at=self._clock.wall_now())

    async def _promote(self, body: m.PromoteApp, by: Deployer) -> ReplyBody:
        self._history(body.name)
        raise InvalidError(f"App {body.name!r} has no canary to be promoted")

    async def _stop(self, body: m.StopDeployed, by: Deployer) -> ReplyBody:
        history = self._history(body.name)
        async with history.turn:
            live = history.live
            if live is None:
                raise NotFoundError(f"App {body.name!r} is not deployed on this server.")
            self._end(live, "stopped")
            self._names.withdraw(body.name, live.view.version)
            serving = [version for version in history.versions.values() if version.app is not None]
            await asyncio.gather(*map(self._stopped, serving))
            self._forget_calls(body.name)
        return Done()

    async def _stopped(self, version: Deployment) -> None:
        """Have it stop, and wait for that."""
        stopped = asyncio.Event()
        self._lifetimes.stop(version.view.app_id, stopped.set)
        await stopped.wait()
        version.app = None

    # --- what there is ------------------------------------------------------------------------------------------------

    async def _list(self, body: m.ListDeployments, by: Deployer) -> ReplyBody:
        if body.name:
            return m.DeploymentsListed([it.view for it in reversed(self._history(body.name).versions.values())])
        serving = [it.view for history in self._histories.values() if (it := history.live) is not None]
        return m.DeploymentsListed(sorted(serving, key=lambda view: view.deployed_at, reverse=True))

    async def _find_app(self, body: m.FindApp, by: Deployer) -> ReplyBody:
        version = self._version(body.name, body.version)
        return m.AppFound(
            version.view,
            self._function_ids(version, body.version),
            self._web_urls(version),
            [_described(function) for function in version.spec.functions],
        )

    async def _find_function(self, body: m.FindFunction, by: Deployer) -> ReplyBody:
        version = self._version(body.app_name, body.version)
        function = labels(version.spec).get(body.function_name)
        if function is None:
            known = ", ".join(sorted(labels(version.spec))) or "none"
            raise NotFoundError(f"App {body.app_name!r} has no function {body.function_name!r} (it has: {known})")
        alias = Alias(body.app_name, body.function_name, body.version).function_id
        plain = Alias(body.app_name, body.function_name).function_id
        urls = [(method, url) for it, method, url in self._web_urls(version) if it == plain]
        return m.FunctionFound(alias, _described(function), version.view, urls)

    def _version(self, name: str, number: int) -> Deployment:
        history = self._history(name)
        version = history.versions.get(number) if number else history.live
        if version is None and number:
            raise NotFoundError(f"App {name!r} has no version {number}; it has {_numbers(history)}")
        if version is None:
            raise NotFoundError(f"App {name!r} is not deployed on this server.")
        return version

    def _history(self, name: str) -> _NameHistory:
        history = self._histories.get(name)
        if history is None or not history.versions:
            raise NotFoundError(f"App {name!r} is not deployed on this server.")
        return history

    def _function_ids(self, version: Deployment, number: int = 0) -> list[tuple[str, str, str]]:
        name = version.view.name
        return [
            (function.app_key, function.key, Alias(name, label, number).function_id)
            for label, function in labels(version.spec).items()
        ]

    def _web_urls(self, version: Deployment) -> list[tuple[str, str, str]]:
        if version.app is None:
            return []
        label_of = {id(function): label for label, function in labels(version.app.spec).items()}
        by_id = {each: label_of[id(function)] for each, function in version.app.declared.items()}
        return [
            (Alias(version.view.name, by_id[function_id]).function_id, method, url)
            for function_id, method, url in version.app.web_urls
        ]


def _described(function: FunctionSpec) -> FunctionSpec:
    """A function for whoever calls it: neither its code nor its secrets are theirs."""
    return replace(function, definition=_NOT_HERE, env={}, image=ImageSpec())


def _version_before(history: _NameHistory, live: Deployment | None) -> int:
    """The version that a rollback goes to."""
    if live is None:
        return max(history.versions)
    earlier = [
        number for number, it in history.versions.items() if number < live.view.version and it.view.state != "failed"
    ]
    if not earlier:
        raise InvalidError(f"App {live.view.name!r} has no version before {live.view.version} to roll back to")
    return max(earlier)


def _numbers(history: _NameHistory) -> str:
    return ", ".join(f"v{number}" for number in list(history.versions)[-10:])
