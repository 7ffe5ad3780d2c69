"""The parts of a server that see to deployed apps, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from motet.core.commands import Command, ReportCold, ReportWarm
from motet.errors import NotFoundError, ResourceExhaustedError
from motet.model.function import AppSpec
from motet.model.outcome import CallKind
from motet.server.apps.catalogue import Catalogue
from motet.server.apps.lifetimes import Lifetimes
from motet.server.deployments.canaries import Canaries
from motet.server.deployments.deployments import Deployments
from motet.server.deployments.failure_hooks import FailureHooks
from motet.server.deployments.names import Names
from motet.server.deployments.post_json import post_json
from motet.server.deployments.register import Deployment, Place, Register
from motet.server.deployments.reruns import ArgumentsOf, Read, Reruns
from motet.server.deployments.rollout import DeployedWeb, Rollouts
from motet.server.deployments.schedules import Schedules, Spawn
from motet.server.deployments.unkept import MemoryDeployments
from motet.server.deployments.warming import Warming
from motet.server.driver import Driver, Performer
from motet.store.base import DeploymentStore

NoteNeeded = Callable[[Iterable[AppSpec]], None]
"""Is told which apps are deployed, whenever that changes."""


class DeploymentsRoom:
    """`names`, which calls are looked up in, `deployments`, which answers requests, `schedules`, which run some of them, what
    carries out `performers`, and `place`, the first of the two `seams`."""

    def __init__(
        self,
        driver: Driver,
        catalogue: Catalogue,
        lifetimes: Lifetimes,
        web: DeployedWeb,
        store: DeploymentStore | None,
        seams: tuple[Place, NoteNeeded],
        number_of: Callable[[str], int],
        forget_calls: Callable[[str], None],
        spawn: Spawn,
        read: Read,
        arguments_of: ArgumentsOf,
    ) -> None:
        self._driver = driver
        place, self._note_needed = seams
        self.place, self._stays = place, store is not None
        self._store = store or MemoryDeployments()
        self._canaries = Canaries(driver, catalogue)
        self.names = Names(catalogue)
        warming = Warming(driver)
        register = Register(self._store, catalogue, place, number_of)
        self._rollouts = Rollouts(register, self.names, catalogue, lifetimes, web, driver, warming, self._canaries)
        has_call = driver.engine.inspection.has_call
        self.schedules = Schedules(register, driver.clock, spawn, has_call, driver.fail)
        self._hooks = FailureHooks(register, catalogue, driver, post_json)
        self._rollouts.on_change = self._changed
        self.deployments = Deployments(
            register, self._rollouts, self.names, catalogue, driver, self._canaries, forget_calls, self.schedules
        )
        self.deployments.answers |= Reruns(read, catalogue, spawn, arguments_of).answers
        self.performers: dict[type[Command], Performer] = {ReportWarm: warming.ready, ReportCold: warming.failed}

    def refusal(self, function_id: str) -> ResourceExhaustedError | None:
        """Why a request for this function, or one by this alias, would not be taken now; None if it would."""
        try:
            return self._driver.engine.inspection.refusal(self.names.resolve(function_id), CallKind.STREAM)
        except NotFoundError:
            return None  # it is told so when it is submitted

    async def prepare(self) -> list[Deployment]:
        """What served when the last server ended, for `deployments.restore`."""
        found = await self.deployments.prepare()
        await self._hooks.prepare()
        return found

    @property
    def problem(self) -> str:
        """Which failures cannot be told to whom they are to be told to; "" if all can."""
        return self._hooks.problem

    def _changed(self) -> None:
        self.schedules.look()
        self._hooks.look()
        if self._stays:
            self._note_needed(self.deployments.serving())

    async def close(self) -> None:
        """Nothing is kept or judged any more, but what is on its way to be kept."""
        await self.schedules.close()
        self._canaries.close()
        await self._hooks.close()
        await self._rollouts.all_noted()
        self._store.close()
