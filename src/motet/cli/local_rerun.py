"""One input run in this process, as a container would: its program imported, its hooks run, its function called."""

from __future__ import annotations

import asyncio
import inspect
import os
import pdb
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from motet.cli.terminal import tell
from motet.cli.tracebacks import user_traceback
from motet.context import sources
from motet.context.current_input import CurrentInput, current
from motet.errors import NotFoundError
from motet.model.function import FunctionSpec, ImportedDefinition, MethodSpec, SerializedDefinition
from motet.model.ids import split_input_id
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.runtime.attempts.arguments import read_arguments
from motet.runtime.attempts.batch import Batched
from motet.runtime.loading import bundled
from motet.runtime.loading.loader import Service, load
from motet.sdk.call.function import Function
from motet.sdk.declare.cls import Cls
from motet.sdk.run.terminal_text import harmless

FAILED = 1


def run_here(
    input_id: str, arguments: ArgumentsRecord, definition: DefinitionRecord, method: str, *, debug: bool
) -> int:
    """Run it, and say how it ended; the exit status. `debug`: under a debugger, which also has what it raises."""
    _enter_program(definition)
    service, running = _loaded(definition.spec)
    spec = next(each for each in definition.spec.methods if each.name == method)
    call_id, index = split_input_id(input_id)
    current.set(CurrentInput(call_id, index))
    with running, asyncio.Runner() as runner:
        try:
            for hook in service.enter:
                _finished(runner, hook())
            run = _Run(service.methods[method], spec, definition.spec, runner)
            value = run.under_debugger(arguments.payload) if debug else run(arguments.payload)
        except Exception as error:
            tell(user_traceback(error), err=True, nl=False)
            tell(f"{input_id} failed here, too: {type(error).__name__}", err=True)
            if debug:
                pdb.post_mortem(error.__traceback__)
            return FAILED
        finally:
            for hook in service.exit:
                _finished(runner, hook())
    tell(harmless(repr(value)))
    tell(f"{input_id} succeeded here", err=True)
    return 0


class _Run:
    """One call of a method with arguments as they were sent."""

    def __init__(
        self, code: Callable[..., Any], method: MethodSpec, spec: FunctionSpec, runner: asyncio.Runner
    ) -> None:
        self._code = code
        self._method = method
        self._batched = None if spec.batching is None else Batched(method, code)
        self._runner = runner

    def __call__(self, payload: bytes) -> Any:
        """What it returns; the list of its items, if it is a generator."""
        args, kwargs = read_arguments(payload, self._code, batched=self._batched is not None)
        if self._batched is not None:
            named = self._batched.transposition.named(tuple(args), dict(kwargs))
            results = _finished(self._runner, self._batched([named]))
            return self._batched.transposition.results(results, 1)[0]
        made = self._code(*args, **kwargs)
        if inspect.isasyncgen(made):
            return self._runner.run(_items(made))
        return list(made) if self._method.is_generator else _finished(self._runner, made)

    def under_debugger(self, payload: bytes) -> Any:
        """The same; it stops at the first line of the code."""
        code = inspect.unwrap(getattr(self._code, "func", self._code)).__code__
        debugger = pdb.Pdb()
        debugger.reset()
        debugger.botframe = sys._getframe()
        debugger.set_continue()  # until there
        problem = debugger.set_break(code.co_filename, code.co_firstlineno, True, None, code.co_name)
        if problem:
            tell(f"cannot stop at the first line: {problem}", err=True)
        sys.settrace(debugger.trace_dispatch)
        try:
            return self(payload)
        finally:
            sys.settrace(None)


async def _items(generator: Any) -> list[Any]:
    return [item async for item in generator]


def _finished(runner: asyncio.Runner, made: Any) -> Any:
    """What was returned, awaited if that is how it is had."""
    return runner.run(_awaited(made)) if inspect.isawaitable(made) else made


async def _awaited(made: Any) -> Any:
    return await made


def _enter_program(definition: DefinitionRecord) -> None:
    """Be where the program was, with its arguments and search path. Raises `NotFoundError` if it is gone."""
    where = definition.spec.definition
    if isinstance(where, SerializedDefinition):
        raise NotFoundError(
            f"{definition.spec.name} travelled by value, and its code was not kept: only functions that can be imported "
            "can be run here"
        )
    copies = Path(definition.sources) if definition.sources else None
    _check_file(where, copies)
    if definition.project_dir and Path(definition.project_dir).is_dir():
        os.chdir(definition.project_dir)
    elif definition.project_dir:
        tell(f"{definition.project_dir}, where the program was started, is gone: this runs in {os.getcwd()}", err=True)
    if definition.argv:
        sys.argv[:] = definition.argv
    sys.path[:] = [*definition.sys_path, *(entry for entry in sys.path if entry not in definition.sys_path)]
    if definition.bundle:
        bundled.leave_other_source(definition.bundle)
    if copies is not None and copies.is_dir():
        sources.use(sources.Sources(copies))


def _check_file(where: ImportedDefinition, copies: Path | None) -> None:
    if where.file is None or os.path.exists(where.file):
        return
    if copies is None or sources.Sources(copies).copy_of(where.file) is None:
        raise NotFoundError(f"the program cannot be run here: its file {where.file} is gone")


def _loaded(spec: FunctionSpec) -> tuple[Service, AbstractContextManager[Any]]:
    """What is to be called, and its app, to run meanwhile: it may call other functions. The function's environment is that
    which it is declared with now."""
    service = load(spec)
    declared = _declared(spec)
    if declared is None:
        return service, nullcontext()
    os.environ.update(declared.target.declared.image.env | declared.target.declared.env)
    app: Any = declared.target.app
    return service, app.run()


def _declared(spec: FunctionSpec) -> Function[..., Any] | Cls[Any] | None:
    """The handle that the program has of the function."""
    where = spec.definition
    assert isinstance(where, ImportedDefinition)
    found: Any = sys.modules.get("__main__" if where.is_main else where.module)
    for part in where.qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, Function | Cls) else None
