"""The sample dashboard for Grafana, and the rules for alerts, ask only for what is exported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

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
    labels = {label for metric in METRICS if is_named(metric, asked) for label in metric.labels} | {
        "le",
        "job",
        "instance",
    }
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


RULES_FILE = Path(__file__).parents[1] / "docs" / "grafana" / "alerts.yml"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_exported_metrics_and_their_labels_and_says_what_to_do(rule: dict[str, Any]) -> None:
    asked = set(re.findall(r"\b(?:motet|process)_\w+", rule["expr"]))
    assert asked <= SERIES
    assert asked or rule["expr"].startswith("up{")
    labels = {label for metric in METRICS if is_named(metric, asked) for label in metric.labels} | {"job", "instance"}
    used = {name for group in re.findall(r"\{([^}]*)\}", rule["expr"]) for name in re.findall(r"(\w+)\s*=~?", group)}
    used |= {name for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for name in re.findall(r"\w+", group)}
    used |= set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert used <= labels
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "description"}


def test_alerts_are_about_each_thing_once() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"Motet[A-Za-z]+", name) for name in names)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
def test_prometheus_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES_FILE)], check=True)
