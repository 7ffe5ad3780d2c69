"""`motet host`: the machines that containers run on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from motet.cli.named_server import named_server
from motet.cli.options import ViewCommand, ViewGroup, json_option, print_json
from motet.cli.tables import cell, fitting, state_cell, table
from motet.cli.terminal import console, tell
from motet.client.home import home_directory
from motet.client.reach import named
from motet.errors import InvalidError
from motet.model.host import HostView
from motet.wire.operator_messages import HostsViewed, ViewHosts

V = TypeVar("V")


@click.group("host", cls=ViewGroup)
def host_command() -> None:
    """Hosts: the machines that containers run on."""


@host_command.command("list", cls=ViewCommand)
@json_option
def list_hosts(*, as_json: bool) -> None:
    """List the machines that the server has containers on, its own first."""
    with named_server() as server:
        views = server.ask(ViewHosts(), HostsViewed).found
    if as_json:
        print_json(views)
        return
    out = console()
    shown = table("host", "state", "containers", "cpu", "memory MiB", "gpus", "labels", "why")
    for view in views:
        host = view.host
        shown.add_row(
            cell(host.host_id or "(the server's own)", "bold"),
            state_cell(_state(view)),
            cell(_of(view.containers, host.containers)),
            cell(_of(view.cpu, host.cpu)),
            cell(_of(view.memory_mib, host.memory_mib)),
            cell(f"{view.gpus:g}/{len(host.gpus)} {' '.join(sorted({gpu.kind for gpu in host.gpus}))}".strip()),
            cell(", ".join(f"{name}={value}" for name, value in host.labels.items()) or None),
            cell(host.silent or host.leaving or None),
        )
    out.print(fitting(shown, out.width))


def _state(view: HostView) -> str:
    return "silent" if view.host.silent else "leaving" if view.host.leaving else "ready"


def _of(used: float, most: float | None) -> str:
    return f"{used:g}" if most is None else f"{used:g}/{most:g}"


@host_command.command("join")
@click.option("--name", default="", help="What the host is called. Default: the machine's name.")
@click.option(
    "--cpu", type=click.FloatRange(min=0), help="Cores that containers may ask for. Default: those there are."
)
@click.option(
    "--memory",
    "memory_mib",
    type=click.IntRange(min=0),
    metavar="MIB",
    help="Memory likewise. Default: nine tenths of it.",
)
@click.option("--containers", type=click.IntRange(min=1), help="Containers at the same time. Default: any number.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="What it is like. May be given several times."
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="NAME=AMOUNT",
    help="What else it has. May be given several times.",
)
def join_host(
    *,
    name: str,
    cpu: float | None,
    memory_mib: int | None,
    containers: int | None,
    labels: tuple[str, ...],
    resources: tuple[str, ...],
) -> None:
    """Have this machine run containers of the server that MOTET_SERVER or a profile names, until SIGTERM or Ctrl-C: what runs
    then may end first, a second one does not wait for that.

    The token (MOTET_TOKEN) needs the right 'host'. The machine needs the Python and packages that functions use.
    """
    from motet.agent.joined_agent import join, this_machine

    where = named(os.environ)
    if where is None or not where.is_elsewhere or where.others:
        raise InvalidError("name the server that this machine is to join: MOTET_SERVER=tls:HOST:PORT, or a profile")
    host = this_machine(
        name,
        cpu=cpu,
        memory_mib=memory_mib,
        containers=containers,
        labels=_pairs("--label", labels, str),
        resources=_pairs("--resource", resources, float),
    )
    asyncio.run(join(where.address, where.token, where.fingerprint, host, home=home_directory(os.environ)))
    tell("The host has left.", err=True)


def _pairs(option: str, texts: Iterable[str], value: Callable[[str], V]) -> dict[str, V]:
    found = {}
    for text in texts:
        name, equals, said = text.partition("=")
        try:
            if not (name and equals):
                raise ValueError
            found[name] = value(said)
        except ValueError:
            raise InvalidError(f"{option} takes NAME=VALUE, a number where it is an amount; it is {text!r}") from None
    return found
