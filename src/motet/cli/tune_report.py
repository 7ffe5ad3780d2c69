"""What `motet tune` says: the measurement, the frontier, the choice, and the lines to paste."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from motet.simulation.frontier import SAME_COST, Tried, by_preference, frontier
from motet.simulation.frontier_chart import CHOSEN, FRONTIER, NOW, POLICY, TRIED, ChartPoint, FrontierChart
from motet.simulation.measurement import MIB, Measurement, Step
from motet.simulation.slo import MEASURES, Slo
from motet.simulation.tuning import Findings


def measured_table(steps: Sequence[Step]) -> Table:
    """A row for each number of inputs at once."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("at once", "per second", "p50, s", "p95, s", "slower by", "peak MiB", "cores"):
        table.add_column(name, justify="right")
    for step in steps:
        table.add_row(
            str(step.inputs),
            f"{step.throughput:,.4g}",
            f"{step.p50:.4g}",
            f"{step.p95:.4g}",
            f"{step.mean / steps[0].mean:.2f}",
            "-" if step.peak_bytes is None else f"{step.peak_bytes / MIB:,.0f}",
            "-" if step.cores is None else f"{step.cores:.2f}",
        )
    return table


def measured_lines(measurement: Measurement) -> list[str]:
    """What the rows say."""
    lines = [measurement.verdict()]
    if disturbance := measurement.disturbance():
        lines.append(disturbance)
    if measurement.trouble:
        lines.append(f"{measurement.trouble}. More were not tried.")
    if (memory := measurement.memory) is not None:
        container, each = memory
        needed = f"{each / MIB:.2g} MiB" if each >= 0.01 * MIB else "less than 0.01 MiB"
        lines.append(f"Memory: {container / MIB:,.0f} MiB for the container, and {needed} for each input at once.")
    lines.append(f"A container takes {measurement.cold_start:.2g} s to start.")
    return lines


def comparison(findings: Findings, slo: Slo) -> Table:
    """What is declared now beside what was chosen, on the whole load."""
    both = (findings.now, findings.chosen)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("now", justify="right")
    table.add_column("chosen" if slo.is_met(findings.chosen.report) else "nearest", justify="right")
    for name in findings.now.settings.numbers():
        values = [it.settings.numbers()[name] for it in both]
        if name not in ("min_containers", "max_containers") or any(values):
            table.add_row(
                name, *("-" if it is None else f"{it}" if isinstance(it, str) else f"{it:g}" for it in values)
            )
    table.add_section()
    for measure in MEASURES:
        limit = next((f" (at most {it.limit:g})" for it in slo.bounds if it.measure == measure), "")
        table.add_row(f"{measure}, s{limit}", *(_seconds(it, measure) for it in both))
    table.add_row("container-seconds", *(f"{it.cost:,.0f}" for it in both))
    table.add_row("cold starts", *(f"{it.report.cold_starts:,}" for it in both))
    table.add_row("peak containers", *(f"{it.report.peak_containers:,}" for it in both))
    return table


def _seconds(tried: Tried, measure: str) -> str:
    value = getattr(tried.report, measure)
    return "-" if value is None else f"{value:,.3f}"


def chart_of(findings: Findings, slo: Slo) -> FrontierChart:
    """All that was tried, on the part of the load that all of it was tried on."""
    measure = slo.measure
    front = {it.settings for it in frontier(findings.tried, measure)}
    marks = {findings.now.settings: NOW, findings.chosen.settings: CHOSEN}
    points = [(marks.get(it.settings, FRONTIER if it.settings in front else TRIED), it) for it in findings.tried]
    points.sort(key=lambda point: (TRIED, FRONTIER, NOW, CHOSEN).index(point[0]))
    drawn = [
        *((POLICY, it) for it in findings.policies),
        *points,
    ]
    report = findings.now.report
    limit = next((it.limit for it in slo.bounds if it.measure == measure), None)
    return FrontierChart(
        title=f"{report.trace}: {measure} against container-seconds, {findings.compared:,} inputs",
        measure=measure,
        points=[
            ChartPoint(it.cost, it.latency(measure), mark, name_of(it))
            for mark, it in drawn
            if it.report.p50 is not None
        ],
        limit=limit,
    )


