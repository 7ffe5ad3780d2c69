"""`app.deploy()`: an app is left with a server that stays, under a name."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from motet.bundles.bundle import bundled
from motet.bundles.upload import upload
from motet.client.dual import Steps
from motet.client.running_app import RunningApp
from motet.client.standing import StandingApp, standing
from motet.context.container import is_local
from motet.context.main_module import know_container_name
from motet.context.notices import warn_user
from motet.errors import InvalidError
from motet.model.deployment import checked_name
from motet.model.version import VERSION
from motet.sdk.run.app_run import CanRun, with_environment
from motet.sdk.run.other_side import as_seen_from, refuse_other_python, refuse_unloadable
from motet.wire.deployment_messages import AppDeployed, DeployApp

STRATEGIES = ("rolling", "recreate")


class CanBeDeployed(CanRun, Protocol):
    """What a deployment must know of an app."""

    deployed: RunningApp | None

    @property
    def name(self) -> str | None: ...


def deploy(app: CanBeDeployed, name: str | None, tag: str, strategy: str) -> Steps[AppDeployed]:
    """Deploy it; its functions are called in the version that has the name from now on. Raises `InvalidError`,
    `ConnectionError`, and why a version could not take over."""
    if not is_local():
        raise InvalidError(
            "an app cannot be deployed from code in a container. Put `app.deploy()` under "
            '`if __name__ == "__main__":`, or use `motet deploy`.'
        )
    if strategy not in STRATEGIES:
        raise InvalidError(f"Deployment strategy must be 'rolling' or 'recreate', not {strategy!r}")
    wanted = name or app.name
    if not wanted:
        raise InvalidError(
            "You need to either supply a deployment name or have a name set on the app.\n"
            'Use `app.deploy(name="my-app")`, or `app = motet.App("my-app")`.'
        )
    checked_name(wanted)
    know_container_name()
    (spec, by_value), declared = app.described(with_interfaces=True), app.declared_specs()
    found = yield from standing("`app.deploy()`", "motet deploy FILE")
    connection = found.connect()
    refuse_other_python(connection)
    refuse_unloadable(connection, spec)
    spec, bundle = bundled(with_environment(replace(spec, name=wanted), found.server.carried))
    for note in bundle.notes:
        warn_user(UserWarning(note))
    digest = yield from upload(connection, bundle)
    reply: AppDeployed = yield from connection.request(
        DeployApp(wanted, spec, strategy, tag, client=VERSION, bundle=digest)  # type: ignore[arg-type]
    )
    running = StandingApp(reply.deployment, reply.functions, reply.web_urls, declared)
    running.by_value, running.included = as_seen_from(connection, by_value), lambda: app.included
    parts: tuple[CanRun, ...] = (app, *app.included)
    running.apps = parts
    before, app.deployed = app.deployed, running
    for each in parts:
        each.runs.begin(running)
        if before is not None:
            each.runs.end(before)
    return reply
