"""`motet sandbox`: the sandboxes that run, commands in them, what they wrote, and their end."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from motet.cli.attach import attach, is_terminal, terminal_size
from motet.cli.finding import Candidate, Known, choose, known
from motet.cli.logs_command import Scope, print_logs, reading_of, reading_options
from motet.cli.options import ViewGroup, confirm, json_option, print_json, yes_option
from motet.cli.servers import STOP_TIMEOUT, LiveServer
from motet.cli.tables import cell, duration, fitting, state_cell, table
from motet.cli.terminal import console, tell
from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.model.sandbox import SandboxView
from motet.sdk.sandbox.sandbox import Sandbox
from motet.wire.sandbox_messages import EndSandbox, SandboxViewed


@click.group("sandbox", cls=ViewGroup)
def sandbox_command() -> None:
    """Sandboxes: list them, run commands in them, read what they wrote, end them."""


@sandbox_command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended lately.")
@click.option("--app", metavar="APP", help="Only those of this app: its id or name.")
@json_option
def list_sandboxes(*, everything: bool, app: str | None, as_json: bool) -> None:
    """List the sandboxes that run, the newest first."""
    with known() as found:
        views = [
            view
            for _, view in found.servers.sandboxes(ended=everything)
            if app is None or app in (view.app_id, view.app_name)
        ]
        where, is_empty = found.home, found.servers.is_empty()
    if as_json:
        print_json(views)
        return
    if not views:
        tell(f"No sandboxes: {'no server runs' if is_empty else 'none runs now'} under {where}.", err=True)
        return
    columns = ("sandbox id", "name", "state", "code", "age", "isolation", "app", "command")
    shown = table(*columns, *(("reason",) if everything else ()), right=("code", "age"))
    for view in views:
        shown.add_row(
            view.sandbox_id,
            cell(view.name or None, "bold"),
            state_cell(view.ended or "running"),
            cell(view.returncode),
            duration((view.ended_at or time.time()) - view.began_at),
            cell(view.isolation),
            cell(view.app_name),
            cell(shlex.join(view.command) or None),
            *((cell(view.reason or None),) if everything else ()),
        )
    out = console()
    out.print(fitting(shown, out.width))


@sandbox_command.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--pty/--no-pty", default=None, help="Give it a terminal, which is this one. Default: if this is one.")
@click.argument("sandbox")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_in_sandbox(*, pty: bool | None, sandbox: str, command: tuple[str, ...]) -> None:
    """Run a command in a sandbox, with this terminal, such as `motet sandbox exec 8f2k1 -- ls -l`. Ends with its code."""
    with reached(sandbox) as box:
        sys.exit(run_in(box, command[1:] if command[0] == "--" else command, pty=is_terminal() if pty is None else pty))


@sandbox_command.command("logs")
@click.argument("sandbox")
@reading_options
def sandbox_logs(*, sandbox: str, tail: int | None, **reading: Any) -> None:
    """Print what the command of a sandbox wrote, also of one that has ended."""
    with known() as found:
        _, view = find(found, sandbox, ended=True)
    print_logs(Scope(sandbox=view.sandbox_id), reading_of(tail=tail, **reading))


@sandbox_command.command("terminate")
@click.argument("sandbox")
@yes_option
def terminate_sandbox(*, sandbox: str, yes: bool) -> None:
    """End a sandbox now, with all that runs in it."""
    with known() as found:
        server, view = find(found, sandbox)
        named = f" ({view.name})" if view.name else ""
        confirm(f"{view.sandbox_id}{named} runs {shlex.join(view.command) or 'no command'}. End it?", yes=yes)
        server.ask(EndSandbox(view.sandbox_id), SandboxViewed, STOP_TIMEOUT)
    tell(f"Ended {view.sandbox_id}", err=True)


def find(found: Known, text: str, *, ended: bool = False) -> tuple[LiveServer, SandboxView]:
    """A sandbox by its id, the end of that, or its name. Raises `NotFoundError`."""
    there = found.servers.sandboxes(ended=ended)
    candidates = [Candidate(view.sandbox_id, view.name) for _, view in there]
    return there[choose(text, candidates, "sandbox" if ended else "running sandbox", found.home)]


@contextmanager
def reached(text: str) -> Iterator[Sandbox]:
    """A handle on one that runs, for as long as the block does."""
    with known() as found:
        server, view = find(found, text)

        def connect() -> Steps[Connection]:
            yield from ()
            return server.connection

        yield Sandbox(view.sandbox_id, connect)


def run_in(box: Sandbox, command: tuple[str, ...], *, pty: bool, **options: Any) -> int:
    """Run a command with this terminal; its code."""
    env = {"TERM": os.environ.get("TERM", "xterm-256color")} if pty else {}
    process = box.exec(*command, text=False, pty=terminal_size() if pty else False, env=env, **options)
    return attach(process, terminal=pty and os.isatty(0))
