"""`motet simulate`: the autoscaler on a load that was made or recorded, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from motet.errors import InvalidError, UnimplementedError
from motet.model.scaling import DEFAULT_SCALEDOWN_WINDOW
from motet.simulation.chart import chart
from motet.simulation.curve import Curve
from motet.simulation.distribution import FORMS, Distribution
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario, settings_for
from motet.simulation.simulator import check_policy, simulate
from motet.simulation.trace import SHAPES, Trace, make_trace
from motet.simulation.trace_file import parse_trace


class _Wrong(click.ClickException):
    """Wrong usage, told in one line."""

    exit_code = 2


class _OneOf(click.ParamType[object]):
    """A value in a notation of ours; what is wrong with one that is not is told in one line."""

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
            raise _Wrong(f"{option}: {text}") from error


_DURATION = _OneOf("duration", Distribution.parse)
_CURVE = _OneOf("curve", Curve.parse)
_WHOLE = _OneOf("whole number", int)
_NUMBER = _OneOf("number", float)


def read_trace(source: str, seed: int, rate: float | None, length: float | None) -> Trace:
    """The trace that `--trace` names: a CSV file, or one made by rule. Raises `InvalidError` that says what is wrong."""
    path = Path(source)
    if path.suffix.lower() != ".csv" and not path.is_file():
        return make_trace(source, seed, rate, length)
    if rate is not None or length is not None:
        raise InvalidError(f"{source} is a recorded trace: --rate and --length are only for those that are made")
    try:
        with path.open(encoding="utf-8") as lines:
            return parse_trace(lines, source)
    except OSError as error:
        raise InvalidError(f"--trace: {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidError(f"{source} is not a text file in UTF-8") from error


def write_chart(reports: list[Report], path: Path) -> None:
    """Draw them into a file, as SVG or PNG by its name."""
    svg = chart(reports)
    if path.suffix.lower() == ".png":
        path.write_bytes(_png(svg))
    else:
        path.write_text(svg, encoding="utf-8")


def _png(svg: str) -> bytes:
    try:
        # Late: an optional package, and nothing else needs it.
        import resvg_py
    except ImportError:
        raise UnimplementedError(
            "a chart as PNG needs `pip install 'motet[chart]'` (resvg-py); FILE.svg needs nothing"
        ) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg))


def _check_chart(path: Path | None) -> None:
    if path is None:
        return
    if path.suffix.lower() not in (".svg", ".png"):
        raise InvalidError(f"--chart writes FILE.svg or FILE.png, got {str(path)!r}")
    if not path.parent.is_dir():
        raise InvalidError(f"--chart: there is no directory {str(path.parent)!r}")
    if path.suffix.lower() == ".png":
        _png('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')


def table(reports: list[Report]) -> Table:
    """The policies side by side."""
    result = Table()
    result.add_column("")
    for report in reports:
        result.add_column(report.policy, justify="right")
    rows: list[tuple[str, Callable[[Report], str]]] = [
        ("errors", lambda report: f"{report.errors:,}"),
        *((f"latency {name}, s", _latency(name)) for name in ("p50", "p95", "p99", "mean")),
        ("container-seconds", lambda report: f"{report.container_seconds:,.0f}"),
        ("cold starts", lambda report: f"{report.cold_starts:,}"),
        ("peak containers", lambda report: f"{report.peak_containers:,}"),
        ("peak waiting", lambda report: f"{report.peak_waiting:,}"),
    ]
    for name, cell in rows:
        result.add_row(name, *map(cell, reports))
    return result


def _latency(name: str) -> Callable[[Report], str]:
    def cell(report: Report) -> str:
        value = getattr(report, name)
        return "-" if value is None else f"{value:,.3f}"

    return cell


@click.command("simulate")
@click.option(
    "--trace",
    "source",
    metavar="NAME|FILE.csv",
    required=True,
    help=f"The load: {', '.join(SHAPES)}, or a CSV file with the header arrival,duration (seconds).",
)
@click.option("--rate", type=_NUMBER, metavar="N", help="Inputs per second of a made trace, where it is highest.")
@click.option("--length", type=_NUMBER, metavar="SECONDS", help="Length of a made trace.")
@click.option(
    "--policy",
    "policies",
    metavar="NAME",
    multiple=True,
    default=("motet",),
    show_default=True,
    help="motet, knative, ray-serve, beta9, keda-http or modal. Given more than once, they are compared.",
)
@click.option("--max-inputs", type=_WHOLE, metavar="N", default=1, show_default=True, help="As in @motet.concurrent.")
@click.option("--target-inputs", type=_WHOLE, metavar="N", help="As in @motet.concurrent. Default: max-inputs.")
@click.option("--max-containers", type=_WHOLE, metavar="N", help="As in @app.function. Default: 10000.")
@click.option("--min-containers", type=_WHOLE, metavar="N", default=0, help="As in @app.function. Default: 0.")
@click.option("--buffer-containers", type=_WHOLE, metavar="N", default=0, help="As in @app.function. Default: 0.")
@click.option(
    "--scaledown-window",
    type=_NUMBER,
    metavar="SECONDS",
    default=DEFAULT_SCALEDOWN_WINDOW,
    help=f"As in @app.function. Default: {DEFAULT_SCALEDOWN_WINDOW:g}.",
)
@click.option(
    "--cold-start",
    type=_DURATION,
    metavar="SECONDS",
    default="1",
    help="From the wish for a container to its first input; forms as in --duration. Default: 1.",
)
@click.option(
    "--duration",
    type=_DURATION,
    metavar="SECONDS",
    default="exponential:0.2",
    help=f"How long inputs run alone, unless the trace says: {FORMS}. Default: exponential:0.2.",
)
@click.option(
    "--curve",
    type=_CURVE,
    metavar="CURVE",
    default="io",
    help="How inputs that share a container slow each other: io (not), gil or gil:SHARE, gpu-batch or gpu-batch:SHARE.",
)
@click.option("--input-failures", type=_NUMBER, metavar="P", default=0.0, help="The chance that an attempt fails.")
@click.option("--start-failures", type=_NUMBER, metavar="P", default=0.0, help="The chance that a start fails.")
@click.option(
    "--container-failures", type=_NUMBER, metavar="P", default=0.0, help="The chance that a container dies in a second."
)
@click.option("--seed", type=_WHOLE, metavar="N", default=0, help="Other numbers give other arrivals and durations.")
@click.option("--json", "as_json", is_flag=True, help="Print an object, or a list of them for several policies.")
@click.option(
    "--chart", "chart_path", type=click.Path(path_type=Path), metavar="FILE.svg|png", help="Draw what happens."
)
def simulate_command(
    *,
    source: str,
    rate: float | None,
    length: float | None,
    policies: tuple[str, ...],
    max_inputs: int,
    target_inputs: int | None,
    max_containers: int | None,
    min_containers: int,
    buffer_containers: int,
    scaledown_window: float,
    cold_start: Distribution,
    duration: Distribution,
    curve: Curve,
    input_failures: float,
    start_failures: float,
    container_failures: float,
    seed: int,
    as_json: bool,
    chart_path: Path | None,
) -> None:
    """Try settings and policies on a load, in virtual time.

    The engine, its router and its policy are those of production; containers, clock and load are simulated. The same
    options always give the same numbers.
    """
    try:
        for policy in policies:
            check_policy(policy)
        _check_chart(chart_path)
        concurrency, autoscaler = settings_for(
            max_inputs=max_inputs,
            target_inputs=target_inputs,
            min_containers=min_containers,
            max_containers=max_containers,
            buffer_containers=buffer_containers,
            scaledown_window=scaledown_window,
        )
        scenario = Scenario(
            trace=read_trace(source, seed, rate, length),
            concurrency=concurrency,
            autoscaler=autoscaler,
            duration=duration,
            curve=curve,
            cold_start=cold_start,
            input_failures=input_failures,
            start_failures=start_failures,
            container_failures=container_failures,
            seed=seed,
        )
    except (InvalidError, UnimplementedError) as error:
        raise _Wrong(str(error)) from error
    reports = [simulate(scenario, policy) for policy in dict.fromkeys(policies)]
    if chart_path is not None:
        try:
            write_chart(reports, chart_path)
        except OSError as error:
            raise click.ClickException(f"--chart: {chart_path}: {error.strerror}") from error
    if as_json:
        numbers = [report.numbers() for report in reports]
        click.echo(json.dumps(numbers[0] if len(numbers) == 1 else numbers, indent=2))
    else:
        first = reports[0]
        click.echo(f"{first.trace}: {first.inputs:,} inputs, seed {seed}")
        Console().print(table(reports))
