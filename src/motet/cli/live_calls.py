"""The calls that a measurement makes of a function: arguments from the command line, as options or as JSON."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence

import click

from motet.cli.arguments import CallArguments, CommandLine
from motet.cli.measure import Subject
from motet.cli.notation import Wrong
from motet.cli.reference import Runnable


def subject_of(runnable: Runnable, command: str, options: Sequence[str], texts: Sequence[str]) -> Subject:
    """What to measure: `options` as for `motet run`, or each of `texts` the arguments of one call as JSON.

    `command` is how it is called, for messages. Raises `Wrong` for arguments that do not fit.
    """
    if options and texts:
        raise Wrong("arguments are given either after -- or as --args, not both")
    if texts:
        calls = [_from_json(runnable, text) for text in texts]
        return Subject(runnable=runnable, parameters=_class_parameters(runnable, command, ()), calls=calls)
    if not options and not _required(runnable):
        return Subject(runnable=runnable, parameters=_class_parameters(runnable, command, ()), calls=[CallArguments()])
    parameters, arguments = _from_options(runnable, command, options)
    return Subject(runnable=runnable, parameters=parameters, calls=[arguments])


def _parameters(runnable: Runnable) -> list[inspect.Parameter]:
    return list(inspect.signature(runnable.raw).parameters.values())[0 if runnable.method is None else 1 :]


def _required(runnable: Runnable) -> list[str]:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [it.name for it in _parameters(runnable) if it.default is it.empty and it.kind not in variadic]


def _from_json(runnable: Runnable, text: str) -> CallArguments:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Wrong(f"--args: {text!r} is not JSON: {error}") from error
    match value:
        case list():
            call = CallArguments(args=tuple(value))
        case dict():
            call = CallArguments(kwargs=value)
        case _:
            raise Wrong(f"--args: a list of arguments or an object of keyword arguments is needed, got {text}")
    try:
        inspect.Signature(_parameters(runnable)).bind(*call.args, **call.kwargs)
    except TypeError as error:
        raise Wrong(f"--args: {runnable.name} cannot be called with {text}: {error}") from error
    return call


def _class_line(runnable: Runnable) -> CommandLine:
    return CommandLine([], "") if runnable.method is None else CommandLine.of_class(runnable.handle.target.spec)


def _class_parameters(runnable: Runnable, command: str, options: Sequence[str]) -> CallArguments:
    line = _class_line(runnable)
    return line.call_with(_values(runnable, command, line.options, options))


def _from_options(runnable: Runnable, command: str, options: Sequence[str]) -> tuple[CallArguments, CallArguments]:
    class_line = _class_line(runnable)
    try:
        line = CommandLine.of_function(runnable.raw, runnable.name, is_method=runnable.method is not None)
    except click.UsageError as error:
        raise Wrong(f"{error.message} Or give its arguments as --args JSON.") from error
    values = _values(runnable, command, [*class_line.options, *line.options], options)
    return class_line.call_with(values), line.call_with(values)


def _values(
    runnable: Runnable, command: str, parameters: list[click.Parameter], options: Sequence[str]
) -> dict[str, object]:
    parser = click.Command(runnable.name, params=parameters, callback=lambda **values: values, add_help_option=False)
    try:
        values: dict[str, object] = parser.main(args=list(options), prog_name=command, standalone_mode=False)
    except click.UsageError as error:
        example = " ".join(f"{it.opts[0]} ..." for it in parameters if it.required)
        raise Wrong(
            f"{runnable.name}: {error.format_message()} Its arguments come after --, as in `{command} --live -- {example}`, "
            "or as --args JSON."
        ) from error
    return values
