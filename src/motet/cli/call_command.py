"""`motet call`: where the time of an input or a call went, and the end of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
from rich.text import Text

from motet.cli.call_tree import TREE_LIMITS, call_tree
from motet.cli.failed_calls import delete_calls, list_calls
from motet.cli.finding import LIVE_INPUTS, Known, known
from motet.cli.options import ViewCommand, ViewGroup, confirm, json_option, print_json, yes_option
from motet.cli.rerun_command import rerun_command
from motet.cli.summary import count, seconds
from motet.cli.tables import kind_word, moment, state_cell
from motet.cli.terminal import console, tell
from motet.cli.timeline_view import Row, attempts_view, blockers, inputs_view, legend, short_legend
from motet.errors import InvalidError
from motet.model.attempt import AttemptRecord
from motet.model.ids import checked_id, split_input_id
from motet.model.ids import input_id as input_id_of
from motet.model.outcome import OutcomeKind
from motet.model.views import InputView
from motet.records.call_graph import CallGraph, InputNode
from motet.records.calls import CallSummary
from motet.records.facts import StallRecord
from motet.records.inputs import InputRecord
from motet.records.queries import MAX_FOUND, InputQuery
from motet.records.timeline import MEANINGS, Timeline, timeline
from motet.sdk.run.terminal_text import harmless
from motet.wire import report
from motet.wire.operator_messages import EndCall

_PIPE_BAR = 100
"""Columns to draw in where there is no terminal."""


class CallGroup(ViewGroup):
    """`motet call ID`: whatever is no command is an id to show."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group`."""
        if args and args[0] not in self.commands:
            return "show", show_command, args
        return super().resolve_command(ctx, args)


@click.group(
    "call",
    cls=CallGroup,
    subcommand_metavar="ID | COMMAND [ARGS]...",
    short_help="Show where the time of an input or a call went.",
)
def call_command() -> None:
    """Show where the time of an input (in-...) or of a function call (fc-...) went.

    For an input: a bar for each of its attempts, cut into its phases, what kept it waiting, how it ended, and the tree of the
    calls it made. For a call: how its inputs ended, and bars of the slowest. Both while they run, and after.
    """


@click.command("show", cls=ViewCommand)
@click.argument("object_id", metavar="ID")
@click.option(
    "-n",
    "--inputs",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Of a call: how many inputs to draw.",
)
@json_option
def show_command(*, object_id: str, inputs: int, as_json: bool) -> None:
    """Show an input (in-...) or a function call (fc-...)."""
    with known() as found:
        if object_id.startswith("in-"):
            _show_input(found, object_id, as_json)
        elif object_id.startswith("fc-"):
            _show_call(found, object_id, inputs, as_json)
        else:
            raise InvalidError(f"{object_id!r} is neither the id of an input (in-...) nor of a function call (fc-...)")


call_command.add_command(show_command)
call_command.add_command(rerun_command)
call_command.add_command(list_calls)
call_command.add_command(delete_calls)


@call_command.command("cancel")
@click.argument("function_call", metavar="FC-ID")
@click.option(
    "--terminate-containers",
    is_flag=True,
    help="Kill the containers that run its inputs; others in them are run elsewhere.",
)
@yes_option
def cancel_call(*, function_call: str, terminate_containers: bool, yes: bool) -> None:
    """Cancel the inputs of a function call that have not ended."""
    with known() as found:
        summary = found.call(function_call)
        live = found.servers.inputs(call_id=function_call, limit=LIVE_INPUTS)
        if not live:
            raise click.ClickException(
                f"nothing to cancel: no input of {function_call} runs or waits ({_counts(summary, [])})"
            )
        confirm(f"Cancel {count(len(live), 'input')} of {summary.function_name} ({function_call})?", yes=yes)
        found.servers.act(EndCall(function_call, terminate_containers), f"{function_call} has ended meanwhile")
    tell(f"Cancelled {count(len(live), 'input')} of {function_call}", err=True)


# --- an input -----------------------------------------------------------------------------------------------------------


