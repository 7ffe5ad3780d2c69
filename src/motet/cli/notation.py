"""Values of options in notations of our own; what is wrong with one is told in one line."""

from __future__ import annotations

from collections.abc import Callable

import click

from motet.errors import InvalidError
from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution


class Wrong(click.ClickException):
    """Wrong usage, told in one line."""

    exit_code = 2


class OneOf(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """A value that `parse` makes of its text. `name` is what it is called where it is none."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (InvalidError, ValueError) as error:
            option = param.opts[0] if param is not None else self.name
            text = str(error) if isinstance(error, InvalidError) else f"{value!r} is not a {self.name}"
            raise Wrong(f"{option}: {text}") from error


def _wholes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _milliseconds(text: str) -> int | str:
    return "auto" if text == "auto" else int(text)


def _target(text: str) -> int | str:
    return "auto" if text == "auto" else int(text)


DURATION = OneOf("duration", Distribution.parse)
CURVE = OneOf("curve", Curve.parse)
WHOLE = OneOf("whole number", int)
NUMBER = OneOf("number", float)
TARGET = OneOf("whole number, nor auto", _target)
WAIT = OneOf("whole number of milliseconds, nor auto", _milliseconds)
WHOLES = OneOf("list of whole numbers, such as 1,8,64", _wholes)
NUMBERS = OneOf("list of numbers, such as 5,60,300", _numbers)

rate_option = click.option(
    "--rate", type=NUMBER, metavar="N", help="Inputs per second of a made trace, where it is highest."
)
length_option = click.option("--length", type=NUMBER, metavar="SECONDS", help="Length of a made trace.")
