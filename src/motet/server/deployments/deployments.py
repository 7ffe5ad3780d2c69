"""Deployed apps: what is asked of them, and what is answered."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from motet.errors import Error, InvalidError, NotFoundError
from motet.model.deployment import DeploymentView, checked_name, checked_strategy
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.ids import ENTROPY_BITS, id_suffix
from motet.model.image import ImageSpec
from motet.model.webhook import checked_secrets, checked_url
from motet.server.access.rights import Right
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.deployments.aliases import Alias, labels
from motet.server.deployments.canaries import Canaries
from motet.server.deployments.names import Names
from motet.server.deployments.register import Deployment, NameState, Register, ended
from motet.server.deployments.rollout import Rollouts, check_beginning
from motet.server.deployments.rules import RollbackRules
from motet.server.deployments.schedules import Schedules
from motet.server.driver import Driver
from motet.store.base import KeptDeployment
from motet.wire import deployment_messages as m
from motet.wire.client_messages import Done, ReplyBody

logger = logging.getLogger("motet.server")

IDLE_AFTER = 60.0
"""Seconds after which an old version goes that was called by its number, and holds nothing."""

_NOT_HERE = ImportedDefinition(module="", qualname="")


@dataclass(frozen=True, slots=True)
class Deployer:
    """Who asks: the principal's name, what tells it from others, and its rights."""

    name: str
    identity: str
    rights: Right


