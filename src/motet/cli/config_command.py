"""`motet config`: profiles, which say what programs and commands would be told by variables otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from motet.cli.options import ViewGroup, json_option, print_json
from motet.cli.tables import cell, fitting, table
from motet.cli.terminal import console, tell
from motet.client.addresses import parsed_addresses
from motet.client.certificate import checked_fingerprints
from motet.client.profiles import DEFAULT, PROFILE
from motet.client.reach import EMBEDDED, HOME
from motet.client.settings import KEYS, profiles, settings
from motet.errors import InvalidError

HIDDEN = "(set)"
"""What is printed in place of a secret."""

profile_option = click.option(
    "--profile", metavar="NAME", help="Of this profile. Default: the one that is in use, or else `default`."
)


@click.group("config", cls=ViewGroup)
def config_command() -> None:
    """Profiles: which server to use, and what it is shown, without variables of the environment.

    They are kept in ~/.motet.toml (or where MOTET_CONFIG says). A variable of the environment counts more than a profile.
    """


@config_command.command("list")
@json_option
def list_profiles(*, as_json: bool) -> None:
    """List the profiles; the one in use has a mark. Tokens are not printed."""
    file = profiles(os.environ)
    chosen = file.chosen(os.environ)
    if as_json:
        print_json(
            [
                {"name": name, "in_use": name == chosen, **{key: _shown(key, value) for key, value in profile.items()}}
                for name, profile in file.profiles.items()
            ]
        )
        return
    if not file.profiles:
        tell(f"There are no profiles in {file.path}; `motet config set server tls:HOST:PORT` makes one.", err=True)
        return
    out = console()
    shown = table("", "profile", *KEYS)
    for name, profile in file.profiles.items():
        values = [_shown(key, profile[key]) if key in profile else "" for key in KEYS]
        shown.add_row(cell("*" if name == chosen else ""), cell(name, "bold"), *map(cell, values))
    out.print(fitting(shown, out.width))


@config_command.command("show")
@json_option
def show(*, as_json: bool) -> None:
    """Show what holds now, and what says so: a variable, a profile, or nobody. Tokens are not printed."""
    found = [
        {"key": name, "value": _shown(name, each.value), "from": each.source}
        for name, each in settings(os.environ).items()
    ]
    if as_json:
        print_json(found)
        return
    out = console()
    shown = table("key", "value", "from")
    for row in found:
        shown.add_row(cell(row["key"], "bold"), cell(row["value"]), cell(row["from"]))
    out.print(fitting(shown, out.width))


@config_command.command("set")
@click.argument("key", type=click.Choice(list(KEYS)))
@click.argument("value")
@profile_option
def set_key(*, key: str, value: str, profile: str | None) -> None:
    """Have a profile say what a key is: motet config set server tls:build.example:7433

    With - as the value it is read from stdin, so that no history of a shell has a token.
    """
    if value == "-":
        value = sys.stdin.readline().strip()
    value = _checked(key, value)
    file = profiles(os.environ)
    name = profile or os.environ.get(PROFILE) or file.active or DEFAULT
    file.set(name, key, value)
    tell(f"{key} is {_shown(key, value)} in the profile {name} ({file.path})", err=True)


@config_command.command("unset")
@click.argument("key", type=click.Choice(list(KEYS)))
@profile_option
def unset_key(*, key: str, profile: str | None) -> None:
    """Have a profile say nothing of a key any more."""
    file = profiles(os.environ)
    name = profile or file.chosen(os.environ) or DEFAULT
    file.unset(name, key)
    tell(f"{key} is not set in the profile {name} any more ({file.path})", err=True)


@config_command.command("use")
@click.argument("profile")
def use(*, profile: str) -> None:
    """Use this profile from now on, where neither --profile nor MOTET_PROFILE names another."""
    file = profiles({**os.environ, "MOTET_PROFILE": ""})
    file.use(profile)
    tell(f"The profile in use is {profile} ({file.path})", err=True)


def _shown(key: str, value: str) -> str:
    return value if KEYS[key].is_shown or not value else HIDDEN


def _checked(key: str, value: str) -> str:
    """The value in the form in which it is kept. Raises `InvalidError`."""
    if not value:
        raise InvalidError(f"the value of {key} is empty; `motet config unset {key}` takes it away")
    if key == "server" and value not in (HOME, EMBEDDED):
        return ",".join(parsed_addresses(value, f"server {value}"))
    if key == "fingerprint":
        return ",".join(checked_fingerprints(value, "fingerprint"))
    if key == "home":
        return str(Path(value).expanduser().absolute())
    return value
