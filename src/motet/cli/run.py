"""Carrying out `motet run`: the app is started, the program runs, its result is shown, and the app is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motet.cli.arguments import CallArguments
from motet.cli.display import terminal_display
from motet.cli.interrupts import INTERRUPTED, Interrupts, Terminated, handled_interrupts
from motet.cli.reference import Runnable
from motet.cli.result_file import ResultRefused, write_results
from motet.cli.screen import Screen
from motet.cli.streams import OutputFailed, flushed, is_of_stdout
from motet.cli.terminal import tell
from motet.cli.tracebacks import user_traceback
from motet.errors import RemoteTraceback

SUCCEEDED = 0
FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run. `write_result`: the file for the return value, which is then not printed. `screen`: the terminal, if there
    is one to show a view on."""

    quiet: bool = False
    timestamps: bool = False
    write_result: Path | None = None
    dashboard: bool = False
    detach: bool = False
    screen: Screen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnableCall:
    """What to run and with which arguments; `parameters` are those of a class, if it is a method."""

    runnable: Runnable
    parameters: CallArguments
    arguments: CallArguments


def run(program: RunnableCall, options: RunOptions) -> int:
    """Runs the program in a running app and returns the exit status; its errors are printed."""
    with handled_interrupts() as interrupts:
        return _status_of(lambda: _run_app(program, options, interrupts))


def _run_app(program: RunnableCall, options: RunOptions, interrupts: Interrupts) -> None:
    app = program.runnable.app
    display = terminal_display(options.screen, quiet=options.quiet, timestamps=options.timestamps)
    with contextlib.closing(display), app.run(dashboard=options.dashboard, detach=options.detach):
        # Leaving: the app stops first, then the display closes, because containers write lines until their end.
        running = app.running
        assert running is not None
        display.watch(running)
        try:
            results = _results(program, keep_none=options.write_result is not None, detach=options.detach)
            if options.write_result is not None:
                write_results(program.runnable.name, results, options.write_result)
            elif not program.runnable.is_entrypoint:
                for result in results:
                    tell(repr(result))
        except KeyboardInterrupt:
            if not options.detach:
                tell(f"Stopping: app {running.app_id} and its containers (Ctrl-C again ends at once)", err=True)
            raise
        except Terminated:
            if not options.detach:
                tell(f"Stopping: app {running.app_id} and its containers (SIGTERM)", err=True)
            raise
        finally:
            interrupts.closing = True
            display.unwatch("detached" if options.detach else "stopping")


def _results(program: RunnableCall, *, keep_none: bool, detach: bool) -> Iterable[Any]:
    """Runs it, and gives what it returned, None only if that is wanted; for a generator function, its items as they come.
    `detach`: a function goes on when this program is interrupted."""
    runnable, arguments = program.runnable, program.arguments
    if runnable.is_entrypoint:
        result = runnable.handle(*arguments.args, **arguments.kwargs)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        return (result,) if result is not None or keep_none else ()
    function = runnable.handle
    if runnable.method is not None:
        function = getattr(runnable.handle(**program.parameters.kwargs), runnable.method)
    if function.method.is_generator:
        items: Iterable[Any] = function.remote_gen(*arguments.args, **arguments.kwargs)
        return items
    call = function.spawn if detach else function.remote
    result = call(*arguments.args, **arguments.kwargs)
    if detach:
        tell(f"Running as {result.object_id}; what has become of it: motet call {result.object_id}", err=True)
        result = result.get()
    return (result,) if result is not None or keep_none else ()


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _status_of(program: Callable[[], None]) -> int:
    """The exit status for how `program` ends; an exception's traceback goes to stderr."""
    try:
        program()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as exit_request:
        return _exit_status(exit_request)
    except BaseException as error:
        if isinstance(error, OutputFailed | ResultRefused):
            error.show()
            return FAILED
        if isinstance(error, OSError) and is_of_stdout(error):
            return flushed(FAILED) or FAILED  # which says what there is to say
        tell(user_traceback(error), err=True, nl=False)
        return FAILED
    return SUCCEEDED


def _exit_status(exit_request: SystemExit) -> int:
    """The program's own, or that of a function, which has ended without a result: never a success."""
    if not isinstance(exit_request.__cause__, RemoteTraceback):
        return _status_asked_for(exit_request)
    tell(user_traceback(exit_request), err=True, nl=False)
    return _status_asked_for(exit_request) or FAILED


def _status_asked_for(exit_request: SystemExit) -> int:
    """As Python does it: None is 0, a number itself, anything else is printed and means 1."""
    match exit_request.code:
        case None:
            return SUCCEEDED
        case int(status):
            return status
        case message:
            tell(str(message), err=True)
            return FAILED
