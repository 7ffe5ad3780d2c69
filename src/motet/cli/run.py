"""Carrying out `motet run`: the app is started, the program runs, its result is shown, and the app is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import select
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import click

from motet.cli.arguments import CallArguments
from motet.cli.display import terminal_display
from motet.cli.interrupts import INTERRUPTED, Interrupts, Terminated, handled_interrupts
from motet.cli.reference import Runnable
from motet.cli.tracebacks import user_traceback
from motet.errors import RemoteTraceback

SUCCEEDED = 0
FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run. `write_result`: the file for the return value, which is then not printed."""

    quiet: bool = False
    timestamps: bool = False
    write_result: Path | None = None
    dashboard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and with which arguments; `parameters` are those of a class, if it is a method."""

    runnable: Runnable
    parameters: CallArguments
    arguments: CallArguments


def run(program: Program, options: RunOptions) -> int:
    """Runs the program in a running app and returns the exit status; its errors are printed."""
    with handled_interrupts() as interrupts:
        status = _status_of(lambda: _run_app(program, options, interrupts))
    return _flushed(status)


def _run_app(program: Program, options: RunOptions, interrupts: Interrupts) -> None:
    app = program.runnable.app
    display = terminal_display(quiet=options.quiet, timestamps=options.timestamps)
    with contextlib.closing(display), app.run(dashboard=options.dashboard):
        # Leaving: the app stops first, then the display closes, because containers write lines until their end.
        running = app.running
        assert running is not None
        display.watch(running)
        try:
            results = _results(program)
            if options.write_result is not None:
                _write_results(results, options.write_result)
            elif not program.runnable.is_entrypoint:
                for result in results:
                    print(repr(result), flush=True)
        except KeyboardInterrupt:
            click.echo(f"Stopping: app {running.app_id} and its containers (Ctrl-C again ends at once)", err=True)
            raise
        except Terminated:
            click.echo(f"Stopping: app {running.app_id} and its containers (SIGTERM)", err=True)
            raise
        finally:
            interrupts.closing = True
            display.unwatch("stopping")


def _results(program: Program) -> Iterable[Any]:
    """Runs it, and gives what it returned unless that is None; for a generator function, its items as they come."""
    runnable, arguments = program.runnable, program.arguments
    if runnable.is_entrypoint:
        result = runnable.handle(*arguments.args, **arguments.kwargs)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        return () if result is None else (result,)
    function = runnable.handle
    if runnable.method is not None:
        function = getattr(runnable.handle(**program.parameters.kwargs), runnable.method)
    if function.method.is_generator:
        items: Iterable[Any] = function.remote_gen(*arguments.args, **arguments.kwargs)
        return items
    result = function.remote(*arguments.args, **arguments.kwargs)
    return () if result is None else (result,)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _write_results(results: Iterable[Any], path: Path) -> None:
    with path.open("wb") as file:
        for result in results:
            _write_item(file, result)


def _write_item(file: BinaryIO, item: Any) -> None:
    match item:
        case bytes() | bytearray() | memoryview():
            file.write(item)
        case str():
            file.write(item.encode())
        case _:
            file.write(f"{item!r}\n".encode())


def _status_of(program: Callable[[], None]) -> int:
    """The exit status for how `program` ends; an exception's traceback goes to stderr."""
    try:
        program()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as exit_request:
        if isinstance(exit_request.__cause__, RemoteTraceback):
            # A function's, which has ended without a result; the program did not ask for its own end.
            click.echo(user_traceback(exit_request), err=True, nl=False)
            return _exit_status(exit_request) or FAILED
        return _exit_status(exit_request)
    except BaseException as error:
        if isinstance(error, BrokenPipeError) and _stdout_is_broken():
            return FAILED
        click.echo(user_traceback(error), err=True, nl=False)
        return FAILED
    return SUCCEEDED


def _exit_status(exit_request: SystemExit) -> int:
    """As Python does it: None is 0, a number itself, anything else is printed and means 1."""
    match exit_request.code:
        case None:
            return SUCCEEDED
        case int(status):
            return status
        case message:
            click.echo(message, err=True)
            return FAILED


def _stdout_is_broken() -> bool:
    """Whether whoever read our stdout is gone (`motet run ... | head`)."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _flushed(status: int) -> int:
    """`status` once stdout is flushed. A reader that is gone makes no noise, not at the interpreter's end either."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return status or FAILED
    return status
