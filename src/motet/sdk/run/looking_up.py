"""`App.lookup()`: an app that is deployed, for programs that did not deploy it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from motet.client.dual import Steps
from motet.client.running_app import RunningApp
from motet.client.standing import StandingApp, by_value_over, connection_for
from motet.errors import InvalidError, NotFoundError
from motet.model.deployment import checked_name
from motet.model.function import AppSpec, FunctionSpec
from motet.model.version import VERSION
from motet.sdk.run.runs import Runs
from motet.wire.deployment_messages import AppFound, DeployApp, FindApp


class LookedUp(Protocol):
    """What looking up leaves in an app."""

    runs: Runs
    deployed: RunningApp | None


A = TypeVar("A", bound=LookedUp)


def lookup(
    make: Callable[[str, Sequence[FunctionSpec]], A],
) -> Callable[..., Steps[A]]:
    """`App.lookup`, where `make` makes an app of a name and what the server has by it."""

    def look_up(
        name: str, *, client: object = None, environment_name: str | None = None, create_if_missing: bool = False
    ) -> Steps[A]:
        if not isinstance(name, str):
            raise InvalidError("Invalid value for `name`: Must be string.")
        what_for = f"App.lookup({name!r})"
        connection = yield from connection_for(what_for, "motet deploy FILE")
        try:
            found: AppFound = yield from connection.request(FindApp(name))
        except NotFoundError:
            if not create_if_missing:
                raise
            empty = AppSpec(name=checked_name(name), functions=())
            yield from connection.request(DeployApp(name, empty, client=VERSION))
            found = yield from connection.request(FindApp(name))
        running = StandingApp(found.deployment, found.functions, found.web_urls, found.specs)
        running.by_value = by_value_over(connection)
        app = make(name, found.specs)
        app.deployed = running
        app.runs.begin(running)
        return app

    return look_up
