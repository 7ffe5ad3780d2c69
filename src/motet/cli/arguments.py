"""A Python signature as command-line options: which there are, and the call that given values make."""

from __future__ import annotations

import builtins
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union

import click

from motet.model.function import FunctionSpec
from motet.model.parameters import ParameterSpec

_SCALARS: dict[Any, click.ParamType[Any]] = {
    str: click.STRING,
    int: click.INT,
    float: click.FLOAT,
    bool: click.BOOL,
    Path: click.Path(path_type=Path),
}
_SUPPORTED = "str, int, float, bool, datetime, Path, Literal, Enum, list[...] of these, and `... | None`"


class UnsupportedSignature(click.UsageError):
    """A parameter cannot be given on the command line; the message names it and what can be done."""


class IsoDatetime(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """Dates and times as `datetime.fromisoformat` reads them."""

    name = "datetime"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date or time in ISO 8601 form, such as 2026-01-31T12:00:00.", param, ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArguments:
    """What to call a function with."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


class CommandLine:
    """The options that stand for `parameters`, whose annotations are types, not strings.

    `owner` names the callable in messages. Raises `UnsupportedSignature` for a parameter that no option can stand for.
    """

    def __init__(self, parameters: Sequence[inspect.Parameter], owner: str) -> None:
        self._parameters = parameters
        self.options = [_option(parameter, owner) for parameter in parameters]
        check_flags(self.options, owner)

    @classmethod
    def of_function(cls, function: Callable[..., Any], owner: str, *, is_method: bool = False) -> CommandLine:
        """That of a function; `is_method` leaves out `self`."""
        parameters = list(inspect.signature(function).parameters.values())[1 if is_method else 0 :]
        return cls(
            [parameter.replace(annotation=_annotation(function, parameter, owner)) for parameter in parameters], owner
        )

    @classmethod
    def of_class(cls, spec: FunctionSpec) -> CommandLine:
        """That of the `motet.parameter()`s of a class; parameters of type bytes keep their defaults."""
        return cls(
            [_class_parameter(it) for it in spec.parameters if it.type_name != "bytes" or it.default is None], spec.name
        )

    @property
    def is_variadic(self) -> bool:
        """Whether the rest of the command line goes to the callable's `*args` as it is."""
        return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in self._parameters)

    def call_with(self, values: Mapping[str, Any]) -> CallArguments:
        """The call for the options' `values`. What was not given is left out: the callable has its own defaults."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for parameter in self._parameters:
            value = values.get(parameter.name)
            if parameter.kind is parameter.VAR_POSITIONAL:
                args.extend(value or ())
            elif parameter.kind is parameter.POSITIONAL_ONLY or self._is_before_variadic(parameter):
                args.append(parameter.default if _is_absent(value, parameter) else value)
            elif not _is_absent(value, parameter):
                kwargs[parameter.name] = list(value) if isinstance(value, tuple) else value
        return CallArguments(args=tuple(args), kwargs=kwargs)

    def _is_before_variadic(self, parameter: inspect.Parameter) -> bool:
        return self.is_variadic and parameter.kind is parameter.POSITIONAL_OR_KEYWORD


def check_flags(options: Sequence[click.Parameter], owner: str) -> None:
    """Raises `UnsupportedSignature` if two parameters would be one option: `id` and `id_`, or `cache: bool` and `no_cache`."""
    whose: dict[str, click.Parameter] = {}
    for option in options:
        for flag in (*option.opts, *option.secondary_opts) if isinstance(option, click.Option) else ():
            if (other := whose.setdefault(flag, option)) is not option:
                raise UnsupportedSignature(
                    f"Parameters {other.name!r} and {option.name!r} of {owner} would both be {flag}; rename one of them."
                )


def _class_parameter(spec: ParameterSpec) -> inspect.Parameter:
    default = inspect.Parameter.empty if spec.default is None else None
    return inspect.Parameter(
        spec.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=getattr(builtins, spec.type_name)
    )


def _is_absent(value: Any, parameter: inspect.Parameter) -> bool:
    return value is None or (value == () and parameter.default is not parameter.empty)


def _annotation(function: Callable[..., Any], parameter: inspect.Parameter, owner: str) -> Any:
    """The parameter's annotation with strings evaluated; one at a time, so that others need not resolve here."""
    if parameter.annotation is parameter.empty:
        return str
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(holder, globalns=names)[parameter.name]
    except Exception as error:
        raise UnsupportedSignature(
            f"The annotation of parameter {parameter.name!r} of {owner}, {parameter.annotation!r}, cannot be "
            f"evaluated: {error}"
        ) from error