def name_of(tried: Tried) -> str:
    """Its settings and its policy, if that is not Motet's."""
    numbers = tried.settings.numbers()
    names = ("max_inputs", "target_inputs", "scaledown_window", "buffer_containers")
    text = ", ".join(f"{name}={numbers[name]}" for name in names)
    return text if tried.report.policy == "motet" else f"{text}, policy {tried.report.policy}"


def policy_line(findings: Findings, slo: Slo) -> str:
    """How the chosen settings do under other policies, and that these cannot be chosen."""
    if not findings.policies:
        return ""
    own = next(it for it in findings.tried if it.settings == findings.chosen.settings)
    best = by_preference([own, *findings.policies], slo)[0]
    names = ", ".join(it.report.policy for it in findings.policies)
    if best is own or best.cost * SAME_COST > own.cost:
        return f"With the chosen settings, none of the other policies ({names}) does better."
    measure = slo.measure
    return (
        f"With the chosen settings, {best.report.policy}'s policy does better: {best.cost:,.0f} container-seconds at "
        f"{measure}={best.latency(measure):.3f} s, Motet's {own.cost:,.0f} at {own.latency(measure):.3f} s "
        f"({findings.compared:,} inputs). A function cannot choose its policy, so these lines are for Motet's."
    )


def confirmation_line(findings: Findings, slo: Slo) -> str:
    """How the choice did on loads from other seeds."""
    if not findings.confirmations:
        return ""
    met = sum(slo.is_met(it.report) for it in findings.confirmations)
    values = " and ".join(_seconds(it, slo.measure) for it in findings.confirmations)
    seeds = ", ".join(str(it.report.seed) for it in findings.confirmations)
    verdict = f"; {met} of {len(findings.confirmations)} meet the SLO" if slo.bounds else ""
    lucky = (
        f" {findings.lucky} other settings met it on seed {findings.now.report.seed} only." if findings.lucky else ""
    )
    return f"On loads from other seeds ({seeds}) {slo.measure} is {values} s{verdict}.{lucky}"


def missed(findings: Findings, slo: Slo) -> str:
    """That nothing meets the SLO, and what came nearest."""
    best = findings.chosen
    values = ", ".join(f"{it.measure}={_seconds(best, it.measure)}s" for it in slo.bounds)
    return f"No setting tried meets {slo}; the best was {values} with {name_of(best)} ({best.cost:,.0f} container-seconds)."


def as_object(findings: Findings, slo: Slo, measurement: Measurement | None, lines: Sequence[str]) -> dict[str, object]:
    """All of it, for JSON."""
    is_met = slo.is_met(findings.chosen.report)
    return {
        "load": {
            "trace": findings.now.report.trace,
            "inputs": findings.now.report.inputs,
            "seed": findings.now.report.seed,
        },
        "slo": {it.measure: it.limit for it in slo.bounds},
        "met": is_met,
        "measured": None if measurement is None else _measured(measurement),
        "now": _tried(findings.now),
        "chosen": _tried(findings.chosen),
        "decorators": list(lines) if is_met else [],
        "other_seeds": [_tried(it) for it in findings.confirmations],
        "compared_inputs": findings.compared,
        "frontier": [_tried(it) for it in frontier(findings.tried, slo.measure)],
        "policies": [_tried(it) for it in findings.policies],
        "simulations": findings.simulations,
    }


def _tried(tried: Tried) -> dict[str, object]:
    return {"settings": tried.settings.numbers(), "numbers": tried.report.numbers()}


def _measured(measurement: Measurement) -> dict[str, object]:
    memory = measurement.memory
    return {
        "steps": [
            {
                "inputs": step.inputs,
                "per_second": step.throughput,
                "p50": step.p50,
                "p95": step.p95,
                "mean": step.mean,
                "samples": len(step.latencies),
                "peak_bytes": step.peak_bytes,
                "cores": step.cores,
                "waited": step.waited,
            }
            for step in measurement.steps
        ],
        "knee": measurement.knee.inputs,
        "helps": measurement.helps,
        "verdict": measurement.verdict(),
        "trouble": measurement.trouble,
        "cold_start": measurement.cold_start,
        "container_bytes": None if memory is None else memory[0],
        "input_bytes": None if memory is None else memory[1],
    }