def _show_input(found: Known, input_id: str, as_json: bool) -> None:
    checked_id(input_id, "in", "input")
    view = found.live_input(input_id)
    record = found.archive.input(input_id)
    if record is None and view is None:
        raise found.no_input(input_id)
    made = record or _so_far(view, time.time())
    running = record is None
    drawn, places = _timeline(found, made)
    call_id, _ = split_input_id(input_id)
    summary = found.archive.call(call_id)
    name = "" if summary is None else _function_name(summary)
    graph = CallGraph(found.archive, _live(found), TREE_LIMITS).below_input(InputNode(input_id, record, view))
    state = view.state if running and view is not None else kind_word(made.kind)
    if as_json:
        print_json(_input_json(input_id, name, state, made, drawn, summary, graph))
        return
    out = console()
    width = out.width if out.is_terminal else _PIPE_BAR + 70
    out.print(
        Text.assemble((f"{input_id}  ", "bold"), (f"{name}  ", "bold"))
        + state_cell(state)
        + Text(f"  {seconds(drawn.ended - drawn.began)}")
    )
    out.print(Text(_origin(made, running, summary), style="dim"))
    out.print()
    out.print(attempts_view(drawn, width=width, running=running))
    out.print()
    out.print(legend(drawn))
    for line in blockers(drawn, places):
        out.print(line)
    if made.failure:
        told = report.read(made.failure)
        out.print()
        out.print(
            Text(harmless((told.traceback or report.summary(made.failure)).rstrip("\n")), style="red"), soft_wrap=True
        )
    if graph.calls:
        out.print()
        out.print(call_tree(graph, "what it called"))
    if made.failure:
        out.print(Text(f"\nrun it again: motet call rerun {input_id}", style="dim"))
    out.print(Text(f"\nwhat it printed: motet logs --input {input_id}", style="dim"))


def _origin(record: InputRecord, running: bool, summary: CallSummary | None) -> str:
    parts = [f"submitted {moment(record.submitted_at)}"]
    if not running:
        parts.append(f"ended {moment(record.ended_at)}")
    parts.append(f"of {record.call_id}")
    if summary is not None and summary.call.parent_input_id:
        parts.append(f"called by {summary.call.parent_input_id}")
    return ", ".join(parts)


def _so_far(view: InputView | None, now: float) -> InputRecord:
    """An input that has not ended, as if it ended now."""
    assert view is not None
    call_id, index = split_input_id(view.input_id)
    attempts = list(view.earlier)
    if view.container_id is not None and view.delivered_at is not None:
        attempts.append(
            AttemptRecord(view.container_id, view.delivered_at, max(now, view.delivered_at), OutcomeKind.SUCCESS)
        )
    return InputRecord.of(call_id, index, view.submitted_at, max(now, view.submitted_at), OutcomeKind.SUCCESS, attempts)


def _timeline(found: Known, record: InputRecord) -> tuple[Timeline, dict[str, str]]:
    """Its timeline, and where in their code those were who blocked it."""
    ids = list(dict.fromkeys(attempt.container_id for attempt in record.attempts))
    containers = {each.container_id: each for each in found.archive.containers(ids=ids)} if ids else {}
    stalls = found.archive.facts(StallRecord, ids, since=record.submitted_at, until=record.ended_at) if ids else []
    return timeline(record, containers, stalls), {input_id_of(it.call_id, it.index): it.what for it in stalls}


def _live(found: Known) -> Callable[[str], list[InputView]]:
    return lambda call_id: found.servers.inputs(call_id=call_id, limit=MAX_FOUND)


def _function_name(summary: CallSummary) -> str:
    return f"{summary.function_name}.{summary.call.method}" if summary.call.method else summary.function_name


def _input_json(
    input_id: str,
    name: str,
    state: str,
    record: InputRecord,
    drawn: Timeline,
    summary: CallSummary | None,
    graph: InputNode,
) -> dict[str, Any]:
    told = report.read(record.failure) if record.failure else None
    ended = graph.record is not None
    return {
        "input_id": input_id,
        "function_call_id": record.call_id,
        "function_name": name,
        "parent_input_id": None if summary is None else summary.call.parent_input_id,
        "state": state,
        "submitted_at": record.submitted_at,
        "ended_at": record.ended_at if ended else None,
        "seconds": drawn.ended - drawn.began,
        "phases": drawn.seconds(),
        "attempts": [
            {
                "number": attempt.number,
                "why": attempt.why,
                "container_id": attempt.container_id,
                "outcome": kind_word(attempt.kind) if ended or attempt.number < len(drawn.attempts) else None,
                "spans": [_span_json(span) for span in attempt.spans],
            }
            for attempt in drawn.attempts
        ],
        "rest": [_span_json(span) for span in drawn.rest],
        "failure": None
        if told is None
        else {"type": told.type_name, "message": told.message, "traceback": told.traceback},
        "calls": _calls_json(graph),
    }


