"""`motet server`: the server that stays."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import msgspec

from motet.cli.named_server import is_elsewhere, named_server
from motet.cli.options import MomentType, ViewCommand, ViewGroup, isolation_option, json_option, json_text, print_json
from motet.cli.summary import count, size_text
from motet.cli.tables import cell, duration, fitting, moment, table
from motet.cli.terminal import console, mention, tell
from motet.client.addresses import DEFAULT_PORT
from motet.client.home import home_directory, standing_directory
from motet.client.misspelled import misspelled
from motet.errors import NotFoundError
from motet.model.audit import AuditEntry
from motet.server.cluster.config import KEEP, ClusterConfig
from motet.server.health import READY, STANDBY
from motet.server.port.config import INSECURE_OPTION, LOOPBACK_HOST, PortConfig
from motet.server.wiring import add_key, audit_entries, back_up_home, restore_home
from motet.wire.hello import StandsBy
from motet.wire.operator_messages import AuditFound, FindAudit, StatusViewed, ViewStatus

PIECE = 1000
"""Entries of an audit log that are asked for at once."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("server", cls=ViewGroup, invoke_without_command=True)
@click.option(
    "--host",
    help="Listen on this address, too, for clients that show a token, and for HTTP; 0.0.0.0 and :: are all. Default: "
    "127.0.0.1, if a port is given, or else none.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), help=f"The port there; 0 is a free one. Default: {DEFAULT_PORT}."
)
@click.option(
    "--tls", is_flag=True, help="Speak TLS there, with a certificate of its own making; its fingerprint is printed."
)
@click.option("--tls-certificate", type=FILE, metavar="FILE", help="Speak TLS there, with this certificate (PEM).")
@click.option("--tls-key", type=FILE, metavar="FILE", help="Its key, if that is not in the same file.")
@click.option(
    "--store",
    default="",
    metavar="URL",
    help="Keep deployments, tokens and calls in this PostgreSQL database, and lead or wait to: "
    "postgresql://USER@HOST/DATABASE. MOTET_STORE says the same, and no list of processes shows it.",
)
@isolation_option
@click.option(
    "--backend",
    type=click.Choice(["machine", "ray"]),
    default="machine",
    help="Where containers run: on this machine and on hosts that join, or on a Ray cluster (pip install 'motet[ray]'), whose "
    "nodes have to reach this server: --host 0.0.0.0 --tls.",
)
@click.option(
    "--ray-address",
    default="auto",
    show_default=True,
    metavar="HOST:PORT",
    help="The head of that cluster. auto: RAY_ADDRESS, or the cluster that this machine is a node of.",
)
@click.option(
    "--ray-keep",
    type=click.FloatRange(min=1),
    default=KEEP,
    show_default=True,
    metavar="SECONDS",
    help="How long what is reserved there, and not needed, is kept for the next container.",
)
@click.option(
    INSECURE_OPTION,
    "insecure",
    is_flag=True,
    help="Do without TLS, also beyond this machine: whoever carries the bytes can read tokens and arguments.",
)
@click.pass_context
def server_command(
    ctx: click.Context,
    *,
    host: str | None,
    port: int | None,
    tls: bool,
    tls_certificate: Path | None,
    tls_key: Path | None,
    insecure: bool,
    store: str,
    backend: str,
    ray_address: str,
    ray_keep: float,
) -> None:
    """Be a server that stays: the one under MOTET_HOME, until SIGTERM or Ctrl-C.

    Programs use it with MOTET_SERVER=home, or `motet run --server home`.
    """
    if ctx.invoked_subcommand is not None:
        return
    home = home_directory(os.environ)
    there = None
    if host is not None or port is not None or tls or tls_certificate is not None or tls_key is not None or insecure:
        there = PortConfig(
            host=host or LOOPBACK_HOST,
            port=DEFAULT_PORT if port is None else port,
            certificate=tls_certificate,
            key=tls_key,
            self_made=standing_directory(home) / "tls" if tls and tls_certificate is None else None,
            insecure=insecure,
        )
    cluster = ClusterConfig(address=ray_address, keep=ray_keep) if backend == "ray" else None
    # Late: its subcommands do without the server's code.
    from motet.server.driver import logger
    from motet.server.log_format import log_json, wants_json
    from motet.server.standing import stand

    say: Callable[[str], None] = mention
    if wants_json(os.environ):
        log_json()
        say = logger.info
    for problem in misspelled(os.environ):
        logger.warning("%s", problem)
    ctx.exit(stand(home, there, say, tell, store, cluster))


@server_command.command("status", cls=ViewCommand)
@json_option
def status(*, as_json: bool) -> None:
    """Say whether the server is ready: the one that MOTET_SERVER or a profile names, or that under MOTET_HOME. Exit status 0:
    it is."""
    try:
        found, address, took = _asked_status()
    except StandsBy as error:
        if as_json:
            print_json({"state": STANDBY, "who_leads": msgspec.structs.asdict(error.told)})
        else:
            tell(f"{STANDBY}: {error}")
        sys.exit(1)
    if as_json:
        told = msgspec.structs.asdict(found)
        print_json({"address": address, "uptime": time.time() - found.started_at, "answered_in": took, **told})
    else:
        _tell_status(found, address)
    sys.exit(0 if found.state == READY else 1)


