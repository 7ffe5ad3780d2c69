"""`motet prune`: what is kept under MOTET_HOME and nobody needs any more goes."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import click

from motet.cli.named_server import named_server
from motet.cli.options import ViewCommand, confirm, yes_option
from motet.cli.summary import count, size_text
from motet.cli.terminal import tell
from motet.client.home import home_directory, standing_directory
from motet.errors import ConnectionError
from motet.server.records.config import DAY, RecordsConfig
from motet.server.wiring import Upkeep, home_holder
from motet.wire.operator_messages import HomePruned, PruneHome

PRUNE_TIMEOUT = 600.0


@click.command("prune", cls=ViewCommand)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Records of runs that ended longer ago. Default: MOTET_KEEP_RECORDS_DAYS.",
)
@click.option(
    "--keep-versions",
    type=click.IntRange(min=0),
    metavar="N",
    help="Of each app, keep the source of the newest N versions to roll back to. Default: of all.",
)
@click.option("--arguments", is_flag=True, help="All arguments of failed inputs that are kept.")
@yes_option
def prune_command(
    *, dry_run: bool, older_than: float | None, keep_versions: int | None, arguments: bool, yes: bool
) -> None:
    """Remove from MOTET_HOME what nobody needs, and say what and how much.

    Records of runs that have ended, as far as they are too old or too much; the source of versions that are gone; with
    --arguments, those of failed inputs. What a version that serves needs stays, and so does all of a server that runs.
    """
    config = RecordsConfig.from_environment(os.environ) or RecordsConfig(home=home_directory(os.environ))
    if older_than is not None:
        config = replace(config, keep_for=older_than * DAY)
    upkeep = Upkeep(config)
    records = upkeep.removable(time.time())
    bundles = _bundles(config, PruneHome(keep_versions, dry_run=True, arguments=arguments))
    kept = upkeep.count_arguments() if arguments else 0
    would = "would go" if dry_run else "to go"
    tell(f"records of {count(len(records), 'run')} that ended: {size_text(sum(records.values()))} {would}")
    if bundles is not None:
        tell(f"source of {count(bundles.bundles, 'version')} that nobody needs: {size_text(bundles.size)} {would}")
    if bundles is not None and bundles.blobs:
        tell(
            f"{count(bundles.blobs, 'large argument or result')} that no call needs: {size_text(bundles.blobs_size)} {would}"
        )
    if arguments:
        tell(f"arguments of {count(kept, 'failed input')} {would}")
    anything = records or kept or (bundles is not None and (bundles.size or bundles.blobs))
    if anything and not dry_run:
        confirm("Remove that?", yes=yes)
        freed = upkeep.remove(records)
        if (
            bundles is not None
            and (gone := _bundles(config, PruneHome(keep_versions, arguments=arguments))) is not None
        ):
            freed += gone.size + gone.blobs_size
        if arguments:
            upkeep.forget_arguments()
        tell(f"removed {size_text(freed)}{' and the arguments' if kept else ''}")
    elif not anything:
        tell("there is nothing to remove")
    used = upkeep.usage()
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in used.parts.items() if size)
    tell(f"{config.home} takes {size_text(used.total)} ({parts or 'nothing'}); {size_text(used.free)} are free")


def _bundles(config: RecordsConfig, asked: PruneHome) -> HomePruned | None:
    """Those of the server that stays: it alone knows which are needed. None if it does not run."""
    if home_holder(standing_directory(config.home)) is None:
        return None
    try:
        with named_server() as server:
            return server.ask(asked, HomePruned, PRUNE_TIMEOUT)
    except ConnectionError as error:
        tell(f"left out: bundles of the server ({error})", err=True)
        return None