class Deployments:
    """All of a server's. `forget_calls` is told of a name that has been stopped."""

    def __init__(
        self,
        register: Register,
        rollouts: Rollouts,
        names: Names,
        catalogue: Catalogue,
        driver: Driver,
        canaries: Canaries,
        forget_calls: Callable[[str], None],
        schedules: Schedules,
    ) -> None:
        self._register = register
        self._rollouts = rollouts
        self._names = names
        self._catalogue = catalogue
        self._driver = driver
        self._canaries = canaries
        self._forget_calls = forget_calls
        self._schedules = schedules
        self._pinned: dict[str, tuple[NameState, Deployment]] = {}
        self._judgements: set[asyncio.Task[None]] = set()
        names.load = self._load
        canaries.on_verdict = self._judged
        self.answers: dict[type[Any], Callable[[Any, Deployer], Coroutine[Any, Any, ReplyBody]]] = {
            m.DeployApp: self._deploy,
            m.RollBackApp: self._roll_back,
            m.PromoteApp: self._promote,
            m.StopDeployed: self._stop,
            m.ListDeployments: self._list,
            m.FindApp: self._find_app,
            m.FindFunction: self._find_function,
            m.ViewVersions: self._view_versions,
            **schedules.answers,
        }

    async def bundles(self, keep_versions: int | None = None) -> frozenset[str]:
        """The bundles that are needed: of all versions that serve or are being left, and of those that one can roll back to,
        the newest `keep_versions` of each name (None: all)."""
        here = {it.view.bundle for state in self._register.names.values() for it in state.here.values()}
        kept = await self._register.ask(lambda store: store.bundles(keep_versions))
        return frozenset((here | kept) - {""})

    # --- versions come and go -----------------------------------------------------------------------------------------

    async def _deploy(self, body: m.DeployApp, by: Deployer) -> ReplyBody:
        name = checked_name(body.name)
        checked_strategy(body.strategy)
        RollbackRules.read(body.rules)
        checked_secrets(body.on_failure_secret, checked_url(body.on_failure))
        spec = replace(body.spec, name=name)
        state = self._register.state(name)
        async with state.turn:
            if body.dry_run:
                return await self._would_deploy(body, by, spec)
            return await self._take_over(state, body, by, spec)

    async def _roll_back(self, body: m.RollBackApp, by: Deployer) -> ReplyBody:
        history = await self._register.history(body.name)
        state = self._register.state(body.name)
        async with state.turn:
            if state.canary is not None and not body.version:
                canary = state.canary.view.version
                self._canaries.forget(body.name)
                live = await self._rollouts.withdraw_canary(state, f"{by.name} rolled it back")
                logger.info("%s: the canary v%d was rolled back by %s", body.name, canary, by.name)
                return self._deployed(live)
            number = body.version or _version_before(body.name, history, state.live)
            old = await self._register.kept(body.name, number)
            view = old.view
            again = m.DeployApp(
                body.name,
                old.spec,
                body.strategy,
                view.tag,
                view.commit,
                body.client or view.client,
                view.bundle,
                on_failure=old.on_failure,
                on_failure_secret=old.on_failure_secret,
            )
            return await self._take_over(state, again, by, old.spec, source=number)

    async def _take_over(
        self, state: NameState, body: m.DeployApp, by: Deployer, spec: AppSpec, source: int = 0
    ) -> m.AppDeployed:
        check_beginning(state, body.strategy, body.percent)
        number = await self._register.ask(lambda store: store.last(body.name)) + 1
        kept = self._kept(body, by, spec, number, source)
        new = await self._register.new(kept)
        await self._register.ask(lambda store: store.add(new.kept))
        self._canaries.forget(body.name)
        if body.strategy == "recreate" and state.live is not None:
            await self._rollouts.recreate(state, new)
        else:
            await self._rollouts.roll(state, new, body.percent if body.strategy == "canary" else 0.0)
        if state.canary is new and state.live is not None:
            self._canaries.watch(body.name, state.live.app, new.app, RollbackRules.read(body.rules))
        return self._deployed(new)

    async def _would_deploy(self, body: m.DeployApp, by: Deployer, spec: AppSpec) -> m.AppDeployed:
        number = await self._register.ask(lambda store: store.last(body.name)) + 1
        kept = self._kept(body, by, spec, number, 0)
        self._catalogue.new_app(kept.view.app_id, spec, number)
        return m.AppDeployed(kept.view, [], [])

    def _kept(self, body: m.DeployApp, by: Deployer, spec: AppSpec, number: int, source: int) -> KeptDeployment:
        now = self._driver.clock.wall_now()
        view = DeploymentView(
            name=body.name,
            version=number,
            app_id="ap-" + id_suffix(int(now * 1000), secrets.randbits(ENTROPY_BITS)),
            state="starting",
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
        )
        rights = tuple(str(each.name).lower() for each in Right if each in by.rights)
        return KeptDeployment(
            view=view,
            spec=spec,
            function_ids={},
            owner=by.identity,
            rights=rights,
            rules=body.rules,
            on_failure=body.on_failure,
            on_failure_secret=body.on_failure_secret,
        )

    async def _promote(self, body: m.PromoteApp, by: Deployer) -> ReplyBody:
        state = await self._known(body.name)
        async with state.turn:
            if (canary := state.canary) is None:
                raise InvalidError(f"App {body.name!r} has no canary to be promoted")
            self._canaries.forget(body.name)
            await self._rollouts.promote(state, canary)
            return self._deployed(canary)

    async def _stop(self, body: m.StopDeployed, by: Deployer) -> ReplyBody:
        state = await self._known(body.name)
        async with state.turn:
            if state.live is None:
                raise self._register.not_deployed(body.name)
            self._canaries.forget(body.name)
            await self._rollouts.stop(state, body.name)
            self._forget_calls(body.name)
        return Done()

    async def _known(self, name: str) -> NameState:
        await self._register.history(name)
        return self._register.state(name)

    def _judged(self, name: str, why: str) -> None:
        """A rule says that a canary is worse than what was agreed."""
        task = asyncio.get_running_loop().create_task(self._withdraw(name, why))
        self._judgements.add(task)
        task.add_done_callback(self._judgements.discard)

    async def _withdraw(self, name: str, why: str) -> None:
        state = self._register.state(name)
        async with state.turn:
            if state.canary is not None:
                logger.warning("%s: the canary v%d is rolled back: %s", name, state.canary.view.version, why)
                await self._rollouts.withdraw_canary(state, why)

    # --- the server starts --------------------------------------------------------------------------------------------

    async def prepare(self) -> list[Deployment]:
        """Those that served when the last server ended, for `restore`. One that cannot is left out, and said."""
        await self._schedules.prepare()
        found: list[Deployment] = []
        unserved: list[DeploymentView] = []
        for kept in await self._register.ask(lambda store: store.serving()):
            if kept.view.state == "starting":
                unserved.append(
                    ended(kept.view, "failed", self._driver.clock.wall_now(), "the server ended before that")
                )
                continue
            try:
                found.append(await self._register.new(kept))
            except Error as error:
                logger.error("%s v%d does not serve: %s", kept.view.name, kept.view.version, error)
        if unserved:
            await self._register.ask(lambda store: store.change(unserved))
        return found

    def restore(self, prepared: list[Deployment]) -> None:
        """Have them serve as before, in one go."""
        for deployment in sorted(prepared, key=lambda it: ("live", "canary", "replaced").index(it.view.state)):
            view = deployment.view
            state = self._register.state(view.name)
            try:
                if view.state == "replaced":
                    self._rollouts.restore_leaving(state, deployment)
                else:
                    self._rollouts.restore(state, deployment)
            except Error as error:
                logger.error("%s v%d does not serve: %s", view.name, view.version, error)
                continue
            if state.canary is deployment and state.live is not None:
                rules = RollbackRules.read(deployment.kept.rules)
                self._canaries.watch(view.name, state.live.app, deployment.app, rules)
        self._rollouts.on_change()  # also if there is none

    def serving(self) -> list[AppSpec]:
        """The apps of all versions that are here, as containers are told of them."""
        states = self._register.names.values()
        of_names = [it for state in states for it in (state.live, state.canary, *state.here.values()) if it is not None]
        return [it.app.spec for it in of_names]

    # --- old versions by number ---------------------------------------------------------------------------------------

    def _load(self, name: str, number: int) -> ServedApp | None:
        """An old version is called by its number: it serves until nobody does for a while."""
        found = self._register.old(name, number)
        if found is None or found[0].view.state in ("starting", "failed", "stopped"):
            return None
        kept, spec = found
        now = self._driver.clock.wall_now()
        app_id = "ap-" + id_suffix(int(now * 1000), secrets.randbits(ENTROPY_BITS))
        kept = msgspec.structs.replace(kept, view=replace(kept.view, app_id=app_id))
        deployment = Deployment(kept, self._catalogue.new_app(app_id, spec, number))
        state = self._register.state(name)
        self._rollouts.pin(state, deployment)
        self._pinned[app_id] = state, deployment
        asyncio.get_running_loop().call_later(IDLE_AFTER, self._unpin_if_idle, app_id)
        return deployment.app

    def _unpin_if_idle(self, app_id: str) -> None:
        state, deployment = self._pinned[app_id]
        if app_id not in state.here:
            del self._pinned[app_id]
        elif any(map(self._catalogue.containers, deployment.app.declared)):
            asyncio.get_running_loop().call_later(IDLE_AFTER, self._unpin_if_idle, app_id)
        else:
            del self._pinned[app_id]
            self._rollouts.unpin(state, deployment)

    # --- what there is ------------------------------------------------------------------------------------------------

    async def _list(self, body: m.ListDeployments, by: Deployer) -> ReplyBody:
        if body.name:
            return m.DeploymentsListed(await self._register.history(body.name))
        states = self._register.names.values()
        serving = [it.view for state in states for it in (state.live, state.canary) if it is not None]
        return m.DeploymentsListed(sorted(serving, key=lambda view: view.deployed_at, reverse=True))

    async def _view_versions(self, body: m.ViewVersions, by: Deployer) -> ReplyBody:
        await self._register.history(body.name)
        return m.VersionsViewed(self._canaries.views(body.name))

    async def _find_app(self, body: m.FindApp, by: Deployer) -> ReplyBody:
        kept, deployment = await self._version(body.name, body.version)
        return m.AppFound(
            kept.view,
            _function_ids(kept, body.version),
            _web_urls(deployment),
            [_described(function) for function in kept.spec.functions],
        )

    async def _find_function(self, body: m.FindFunction, by: Deployer) -> ReplyBody:
        kept, deployment = await self._version(body.app_name, body.version)
        function = labels(kept.spec).get(body.function_name)
        if function is None:
            known = ", ".join(sorted(labels(kept.spec))) or "none"
            raise NotFoundError(f"App {body.app_name!r} has no function {body.function_name!r} (it has: {known})")
        alias = Alias(body.app_name, body.function_name, body.version).function_id
        plain = Alias(body.app_name, body.function_name).function_id
        urls = [(method, url) for it, method, url in _web_urls(deployment) if it == plain]
        return m.FunctionFound(alias, _described(function), kept.view, urls)

    async def _version(self, name: str, number: int) -> tuple[KeptDeployment, Deployment | None]:
        """A version, and the app that it is if it has its name now. Raises `NotFoundError`."""
        state = self._register.names.get(name)
        live = None if state is None else state.live
        if not number:
            if live is None:
                raise self._register.not_deployed(name)
            return live.kept, live
        if live is not None and live.view.version == number:
            return live.kept, live
        kept = await self._register.kept(name, number)
        await self._register.place_old(kept)
        return kept, None

    def _deployed(self, deployment: Deployment) -> m.AppDeployed:
        kept = deployment.kept
        return m.AppDeployed(kept.view, _function_ids(kept), _web_urls(deployment))


def _function_ids(kept: KeptDeployment, number: int = 0) -> list[tuple[str, str, str]]:
    return [
        (function.app_key, function.key, Alias(kept.view.name, label, number).function_id)
        for label, function in labels(kept.spec).items()
    ]


def _web_urls(deployment: Deployment | None) -> list[tuple[str, str, str]]:
    if deployment is None:
        return []
    aliases = deployment.aliases
    return [(aliases[function_id], method, url) for function_id, method, url in deployment.app.web_urls]


def _described(function: FunctionSpec) -> FunctionSpec:
    """A function for whoever calls it: neither its code nor its secrets are theirs."""
    return replace(function, definition=_NOT_HERE, env={}, image=ImageSpec())


def _version_before(name: str, history: list[DeploymentView], live: Deployment | None) -> int:
    """The version that a rollback goes to."""
    served = [it.version for it in history if it.state not in ("failed", "starting")]
    earlier = served if live is None else [number for number in served if number < live.view.version]
    if not earlier:
        first = "" if live is None else f" before {live.view.version}"
        raise InvalidError(f"App {name!r} has no version{first} to roll back to")
    return max(earlier)
