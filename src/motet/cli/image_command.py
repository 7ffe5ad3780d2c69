"""`motet image`: what was built for images, environments and OCI images."""

from __future__ import annotations

import os
import time

import click

from motet.cli.options import ViewGroup, confirm, json_option, print_json, yes_option
from motet.cli.summary import count, seconds, size_text
from motet.cli.tables import cell, fitting, moment, table
from motet.cli.terminal import console, tell
from motet.client.home import home_directory
from motet.errors import NotFoundError
from motet.images.kept import KeptImage, KeptImages

_SHORT = 12
_DAY = 86400.0


@click.group("image", cls=ViewGroup)
def image_command() -> None:
    """Environments and OCI images that were built: see docs/guide/images.md."""


def _kept() -> KeptImages:
    return KeptImages(home_directory(os.environ) / "images", os.environ)


@image_command.command("list")
@json_option
def list_images(*, as_json: bool) -> None:
    """List what was built under MOTET_HOME, the last used first.

    Sizes count files that others share in each of them. What a deployed app needs says so, also while no server runs.
    """
    kept = _kept()
    found = kept.listed()
    _say_problem(kept)
    if as_json:
        print_json(found)
        return
    out = console()
    columns = ("image", "kind", "python", "packages", "size", "built in", "apps", "last used", "steps")
    shown = table(*columns, right=["packages", "size"])
    for each in found:
        shown.add_row(
            cell(each.name[:_SHORT], "bold"),
            cell(each.kind),
            cell(each.python_version),
            cell("" if each.packages is None else each.packages),
            cell(size_text(each.size)),
            cell(seconds(each.seconds)),
            cell(", ".join(each.apps) or "none"),
            cell("now") if each.in_use else cell("deployed") if each.deployed else moment(each.last_used_at),
            cell("; ".join(each.steps)),
        )
    out.print(fitting(shown, out.width))


@image_command.command("logs")
@click.argument("name", default="", metavar="[IMAGE]")
def image_logs(*, name: str) -> None:
    """Print what the build of an image wrote; without one, what the last build did, also one that failed.

    IMAGE is an image of `motet image list`, or what a build that failed says it is.
    """
    kept = _kept()
    if name:
        logs = kept.logs_named(name) or kept.logs(_one(kept.listed(), name))
        if not logs:
            raise NotFoundError(f"the log of image {name} is not there any more")
    else:
        last = kept.last_log()
        if last is None:
            raise NotFoundError("nothing has been built here")
        logs = [last]
    for each in logs:
        tell(each.read_text(encoding="utf-8", errors="replace").rstrip())


def _one(listed: list[KeptImage], name: str) -> KeptImage:
    found = [each for each in listed if each.name.startswith(name)]
    if len(found) != 1:
        wrong = "there is no image" if not found else "there are several images"
        raise NotFoundError(f"{wrong} {name!r}: motet image list shows all")
    return found[0]


@image_command.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="DAYS",
    help="Images that nobody has used for so long.",
)
@yes_option
def prune_images(*, dry_run: bool, older_than: float, yes: bool) -> None:
    """Remove environments and OCI images that nobody uses, and what killed builds have left.

    What a program or server that runs uses stays, and what a deployed app needs, also while its server does not run.
    """
    kept = _kept()
    before = time.time() - older_than * _DAY
    going = [each for each in kept.listed() if not each.is_needed and each.last_used_at <= before]
    _say_problem(kept)
    size = size_text(sum(each.size for each in going))
    if dry_run:
        tell(f"{_counted(going)} would go, with {size}")
        return
    if not going:
        kept.remove_left()
        tell("No image is old enough, and needed by nobody")
        return
    confirm(f"Remove {_counted(going)} with {size}?", yes=yes)
    gone = [each for each in going if kept.remove(each)]
    kept.remove_left()
    tell(f"{_counted(gone)} removed, with {size_text(sum(each.size for each in gone))}")


def _say_problem(kept: KeptImages) -> None:
    if kept.problem:
        tell(f"OCI images are left out: {kept.problem}", err=True)


def _counted(images: list[KeptImage]) -> str:
    environments = sum(each.kind == "environment" for each in images)
    others = len(images) - environments
    parts = [count(environments, "environment")] if environments or not others else []
    return " and ".join([*parts, *([count(others, "OCI image")] if others else [])])
