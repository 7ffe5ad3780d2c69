"""Which app of a program is meant: `FILE`, `FILE::APP`, or the same of a module."""

from __future__ import annotations

from types import ModuleType

import click

from motet.cli.loading import load_file, load_module
from motet.sdk.declare.app import App


def loaded(source: str, *, is_module: bool) -> ModuleType:
    """The program, imported. Fails as `motet.cli.loading` says."""
    return load_module(source) if is_module else load_file(source)


def app_of(module: ModuleType, source: str, name: str | None, what_for: str) -> App:
    """The app of this name (None: its only one, or `app`). Raises `click.UsageError`; `what_for`: "to be served"."""
    apps = {key: value for key, value in vars(module).items() if isinstance(value, App)}
    if name is not None and name in apps:
        return apps[name]
    if name is None and len({id(app) for app in apps.values()}) == 1:
        return next(iter(apps.values()))
    if name is None and "app" in apps:
        return apps["app"]
    if not apps:
        raise click.UsageError(
            f"{source} has no app that could be {what_for.removeprefix('to be ')}: an app is a variable of the module, such as "
            'app = motet.App("name")'
        )
    known = ", ".join(f"{source}::{key}" for key in sorted(apps))
    raise click.UsageError(f"Which app of {source} is {what_for}? It has: {known}.")
