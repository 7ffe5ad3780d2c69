"""`motet tune`: the settings of a function that meet an objective for the least cost, as a command."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import click

from motet.cli import reference as references
from motet.cli.chart_file import check_chart
from motet.cli.interrupts import INTERRUPTED
from motet.cli.live_calls import subject_of
from motet.cli.measure import Subject
from motet.cli.notation import CURVE, DURATION, NUMBER, NUMBERS, WHOLE, WHOLES, Wrong, length_option, rate_option
from motet.cli.reference import Runnable
from motet.cli.simulate import read_trace
from motet.cli.tune import TuneRequest, tune
from motet.core.policies import POLICIES
from motet.errors import InvalidError, UnimplementedError
from motet.model.scaling import MAX_INPUTS_LIMIT, MAX_SCALEDOWN_WINDOW, MIN_SCALEDOWN_WINDOW
from motet.simulation.curve import Curve
from motet.simulation.distribution import FORMS, Distribution
from motet.simulation.scenario import MOST_CONTAINERS
from motet.simulation.settings import Settings
from motet.simulation.simulator import check_policy
from motet.simulation.slo import Slo
from motet.simulation.trace import SHAPES

RANGES: dict[str, tuple[float, float]] = {
    "max_inputs": (1, MAX_INPUTS_LIMIT),
    "target_inputs": (1, MAX_INPUTS_LIMIT),
    "scaledown_window": (MIN_SCALEDOWN_WINDOW, MAX_SCALEDOWN_WINDOW),
    "buffer_containers": (0, MOST_CONTAINERS),
    "min_containers": (0, MOST_CONTAINERS),
    "max_containers": (1, MOST_CONTAINERS),
}


def _check(**given: Sequence[float] | float | None) -> None:
    """Each of the values given is within its range."""
    for name, values in given.items():
        low, high = RANGES[name]
        for value in values if isinstance(values, Sequence) else [] if values is None else [values]:
            if not low <= value <= high:
                raise InvalidError(f"{name} must be between {low:g} and {high:g}, got {value:g}")


def _resolved(text: str, *, is_module: bool) -> tuple[ModuleType, Runnable]:
    reference = references.parse(text, is_module=is_module, program="motet tune")
    module = references.load(reference)
    runnable = references.resolve(module, reference)
    if runnable.is_entrypoint:
        app = runnable.app
        names = ", ".join(
            f"{reference.source}::{name}" for name in (*app.registered_functions, *app.registered_classes)
        )
        raise Wrong(f"{runnable.name} is a local entrypoint, which has no settings; there is {names or 'no function'}")
    spec = runnable.handle.target.spec
    if spec.batching is not None:
        raise Wrong(f"{runnable.name} runs in batches; `motet tune` is for functions that take inputs one by one")
    if spec.single_use_containers:
        raise Wrong(
            f"{runnable.name} has single_use_containers: with one input for each container, nothing can be tuned"
        )
    return module, runnable


def _start(runnable: Runnable, min_containers: int | None, max_containers: int | None) -> Settings:
    pool = runnable.handle.target.spec.autoscaler
    least = pool.min_containers if min_containers is None else min_containers
    most = pool.max_containers if max_containers is None else max_containers
    return Settings(autoscaler=pool.changed(min_containers=least, max_containers=most))


def _subject(runnable: Runnable, reference: str, arguments: Sequence[str], texts: Sequence[str]) -> Subject:
    methods = {method.name: method for method in runnable.handle.target.spec.methods}
    if methods[runnable.method or ""].web is not None:
        raise Wrong(f"{runnable.name} is a web function; --live calls functions directly. Tune it on a trace")
    return subject_of(runnable, f"motet tune {reference}", arguments, texts)


def _check_live(live: bool, arguments: Sequence[str], texts: Sequence[str], curve: object, duration: object) -> None:
    if live and (curve is not None or duration is not None):
        option = "--curve" if curve is not None else "--duration"
        raise InvalidError(f"{option} does not go with --live, which measures it")
    if not live and (arguments or texts):
        raise InvalidError(f"arguments ({' '.join((*arguments, *texts))}) are for --live, which calls the function")


@click.command("tune", short_help="Find the settings of a function that meet an objective for the least cost.")
@click.argument("reference", metavar="REFERENCE")
@click.argument("arguments", metavar="[-- ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-m", "is_module", is_flag=True, help="REFERENCE begins with a module (package.module::name), not a file."
)
@click.option(
    "--slo",
    "slo_texts",
    metavar="NAME=TIME",
    multiple=True,
    help="What latency may be at most: p95=0.5s, p99=200ms, p50, mean; several are separated by commas.",
)
@click.option(
    "--trace",
    "source",
    metavar="NAME|FILE.csv",
    help=f"The load: {', '.join(SHAPES)}, or a CSV file as `motet trace record` writes it. With --live, one is made.",
)
@rate_option
@length_option
@click.option("--live", is_flag=True, help="First measure the real function: run it with 1, 2, 4 ... inputs at once.")
@click.option(
    "--args",
    "texts",
    metavar="JSON",
    multiple=True,
    help="With --live: a list or object of arguments; repeated, they take turns.",
)
@click.option(
    "--seconds",
    type=NUMBER,
    metavar="N",
    default=3.0,
    show_default=True,
    help="With --live: how long each step takes, at least.",
)
@click.option(
    "--max-inputs",
    type=WHOLES,
    metavar="N,N",
    help="The values to try. Default: 1, 2, 4 ... 128, and what is declared.",
)
@click.option(
    "--target-inputs", type=WHOLES, metavar="N,N", help="The values to try. Default: 100, 80 and 60 % of max_inputs."
)
@click.option(
    "--scaledown-window",
    "windows",
    type=NUMBERS,
    metavar="N,N",
    help="The values to try, in seconds. Default: 5, 15, 60, 300, and what is declared.",
)
@click.option(
    "--buffer-containers",
    "buffers",
    type=WHOLES,
    metavar="N,N",
    help="The values to try. Default: 0, 1, 2, 4, and what is declared.",
)
@click.option("--min-containers", type=WHOLE, metavar="N", help="As in @app.function. Default: what is declared.")
@click.option("--max-containers", type=WHOLE, metavar="N", help="As in @app.function. Default: what is declared.")
@click.option(
    "--policy", "policies", metavar="NAME", multiple=True, help="Policies to compare the choice under. Default: all."
)
@click.option(
    "--cold-start",
    type=DURATION,
    metavar="SECONDS",
    help=f"Until a container's first input: {FORMS}. Default: 1, or as measured.",
)
@click.option(
    "--duration",
    type=DURATION,
    metavar="SECONDS",
    help="How long inputs run alone, unless the trace says, in the same forms. Default: exponential:0.2, or as measured.",
)
@click.option(
    "--curve",
    type=CURVE,
    metavar="CURVE",
    help="How inputs that share a container slow each other, as for `motet simulate`. Default: io, or as measured.",
)
@click.option("--seed", type=WHOLE, metavar="N", default=0, help="Other numbers give other arrivals and durations.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
@click.option(
    "--chart", "chart_path", type=click.Path(path_type=Path), metavar="FILE.svg|png", help="Draw the frontier."
)
def tune_command(
    *,
    reference: str,
    arguments: tuple[str, ...],
    is_module: bool,
    slo_texts: tuple[str, ...],
    source: str | None,
    rate: float | None,
    length: float | None,
    live: bool,
    texts: tuple[str, ...],
    seconds: float,
    max_inputs: tuple[int, ...] | None,
    target_inputs: tuple[int, ...] | None,
    windows: tuple[float, ...] | None,
    buffers: tuple[int, ...] | None,
    min_containers: int | None,
    max_containers: int | None,
    policies: tuple[str, ...],
    cold_start: Distribution | None,
    duration: Distribution | None,
    curve: Curve | None,
    seed: int,
    as_json: bool,
    chart_path: Path | None,
) -> None:
    """Find the settings of a function that meet an objective for the least cost.

    REFERENCE is FILE.py::NAME or FILE.py::CLASS.METHOD. Settings are tried on a load, in virtual time. With --live the
    function is measured before that, called with what follows -- (as for `motet run`), or with --args.
    """
    try:
        slo = Slo.parse(slo_texts)
        for policy in policies:
            check_policy(policy)
        check_chart(chart_path)
        _check(max_inputs=max_inputs, target_inputs=target_inputs, scaledown_window=windows, buffer_containers=buffers)
        _check(min_containers=min_containers, max_containers=max_containers)
        if target_inputs and max_inputs and min(target_inputs) > max(max_inputs):
            targets, most = ", ".join(map(str, target_inputs)), ", ".join(map(str, max_inputs))
            raise InvalidError(f"no target_inputs of {targets} fits max_inputs of {most}")
        _check_live(live, arguments, texts, curve, duration)
        if not 0 < seconds < math.inf:
            raise InvalidError(f"--seconds must be more than 0, and finite, got {seconds:g}")
        if source is None and not live:
            raise InvalidError(f"--trace is needed: {', '.join(SHAPES)} or a CSV file; or --live, which makes a load")
        if source is not None and not read_trace(source, seed, rate, length).arrivals:
            raise InvalidError(f"--trace: {source}: it has no inputs at this rate and length")
        module, runnable = _resolved(reference, is_module=is_module)
        request = TuneRequest(
            module=module,
            runnable=runnable,
            slo=slo,
            start=_start(runnable, min_containers, max_containers),
            max_inputs=max_inputs,
            target_inputs=target_inputs,
            windows=windows,
            buffers=buffers,
            policies=policies or tuple(POLICIES),
            source=source,
            rate=rate,
            length=length,
            cold_start=cold_start,
            duration=duration,
            curve=curve,
            seed=seed,
            subject=_subject(runnable, reference, arguments, texts) if live else None,
            seconds=seconds,
            as_json=as_json,
            chart_path=chart_path,
        )
        status = tune(request)
    except (InvalidError, UnimplementedError) as error:
        raise Wrong(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(status)
