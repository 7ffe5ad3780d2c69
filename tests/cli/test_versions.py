"""One row for each deployed name, and one for many variants."""

from __future__ import annotations

from typing import Any

import pytest

from motet.cli.app_command import MANY_VARIANTS, few_variants
from motet.cli.versions import one_of_each_name
from motet.model.deployment import DeploymentView
from motet.records.pools import AppRecord

APPS = [AppRecord(f"ap-{number}", "shop", 10.0 - number) for number in range(1, 6)]


def version(number: int) -> DeploymentView:
    return DeploymentView(
        name="shop", version=10 - number, app_id=f"ap-{number}", state="replaced", deployed_at=1.0, deployed_by="me"
    )


VERSIONS = {f"ap-{number}": version(number) for number in (1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("running", "kept"),
    [
        ({"ap-1"}, ["ap-1", "ap-5"]),
        ({"ap-1", "ap-3"}, ["ap-1", "ap-3", "ap-5"]),
        ({"ap-2"}, ["ap-2", "ap-5"]),
        (set[str](), ["ap-1", "ap-5"]),
    ],
)
def test_of_a_name_what_runs_is_kept_or_else_its_latest_version_and_apps_of_programs_are(
    running: set[str], kept: list[str]
) -> None:
    assert [app.app_id for app in one_of_each_name(APPS, running, VERSIONS)] == kept


def row(name: str, number: int, of: str | None) -> dict[str, Any]:
    counts = ("waiting_inputs", "running_inputs", "succeeded_inputs", "failed_inputs", "cancelled_inputs", "containers")
    return {"function_id": f"fu-{number}", "name": name, "variant_of": of, **dict.fromkeys(counts, 1)}


def test_many_variants_are_one_row_with_their_sums_and_few_are_a_row_each() -> None:
    many = MANY_VARIANTS + 1
    rows = [row("Model", 0, None), row("Other", 1, None), row("Other", 2, "fu-1")]
    rows += [row("Model", 3 + each, "fu-0") for each in range(many)]
    shown = few_variants(rows)
    assert [each["function_id"] for each in shown] == ["fu-0", "fu-1", "fu-2", f"{many} variants (--all)"]
    assert (shown[3]["succeeded_inputs"], shown[3]["containers"]) == (many, many)
    assert few_variants(rows[:-1]) == rows[:-1]
