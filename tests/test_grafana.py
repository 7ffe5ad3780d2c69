"""The sample dashboard for Grafana asks only for what is exported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from motet.server.metrics.catalogue import METRICS, Metric

BOARD: dict[str, Any] = json.loads((Path(__file__).parents[1] / "docs" / "grafana" / "motet.json").read_text())
EXPRESSIONS = [
    *(target["expr"] for panel in BOARD["panels"] for target in panel["targets"]),
    *(variable["definition"] for variable in BOARD["templating"]["list"] if "definition" in variable),
]
SERIES = {
    name
    for metric in METRICS
    for name in (
        [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
        if metric.kind == "histogram"
        else [metric.exported]
    )
} | {"motet_build_info", "process_cpu_seconds_total"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_names_exported_metrics_and_their_labels(expression: str) -> None:
    asked = set(re.findall(r"\b(?:motet|process)_\w+", expression))
    assert asked
    assert asked <= SERIES
    labels = {label for metric in METRICS if is_named(metric, asked) for label in metric.labels} | {"le", "job"}
    used = {name for group in re.findall(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)\s*=~?", group)}
    used |= {name for group in re.findall(r"by \(([^)]*)\)", expression) for name in re.findall(r"\w+", group)}
    assert used <= labels


def is_named(metric: Metric, asked: set[str]) -> bool:
    return any(name == metric.exported or name.startswith(f"{metric.name}_") for name in asked)


def test_every_metric_is_on_the_board() -> None:
    asked = {name for expression in EXPRESSIONS for name in re.findall(r"\bmotet_\w+", expression)}
    assert [metric.name for metric in METRICS if not is_named(metric, asked)] == []


def test_panels_lie_beside_and_below_each_other() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = [
        (x, y) for it in places for x in range(it["x"], it["x"] + it["w"]) for y in range(it["y"], it["y"] + it["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
