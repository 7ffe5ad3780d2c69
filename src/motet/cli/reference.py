"""What `motet run` was asked to run: `FILE`, `FILE::name`, `FILE::app.name` or `FILE::Class.method`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import click

from motet.cli.loading import load_file, load_module
from motet.sdk.call.function import Function
from motet.sdk.call.target import Target
from motet.sdk.declare.app import App
from motet.sdk.declare.cls import Cls
from motet.sdk.declare.user_class import raw_method


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference taken apart: a file or module, and what is wanted of it (None: its only entrypoint or function).

    `program` is the command that takes it."""

    source: str
    name: str | None
    is_module: bool
    program: str = "motet run"

    @property
    def command(self) -> str:
        """The command line up to the source, for messages that say what to type."""
        return f"{self.program} -m {self.source}" if self.is_module else f"{self.program} {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """Something that can be run: a local entrypoint, a function, or a method of a class, of one app.

    `handle` is the `LocalEntrypoint`, the `Function`, or the `Cls`; `method` is given for a class only.
    """

    app: App
    name: str
    handle: Any
    is_entrypoint: bool = False
    method: str | None = None

    @property
    def raw(self) -> Callable[..., Any]:
        """The Python function that the user wrote; a method's takes the object first."""
        if self.method is not None:
            return raw_method(self.handle.user_cls, self.method)
        return cast(Callable[..., Any], self.handle.raw)


def parse(text: str, *, is_module: bool = False, program: str = "motet run") -> Reference:
    """
    >>> parse("work.py::app.fetch").name
    'app.fetch'
    """
    source, separator, name = text.partition("::")
    if not source or (separator and not name):
        raise click.UsageError(
            f"{text!r} is no reference; they look like FILE.py, FILE.py::name or FILE.py::Class.method"
        )
    return Reference(source=source, name=name or None, is_module=is_module, program=program)


def load(reference: Reference) -> ModuleType:
    """The module of a reference; see `motet.cli.loading` for how this fails."""
    return load_module(reference.source) if reference.is_module else load_file(reference.source)


def resolve(module: ModuleType, reference: Reference) -> Runnable:
    """What to run. Raises `click.UsageError`, with the commands to choose from, when that is not clear."""
    apps = _apps(module)
    if not apps:
        raise click.UsageError(
            f"No motet.App in {reference.source}. Write `app = motet.App()` at the top level of the file, and declare "
            "functions with `@app.function()`."
        )
    if reference.name is None:
        return _only(apps, module, reference)
    return _named(apps, module, reference, reference.name)


def _apps(module: ModuleType) -> dict[str, App]:
    """The apps at the module's top level by variable, each once; `app` first."""
    found: dict[int, tuple[str, App]] = {}
    for variable, value in sorted(vars(module).items(), key=lambda item: item[0] != "app"):
        if isinstance(value, App):
            found.setdefault(id(value), (variable, value))
    return dict(found.values())


def _only(apps: dict[str, App], module: ModuleType, reference: Reference) -> Runnable:
    if "app" not in apps and len(apps) > 1:
        every = [(f"{variable}.{it.name}", it) for variable, app in apps.items() for it in _runnables(app)]
        raise _choose(f"{reference.source} has several apps ({', '.join(apps)})", reference, every)
    app = apps["app"] if "app" in apps else next(iter(apps.values()))
    runnables = _runnables(app)
    entrypoints = [it for it in runnables if it.is_entrypoint]
    candidates = entrypoints or runnables
    if len(candidates) > 1:
        # An app may be declared in one module and added to in others.
        candidates = [it for it in candidates if it.raw.__module__ == module.__name__] or candidates
    if len(candidates) == 1:
        return candidates[0]
    if not runnables:
        raise click.UsageError(
            f"The app in {reference.source} has nothing to run. Declare a function with `@app.function()` or an "
            "entrypoint with `@app.local_entrypoint()`."
        )
    what = "local entrypoints" if entrypoints else "functions"
    raise _choose(f"{reference.source} has several {what}", reference, [(it.name, it) for it in runnables])


def _named(apps: dict[str, App], module: ModuleType, reference: Reference, name: str) -> Runnable:
    first, dot, rest = name.partition(".")
    if dot and first in apps:
        apps, name = {first: apps[first]}, rest
    every = [(variable, it) for variable, app in apps.items() for it in _runnables(app)]
    matches = [(f"{variable}.{it.name}", it) for variable, it in every if _is_called(it, name, module)]
    if len(matches) == 1 or (matches and matches[0][0] == f"app.{name}"):
        return matches[0][1]
    if matches:
        raise _choose(f"{name!r} is more than one thing in {reference.source}", reference, matches)
    if (variable := _variable(apps, module, name)) is not None:
        return variable
    raise _choose(f"There is no {name!r} to run in {reference.source}", reference, [(it.name, it) for _, it in every])


def _is_called(runnable: Runnable, name: str, module: ModuleType) -> bool:
    """By its own name, by the variable it is bound to, or, for the only method of a class, by the class."""
    if name in (runnable.name, runnable.name.partition(".")[0]) and not _has_siblings(runnable, name):
        return True
    return runnable.method is None and getattr(module, name, None) is runnable.handle


def _variable(apps: dict[str, App], module: ModuleType, name: str) -> Runnable | None:
    """What a variable of the module holds: a variant, or a function or class of an app that is not in this module."""
    first, _, method = name.partition(".")
    handle = getattr(module, first, None)
    match handle:
        case Function() if not method:
            return _at_variable(apps, handle.target, name, handle)
        case Cls():
            methods = _methods(handle)
            wanted = method or (methods[0] if len(methods) == 1 else "")
            return _at_variable(apps, handle.target, name, handle, wanted) if wanted in methods else None
    return None


def _at_variable(
    apps: dict[str, App], target: Target, name: str, handle: Any, method: str | None = None
) -> Runnable | None:
    if not isinstance(target.app, App):
        return None
    # An app that includes its app runs it, too, with all that it calls.
    app = next((it for it in apps.values() if target.app in (it, *it.included)), target.app)
    return Runnable(app=app, name=name, handle=handle, method=method)


def _has_siblings(runnable: Runnable, name: str) -> bool:
    return name != runnable.name and len(_methods(runnable.handle)) > 1


def _runnables(app: App) -> list[Runnable]:
    """Everything in an app that can be run, entrypoints first, each in order of declaration."""
    entrypoints = [
        Runnable(app=app, name=name, handle=it, is_entrypoint=True) for name, it in app.registered_entrypoints.items()
    ]
    functions = [Runnable(app=app, name=name, handle=it) for name, it in app.registered_functions.items()]
    methods = [
        Runnable(app=app, name=f"{name}.{method}", handle=it, method=method)
        for name, it in app.registered_classes.items()
        for method in _methods(it)
    ]
    return entrypoints + functions + methods


def _methods(cls: Any) -> list[str]:
    return [method.name for method in cls.target.spec.methods]


def _choose(problem: str, reference: Reference, runnables: list[tuple[str, Runnable]]) -> click.UsageError:
    if not runnables:
        return click.UsageError(f"{problem}; nothing else is declared there either.")
    commands = "\n".join(f"  {reference.command}::{name}" for name, _ in runnables)
    return click.UsageError(f"{problem}. What can be run there:\n\n{commands}")