def _asked_status() -> tuple[StatusViewed, str, float]:
    """What the server says, where it is, and after how many seconds it has."""
    with named_server() as server:
        asked = time.monotonic()
        found = server.ask(ViewStatus(), StatusViewed)
        return found, server.identity.address, time.monotonic() - asked


def _tell_status(found: StatusViewed, address: str) -> None:
    tell(
        f"{found.state} at {address}: Motet {found.motet} on Python {found.python}, process {found.pid}, up for "
        f"{duration(time.time() - found.started_at)}"
    )
    clients = ", ".join(f"{name or 'containers'} {number}" for name, number in sorted(found.connections.items()))
    here = (
        count(found.apps, "app"),
        count(found.containers, "container"),
        count(sum(found.connections.values()), "connection"),
    )
    tell(f"{', '.join(here)} ({clients})")
    if found.certificate_expires_at is not None:
        tell(f"certificate until {moment(found.certificate_expires_at)}, key {found.fingerprint}")
    if found.term:
        tell(
            f"leads with term {found.term}, lease {found.lease:g} s; {count(len(found.members), 'server')} of its database:"
        )
        for each in found.members:
            does = f"leads (term {each.term})" if each.term == found.term else "has led" if each.term else "stands by"
            where = f" at {each.address}" if each.address else ""
            tell(f"  {does}{where}: {each.holder}, Motet {each.motet}, seen {each.age:.1f} s ago")
    for problem in found.problems:
        tell(f"! {problem}")


@server_command.command("new-key", cls=ViewCommand)
def new_key() -> None:
    """Make a new key for what the server under MOTET_HOME keeps of secrets. At its next start everything is sealed with that,
    and keys that were there before go. MOTET_SECRETS_KEY names another file."""
    home = home_directory(os.environ)
    directory = standing_directory(home)
    named = os.environ.get("MOTET_SECRETS_KEY", "")
    if not named and not directory.is_dir():
        raise NotFoundError(f"no server has ever run under {home}: it makes its first key itself")
    path = add_key(directory, named)
    tell(f"{path} has a new key, which is used from the next start of the server on.")


def _audit_here(since: float | None) -> Iterable[AuditEntry]:
    return audit_entries(standing_directory(home_directory(os.environ)), since)


def _audit_there(since: float | None) -> Iterator[AuditEntry]:
    """A piece at a time, each from where the one before ended: older files may go meanwhile."""
    with named_server() as server:
        seen = 0
        while True:
            found = server.ask(FindAudit(since, seen, PIECE), AuditFound).entries
            yield from found
            if len(found) < PIECE:
                return
            last = found[-1].at
            seen = sum(each.at == last for each in found) + (seen if since == last else 0)
            since = last


@server_command.command("audit", cls=ViewCommand)
@click.option(
    "--since", type=MomentType(), metavar="TIME", help="From then on: 30s, 5m, 2h, 1d ago, or 2026-01-31T12:00."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def audit(*, since: float | None, as_json: bool) -> None:
    """Tell who did what with a server, the oldest first: the one that MOTET_SERVER or a profile names, which is asked for it,
    or else that under MOTET_HOME, whether it runs now or not."""
    entries = _audit_there(since) if is_elsewhere() else _audit_here(since)
    if as_json:
        for each in entries:
            tell(json_text(each))
        return
    out = console()
    shown = table("at", "who", "from", "what", "about", "outcome")
    for each in entries:
        who = each.who or "a stranger"
        missing = f" ({each.lost} before this were not kept)" if each.lost else ""
        shown.add_row(
            cell(moment(each.at)),
            cell(who, "bold"),
            cell(each.where),
            cell(each.what),
            cell(", ".join(f"{name}={value}" for name, value in each.about.items())),
            cell(f"{each.outcome}{': ' if each.why else ''}{each.why}{missing}"),
        )
    if not shown.row_count:
        tell("Nothing was written down" + (" since then." if since else "."), err=True)
        return
    out.print(fitting(shown, out.width))


@server_command.command("backup", cls=ViewCommand)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Copy what the server under MOTET_HOME keeps to a file, while it runs or not: spawned calls with their arguments and
    results, versions with their source, tokens, the audit log. Records of runs are not in it.

    The file has secrets: it can be read by its user alone.
    """
    back_up_home(standing_directory(home_directory(os.environ)), file, time.time())
    tell(f"{file}: {size_text(file.stat().st_size)}")


@server_command.command("restore", cls=ViewCommand)
@click.argument("file", type=FILE)
def restore(file: Path) -> None:
    """Give back what a backup has, under a MOTET_HOME where no server has been. Inputs that ended after it was made run again
    when a server starts there."""
    directory = standing_directory(home_directory(os.environ))
    info = restore_home(file, directory)
    tell(f"{directory} is as it was on {moment(info.made_at)}. `motet server` goes on from there")
