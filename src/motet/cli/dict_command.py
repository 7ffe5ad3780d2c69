"""`motet dict`: dicts that programs and containers share, on the server that stays."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import click

from motet.cli.named_server import named_server
from motet.cli.options import ViewGroup, confirm, json_option, print_json, yes_option
from motet.cli.plain_values import shown
from motet.cli.servers import LiveServer
from motet.cli.summary import count, size_text
from motet.cli.tables import cell, fitting, moment, table
from motet.cli.terminal import console, tell
from motet.errors import NotFoundError
from motet.model.shared_state import MAIN_ENVIRONMENT, described, named_id
from motet.wire.by_value import PROTOCOL
from motet.wire.state_messages import (
    DictViewed,
    EntriesListed,
    EntryFound,
    GetEntry,
    ListEntries,
    ListState,
    MakeState,
    RemoveState,
    StateListed,
    StateMade,
    ViewDict,
)

environment_option = click.option(
    "-e", "--env", "environment", default=MAIN_ENVIRONMENT, help="The environment that it is in.", show_default=True
)


@click.group("dict", cls=ViewGroup)
def dict_command() -> None:
    """Dicts with names, on the server that stays: see docs/guide/shared-state.md."""


@dict_command.command("create")
@click.argument("name")
@environment_option
def create_dict(*, name: str, environment: str) -> None:
    """Make a dict; nothing happens if it is there."""
    with named_server() as server:
        made = server.ask(MakeState(named_id("di", name, environment), allow_existing=True), StateMade).changed
    tell(f"{described(named_id('di', name, environment))} {'is made' if made else 'was there already'}", err=True)


@dict_command.command("list")
@json_option
@environment_option
def list_dicts(*, as_json: bool, environment: str) -> None:
    """List the dicts of an environment, by name."""
    named_id("di", "x", environment)  # checks it
    with named_server() as server:
        views = server.ask(ListState("di", environment), StateListed).views
    if as_json:
        print_json(views)
        return
    if not views:
        tell(f"There is no dict in environment {environment!r}: Dict.from_name(...) makes one.", err=True)
        return
    out = console()
    listed = table("name", "entries", "size", "made", right=("entries", "size"))
    for view in views:
        listed.add_row(cell(view.name, "bold"), f"{view.entries:,}", size_text(view.size), moment(view.made_at))
    out.print(fitting(listed, out.width))


@dict_command.command("get")
@click.argument("name")
@click.argument("key")
@environment_option
def get_value(*, name: str, key: str, environment: str) -> None:
    """Print the value of a key, which is taken as text. What is more than plain values (numbers, text, lists and the like) is
    told by its size, and not run."""
    dict_id = named_id("di", name, environment)
    with named_server() as server:
        value = server.ask(GetEntry(dict_id, False, pickle.dumps(key, PROTOCOL)), EntryFound).value
    if value is None:
        raise NotFoundError(
            f"{described(dict_id)} has no key {key!r}; keys that are no text are in `motet dict items {name}`"
        )
    tell(_text(value))


@dict_command.command("items")
@click.argument("name")
@click.argument("n", type=click.IntRange(min=1), default=20, required=False)
@click.option("-a", "--all", "show_all", is_flag=True, help="Print all of them.")
@click.option(
    "-r", "--repr", "as_repr", is_flag=True, help="As text is written in Python, which is how it is printed anyway."
)
@json_option
@environment_option
def list_items(*, name: str, n: int, show_all: bool, as_repr: bool, as_json: bool, environment: str) -> None:
    """Print keys and values, in no order: the first N (20) that come."""
    found: list[tuple[str, str]] = []
    is_cut = False
    with named_server() as server:
        for key, value in _entries(server, named_id("di", name, environment)):
            if is_cut := not show_all and len(found) == n:
                break
            found.append((_text(key), _text(value)))
    if as_json:
        print_json([{"key": key, "value": value} for key, value in found])
        return
    out = console()
    listed = table("key", "value")
    for key_text, value_text in found:
        listed.add_row(cell(key_text, "bold"), cell(value_text))
    out.print(fitting(listed, out.width))
    if is_cut:
        tell(f"There are more than these {count(n, 'key')}: --all prints all of them.", err=True)


@dict_command.command("clear")
@click.argument("name")
@yes_option
@environment_option
def clear_dict(*, name: str, yes: bool, environment: str) -> None:
    """Remove all entries of a dict."""
    dict_id = named_id("di", name, environment)
    with named_server() as server:
        entries = server.ask(ViewDict(dict_id, False), DictViewed).length
        confirm(f"Remove {count(entries, 'key')} of {described(dict_id)}?", yes=yes or not entries)
        server.ask(ViewDict(dict_id, False, clear=True), DictViewed)


@dict_command.command("delete")
@click.argument("name")
@click.option("--allow-missing", is_flag=True, help="It need not be there.")
@yes_option
@environment_option
def delete_dict(*, name: str, allow_missing: bool, yes: bool, environment: str) -> None:
    """Remove a dict with all its entries. Programs that use it make it anew, or fail."""
    dict_id = named_id("di", name, environment)
    confirm(f"Delete {described(dict_id)} with all that it holds?", yes=yes)
    with named_server() as server:
        server.ask(RemoveState(dict_id, allow_missing), StateMade)


def _entries(server: LiveServer, dict_id: str) -> Iterator[tuple[bytes, bytes]]:
    after = b""
    while True:
        reply = server.ask(ListEntries(dict_id, False, after), EntriesListed)
        yield from reply.entries
        after = reply.next
        if not after:
            return


def _text(data: bytes) -> str:
    return shown(data) or f"({size_text(len(data))}, which only code can read)"
