"""The versions that serve, and those that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from motet.errors import NotFoundError, ServiceError
from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec
from motet.model.nearest import did_you_mean
from motet.server.access.rights import named_rights
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.apps.lifetimes import UntilReplaced
from motet.server.deployments.aliases import Alias, labels
from motet.store.base import DeploymentStore, KeptDeployment

T = TypeVar("T")

ANSWER_TIMEOUT = 60.0
"""Seconds within which the store answers: a disk that hangs does not say so."""

Place = Callable[[AppSpec, str], Coroutine[Any, Any, AppSpec]]
"""Makes of what was deployed what containers here are told, once its bundle is here."""


@dataclass(slots=True, eq=False)
class Deployment:
    """A version that serves, or is about to: what is kept of it, and the app that it is here."""

    kept: KeptDeployment
    app: ServedApp

    @property
    def view(self) -> DeploymentView:
        """As it was last."""
        return self.kept.view

    @property
    def ids(self) -> dict[str, str]:
        """Its functions' ids by label."""
        by_spec = {id(function): function_id for function_id, function in self.app.declared.items()}
        return {label: by_spec[id(function)] for label, function in labels(self.app.spec).items()}

    @property
    def aliases(self) -> dict[str, str]:
        """By the ids of its functions: those that clients call them by."""
        return {function_id: Alias(self.view.name, label).function_id for label, function_id in self.ids.items()}


@dataclass(slots=True)
class NameState:
    """What serves of a name: the version that has it, one that has a part of its calls, and all that are not gone yet."""

    live: Deployment | None = None
    canary: Deployment | None = None
    here: dict[str, Deployment] = field(default_factory=dict)
    """By app: also those that end what they accepted."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time changes which version serves."""


class Register:
    """Of one server. `number_of`: how the engine names a principal, by its identity."""

    def __init__(
        self, store: DeploymentStore, catalogue: Catalogue, place: Place, number_of: Callable[[str], int]
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._place = place
        self._number_of = number_of
        self._old: dict[tuple[str, int], tuple[KeptDeployment, AppSpec]] = {}
        """Versions that may be called by number, as they are now: a call does not wait for the store."""
        self.names: dict[str, NameState] = {}

    def state(self, name: str) -> NameState:
        """What serves of a name, if anything does."""
        return self.names.setdefault(name, NameState())

    def life(self, kept: KeptDeployment) -> UntilReplaced:
        """What it lives by."""
        return UntilReplaced(self._number_of(kept.owner), named_rights(kept.rights), kept.view.name)

    # --- what is kept -------------------------------------------------------------------------------------------------

    async def ask(self, question: Callable[[DeploymentStore], T]) -> T:
        """What the store says, on a thread that may wait for a disk. Raises `ServiceError`."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await asyncio.to_thread(question, self._store)
        except TimeoutError:
            raise ServiceError(
                f"the store of deployments has not answered for {ANSWER_TIMEOUT:g} s: its disk or database hangs. What serves "
                "goes on. It may still do what it was asked: see what there is before asking again"
            ) from None

    async def commit(self, changes: list[tuple[Deployment, DeploymentView]]) -> None:
        """Have these versions be so from now on, whatever happens then. Raises `ServiceError`: then nothing has changed."""
        await self.ask(lambda store: store.change([view for _, view in changes]))
        for deployment, view in changes:
            deployment.kept = msgspec.structs.replace(deployment.kept, view=view)
            if (old := self._old.get((view.name, view.version))) is not None:
                self._old[view.name, view.version] = msgspec.structs.replace(old[0], view=view), old[1]

    async def history(self, name: str) -> list[DeploymentView]:
        """All versions of a name, newest first. Raises `NotFoundError` if there is none."""
        found = await self.ask(lambda store: store.history(name))
        if not found:
            raise self.not_deployed(name)
        return found

    async def kept(self, name: str, version: int) -> KeptDeployment:
        """One of them. Raises `NotFoundError`."""
        found = await self.ask(lambda store: store.find(name, version))
        if found is None:
            numbers = ", ".join(f"v{it.version}" for it in reversed((await self.history(name))[:10]))
            raise NotFoundError(f"App {name!r} has no version {version}; it has {numbers}")
        return found

    def not_deployed(self, name: str) -> NotFoundError:
        """There is nothing of this name."""
        return not_deployed(name, (each for each, state in self.names.items() if state.live is not None))

    # --- versions that are to serve -----------------------------------------------------------------------------------

    async def new(self, kept: KeptDeployment, app_id: str | None = None) -> Deployment:
        """One that can be added to what is called. Raises what keeps it from that."""
        spec = await self.placed(kept)
        known = [
            (function.app_key, function.key, kept.function_ids[label])
            for label, function in labels(spec).items()
            if label in kept.function_ids
        ]
        app = self._catalogue.new_app(app_id or kept.view.app_id, spec, kept.view.version, functions=known)
        made = Deployment(kept, app)
        made.kept = msgspec.structs.replace(kept, function_ids=made.ids)
        return made

    async def placed(self, kept: KeptDeployment) -> AppSpec:
        """What containers here are told of it. Raises `NotFoundError`, `ServiceError`."""
        return await self._place(kept.spec, kept.view.bundle)

    async def place_old(self, kept: KeptDeployment) -> None:
        """An old version can be called by its number from now on. Raises `NotFoundError`, `ServiceError`."""
        key = kept.view.name, kept.view.version
        if key not in self._old:
            self._old[key] = kept, await self.placed(kept)

    def old(self, name: str, number: int) -> tuple[KeptDeployment, AppSpec] | None:
        """Such a version, and what containers here are told of it."""
        return self._old.get((name, number))

    def forget(self, deployment: Deployment) -> None:
        """Nothing of it is here any more."""
        self.names[deployment.view.name].here.pop(deployment.app.app_id, None)


def ended(view: DeploymentView, state: str, at: float | None, why: str = "") -> DeploymentView:
    """The same version, which serves no more; `at`: since when nothing of it is left."""
    return replace(view, state=state, share=0.0, ended_at=at, why=why)


def not_deployed(name: str, deployed: Iterable[str]) -> NotFoundError:
    """There is nothing of this name; `deployed`: those that there are."""
    near = did_you_mean(name, deployed)
    return NotFoundError(f"App {name!r} is not deployed on this server{near or '.'}")
