"""`motet token`: who may use a server that stays, from where its user's own rights do not reach."""

from __future__ import annotations

import re

import click

from motet.cli.named_server import named_server
from motet.cli.options import ViewGroup, json_option, print_json
from motet.cli.tables import cell, fitting, moment, table
from motet.cli.terminal import console, tell
from motet.errors import InvalidError
from motet.wire.access_messages import ListTokens, NewToken, RevokeToken, TokenMade, TokensListed
from motet.wire.client_messages import Done

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


@click.group("token", cls=ViewGroup)
def token_command() -> None:
    """Tokens: who may use a server that stays, and for what."""


@token_command.command("new")
@click.argument("name")
@click.option(
    "--right",
    "rights",
    multiple=True,
    required=True,
    type=click.Choice(["call", "deploy", "look", "operate", "administer", "host"]),
    help="What it is for; may be given several times.",
)
@click.option(
    "--expires", metavar="TIME", help="After which time it is none: 12h, 30d, 8w. Default: when it is revoked."
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help="What it may have: containers, inputs, stored_bytes, requests, requests_per_second, inputs_per_second. Several times.",
)
def new_token(*, name: str, rights: tuple[str, ...], expires: str | None, limits: tuple[str, ...]) -> None:
    """Make a token, and print it: this once.

    call: call functions, and use queues. deploy: run apps, and stop one's own. look: see what runs and ran, logs too. operate:
    stop what others run, and use the dashboard; includes look. administer: everything, tokens too.
    host: bring a machine on which containers run (`motet host join`).
    """
    with named_server() as server:
        lifetime = None if expires is None else _seconds(expires)
        made = server.ask(NewToken(name, rights, lifetime, limits), TokenMade)
    tell(made.token)
    tell("It is not shown again. Programs show it in MOTET_TOKEN.", err=True)


@token_command.command("list")
@json_option
def list_tokens(*, as_json: bool) -> None:
    """List the tokens that there are, the oldest first."""
    with named_server() as server:
        tokens = server.ask(ListTokens(), TokensListed).found
    if as_json:
        print_json(tokens)
        return
    out = console()
    shown = table("name", "rights", "limits", "made", "expires", "last used")
    for each in tokens:
        shown.add_row(
            cell(each.name, "bold"),
            cell(", ".join(each.rights)),
            cell(", ".join(each.limits)),
            *map(moment, (each.made_at, each.expires_at, each.last_used_at)),
        )
    out.print(fitting(shown, out.width))


@token_command.command("revoke")
@click.argument("name")
def revoke_token(*, name: str) -> None:
    """Have a token be none from now on. Who uses it is cut off, and their apps stop."""
    with named_server() as server:
        server.ask(RevokeToken(name), Done)
    tell(f"Revoked {name}", err=True)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text.strip())
    if found is None:
        raise InvalidError(f"--expires is a number with m, h, d or w, such as 30d; it is {text!r}")
    return float(found[1]) * _UNITS[found[2]]