def _option(parameter: inspect.Parameter, owner: str) -> click.Parameter:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return click.Argument([parameter.name], nargs=-1, type=click.UNPROCESSED)
    if parameter.kind is parameter.VAR_KEYWORD:
        raise UnsupportedSignature(
            f"{owner} takes **{parameter.name}, which cannot be given on the command line. "
            "Write its parameters out, or call it from a local entrypoint."
        )
    flag = parameter.name.strip("_").replace("_", "-")
    if not flag:
        raise UnsupportedSignature(f"{owner} has a parameter {parameter.name!r}, which makes no option; rename it.")
    annotation = _without_none(parameter.annotation)
    multiple = typing.get_origin(annotation) is list or annotation is list
    if multiple:
        annotation = (typing.get_args(annotation) or (str,))[0]
    is_flag = annotation is bool and not multiple
    # None stands for "not given". To a required option, newer clicks would take an explicit None for a value.
    presence: dict[str, Any] = {"required": True} if parameter.default is parameter.empty else {"default": None}
    return click.Option(
        [parameter.name, f"--{flag}/--no-{flag}" if is_flag else f"--{flag}"],
        type=None if is_flag else _type(annotation, parameter.name, owner),
        is_flag=is_flag or None,
        multiple=multiple,
        help=_default_text(parameter.default),
        **presence,
    )


def _without_none(annotation: Any) -> Any:
    """X for `X | None`; anything else as it is."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return members[0]
    return annotation


def _type(annotation: Any, name: str, owner: str) -> click.ParamType[Any]:
    if annotation is Any:
        return click.STRING
    if annotation is datetime:
        return IsoDatetime()
    if typing.get_origin(annotation) is Literal:
        return _choice(typing.get_args(annotation), name, owner)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return click.Choice(annotation)
    try:
        return _SCALARS[annotation]
    except (KeyError, TypeError):
        raise UnsupportedSignature(
            f"Parameter {name!r} of {owner} is annotated {_name(annotation)}, which cannot be given on the command "
            f"line. These can: {_SUPPORTED}. Or call {owner} from a local entrypoint."
        ) from None


def _choice(values: tuple[Any, ...], name: str, owner: str) -> click.Choice[Any]:
    """One of the values of a `Literal`, by its text: `True`, `2`, `red`. None stands for an option that is not given."""
    texts = [value.name if isinstance(value, enum.Enum) else str(value) for value in values if value is not None]
    by_text = dict(zip(texts, (value for value in values if value is not None), strict=True))
    # True == 1 and False == 0: among keys of a dict, and so among the choices, they would be one.
    if len(by_text) < len(texts) or len(set(by_text.values())) < len(texts) or any(map(_is_bytes, values)):
        raise UnsupportedSignature(
            f"Parameter {name!r} of {owner} is one of {', '.join(map(repr, values))}, which cannot be told apart on the "
            f"command line. Call {owner} from a local entrypoint."
        )
    return click.Choice(list(by_text.values()), case_sensitive=not all(isinstance(it, bool) for it in by_text.values()))


def _is_bytes(value: Any) -> bool:
    return isinstance(value, bytes)


def _default_text(default: Any) -> str | None:
    if default is inspect.Parameter.empty or default is None:
        return None
    return f"Default: {default.name if isinstance(default, enum.Enum) else default}"


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)
