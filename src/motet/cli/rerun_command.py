"""`motet call rerun`: an input that failed, once more, with the same arguments: on its server, or here."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any

import click
from msgspec.structs import replace
from rich.text import Text

from motet.cli.failed_calls import FAILED_KINDS, rerun_id, which_options
from motet.cli.finding import Known, known
from motet.cli.options import ViewCommand, confirm, yes_option
from motet.cli.plain_values import shown
from motet.cli.servers import STOP_TIMEOUT, LiveServer
from motet.cli.summary import count, seconds
from motet.cli.terminal import console, tell
from motet.client.new_ids import new_call_id
from motet.errors import InvalidError, NotFoundError, PermissionDeniedError, ResourceExhaustedError, ServiceError
from motet.model.ids import checked_id, split_input_id
from motet.model.ids import input_id as input_id_of
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.records.arguments import ArgumentsRecord, DefinitionRecord, why_not_kept
from motet.records.calls import CallSummary
from motet.records.inputs import InputRecord
from motet.records.queries import InputQuery
from motet.sdk.run.terminal_text import harmless
from motet.server.deployments.aliases import Alias
from motet.server.wiring import read_arguments
from motet.store.blob_reference import large_arguments
from motet.wire import report
from motet.wire.client_messages import AwaitOutcomes, Done, Outcomes, SubmitInputs
from motet.wire.operator_messages import FindInput, InputFound, RerunInput

FAILED = 1
_LONG = 365 * 86400.0
"""Seconds to wait for an outcome: as long as it takes."""


@click.command("rerun", cls=ViewCommand)
@click.argument("input_id", metavar="[IN-ID]", required=False)
@click.option("--failed", is_flag=True, help="All inputs that failed, of those that the options below name.")
@which_options
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="So many at most.")
@click.option("--local", "here", is_flag=True, help="Run it here, in this process, instead of in a container.")
@click.option(
    "--pdb", "debug", is_flag=True, help="With --local: stop at the first line of the function, and where it fails."
)
@yes_option
def rerun_command(
    *, input_id: str | None, failed: bool, here: bool, debug: bool, limit: int, yes: bool, **which: Any
) -> None:
    """Run an input (in-...) that failed once more: the same code, with the same arguments.

    It becomes a call of its own, whose id is printed. Exit status 1: it failed again. Arguments of failed inputs are kept for
    as long as records are (MOTET_KEEP_ARGUMENTS, MOTET_KEEP_ARGUMENTS_BYTES).

    With --failed: all that failed of an app, of a function, or since some time. Each is run again once, however often this is
    asked; one that fails again is another failed input. Nobody waits for them.
    """
    if debug and not here:
        raise InvalidError("--pdb needs --local: a debugger looks at code that runs in this process")
    if failed == (input_id is not None):
        raise InvalidError("give either the id of an input (in-...), or --failed")
    if failed and here:
        raise InvalidError("--local is for one input, by its id")
    if not failed and any(value is not None for value in which.values()):
        raise InvalidError("--app, --function, --since and --until go with --failed")
    with known() as found:
        if input_id is None:
            query = InputQuery(kinds=FAILED_KINDS, limit=limit, **which)
            failed_inputs = found.archive.inputs(query)
            if not failed_inputs:
                found.check_which(which["app"], which["function"])
            sys.exit(_run_all(found, failed_inputs, yes=yes))
        if input_id.startswith("fc-"):
            first = "in-" + input_id.removeprefix("fc-") + "-0"
            raise InvalidError(
                f"{input_id} is a function call, and its inputs are run again one by one, such as {first} (motet call "
                f"{input_id} lists them), or all that failed: --failed"
            )
        checked_id(input_id, "in", "input")
        if not here:
            sys.exit(_run_one(found, input_id))
        arguments, definition, summary = _what_failed(found, input_id)
        payload = _payload(found, arguments)
    if definition is None:
        raise NotFoundError(f"where the code of {input_id} is was not kept")
    from motet.cli.local_rerun import run_here  # late: it reaches for what runs in containers

    sys.exit(run_here(input_id, replace(arguments, payload=payload), definition, summary.call.method, debug=debug))


def _run_one(found: Known, input_id: str) -> int:
    """Run it, and wait for its end; the exit status."""
    call_id = new_call_id()
    server = _run_there(found, input_id, call_id)
    tell(f"{call_id} runs {input_id} again (motet call {call_id})", err=True)
    began = time.monotonic()
    try:
        ended = _awaited(server, call_id)
    except PermissionDeniedError as error:
        tell(f"how it ends is not said here: {error}", err=True)
        return 0
    return _tell_end(call_id, ended, time.monotonic() - began)


def _run_all(found: Known, failed: list[InputRecord], *, yes: bool) -> int:
    """Run those again that have not been, and say which; the exit status."""
    # By age: what failed first is first again.
    waiting = [(it, rerun_id(it)) for it in reversed(failed)]
    waiting = [(it, call_id) for it, call_id in waiting if found.archive.call(call_id) is None]
    before = f" ({count(len(failed) - len(waiting), 'other')} had been before)" if len(failed) > len(waiting) else ""
    if not waiting:
        tell(f"No failed input is to be run again{before}.", err=True)
        return 0
    confirm(f"Run {count(len(waiting), 'failed input')} again{before}?", yes=yes)
    problems: dict[str, str] = {}
    for record, call_id in waiting:
        failed_input = input_id_of(record.call_id, record.index)
        try:
            _run_there(found, failed_input, call_id)
        except (NotFoundError, InvalidError, ResourceExhaustedError, ServiceError) as error:
            problems[failed_input] = str(error)
        else:
            tell(f"{failed_input} {call_id}")
    tell(f"{count(len(waiting) - len(problems), 'input')} run again{before}; how: motet call FC-ID", err=True)
    for input_id, problem in problems.items():
        tell(f"{input_id} does not: {problem}", err=True)
    return FAILED if problems else 0


def _what_failed(found: Known, input_id: str) -> tuple[ArgumentsRecord, DefinitionRecord | None, CallSummary]:
    """Its arguments, where its code is, and its call. Raises `NotFoundError`, which says why they are not there."""
    summary = found.archive.call(split_input_id(input_id)[0])
    arguments = found.archive.arguments(input_id)
    if arguments is not None and summary is not None:
        return arguments, found.archive.definition(arguments.function_id), summary
    record = found.archive.input(input_id)
    if record is None and found.live_input(input_id) is not None:
        raise InvalidError(f"{input_id} has not ended yet; see: motet call {input_id}")
    if record is None or summary is None:
        raise found.no_input(input_id)
    raise why_not_kept(input_id, record)


def _run_there(found: Known, input_id: str, call_id: str) -> LiveServer:
    """Have the server that has its function run it as this call. Raises `NotFoundError`."""
    there = found.servers.elsewhere
    if there is not None and there.ask(FindInput(input_id), InputFound).record is not None:
        # Its arguments stay there.
        there.ask(RerunInput(input_id, call_id), Done, STOP_TIMEOUT)
        return there
    arguments, definition, summary = _what_failed(found, input_id)
    if large_arguments(arguments) is not None:
        # The server that it failed on reads them itself, and a later one does not know of it.
        with contextlib.suppress(NotFoundError):
            return found.servers.act(RerunInput(input_id, call_id), "")
    payload = _payload(found, arguments)
    function_id, what = arguments.function_id, f"{summary.function_name} ({arguments.function_id})"
    if definition is not None and definition.version and found.servers.function(function_id) is None:
        # Its server has been started again since: the version has other ids now.
        function_id = Alias(definition.app_name, definition.spec.key, definition.version).function_id
        what = f"{summary.function_name} of {definition.app_name} v{definition.version}"
    request = SubmitInputs(call_id, function_id, CallKind.SPAWNED, summary.call.method, [NewInput(0, payload)])
    missing = f"{what}, which ran {input_id}, is not served any more; run it here: motet call rerun {input_id} --local"
    return found.servers.act(request, missing)


def _payload(found: Known, arguments: ArgumentsRecord) -> bytes:
    try:
        return read_arguments(found.home, os.environ.get("MOTET_BLOBS", ""), arguments)
    except NotFoundError as error:
        raise NotFoundError(
            f"{error}. Large arguments of failed inputs are kept as long as the results of their call "
            "(MOTET_KEEP_RESULTS_DAYS), and up to MOTET_KEEP_LARGE_ARGUMENTS_MIB in all"
        ) from None


def _awaited(server: LiveServer, call_id: str) -> InputEnd:
    return server.ask(AwaitOutcomes(call_id, 0, count=1), Outcomes, _LONG).ended[0]


def _tell_end(call_id: str, ended: InputEnd, taken: float) -> int:
    out = console()
    if ended.kind is OutcomeKind.SUCCESS:
        tell(f"succeeded after {seconds(taken)}", err=True)
        value = shown(ended.payload)
        if value is None:
            tell(
                f"its result ({len(ended.payload):,} bytes) has types of the program; there: "
                f"motet.FunctionCall.from_id({call_id!r}).get()",
                err=True,
            )
        else:
            out.print(Text(harmless(value)), soft_wrap=True)
        return 0
    told = report.read(ended.payload)
    text = (told.traceback or report.summary(ended.payload)).rstrip("\n")
    out.print(Text(harmless(text), style="red"), soft_wrap=True)
    tell(f"failed again after {seconds(taken)}; what it printed: motet logs --function-call {call_id}", err=True)
    return FAILED
