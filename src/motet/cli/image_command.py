"""`motet image`: the environments that were built for images."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from motet.cli.options import ViewGroup, confirm, json_option, print_json, yes_option
from motet.cli.summary import count, seconds, size_text
from motet.cli.tables import cell, fitting, moment, table
from motet.cli.terminal import console, tell
from motet.client.home import home_directory
from motet.errors import NotFoundError
from motet.images.cache import EnvironmentCache, Listed

_SHORT = 12
_DAY = 86400.0


@click.group("image", cls=ViewGroup)
def image_command() -> None:
    """Environments that were built for images: see docs/guide/images.md."""


def _cache() -> EnvironmentCache:
    return EnvironmentCache(home_directory(os.environ) / "images")


@image_command.command("list")
@json_option
def list_images(*, as_json: bool) -> None:
    """List the environments under MOTET_HOME, the last used first.

    Sizes count files that others share in each of them.
    """
    found = _cache().listed()
    if as_json:
        print_json(found)
        return
    out = console()
    columns = ("environment", "python", "packages", "size", "built in", "apps", "last used", "steps")
    shown = table(*columns, right=["packages", "size"])
    for each in found:
        built = each.built
        shown.add_row(
            cell(built.digest[:_SHORT], "bold"),
            cell(built.python_version),
            cell(built.packages),
            cell(size_text(built.size)),
            cell(seconds(built.seconds)),
            cell(", ".join(each.apps) or "none"),
            cell("now") if each.in_use else moment(each.last_used_at),
            cell("; ".join(built.steps)),
        )
    out.print(fitting(shown, out.width))


@image_command.command("logs")
@click.argument("digest", default="", metavar="[ENVIRONMENT]")
def image_logs(*, digest: str) -> None:
    """Print what the build of an environment wrote; without one, what the last build did, also one that failed."""
    cache = _cache()
    tell(_log(cache, digest).read_text(encoding="utf-8", errors="replace").rstrip())


def _log(cache: EnvironmentCache, digest: str) -> Path:
    if digest:
        log = cache.log(_one(cache.listed(), digest).built.recipe)
        if not log.is_file():
            raise NotFoundError(f"the log of environment {digest} is not there any more")
        return log
    logs = sorted(cache.log("*").parent.glob("*.log"), key=lambda it: it.stat().st_mtime)
    if not logs:
        raise NotFoundError("nothing has been built here")
    return logs[-1]


def _one(listed: list[Listed], digest: str) -> Listed:
    found = [each for each in listed if each.built.digest.startswith(digest)]
    if len(found) != 1:
        wrong = "there is no environment" if not found else "there are several environments"
        raise NotFoundError(f"{wrong} {digest!r}: motet image list shows all")
    return found[0]


@image_command.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="DAYS",
    help="Environments that nobody has used for so long.",
)
@yes_option
def prune_images(*, dry_run: bool, older_than: float, yes: bool) -> None:
    """Remove environments that nobody uses, and what killed builds have left.

    What a program or server that runs uses stays. A server that does not run uses nothing: it builds what it needs again.
    """
    cache = _cache()
    before = time.time() - older_than * _DAY
    going = [each for each in cache.listed() if not each.in_use and each.last_used_at <= before]
    size = size_text(sum(each.built.size for each in going))
    if dry_run or not going:
        tell(f"{count(len(going), 'environment')} would go, with {size}" if dry_run else "No environment is old enough")
        return
    confirm(f"Remove {count(len(going), 'environment')} with {size}?", yes=yes)
    gone = [each for each in going if cache.remove(each.built.digest)]
    cache.remove_left()
    tell(f"{count(len(gone), 'environment')} removed, with {size_text(sum(each.built.size for each in gone))}")
