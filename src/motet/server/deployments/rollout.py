"""How one version takes the place of another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from motet.core import events as e
from motet.errors import AlreadyExistsError, Error, InvalidError, ServiceError
from motet.model.deployment import DeploymentView
from motet.server.apps.catalogue import Catalogue, ServedApp
from motet.server.apps.lifetimes import Lifetimes
from motet.server.apps.web_owner import WebOwner
from motet.server.clock import Clock
from motet.server.deployments.canaries import Canaries
from motet.server.deployments.names import Names
from motet.server.deployments.register import Deployment, NameState, Register, ended
from motet.server.deployments.wanted import WantedContainers, containers_wanted, patience_for
from motet.server.deployments.warming import ColdError, Warming
from motet.server.driver import Driver

logger = logging.getLogger("motet.server")

T = TypeVar("T")


class DeployedWeb(Protocol):
    """What makes web functions of deployed apps reachable."""

    def prepare(
        self, name: str, app: ServedApp, aliases: dict[str, str], owner: WebOwner
    ) -> list[tuple[str, str, str]]: ...

    def move(self, name: str, app_id: str) -> None: ...

    def abandon(self, app_id: str) -> None: ...

    def close(self, app_id: str) -> None: ...


class Rollouts:
    """Has versions take over, and go. Whoever calls has the turn of the name; what has been decided is carried out though
    the caller is cancelled."""

    def __init__(
        self,
        register: Register,
        names: Names,
        catalogue: Catalogue,
        lifetimes: Lifetimes,
        web: DeployedWeb,
        driver: Driver,
        warming: Warming,
        canaries: Canaries,
    ) -> None:
        self._register = register
        self._names = names
        self._catalogue = catalogue
        self._lifetimes = lifetimes
        self._web = web
        self._driver = driver
        self._warming = warming
        self._canaries = canaries
        self._clock: Clock = driver.clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._notes: set[asyncio.Task[None]] = set()
        self.on_change: Callable[[], None] = lambda: None
        """Is told when another version has a name, or none, or is here."""

    # --- strategies ---------------------------------------------------------------------------------------------------

    async def roll(self, state: NameState, new: Deployment, share: float = 0.0) -> None:
        """Have it serve once its containers are ready: instead of the version that does, or beside it, for a `share` of its
        calls. Raises `ServiceError` if that cannot be: the other one goes on, and nothing of this one is left."""
        try:
            self._begin(state, new)
            wanted = self._wanted(state.live, new)
            await self._warming.warm(wanted, patience_for(new))
        except BaseException as error:
            self._fail(state, new, error)
            raise self._explained(state, new, error) from None
        await self._carried_out(self._take_over(state, new, share, wanted))

    async def _take_over(
        self, state: NameState, new: Deployment, share: float, wanted: dict[str, WantedContainers]
    ) -> None:
        try:
            if share:
                await self._register.commit(self._as_canary(state, new, share))
            else:
                await self._register.commit(self._as_live(state, new))
        except Error as error:
            self._fail(state, new, error)
            raise
        view = new.view
        self._names.serve(view.name, view.version, new.app)
        if share:
            state.canary = new
            self._names.share(view.name, view.version, share)
            self._shared_out(state)
        else:
            self._switch(state, new)
        self._warming.cool(wanted)

    async def recreate(self, state: NameState, new: Deployment) -> None:
        """Have it take the name at once, and its containers start when those of the version before have ended; calls wait
        meanwhile. Raises `ServiceError` if it cannot start: the version before serves again."""
        await self._carried_out(self._recreate(state, new))

    async def _recreate(self, state: NameState, new: Deployment) -> None:
        old = state.live
        try:
            wanted = self._wanted(old, new, declared_only=True)
            self._begin(state, new, held=True)
            await self._register.commit(self._as_live(state, new))
        except Exception as error:
            self._fail(state, new, error)
            raise self._explained(state, new, error) from None
        self._names.serve(new.view.name, new.view.version, new.app)
        gone = self._switch(state, new)
        await asyncio.gather(*(each.wait() for each in gone))
        self._driver.take(e.AppReleased(new.app.app_id))
        try:
            await self._warming.warm(wanted, patience_for(new))
        except ColdError as error:
            if old is not None:
                await self._serve_again(state, old, new, str(error))
            raise self._explained(state, new, error, old) from None
        self._warming.cool(wanted)

    async def _serve_again(self, state: NameState, old: Deployment, failed: Deployment, why: str) -> None:
        again = await self._register.new(old.kept)
        self._begin(state, again)
        now = self._clock.wall_now()
        live = replace(old.view, state="live", share=100.0, ended_at=None)
        await self._register.commit([(again, live), (failed, ended(failed.view, "failed", now, why))])
        self._names.serve(live.name, live.version, again.app)
        self._switch(state, again)

    async def promote(self, state: NameState, canary: Deployment) -> None:
        """Give it the name, alone."""
        await self._carried_out(self._take_over(state, canary, 0.0, {}))

    async def withdraw_canary(self, state: NameState, why: str) -> Deployment:
        """Give its calls back to the version beside it, which is returned. Raises `InvalidError` if there is none."""
        live, canary = state.live, state.canary
        if live is None or canary is None:
            raise InvalidError("there is no canary")

        async def carry_out() -> None:
            await self._register.commit(
                [(live, replace(live.view, share=100.0)), (canary, ended(canary.view, "replaced", None, why))]
            )
            state.canary = None
            self._names.move(live.view.name, live.view.version)
            self._retire(state, canary)
            self._shared_out(state)

        await self._carried_out(carry_out())
        return live

    async def stop(self, state: NameState, name: str) -> None:
        """End all that is here of a name."""
        now = self._clock.wall_now()

        async def carry_out() -> None:
            serving = [it for it in (state.live, state.canary) if it is not None]
            await self._register.commit([(it, ended(it.view, "stopped", now)) for it in serving])
            state.live = state.canary = None
            self.on_change()
            self._web.close(name)
            for each in serving:
                self._names.withdraw(name, each.view.version)
            await asyncio.gather(*(self._stopped(each) for each in list(state.here.values())))

        await self._carried_out(carry_out())

    async def _stopped(self, deployment: Deployment) -> None:
        stopped = asyncio.Event()
        self._names.withdraw(deployment.view.name, deployment.view.version)
        self._lifetimes.stop(deployment.app.app_id, stopped.set)
        await stopped.wait()

    async def _carried_out(self, steps: Coroutine[Any, Any, T]) -> T:
        """To the end, also if the caller is cancelled: half of it would leave nobody with the name."""
        task = asyncio.get_running_loop().create_task(steps)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def _wanted(
        self, old: Deployment | None, new: Deployment, *, declared_only: bool = False
    ) -> dict[str, WantedContainers]:
        variants = [] if declared_only else self._names.variants_of(new.view.name)
        return containers_wanted(self._catalogue, old, new, variants)

    # --- steps --------------------------------------------------------------------------------------------------------

    def _begin(self, state: NameState, new: Deployment, *, held: bool = False) -> None:
        life = self._register.life(new.kept)
        owner = WebOwner(life.principal, new.view.name)
        new.app.web_urls.extend(self._web.prepare(new.view.name, new.app, new.aliases, owner))
        self._lifetimes.deploy(new.app, life, held=held)
        self._add(state, new)

    def _add(self, state: NameState, new: Deployment) -> None:
        state.here[new.app.app_id] = new
        self.on_change()
        self._canaries.note(new.app, 0.0)
        self._lifetimes.when_stopped(new.app.app_id, lambda: self._gone(new))

    def _gone(self, deployment: Deployment) -> None:
        self._canaries.gone(deployment.app.app_id)
        self._register.forget(deployment)
        if deployment.view.state == "replaced" and deployment.view.ended_at is None:
            self._note(deployment, replace(deployment.view, ended_at=self._clock.wall_now()))

    def _shared_out(self, state: NameState) -> None:
        """What each gets of the calls is seen beside how they go."""
        for each in state.here.values():
            serves = each is state.live or each is state.canary
            self._canaries.note(each.app, each.view.share if serves else 0.0)

    def restore(self, state: NameState, deployment: Deployment) -> None:
        """Have a version serve that did when the server ended: its place is as it was. Raises what `prepare` does."""
        self._begin(state, deployment)
        view = deployment.view
        self._names.serve(view.name, view.version, deployment.app)
        if view.state == "canary" and state.live is not None:
            state.canary = deployment
            self._names.share(view.name, view.version, view.share)
            self._shared_out(state)
        else:
            self._switch(state, deployment)

    def restore_leaving(self, state: NameState, deployment: Deployment) -> None:
        """Have a version end what its containers still run, which had been replaced when the server ended."""
        self._lifetimes.deploy(deployment.app, self._register.life(deployment.kept), held=True)
        self._add(state, deployment)
        self._lifetimes.retire(deployment.app.app_id)
        self._driver.take(e.AppReleased(deployment.app.app_id))

    def pin(self, state: NameState, deployment: Deployment) -> None:
        """Have an old version serve those who call it by its number."""
        self._lifetimes.deploy(deployment.app, self._register.life(deployment.kept))
        self._add(state, deployment)

    def unpin(self, state: NameState, deployment: Deployment) -> None:
        """Nobody calls it any more."""
        self._retire(state, deployment)

    def _as_live(self, state: NameState, new: Deployment) -> list[tuple[Deployment, DeploymentView]]:
        before = [it for it in (state.live, state.canary) if it is not None and it is not new]
        return [
            (new, replace(new.view, state="live", share=100.0)),
            *((it, ended(it.view, "replaced", None)) for it in before),
        ]

    def _as_canary(self, state: NameState, new: Deployment, share: float) -> list[tuple[Deployment, DeploymentView]]:
        live = state.live
        assert live is not None
        return [
            (new, replace(new.view, state="canary", share=share)),
            (live, replace(live.view, share=100.0 - share)),
        ]

    def _switch(self, state: NameState, new: Deployment) -> list[asyncio.Event]:
        """In one go: calls and requests are for this one from now on, and the others end what they have; when each is gone."""
        others = [it for it in (state.live, state.canary) if it is not None and it is not new]
        state.live, state.canary = new, None
        self.on_change()
        self._names.move(new.view.name, new.view.version)
        if new.view.state != "canary":
            self._web.move(new.view.name, new.app.app_id)
        gone = [self._retire(state, it) for it in others]
        self._shared_out(state)
        return gone

    def _retire(self, state: NameState, deployment: Deployment) -> asyncio.Event:
        gone = asyncio.Event()
        self._web.abandon(deployment.app.app_id)
        self._names.withdraw(deployment.view.name, deployment.view.version)
        self._lifetimes.retire(deployment.app.app_id, gone.set)
        return gone

    def _fail(self, state: NameState, new: Deployment, error: BaseException) -> None:
        """Nothing of it stays but its place in the history."""
        self._web.abandon(new.app.app_id)
        self._names.withdraw(new.view.name, new.view.version)
        if new.app.app_id in state.here:
            self._lifetimes.stop(new.app.app_id)
        why = "it was given up" if isinstance(error, asyncio.CancelledError) else str(error)
        view = ended(new.view, "failed", self._clock.wall_now(), why[:10_000])
        self._note(new, view)

    def _note(self, deployment: Deployment, view: DeploymentView) -> None:
        """Keep it, if that can be: nobody waits for it."""
        task = asyncio.get_running_loop().create_task(self._noted(deployment, view))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def all_noted(self) -> None:
        """Wait until what was to be kept is kept, or cannot be."""
        while self._notes:
            await asyncio.wait(self._notes)

    async def _noted(self, deployment: Deployment, view: DeploymentView) -> None:
        try:
            await self._register.commit([(deployment, view)])
        except Exception as error:  # the server ends, or its disk is full
            logger.warning("%s v%s: it is not kept that it is %s: %s", view.name, view.version, view.state, error)

    def _explained(
        self, state: NameState, new: Deployment, error: BaseException, before: Deployment | None = None
    ) -> BaseException:
        if not isinstance(error, ColdError):
            return error
        serving = before or state.live
        goes_on = f"v{serving.view.version} serves on" if serving is not None else "nothing serves this name"
        return ServiceError(f"{new.view.name} v{new.view.version} was not deployed, and {goes_on}: {error}")


def check_beginning(state: NameState, strategy: str, percent: float) -> None:
    """Raise `InvalidError` or `AlreadyExistsError` if a version cannot take over in this way as things are."""
    if strategy != "canary":
        return
    if not 0 < percent < 100:
        raise InvalidError(f"a canary gets more than 0 and less than 100 percent of the calls, not {percent:g}")
    if state.live is None:
        raise InvalidError(
            "there is no version beside which a canary could serve: deploy with the strategy 'rolling' first"
        )
    if state.canary is not None:
        raise AlreadyExistsError(
            f"v{state.canary.view.version} is a canary already: promote it, or roll it back, before another one comes"
        )
