"""`motet deploy`: an app is left with a server that stays, as the next version of what has its name."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from motet.cli.commit import CommitQuestion
from motet.cli.deployed import named_version
from motet.cli.loading import module_directory
from motet.cli.options import ViewCommand, isolation_option, json_option, print_json
from motet.cli.summary import count, seconds
from motet.cli.terminal import tell
from motet.cli.which_app import app_of, loaded
from motet.client.dual import run_blocking
from motet.client.settings import SERVER
from motet.model.deployment import STRATEGIES, DeploymentView
from motet.sdk.declare.app import App
from motet.sdk.run.deploying import HowToDeploy, deploy
from motet.sdk.run.dry_run import DryRun, dry_run

_PATIENCE = 1.0
"""Seconds after which it is told what is waited for."""


@click.command("deploy", cls=ViewCommand)
@click.argument("reference", metavar="FILE[::APP]")
@click.option("-m", "module", is_flag=True, help="The argument begins with a module (package.module::APP), not a file.")
@click.option("--name", metavar="NAME", help="What it is found by. Default: the name of the app.")
@click.option("--tag", default="", metavar="TEXT", help="Whatever tells this version from others, for the history.")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="rolling",
    show_default=True,
    help="rolling: the new version is ready before the old one ends what it has. recreate: the old one ends first. canary: "
    "both are called, until one is promoted or rolled back.",
)
@click.option(
    "--percent",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    help="Of a canary: the share of inputs it gets. Default: 10.",
)
@click.option(
    "--rollback-on",
    metavar="RULES",
    help="Of a canary: roll it back when one of these holds, such as error-rate=2%,p95=2x.",
)
@click.option(
    "--on-failure",
    metavar="URL",
    default="",
    help="Post JSON there when an input of a spawned or scheduled call has failed for good. It is signed with the secret in "
    "MOTET_ON_FAILURE_SECRET, if there is one.",
)
@isolation_option
@click.option("--dry-run", is_flag=True, help="Only say what would travel, and what would change.")
@click.option(
    "--server",
    metavar="SERVER",
    help="Deploy there. Default: what MOTET_SERVER or a profile names, or else the server under MOTET_HOME.",
)
@json_option
def deploy_command(
    *,
    reference: str,
    module: bool,
    name: str | None,
    tag: str,
    strategy: str,
    percent: float | None,
    rollback_on: str | None,
    on_failure: str,
    dry_run: bool,
    server: str | None,
    as_json: bool,
) -> None:
    """Leave an app with a server that stays, where it is called by its name.

    It becomes the next version of what has that name. Calls stay with the version that accepted them. When the new version
    cannot be imported, or its containers do not start, the one before it goes on, and the command says why.
    """
    began = time.monotonic()
    if strategy != "canary" and (percent is not None or rollback_on is not None):
        raise click.UsageError("--percent and --rollback-on are for --strategy canary")
    if server:
        os.environ[SERVER] = server
    source, _, app_name = reference.partition("::")
    where = module_directory(source) if module else Path(source).resolve().parent
    with CommitQuestion(where) as question, _nothing_collected():
        app = app_of(loaded(source, is_module=module), source, app_name or None, "to be deployed")
        commit = question.answer()
    wanted = HowToDeploy(
        name=name,
        tag=tag,
        strategy=strategy,
        commit=commit,
        percent=10.0 if percent is None else percent,
        rollback_on=rollback_on or "",
        on_failure=on_failure,
        on_failure_secret=os.environ.get("MOTET_ON_FAILURE_SECRET", "") if on_failure else "",
    )
    if dry_run:
        _say_what_would_change(app, wanted, as_json=as_json)
        return
    try:
        with _patience() as said:
            deployed = run_blocking(deploy(app, wanted, said))
    except KeyboardInterrupt:
        wanted_name = wanted.name_for(app)
        tell(
            f"Interrupted. Unless {wanted_name} serves already, it is given up, and what served before goes on: "
            f"motet app history {wanted_name}",
            err=True,
        )
        raise
    _say_what_is_there(deployed.deployment, app, time.monotonic() - began, as_json=as_json)


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """What is imported stays until the command ends, which is soon: to look for garbage among it, now and at exit, would take
    a tenth of the command's time."""
    was_enabled = gc.isenabled()
    gc.disable()
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _say_what_is_there(view: DeploymentView, app: App, took: float, *, as_json: bool) -> None:
    assert app.deployed is not None
    urls = app.deployed.web_urls
    if as_json:
        print_json({"deployment": view, "urls": urls, "seconds": took})
        return
    share = f" (canary, {view.share:g} % of the inputs)" if view.state == "canary" else ""
    tell(f"{named_version(view)}{share}: {contents(view)}, in {seconds(took)}")
    for name, url in sorted(urls.items()):
        tell(f"  {name}: {url}")
    if not view.functions:
        tell(
            f"Warning: {view.name} has no functions, so nothing of it can be called. Its functions are those under "
            "@app.function() or @app.cls() of this app.",
            err=True,
        )
    if share:
        tell(f"  motet app promote {view.name} gives it all inputs, motet app rollback {view.name} none.", err=True)


def contents(view: DeploymentView) -> str:
    """How much a version is: "12 functions, 3 web"."""
    web = f", {view.web_functions} web" if view.web_functions else ""
    return f"{count(view.functions, 'function')}{web}"


def _say_what_would_change(app: App, wanted: HowToDeploy, *, as_json: bool) -> None:
    found: DryRun = run_blocking(dry_run(app, wanted))
    if as_json:
        print_json(found)
        return
    tell(f"{named_version(found.deployment)} would be deployed: {contents(found.deployment)}; nothing was changed")
    for what, names in (("new", found.added), ("changed", found.changed), ("gone", found.removed)):
        for name in names:
            tell(f"  {what}: {name}")
    if not (found.added or found.changed or found.removed):
        tell("  the functions are declared as before")
    for line in found.source:
        tell(f"  {line}")


@contextlib.contextmanager
def _patience() -> Iterator[Any]:
    """Gives what is to be told of a step that begins; it is told if the step takes long."""
    timers: list[threading.Timer] = []

    def began(step: str) -> None:
        for timer in timers:
            timer.cancel()
        timer = threading.Timer(_PATIENCE, tell, (f"{step} ...",), {"err": True})
        timer.daemon = True
        timers[:] = [timer]
        timer.start()

    try:
        yield began
    finally:
        for timer in timers:
            timer.cancel()
        sys.stderr.flush()