def _span_json(span: Any) -> dict[str, Any]:
    return {
        "phase": span.phase,
        "began": span.began,
        "seconds": span.seconds,
        "by": span.by or None,
        "meaning": MEANINGS[span.phase],
    }


def _calls_json(node: InputNode) -> list[dict[str, Any]]:
    return [
        {
            "function_call_id": call.summary.call.call_id,
            "function_name": _function_name(call.summary),
            "inputs": [
                {
                    "input_id": each.input_id,
                    "status": each.status.name,
                    "container_id": each.container_id or None,
                    "calls": _calls_json(each),
                }
                for each in call.inputs
            ],
            "more_inputs": call.more_inputs,
        }
        for call in node.calls
    ]


# --- a call -------------------------------------------------------------------------------------------------------------


def _show_call(found: Known, call_id: str, shown: int, as_json: bool) -> None:
    live = found.servers.inputs(call_id=checked_id(call_id, "fc", "function call"), limit=LIVE_INPUTS)
    summary = found.call(call_id)
    ended = found.archive.inputs(InputQuery(call_id=call_id, limit=MAX_FOUND))
    now = time.time()
    known_ids = {input_id_of(call_id, each.index) for each in ended}
    states = [(each, kind_word(each.kind)) for each in ended]
    states += [(_so_far(view, now), view.state) for view in live if view.input_id not in known_ids]
    states.sort(key=lambda each: each[0].submitted_at - each[0].ended_at)
    rows = [_row(found, record, state) for record, state in states[:shown]]
    if as_json:
        print_json(_call_json(summary, live, rows))
        return
    out = console()
    out.print(Text.assemble((f"{call_id}  {_function_name(summary)}  ", "bold"), _counts(summary, live)))
    parent = f", called by {summary.call.parent_input_id}" if summary.call.parent_input_id else ""
    kind = summary.call.kind.name.lower()
    out.print(Text(f"submitted {moment(summary.call.submitted_at)}, {kind}, app {summary.app_id}{parent}", style="dim"))
    if rows:
        out.print()
        out.print(inputs_view(rows, width=out.width if out.is_terminal else _PIPE_BAR + 70))
        out.print(short_legend(rows))
    if len(states) > shown:
        some = "the first " if len(ended) == MAX_FOUND else ""
        out.print(Text(f"the {shown} slowest of {some}{len(states):,}; --inputs shows more", style="dim"))
    hints = [f"one of them: motet call {rows[0].input_id}"] if rows else []
    hints += [f"what they printed: motet logs --function-call {call_id}"]
    hints += [f"end it: motet call cancel {call_id}"] if live else []
    out.print(Text("\n" + "\n".join(hints), style="dim"))


def _row(found: Known, record: InputRecord, state: str) -> Row:
    input_id = input_id_of(record.call_id, record.index)
    # What held it up is found with the input itself, where records are elsewhere.
    return Row(input_id, state, _timeline(found, found.archive.input(input_id) or record)[0])


def _counts(summary: CallSummary, live: list[InputView]) -> str:
    counts = {"succeeded": summary.succeeded, "failed": summary.failed, "timed out": summary.timed_out}
    counts |= {"cancelled": summary.cancelled, "lost": summary.lost}
    counts["running"] = sum(view.state == "running" for view in live)
    counts["waiting"] = len(live) - counts["running"]
    return ", ".join(f"{number:,} {word}" for word, number in counts.items() if number) or "no inputs known"


def _call_json(summary: CallSummary, live: list[InputView], rows: list[Row]) -> dict[str, Any]:
    call = summary.call
    return {
        "function_call_id": call.call_id,
        "function_id": call.function_id,
        "function_name": _function_name(summary),
        "app_id": summary.app_id,
        "kind": call.kind.name.lower(),
        "parent_input_id": call.parent_input_id,
        "submitted_at": call.submitted_at,
        "ended_at": None if live else summary.ended_at,
        "counts": {
            **{name: getattr(summary, name) for name in ("succeeded", "failed", "cancelled", "timed_out", "lost")},
            "running": sum(view.state == "running" for view in live),
            "waiting": sum(view.state != "running" for view in live),
        },
        "inputs": [
            {
                "input_id": row.input_id,
                "state": row.state,
                "seconds": row.seconds,
                "attempts": len(row.timeline.attempts),
                "phases": row.timeline.seconds(),
            }
            for row in rows
        ],
    }
