from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import click
import pytest
from click.testing import CliRunner

from motet.cli.arguments import CallArguments, CommandLine, UnsupportedSignature
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.parameters import ParameterSpec

if TYPE_CHECKING:
    from decimal import Decimal


class Color(enum.Enum):
    RED = 1
    GREEN = 2


def call(function: Callable[..., Any], *argv: str) -> CallArguments:
    """The call that `function` gets for a command line; fails the test for a usage error."""
    line = CommandLine.of_function(function, "f")
    made: list[CallArguments] = []
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False} if line.is_variadic else {}
    command = click.Command(
        "f",
        params=line.options,
        callback=lambda **values: made.append(line.call_with(values)),
        context_settings=settings,
    )
    result = CliRunner().invoke(command, list(argv))
    assert result.exit_code == 0, result.output
    return made[0]


def usage_error(function: Callable[..., Any], *argv: str) -> str:
    line = CommandLine.of_function(function, "f")
    result = CliRunner().invoke(click.Command("f", params=line.options, callback=lambda **_: None), list(argv))
    assert result.exit_code == 2
    return result.output


@pytest.mark.parametrize(
    ("annotation", "argv", "value"),
    [
        (str, ["--value", "x"], "x"),
        (int, ["--value", "-3"], -3),
        (float, ["--value", "1e3"], 1000.0),
        (bool, ["--value"], True),
        (bool, ["--no-value"], False),
        (datetime, ["--value", "2026-01-31T12:30:00"], datetime(2026, 1, 31, 12, 30)),
        (datetime, ["--value", "2026-01-31"], datetime(2026, 1, 31)),
        (Path, ["--value", "a/b"], Path("a/b")),
        (Literal["fast", "slow"], ["--value", "slow"], "slow"),
        (Literal[1, 2], ["--value", "2"], 2),
        (Literal[True, False], ["--value", "False"], False),
        (Literal[True, False], ["--value", "true"], True),
        (Literal["a", None], ["--value", "a"], "a"),
        (Literal[Color.RED, "other"], ["--value", "RED"], Color.RED),
        (Color, ["--value", "GREEN"], Color.GREEN),
        (int | None, ["--value", "4"], 4),
        (Optional[int], ["--value", "4"], 4),  # noqa: UP045 - the old spelling is what is tested
        (list[int], ["--value", "1", "--value", "2"], [1, 2]),
        (list[int] | None, ["--value", "1"], [1]),
        (list, ["--value", "a"], ["a"]),
        (Any, ["--value", "a"], "a"),
        (inspect.Parameter.empty, ["--value", "7"], "7"),
        ("int", ["--value", "7"], 7),
        ("Literal['a', 'b'] | None", ["--value", "a"], "a"),
    ],
)
def test_value_is_converted_to_the_annotated_type(annotation: Any, argv: list[str], value: Any) -> None:
    def f(value) -> None: ...  # type: ignore[no-untyped-def]

    if annotation is inspect.Parameter.empty:
        del f.__annotations__["return"]
    else:
        f.__annotations__["value"] = annotation
    assert call(f, *argv).kwargs == {"value": value}


def test_option_names_are_kebab_case() -> None:
    def f(batch_size: int, _hidden_part: str = "") -> None: ...

    assert call(f, "--batch-size", "3", "--hidden-part", "x").kwargs == {"batch_size": 3, "_hidden_part": "x"}


def test_parameter_without_default_is_required() -> None:
    def f(count: int | None) -> None: ...

    assert "Missing option '--count'" in usage_error(f)


def test_parameter_that_is_not_given_is_left_to_the_functions_own_default() -> None:
    def f(count: int = 3, flag: bool = True, names: list[str] = [], kind: Literal["a"] = "a") -> None: ...  # noqa: B006

    assert call(f) == CallArguments()


def test_required_list_cannot_be_empty() -> None:
    def f(names: list[str]) -> None: ...

    assert "Missing option '--names'" in usage_error(f)


def test_wrong_values_are_usage_errors() -> None:
    def f(count: int = 0, when: datetime | None = None, kind: Literal["a", "b"] = "a") -> None: ...

    assert "'many' is not a valid integer" in usage_error(f, "--count", "many")
    assert "'soon' is not a date" in usage_error(f, "--when", "soon")
    assert "'c' is not one of 'a', 'b'" in usage_error(f, "--kind", "c")


