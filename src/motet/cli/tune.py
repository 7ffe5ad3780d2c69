"""Carrying out `motet tune`: the function is measured, settings are simulated, and the choice is shown."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from motet.cli.chart_file import write_chart
from motet.cli.interrupts import INTERRUPTED, handled_interrupts
from motet.cli.load import Load, load_of
from motet.cli.measure import Subject, measure
from motet.cli.reference import Runnable
from motet.cli.safe_console import SafeConsole
from motet.cli.simulations import Simulations
from motet.cli.terminal import console, tell
from motet.cli.tracebacks import user_traceback
from motet.cli.tune_report import (
    as_object,
    chart_of,
    comparison,
    confirmation_line,
    measured_lines,
    measured_table,
    missed,
    policy_line,
)
from motet.server.config import ServerConfig
from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution
from motet.simulation.frontier_chart import legend
from motet.simulation.measurement import Measurement, Step
from motet.simulation.scenario import Scenario
from motet.simulation.settings import Settings
from motet.simulation.slo import Slo
from motet.simulation.tuning import Findings, Search, Space

V = TypeVar("V")
SUCCEEDED, FAILED = 0, 1
DEFAULT = Space()
CONFIRMATIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """What is asked for, checked; None: as it follows from the measurement, or the default."""

    module: ModuleType
    runnable: Runnable
    slo: Slo
    start: Settings
    max_inputs: tuple[int, ...] | None
    target_inputs: tuple[int, ...] | None
    windows: tuple[float, ...] | None
    buffers: tuple[int, ...] | None
    policies: tuple[str, ...]
    source: str | None
    rate: float | None
    length: float | None
    cold_start: Distribution | None
    duration: Distribution | None
    curve: Curve | None
    seed: int
    subject: Subject | None
    seconds: float
    as_json: bool
    chart_path: Path | None

    @property
    def now(self) -> Settings:
        """What the function declares."""
        spec = self.runnable.handle.target.spec
        return Settings(concurrency=spec.concurrency, autoscaler=spec.autoscaler)

    def steps(self) -> list[int]:
        """Inputs at once that are measured: those to be tried, one alone, and what is declared."""
        return sorted({1, *(self.max_inputs or (*DEFAULT.max_inputs, self.now.concurrency.max_inputs))})

    def space(self, measured: Measurement | None) -> Space:
        """What is tried: of `max_inputs` only what was measured, and no more than 1 if more does not help."""
        now = self.now
        most = self.max_inputs or (*DEFAULT.max_inputs, now.concurrency.max_inputs)
        if measured is not None:
            known = {step.inputs for step in measured.steps}
            most = tuple(it for it in most if it in known) if measured.helps or self.max_inputs else (1,)
        return Space(
            max_inputs=most or (1,),
            target_inputs=self.target_inputs,
            scaledown_windows=self.windows or _with(DEFAULT.scaledown_windows, now.autoscaler.scaledown_window),
            buffer_containers=self.buffers or _with(DEFAULT.buffer_containers, now.autoscaler.buffer_containers),
        )

    def scenario(self, load: Load, seed: int, measured: Measurement | None) -> Scenario:
        """The load with this seed, and what is known of the function."""
        started = measured.cold_start if measured is not None else 1.0
        return Scenario(
            trace=load.trace(seed),
            duration=self.duration or Distribution(0.2, "exponential"),
            curve=self.curve or (Curve() if measured is None else measured.curve),
            cold_start=self.cold_start or Distribution(started),
            seed=seed,
        )

    def decorators(self, settings: Settings) -> list[str]:
        """The lines to paste."""
        app = next((name for name, it in vars(self.module).items() if it is self.runnable.app), "app")
        return settings.decorators(f"{app}.function" if self.runnable.method is None else f"{app}.cls")


def _with(values: tuple[V, ...], more: V) -> tuple[V, ...]:
    return values if more in values else (*values, more)


def tune(request: TuneRequest) -> int:
    """Does all of it, and returns the exit status: 1 if nothing meets the objective. Raises `InvalidError` for a load that
    cannot be."""
    measured = None
    if request.subject is not None:
        measured = _measured(request, request.subject)
        if not request.as_json:
            _show_measured(request, measured)
    load = load_of(request.source, request.rate, request.length, measured)
    findings = _search(request, load, measured)
    if request.chart_path is not None:
        write_chart(chart_of(findings, request.slo).svg(), request.chart_path)
    if request.as_json:
        lines = request.decorators(findings.chosen.settings)
        tell(json.dumps(as_object(findings, request.slo, measured, lines), indent=2))
    else:
        _show(request, load, findings, measured)
    return _conclude(request, findings)


# --- measuring ----------------------------------------------------------------------------------------------------------


def _measured(request: TuneRequest, subject: Subject) -> Measurement:
    """Runs the function. Ends the process, after its traceback, if it raises; with 130 after Ctrl-C."""
    console = SafeConsole(stderr=True)
    try:
        with handled_interrupts() as interrupts, console.status("starting") as status:

            def told(inputs: int, done: list[Step]) -> None:
                last = f"; {done[-1].inputs} at once: {done[-1].throughput:,.4g}/s" if done else ""
                status.update(f"measuring {request.runnable.name}, {inputs} at once{last}")

            with request.runnable.app.run():
                try:
                    return asyncio.run(measure(subject, request.steps(), request.seconds, told))
                finally:
                    interrupts.closing = True
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        tell(user_traceback(error), err=True, nl=False)
        tell(f"{request.runnable.name} could not be measured.", err=True)
        raise SystemExit(FAILED) from None


def _show_measured(request: TuneRequest, measured: Measurement) -> None:
    tell(f"{request.runnable.name} in one container:")
    console().print(measured_table(measured.steps))
    for line in measured_lines(measured):
        tell(line)
    tell()


# --- searching ----------------------------------------------------------------------------------------------------------


def _search(request: TuneRequest, load: Load, measured: Measurement | None) -> Findings:
    seeds = [request.seed + number for number in range(1, CONFIRMATIONS + 1)] if load.is_made else []
    with Simulations() as simulations:
        return Search(
            scenario=request.scenario(load, request.seed, measured),
            others=[request.scenario(load, seed, measured) for seed in seeds],
            now=request.now,
            start=request.start,
            space=request.space(measured),
            slo=request.slo,
            policies=request.policies,
            evaluate=simulations.evaluate,
        ).run()


def _show(request: TuneRequest, load: Load, findings: Findings, measured: Measurement | None) -> None:
    slo, report = request.slo, findings.now.report
    tell(f"Load: {report.trace}, {report.inputs:,} inputs, seed {request.seed}{load.description}.")
    part = f", compared on the busiest {findings.compared:,} inputs" if findings.compared < report.inputs else ""
    tell(f"Tried {findings.settings} settings in {findings.simulations} simulations{part}.\n")
    chart = chart_of(findings, slo)
    tell(chart.text())
    tell("   ".join(f"{mark} {text}" for mark, text in legend(chart.points)))
    console().print(comparison(findings, slo))
    for line in (confirmation_line(findings, slo), policy_line(findings, slo), *_limit_lines(findings, measured)):
        if line:
            tell(line)


def _limit_lines(findings: Findings, measured: Measurement | None) -> Iterator[str]:
    """What to add, or to bear in mind, if the simulation had more containers or cores than this machine."""
    chosen = findings.chosen
    peak = max(it.report.peak_containers for it in (chosen, *findings.confirmations))
    most = ServerConfig.from_environment().limits.containers_per_pool
    if chosen.settings.autoscaler.max_containers is None and peak > most:
        yield (
            f"It takes {peak} containers at the peak, and this machine gives a function no more than {most} unless it says so: "
            f"add max_containers={peak}, or tune with --max-containers."
        )
    if measured is None:
        return
    step = measured.nearest(chosen.settings.concurrency.max_inputs)
    busy, cores = peak * (step.wanted_cores or 0.0), os.cpu_count() or 1
    if busy > cores:
        yield (
            f"Its {peak} containers can keep {busy:.0f} cores busy at the peak; this machine has {cores}, and here they would "
            "slow each other, which was not simulated."
        )


def _conclude(request: TuneRequest, findings: Findings) -> int:
    slo = request.slo
    if not slo.is_met(findings.chosen.report):
        tell(missed(findings, slo), err=True)
        return FAILED
    if request.as_json:
        return SUCCEEDED
    what = (
        f"the cheapest that meets {slo}" if slo.bounds else "the least product of p95 and container-seconds (no --slo)"
    )
    tell(f"\nPaste this, {what}:\n")
    for line in request.decorators(findings.chosen.settings):
        tell(f"    {line}")
    if findings.chosen.settings == findings.now.settings:
        tell("\nThat is what is declared now.")
    return SUCCEEDED
