"""`motet simulate`: the autoscaler on a load that was made or recorded, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click
from rich.table import Table

from motet.cli.chart_file import check_chart, write_chart
from motet.cli.notation import CURVE, DURATION, NUMBER, TARGET, WAIT, WHOLE, Wrong, length_option, rate_option
from motet.cli.terminal import console, tell
from motet.errors import InvalidError, UnimplementedError
from motet.model.scaling import DEFAULT_SCALEDOWN_WINDOW
from motet.simulation.chart import chart
from motet.simulation.curve import Curve
from motet.simulation.distribution import FORMS, Distribution
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario, batching_for, limits_for, settings_for
from motet.simulation.simulator import check_policy, simulate
from motet.simulation.trace import SHAPES, Trace, make_trace
from motet.simulation.trace_file import parse_trace


def read_trace(source: str, seed: int, rate: float | None, length: float | None) -> Trace:
    """The trace that `--trace` names: a CSV file, or one made by rule. Raises `InvalidError` that says what is wrong."""
    path = Path(source)
    if path.suffix.lower() != ".csv" and not path.is_file():
        if source not in SHAPES and source and path.is_dir():
            raise InvalidError(f"--trace: {source}: Is a directory; a trace is a CSV file")
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
    if reports[0].target_inputs is not None:
        rows += [
            ("target learned", lambda report: f"{report.target_inputs} (confidence {report.target_confidence:.1f})"),
            ("after, s", lambda report: f"{report.target_after:,.0f}"),
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
@rate_option
@length_option
@click.option(
    "--policy",
    "policies",
    metavar="NAME",
    multiple=True,
    default=("motet",),
    show_default=True,
    help="motet, knative, ray-serve, beta9, keda-http or modal. Given more than once, they are compared.",
)
@click.option("--max-inputs", type=WHOLE, metavar="N", default=1, show_default=True, help="As in @motet.concurrent.")
@click.option(
    "--target-inputs",
    type=TARGET,
    metavar="N|auto",
    help="As in @motet.concurrent. Default: max-inputs. auto: learned.",
)
@click.option("--slo-p95", type=NUMBER, metavar="SECONDS", help="As in @motet.concurrent, with --target-inputs auto.")
@click.option(
    "--batch-size", type=WHOLE, metavar="N", help="As in @motet.batched: inputs that share a slot and a call."
)
@click.option("--wait-ms", type=WAIT, metavar="MS|auto", help="As in @motet.batched: how long a batch waits for more.")
@click.option("--max-containers", type=WHOLE, metavar="N", help="As in @app.function. Default: 10000.")
@click.option("--min-containers", type=WHOLE, metavar="N", default=0, help="As in @app.function. Default: 0.")
@click.option("--buffer-containers", type=WHOLE, metavar="N", default=0, help="As in @app.function. Default: 0.")
@click.option(
    "--scaledown-window",
    type=NUMBER,
    metavar="SECONDS",
    default=DEFAULT_SCALEDOWN_WINDOW,
    help=f"As in @app.function. Default: {DEFAULT_SCALEDOWN_WINDOW:g}.",
)
@click.option(
    "--max-starting",
    type=WHOLE,
    metavar="N",
    help="Containers that the host starts at the same time; others stand in line. Default: any number.",
)
@click.option(
    "--cold-start",
    type=DURATION,
    metavar="SECONDS",
    default="1",
    help="From the wish for a container to its first input; forms as in --duration. Default: 1.",
)
@click.option(
    "--duration",
    type=DURATION,
    metavar="SECONDS",
    default="exponential:0.2",
    help=f"How long inputs run alone, unless the trace says: {FORMS}. Default: exponential:0.2.",
)
@click.option(
    "--overhead",
    type=NUMBER,
    metavar="SECONDS",
    default=0.0,
    help="What each attempt takes besides, in the server and on the way; recorded durations have it in them. Default: 0.",
)
@click.option(
    "--curve",
    type=CURVE,
    metavar="CURVE",
    default="io",
    help="How inputs that share a container slow each other: io (not), gil or gil:SHARE, gpu-batch or gpu-batch:SHARE.",
)
@click.option("--input-failures", type=NUMBER, metavar="P", default=0.0, help="The chance that an attempt fails.")
@click.option("--start-failures", type=NUMBER, metavar="P", default=0.0, help="The chance that a start fails.")
@click.option(
    "--container-failures", type=NUMBER, metavar="P", default=0.0, help="The chance that a container dies in a second."
)
@click.option("--seed", type=WHOLE, metavar="N", default=0, help="Other numbers give other arrivals and durations.")
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
    target_inputs: int | Literal["auto"] | None,
    slo_p95: float | None,
    batch_size: int | None,
    wait_ms: int | Literal["auto"] | None,
    max_containers: int | None,
    min_containers: int,
    buffer_containers: int,
    scaledown_window: float,
    max_starting: int | None,
    cold_start: Distribution,
    duration: Distribution,
    overhead: float,
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
        check_chart(chart_path)
        concurrency, autoscaler = settings_for(
            max_inputs=max_inputs,
            target_inputs=target_inputs,
            slo_p95=slo_p95,
            min_containers=min_containers,
            max_containers=max_containers,
            buffer_containers=buffer_containers,
            scaledown_window=scaledown_window,
        )
        scenario = Scenario(
            trace=read_trace(source, seed, rate, length),
            concurrency=concurrency,
            batching=batching_for(batch_size, wait_ms),
            autoscaler=autoscaler,
            duration=duration,
            overhead=overhead,
            curve=curve,
            cold_start=cold_start,
            input_failures=input_failures,
            start_failures=start_failures,
            container_failures=container_failures,
            limits=limits_for(max_starting),
            seed=seed,
        )
    except (InvalidError, UnimplementedError) as error:
        raise Wrong(str(error)) from error
    reports = [simulate(scenario, policy) for policy in dict.fromkeys(policies)]
    if chart_path is not None:
        write_chart(chart(reports), chart_path)
    if as_json:
        numbers = [report.numbers() for report in reports]
        tell(json.dumps(numbers[0] if len(numbers) == 1 else numbers, indent=2))
    else:
        first = reports[0]
        tell(f"{first.trace}: {first.inputs:,} inputs, seed {seed}")
        console().print(table(reports))
