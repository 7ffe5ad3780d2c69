"""What Prometheus is told of a server."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from motet.errors import ServiceError
from motet.model.outcome import AttemptEnd, OutcomeKind
from motet.model.scaling import Concurrency
from motet.server.dashboard.config import DashboardConfig
from motet.server.metrics.catalogue import METRICS, Metric
from motet.server.metrics.config import MetricsConfig
from motet.wire import client_messages as m
from motet.wire.container_messages import Finished, StartFailed
from motet.wire.operator_messages import OpenDashboard
from tests.server.stage import Client, Stage, function, stage

ROOT = Path(__file__).parents[3]
F = {"app": "app", "function": "f"}

Scene = Callable[[Stage, Client], Coroutine[Any, Any, None]]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def play(scene: Scene) -> None:
    async def main() -> None:
        async with stage(metrics=MetricsConfig(port=0)) as on:
            await scene(on, on.client())

    asyncio.run(main())


class Scrape:
    """All samples of one answer, by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """One sample of the function f."""
        return self._values[name, frozenset({**F, **labels}.items())]

    def has(self, name: str) -> bool:
        return any(found == name for found, _ in self._values)


async def scrape(on: Stage) -> Scrape:
    assert on.server.metrics_url is not None
    async with httpx.AsyncClient() as client:
        answer = await client.get(on.server.metrics_url)
    assert answer.status_code == 200
    return Scrape(answer.text)


SECONDS_OF_A_SERVER = {
    "motet_certificate_expiry_timestamp_seconds",
    "motet_agent_silence_seconds",
    "motet_journal_lag_seconds",
}


# --- the names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric_is_named_by_convention(metric: Metric) -> None:
    assert re.fullmatch(r"motet_[a-z]+(_[a-z]+)*", metric.name)
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert metric.name.endswith(f"_{metric.unit}") if metric.unit else not metric.name.endswith("seconds")
    timed = metric.kind == "histogram" or metric.name in SECONDS_OF_A_SERVER
    assert (metric.unit == "seconds") == timed
    assert metric.meaning
    assert metric.exported.endswith("_total") == (metric.kind == "counter")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric_is_documented_with_its_labels(metric: Metric) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(rf"^\| `{metric.exported}` \|.*$", page, re.MULTILINE)
    assert len(rows) == 1
    assert (f"`{metric.by}`" in rows[0]) if metric.by else True


def test_every_metric_is_exported_with_a_help_text_before_anything_has_happened() -> None:
    async def scene(on: Stage, client: Client) -> None:
        families = {family.name: family for family in (await scrape(on)).families}
        for metric in METRICS:
            family = families[metric.name]
            assert (family.type, family.documentation) == (metric.kind, metric.meaning)

    play(scene)


# --- the values -------------------------------------------------------------------------------------------------------


def test_gauges_tell_what_inputs_and_containers_do_now() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function(concurrency=Concurrency(max_inputs=3, target_inputs=2)))
        client.call(function_id, 2)
        starting = await scrape(on)
        assert starting.value("motet_inputs_waiting") == 2
        assert starting.value("motet_containers", state="starting") == 1
        assert starting.value("motet_containers_desired") == 1
        assert starting.value("motet_input_slots") == 0
        container = await on.container()
        await container.deliveries()
        ready = await scrape(on)
        assert ready.value("motet_inputs_waiting") == 0
        assert ready.value("motet_inputs_running") == 2
        assert ready.value("motet_input_slots") == 3
        assert ready.value("motet_containers", state="ready") == 1
        assert ready.value("motet_containers", state="starting") == 0

    play(scene)


def test_inputs_are_counted_by_how_they_ended_and_timed() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function(concurrency=Concurrency(max_inputs=3, target_inputs=3)))
        assert (await scrape(on)).value("motet_inputs_total", outcome="success") == 0
        client.call(function_id, 3)
        container = await on.container()
        one, two, _ = await container.deliveries()
        ends = [AttemptEnd(one.attempt, OutcomeKind.SUCCESS, b""), AttemptEnd(two.attempt, OutcomeKind.FAILURE, b"")]
        container.executor.say(Finished(ends))
        await client.wait(m.Outcomes)
        client.say(m.CancelCall("fc-1"))
        await client.wait(m.Outcomes)
        told = await scrape(on)
        for outcome, count in {"success": 1, "failure": 1, "cancelled": 1, "timed_out": 0, "lost": 0}.items():
            assert told.value("motet_inputs_total", outcome=outcome) == count
        for name in ("queue", "execution", "latency"):
            assert told.value(f"motet_input_{name}_seconds_count") == 3
            assert told.value(f"motet_input_{name}_seconds_bucket", le="+Inf") == 3
        parts = sum(told.value(f"motet_input_{name}_seconds_sum") for name in ("queue", "execution"))
        assert told.value("motet_input_latency_seconds_sum") == pytest.approx(parts, abs=1e-6)

    play(scene)


