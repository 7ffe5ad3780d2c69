"""`app.deploy()`: an app is left with a server that stays, under a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec.structs import replace

from motet.bundles.bundle import Bundle, bundled
from motet.bundles.upload import upload
from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.running_app import RunningApp
from motet.client.standing import StandingApp, standing
from motet.context.container import is_local
from motet.context.main_module import know_container_name
from motet.context.notices import warn_user
from motet.errors import InvalidError
from motet.model.deployment import checked_name, checked_strategy
from motet.model.function import AppSpec, FunctionSpec
from motet.model.hidden import hides_secrets
from motet.model.version import VERSION
from motet.model.webhook import checked_secrets, checked_url
from motet.sdk.run.app_run import CanRun, with_environment
from motet.sdk.run.other_side import as_seen_from, refuse_other_python, refuse_unloadable
from motet.wire.by_value import ByValue
from motet.wire.deployment_messages import AppDeployed, DeployApp


class CanBeDeployed(CanRun, Protocol):
    """What a deployment must know of an app."""

    deployed: RunningApp | None

    @property
    def name(self) -> str | None: ...


@hides_secrets
class HowToDeploy(msgspec.Struct, frozen=True, kw_only=True):
    """How an app is to be deployed. `tag` and `commit` are for the history. Of a canary: its share of the inputs in percent,
    and when it is rolled back ("error-rate=2%,p95=2x"). `on_failure`: where failures of spawned calls are posted,
    signed with `on_failure_secret`."""

    name: str | None = None
    tag: str = ""
    strategy: str = "rolling"
    commit: str = ""
    percent: float = 10.0
    rollback_on: str = ""
    on_failure: str = ""
    on_failure_secret: str = ""

    def name_for(self, app: CanBeDeployed) -> str:
        """What the app is to be found by. Raises `InvalidError` if nobody says, or it cannot be a name."""
        wanted = self.name or app.name
        if not wanted:
            raise InvalidError(
                "You need to either supply a deployment name or have a name set on the app.\n"
                'Use `app.deploy(name="my-app")`, `motet deploy --name my-app FILE`, or `app = motet.App("my-app")`.'
            )
        return checked_name(wanted)


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be deployed, where, and of what."""

    connection: Connection
    spec: AppSpec
    bundle: Bundle
    by_value: ByValue
    declared: list[FunctionSpec]

    def message(self, wanted: HowToDeploy, *, dry_run: bool = False) -> DeployApp:
        """The request for it."""
        return DeployApp(
            self.spec.name,
            self.spec,
            checked_strategy(wanted.strategy),
            wanted.tag,
            wanted.commit,
            VERSION,
            "" if dry_run else self.bundle.manifest.digest,
            wanted.percent,
            wanted.rollback_on,
            dry_run,
            checked_url(wanted.on_failure),
            checked_secrets(wanted.on_failure_secret, wanted.on_failure),
        )


Step = Callable[[str], object]
"""Is told of each step when it begins."""


def prepare(app: CanBeDeployed, wanted: HowToDeploy) -> Steps[Prepared]:
    """Find out what there is to deploy; nothing is changed. Raises `InvalidError`, `ConnectionError`, `VersionError`."""
    if not is_local():
        raise InvalidError(
            "an app cannot be deployed from code in a container. Put `app.deploy()` under "
            '`if __name__ == "__main__":`, or use `motet deploy`.'
        )
    checked_strategy(wanted.strategy)
    checked_secrets(wanted.on_failure_secret, checked_url(wanted.on_failure))
    name = wanted.name_for(app)
    know_container_name()
    (spec, by_value), declared = app.described(with_interfaces=True), app.declared_specs()
    found = yield from standing("a deployment", "motet deploy FILE")
    connection = found.connect()
    refuse_other_python(connection)
    refuse_unloadable(connection, spec)
    spec, bundle = bundled(with_environment(replace(spec, name=name), found.server.carried))
    return Prepared(
        connection=connection,
        spec=spec,
        bundle=bundle,
        by_value=as_seen_from(connection, by_value),
        declared=declared,
    )


def deploy(app: CanBeDeployed, wanted: HowToDeploy, began: Step = lambda step: None) -> Steps[AppDeployed]:
    """Deploy it; its functions are called in the version that has the name from now on. Raises `InvalidError`,
    `ConnectionError`, and why a version could not take over."""
    ready = yield from prepare(app, wanted)
    for note in ready.bundle.notes:
        warn_user(UserWarning(note))
    manifest = ready.bundle.manifest
    began(
        f"Sending source ({len(manifest.files)} files, {manifest.size / 2**20:.1f} MiB, or what the server lacks of it)"
    )
    yield from upload(ready.connection, ready.bundle)
    from motet.sdk.run.images import have_built  # late: other commands import this module, too

    yield from have_built(
        ready.connection, ready.spec, manifest.digest, lambda: began("Building what its images ask for")
    )
    began(f"Starting containers of {ready.spec.name}, to be ready before it takes over")
    reply: AppDeployed = yield from ready.connection.request(ready.message(wanted))
    running = StandingApp(reply.deployment, reply.functions, reply.web_urls, ready.declared)
    running.by_value, running.included = ready.by_value, lambda: app.included
    parts: tuple[CanRun, ...] = (app, *app.included)
    running.apps = parts
    before, app.deployed = app.deployed, running
    for each in parts:
        each.runs.begin(running)
        if before is not None:
            each.runs.end(before)
    return reply
