"""Versions of deployed apps among the apps that ran."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

from motet.cli.deployed import history
from motet.cli.finding import Known
from motet.errors import NotFoundError
from motet.model.deployment import DeploymentView
from motet.records.pools import AppRecord


def versions_among(found: Known, apps: Iterable[AppRecord]) -> dict[str, DeploymentView]:
    """Those apps that are versions of a name, by their ids, as far as a server says so."""
    views: dict[str, DeploymentView] = {}
    if found.server is not None:
        for name in dict.fromkeys(app.name for app in apps):
            with contextlib.suppress(NotFoundError):
                views.update((view.app_id, view) for view in history(found.server, name))
    return views


def one_of_each_name(
    apps: Iterable[AppRecord], running: Collection[str], versions: dict[str, DeploymentView]
) -> list[AppRecord]:
    """The apps without the ended versions of a name, of which something runs; where nothing does, its latest stays."""
    named = {view.name for app_id, view in versions.items() if app_id in running}
    kept = []
    for app in apps:
        view = versions.get(app.app_id)
        if view is not None and app.app_id not in running:
            if view.name in named:
                continue
            named.add(view.name)
        kept.append(app)
    return kept