def test_containers_are_counted_by_how_they_ended_and_redelivered_inputs_as_retries() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        first = await on.container()
        await first.deliveries()
        await on.end(first, 9)
        second = await on.container(1)
        second.finish(await second.deliveries())
        await client.wait(m.Outcomes)
        told = await scrape(on)
        assert told.value("motet_container_starts_total") == 2
        assert told.value("motet_container_start_seconds_count") == 2
        assert told.value("motet_container_ends_total", how="died") == 1
        assert told.value("motet_input_retries_total", outcome="lost") == 1
        assert told.value("motet_input_queue_seconds_count") == 1

    play(scene)


def test_container_that_cannot_start_is_counted_as_failed() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        container = await on.container(ready=False)
        container.executor.say(StartFailed("loading", b""))
        await client.wait(m.Outcomes)
        await container.executor.close()
        await on.wait(lambda: not on.server.operations.views()[0].functions[0].containers)
        told = await scrape(on)
        assert told.value("motet_container_ends_total", how="failed") == 1
        assert told.value("motet_container_ends_total", how="died") == 0
        assert told.value("motet_container_start_seconds_count") == 0

    play(scene)


def test_what_an_app_counted_stays_when_it_has_ended_and_its_gauges_go() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        client.ask(m.StopApp("ap-1"))
        await on.wait(lambda: on.backend.launches)
        await client.wait(m.Reply)
        told = await scrape(on)
        assert told.value("motet_inputs_total", outcome="cancelled") == 1
        assert told.value("motet_container_ends_total", how="stopped") == 1
        assert not told.has("motet_containers")
        assert not told.has("motet_inputs_waiting")

    play(scene)


def test_variants_of_a_function_are_one() -> None:
    async def scene(on: Stage, client: Client) -> None:
        functions = await client.create(function("f"), function("f"))
        for number, function_id in enumerate(functions):
            client.call(function_id, 2, f"fc-{number}")
        assert (await scrape(on)).value("motet_inputs_waiting") == 4

    play(scene)


# --- where they are served --------------------------------------------------------------------------------------------


def test_metrics_are_served_to_the_end_of_the_server_and_nothing_else_is() -> None:
    async def main() -> None:
        async with stage(metrics=MetricsConfig(port=0)) as on, httpx.AsyncClient() as client:
            url = on.server.metrics_url
            assert url is not None
            assert (await client.get(url.removesuffix("metrics"))).status_code == 404
            assert (await client.post(url)).status_code == 404
            rebound = await client.get(url, headers={"host": "rebound.example"})
            assert (rebound.status_code, "MOTET_NAMES" in rebound.text) == (421, True)
            answer = await client.get(url, headers={"accept": "application/openmetrics-text; version=1.0.0"})
            assert answer.headers["content-type"].startswith("application/openmetrics-text")
            assert answer.text.endswith("# EOF\n")
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(url)

    asyncio.run(main())


def test_the_dashboard_has_them_too_counted_from_its_opening() -> None:
    async def main() -> None:
        async with stage(dashboard=DashboardConfig(port=0)) as on, httpx.AsyncClient() as client:
            caller = on.client()
            (function_id,) = await caller.create()
            opened = await caller.answer(OpenDashboard())
            url = opened.url
            assert (await client.get(f"{url}/metrics")).status_code == 401
            await client.get(url, params={"code": opened.code})
            caller.call(function_id)
            container = await on.container()
            container.finish(await container.deliveries())
            await caller.wait(m.Outcomes)
            told = Scrape((await client.get(f"{url}/metrics")).text)
            assert told.value("motet_inputs_total", outcome="success") == 1
            assert (await client.get(f"{url}/metrics", headers={"host": "rebound.example"})).status_code == 403

    asyncio.run(main())


def test_nothing_listens_unless_it_is_asked_for() -> None:
    async def main() -> None:
        async with stage() as on:
            assert on.server.metrics_url is None

    asyncio.run(main())


def test_port_that_is_taken_is_one_clear_error() -> None:
    async def main(port: int) -> None:
        async with stage(metrics=MetricsConfig(port=port)):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"cannot serve metrics on 127.0.0.1:{port}: .*MOTET_METRICS_PORT"):
            asyncio.run(main(port))