def test_positional_only_parameters_are_passed_by_position() -> None:
    def f(first: int, second: str = "s", /, *, third: bool = False) -> None: ...

    assert call(f, "--first", "1", "--third") == CallArguments(args=(1, "s"), kwargs={"third": True})


def test_variadic_entrypoint_gets_the_raw_command_line() -> None:
    def main(*args: str) -> None: ...

    assert call(main, "train", "--lr", "0.1", "-v").args == ("train", "--lr", "0.1", "-v")


def test_options_before_the_variadic_rest_are_parsed() -> None:
    def main(steps: int = 5, *args: str) -> None: ...

    assert call(main, "--steps", "7", "a", "--b").args == (7, "a", "--b")
    assert call(main, "a").args == (5, "a")


def test_keyword_rest_is_refused_by_name() -> None:
    def f(**options: str) -> None: ...

    with pytest.raises(UnsupportedSignature, match=r"f takes \*\*options"):
        CommandLine.of_function(f, "f")


@pytest.mark.parametrize(
    "annotation", [bytes, dict, dict[str, int], int | str, complex, list[list[int]], tuple[int, str]]
)
def test_unsupported_annotation_is_refused_with_the_parameters_name(annotation: Any) -> None:
    def f(value) -> None: ...  # type: ignore[no-untyped-def]

    f.__annotations__["value"] = annotation
    with pytest.raises(UnsupportedSignature, match=r"Parameter 'value' of f is annotated .* cannot be given"):
        CommandLine.of_function(f, "f")


def test_annotation_that_cannot_be_evaluated_is_refused_with_the_parameters_name() -> None:
    def f(price: Decimal) -> None: ...

    with pytest.raises(UnsupportedSignature, match="parameter 'price' of f, 'Decimal', cannot be evaluated"):
        CommandLine.of_function(f, "f")


def test_return_annotation_need_not_be_known_here() -> None:
    def f(count: int) -> Decimal: ...  # type: ignore[empty-body]

    assert call(f, "--count", "1").kwargs == {"count": 1}


def test_default_is_shown_in_help() -> None:
    def f(count: int = 3, color: Color = Color.RED) -> None: ...

    line = CommandLine.of_function(f, "f")
    output = CliRunner().invoke(click.Command("f", params=line.options), ["--help"]).output
    assert "Default: 3" in output
    assert "Default: RED" in output
    assert "[RED|GREEN]" in output


def test_self_is_no_option_of_a_method() -> None:
    class Model:
        def ask(self, prompt: str) -> None: ...

    assert [option.name for option in CommandLine.of_function(Model.ask, "Model.ask", is_method=True).options] == [
        "prompt"
    ]


def test_class_parameters_are_options_with_defaults_left_to_the_class() -> None:
    spec = FunctionSpec(
        name="Model",
        app_name="app",
        definition=ImportedDefinition(module="m", qualname="Model"),
        is_class=True,
        parameters=(
            ParameterSpec(name="size", type_name="int"),
            ParameterSpec(name="half", type_name="bool", default=b""),
            ParameterSpec(name="key", type_name="bytes", default=b""),
        ),
    )
    line = CommandLine.of_class(spec)
    assert [(option.name, option.required) for option in line.options] == [("size", True), ("half", False)]
    assert line.call_with({"size": 3, "half": None}).kwargs == {"size": 3}


@pytest.mark.parametrize("annotation", [Literal["2", 2], Literal[1, True], Literal[b"x"], Literal[Color.RED, "RED"]])
def test_values_that_the_command_line_cannot_tell_apart_are_refused(annotation: Any) -> None:
    def f(value: Any) -> None: ...

    f.__annotations__["value"] = annotation
    with pytest.raises(UnsupportedSignature, match="'value' of f is one of"):
        CommandLine.of_function(f, "f")


def test_parameters_that_would_be_one_option_are_refused() -> None:
    def one(id: int, id_: int) -> None: ...
    def two(cache: bool, no_cache: bool) -> None: ...
    def three(_: int) -> None: ...

    for function, message in ((one, "'id' and 'id_' of f would both be --id"), (two, "--no-cache"), (three, "'_'")):
        with pytest.raises(UnsupportedSignature, match=message):
            CommandLine.of_function(function, "f")
