"""`motet dashboard`: a URL that lets a browser in to the pages about what runs."""

from __future__ import annotations

from collections import Counter

import click

from motet.cli.finding import known
from motet.cli.options import ViewCommand
from motet.cli.terminal import tell
from motet.errors import NotFoundError
from motet.wire.operator_messages import DashboardOpened, OpenDashboard


@click.command("dashboard", cls=ViewCommand, short_help="Print a URL that lets a browser in to the dashboard.")
@click.argument("app", required=False)
def dashboard_command(app: str | None) -> None:
    """Print where the dashboard of a running APP (its name or id) is, or of all.

    The dashboard is served from now on if it was not. The URL lets one browser in, within a minute.
    """
    with known() as found:
        views = [(server, view) for server, view in found.servers.views() if app in (None, view.app_id, view.name)]
        if not views:
            what = "no app runs" if app is None else f"no app {app} runs"
            raise NotFoundError(f"{what} under {found.home}")
        for server, apps in Counter(server for server, _ in views).items():
            if app is None and apps > 1:
                opened = server.ask(OpenDashboard(), DashboardOpened)
                tell(f"all {apps} apps: {opened.url}/?code={opened.code}")
        for server, view in views:
            opened = server.ask(OpenDashboard(), DashboardOpened)
            tell(f"{view.name}: {opened.url}/apps/{view.app_id}?code={opened.code}")
