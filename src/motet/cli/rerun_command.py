"""`motet call rerun`: an input that failed, once more, with the same arguments: on its server, or here."""

from __future__ import annotations

import sys
import time

import click
from rich.text import Text

from motet.cli.finding import Known, known
from motet.cli.options import ViewCommand
from motet.cli.plain_values import shown
from motet.cli.servers import LiveServer
from motet.cli.summary import seconds
from motet.cli.terminal import console, tell
from motet.client.new_ids import new_call_id
from motet.errors import InvalidError, NotFoundError
from motet.model.ids import checked_id, split_input_id
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.calls import CallSummary
from motet.sdk.run.terminal_text import harmless
from motet.server.deployments.aliases import Alias
from motet.wire import report
from motet.wire.client_messages import AwaitOutcomes, Outcomes, SubmitInputs

FAILED = 1
_LONG = 365 * 86400.0
"""Seconds to wait for an outcome: as long as it takes."""


@click.command("rerun", cls=ViewCommand)
@click.argument("input_id", metavar="IN-ID")
@click.option("--local", "here", is_flag=True, help="Run it here, in this process, instead of in a container.")
@click.option(
    "--pdb", "debug", is_flag=True, help="With --local: stop at the first line of the function, and where it fails."
)
def rerun_command(*, input_id: str, here: bool, debug: bool) -> None:
    """Run an input (in-...) that failed once more: the same code, with the same arguments.

    It becomes a call of its own, whose id is printed. Exit status 1: it failed again. Arguments of failed inputs are kept for
    as long as records are (MOTET_KEEP_ARGUMENTS, MOTET_KEEP_ARGUMENTS_BYTES).
    """
    if debug and not here:
        raise InvalidError("--pdb needs --local: a debugger looks at code that runs in this process")
    with known() as found:
        arguments, summary = _what_failed(found, checked_id(input_id, "in", "input"))
        definition = found.archive.definition(arguments.function_id)
        if not here:
            sys.exit(_run_there(found, input_id, arguments, definition, summary))
    if definition is None:
        raise NotFoundError(f"where the code of {input_id} is was not kept")
    from motet.cli.local_rerun import run_here  # late: it reaches for what runs in containers

    sys.exit(run_here(input_id, arguments, definition, summary.call.method, debug=debug))


def _what_failed(found: Known, input_id: str) -> tuple[ArgumentsRecord, CallSummary]:
    """Its arguments and its call. Raises `NotFoundError`, which says why they are not there."""
    summary = found.archive.call(split_input_id(input_id)[0])
    arguments = found.archive.arguments(input_id)
    if arguments is not None and summary is not None:
        return arguments, summary
    record = found.archive.input(input_id)
    if record is None and found.live_input(input_id) is not None:
        raise InvalidError(f"{input_id} has not ended yet; see: motet call {input_id}")
    if record is None or summary is None:
        raise found.no_input(input_id)
    if record.kind not in (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST):
        ending = record.kind.name.lower().replace("_", " ")
        raise InvalidError(f"{input_id} ended with {ending}; only inputs that failed are kept to be run again")
    raise NotFoundError(
        f"the arguments of {input_id} were not kept: it was a request to a web function, or they were larger than "
        "MOTET_KEEP_ARGUMENTS_BYTES, or MOTET_KEEP_ARGUMENTS was off where it ran, or others have taken their room"
    )


def _run_there(
    found: Known,
    input_id: str,
    arguments: ArgumentsRecord,
    definition: DefinitionRecord | None,
    summary: CallSummary,
) -> int:
    """Submit it to the server that has its function; the exit status."""
    function_id, what = arguments.function_id, f"{summary.function_name} ({arguments.function_id})"
    if definition is not None and definition.version and found.servers.function(function_id) is None:
        # Its server has been started again since: the version has other ids now.
        function_id = Alias(definition.app_name, definition.spec.key, definition.version).function_id
        what = f"{summary.function_name} of {definition.app_name} v{definition.version}"
    call_id = new_call_id()
    request = SubmitInputs(
        call_id, function_id, CallKind.SPAWNED, summary.call.method, [NewInput(0, arguments.payload)]
    )
    missing = f"{what}, which ran {input_id}, is not served any more; run it here: motet call rerun {input_id} --local"
    server = found.servers.act(request, missing)
    tell(f"{call_id} runs {input_id} again (motet call {call_id})", err=True)
    began = time.monotonic()
    return _tell_end(call_id, _awaited(server, call_id), time.monotonic() - began)


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
