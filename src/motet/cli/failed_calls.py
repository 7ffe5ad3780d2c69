"""`motet call list`, and which failed inputs `motet call rerun --failed` and others mean."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from motet.cli.finding import known
from motet.cli.options import MomentType, ViewCommand, confirm, json_option, print_json, yes_option
from motet.cli.summary import count, seconds
from motet.cli.tables import cell, fitting, moment, table
from motet.cli.terminal import console, tell
from motet.errors import InvalidError, NotFoundError
from motet.model.ids import ENTROPY_BITS, checked_id, id_suffix, input_id
from motet.model.outcome import OutcomeKind
from motet.records.calls import CallSummary
from motet.records.inputs import InputRecord
from motet.records.queries import CallQuery
from motet.server.records.config import RecordsConfig
from motet.server.wiring import Upkeep

F = TypeVar("F", bound=Callable[..., Any])

FAILED_KINDS = (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)
_AT_ONCE = 200
"""Calls that a server is told of in one message."""
_COUNTS = ("succeeded", "failed", "timed_out", "cancelled", "lost")


def which_options(command: F) -> F:
    """Options that say which calls or inputs are meant: --app, --function, --since and --until."""
    for name, metavar, kind, means in (
        ("--until", "TIME", MomentType(), "Up to then; the same forms."),
        ("--since", "TIME", MomentType(), "From then on: 30s, 5m, 2h, 1d ago, or 2026-01-31T12:00 (local time)."),
        ("--function", "FUNCTION", None, "Of this function: its id or name."),
        ("--app", "APP", None, "Of this app: its id or name; of a deployed one, of all its versions."),
    ):
        command = click.option(name, metavar=metavar, type=kind, help=means)(command)
    return command


@click.command("list", cls=ViewCommand)
@click.option("--failed", is_flag=True, help="Only calls with an input that failed, timed out or was lost.")
@which_options
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many calls to list."
)
@json_option
def list_calls(
    *,
    failed: bool,
    app: str | None,
    function: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """List calls, the newest first, and how their inputs ended."""
    kinds = FAILED_KINDS if failed else ()
    query = CallQuery(app=app, function=function, kinds=kinds, since=since, until=until, limit=limit)
    with known() as found:
        calls = found.archive.calls(query)
        if not calls:
            found.check_which(app, function)
    if as_json:
        print_json([_call_json(each) for each in calls])
        return
    if not calls:
        tell(f"No {'call with a failed input' if failed else 'call'} is known there.", err=True)
        return
    out = console()
    shown = table("call", "function", "made", "kind", "outcomes", "took", right=("took",))
    for each in calls:
        counts = [f"{getattr(each, name):,} {name.replace('_', ' ')}" for name in _COUNTS if getattr(each, name)]
        bad = each.failed or each.timed_out or each.lost
        shown.add_row(
            each.call.call_id,
            cell(each.function_name + (f".{each.call.method}" if each.call.method else ""), "bold"),
            moment(each.call.submitted_at),
            each.call.kind.name.lower(),
            cell(", ".join(counts) or None, "red" if bad else ""),
            seconds(each.ended_at - each.call.submitted_at) if each.ended_at else "-",
        )
    out.print(fitting(shown, out.width))
    if len(calls) == limit:
        tell(f"The newest {limit:,}; --limit lists more.", err=True)


@click.command("delete", cls=ViewCommand)
@click.argument("calls", metavar="[FC-ID]...", nargs=-1)
@click.option("--failed", is_flag=True, help="All calls with a failed input, of those that the options below name.")
@which_options
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="So many at most.")
@yes_option
def delete_calls(*, calls: tuple[str, ...], failed: bool, limit: int, yes: bool, **which: Any) -> None:
    """Erase function calls (fc-...): their arguments, results, inputs and lines.

    They have to have ended. Calls that they made are calls of their own, and stay; so does what the audit log tells.
    """
    if failed == bool(calls):
        raise InvalidError("give either the ids of calls (fc-...), or --failed")
    if not failed and any(value is not None for value in which.values()):
        raise InvalidError("--app, --function, --since and --until go with --failed")
    ids = [checked_id(each, "fc", "function call") for each in calls]
    with known() as found:
        if failed:
            query = CallQuery(kinds=FAILED_KINDS, limit=limit, **which)
            ids = [each.call.call_id for each in found.archive.calls(query)]
        if not ids:
            found.check_which(which["app"], which["function"])
            tell("No failed call is to be erased.", err=True)
            return
        confirm(f"Erase {count(len(ids), 'call')}, with arguments, results and what was printed?", yes=yes)
        erased = False
        for first in range(0, len(ids), _AT_ONCE):
            some = ids[first : first + _AT_ONCE]
            erased |= found.servers.erase_calls(some)
            erased |= Upkeep(RecordsConfig(home=found.home)).erase_calls(some) > 0
        if not erased:
            raise NotFoundError(f"nothing is kept of {', '.join(ids[:5])} under {found.where}")
    tell(f"Erased {count(len(ids), 'call')}", err=True)


def _call_json(summary: CallSummary) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(summary)
    call = plain.pop("call")
    return {
        "function_call_id": summary.call.call_id,
        "function_name": summary.function_name,
        "function_id": summary.call.function_id,
        "app_id": summary.app_id,
        "kind": summary.call.kind.name.lower(),
        "method": call[3],
        "parent_input_id": summary.call.parent_input_id,
        "submitted_at": summary.call.submitted_at,
        "ended_at": summary.ended_at or None,
        "counts": {name: getattr(summary, name) for name in _COUNTS},
    }


def rerun_id(record: InputRecord) -> str:
    """The id of the call that `motet call rerun --failed` makes of a failed input: the same whenever it is asked, so that each
    is run again once."""
    digest = hashlib.sha256(f"rerun {input_id(record.call_id, record.index)}".encode()).digest()
    return "fc-" + id_suffix(int(record.ended_at * 1000), int.from_bytes(digest[: ENTROPY_BITS // 8]))
