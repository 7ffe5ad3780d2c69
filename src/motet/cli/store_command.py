"""`motet store`: what a server that stays keeps, on its disk."""

from __future__ import annotations

import os
import sys

import click

from motet.cli.options import ViewCommand, ViewGroup
from motet.cli.terminal import tell
from motet.client.home import home_directory, standing_directory
from motet.server.wiring import check_stores


@click.group("store", cls=ViewGroup)
def store_command() -> None:
    """Look after what the server under MOTET_HOME keeps."""


@store_command.command("check", cls=ViewCommand)
def check() -> None:
    """Look through all databases of the server, while it runs or not, and through the large arguments and results that its
    journal names (MOTET_BLOBS: where they are), and say what is damaged or missing. With MOTET_STORE, look through that
    database instead. Exit status 0: all is well."""
    store, blobs = os.environ.get("MOTET_STORE", ""), os.environ.get("MOTET_BLOBS", "")
    found = check_stores(standing_directory(home_directory(os.environ)), store, blobs)
    for name, problems in found.items():
        tell(f"{name}: {'; '.join(problems) or 'all is well'}")
    sys.exit(1 if any(found.values()) else 0)
