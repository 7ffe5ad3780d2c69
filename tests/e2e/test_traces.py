"""Traces of real runs: one from the client over the queue into the container, and on through the calls made there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .span_collector import Collector, collecting

PROGRAM = Path(__file__).parent / "programs" / "traced.py"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def run(way: str, collector: Collector | None, **env: str) -> str:
    """What the program prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | env
    if collector is not None:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    done = subprocess.run(
        [sys.executable, str(PROGRAM), way], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("records", ["on", "off"])
def test_a_trace_goes_from_the_client_over_the_queue_into_the_container_and_through_a_nested_call(
    collector: Collector, records: str
) -> None:
    assert run("nested", collector, MOTET_RECORDS=records) == "2"
    call = collector.the("call outer")
    assert call.span.parent_span_id == b""
    assert collector.within(call) == ["queue outer", "run outer"]
    outer = collector.the("run outer")
    assert collector.within(outer) == ["call inner"]
    assert collector.within(collector.the("call inner")) == ["queue inner", "run inner"]
    assert {it.span.trace_id for it in collector.spans} == {call.span.trace_id}
    inner = collector.the("run inner")
    processes = [it.process["service.instance.id"] for it in (call, outer, inner)]
    assert len(set(processes)) == 3
    assert processes[1:] == [outer.attributes["motet.container_id"], inner.attributes["motet.container_id"]]
    assert {it.process["service.name"] for it in collector.spans} == {"traced"}
    assert inner.attributes["motet.outcome"] == "success"
    assert inner.attributes["motet.call_id"] == collector.the("call inner").attributes["motet.call_id"]
    for name in ("outer", "inner"):
        queue = collector.the(f"queue {name}")
        assert collector.the(f"call {name}").span.start_time_unix_nano - 5e6 <= queue.span.start_time_unix_nano
        assert queue.span.end_time_unix_nano <= collector.the(f"run {name}").span.end_time_unix_nano + 5e6
    if records == "on":
        assert "loading" in collector.within(collector.the("queue outer"))


def test_inputs_of_a_map_are_of_its_trace(collector: Collector) -> None:
    run("map", collector)
    names = collector.within(collector.the("map inner"))
    assert names.count("run inner") == 3


def test_streams_and_spawned_calls_are_traced(collector: Collector) -> None:
    assert run("stream", collector) == "[0, 1, 2]"
    assert "run numbers" in collector.within(collector.the("stream numbers"))
    assert run("spawn", collector) == "2"
    assert "run outer" in collector.within(collector.the("spawn outer"))


def test_a_batch_is_one_span_that_names_its_other_inputs(collector: Collector) -> None:
    assert run("batch", collector) == "[0, 2]"
    batch = collector.the("run doubled")
    assert batch.attributes["motet.batch_size"] == 2
    assert [link.trace_id for link in batch.span.links] == [batch.span.trace_id]


def test_a_failure_is_told_with_its_traceback_where_it_was_raised_and_where_it_arrived(collector: Collector) -> None:
    assert run("fail", collector) == "failed"
    for name in ("run inner", "call inner"):
        taken = collector.the(name)
        (event,) = taken.span.events
        told = {it.key: it.value.string_value for it in event.attributes}
        assert (told["exception.type"], told["exception.message"]) == ("ValueError", "too little")
        assert 'raise ValueError("too little")' in told["exception.stacktrace"]
        assert taken.attributes["motet.outcome"] == "failure"
        assert "too little" in taken.span.status.message


def test_a_web_request_continues_the_trace_of_its_header(collector: Collector) -> None:
    assert run("web", collector) == '"2"'
    hello = collector.the("run hello")
    assert hello.span.trace_id.hex() == "0123456789abcdef0123456789abcdef"
    assert hello.span.parent_span_id.hex() == "0123456789abcdef"
    assert {it.span.trace_id for it in collector.spans} == {hello.span.trace_id}
    # Between them are spans of FastAPI, if it is one that makes some.
    by_id = {it.span.span_id: it for it in collector.spans}
    outer = collector.the("call inner")
    while outer.name != "run hello":
        outer = by_id[outer.span.parent_span_id]


def test_spans_of_the_users_code_lie_in_the_attempt_that_runs_it_also_those_of_its_threads(
    collector: Collector,
) -> None:
    run("own", collector)
    attempts = [it for it in collector.spans if it.name == "run own"]
    assert sorted(name for it in attempts for name in collector.within(it)) == ["part of a", "part of b"]
    assert len({it.span.span_id for it in attempts}) == 2
    assert "call inner" in collector.within(collector.the("part of a"))


def test_a_preempted_container_sends_its_spans(collector: Collector) -> None:
    assert run("preempted", collector) == "finished"
    assert "run preempted" in collector.within(collector.the("call preempted"))


def test_the_names_of_services_are_what_the_environment_says(collector: Collector) -> None:
    run("nested", collector, OTEL_SERVICE_NAME="mine")
    assert {it.process["service.name"] for it in collector.spans} == {"mine"}


def test_a_program_with_a_tracer_provider_of_its_own_has_calls_in_it() -> None:
    result, *spans = run("provided", None).splitlines()
    assert result == "2"
    assert {"my own", "call inner"} <= set(spans)


@pytest.mark.parametrize(
    "env", [{}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}]
)
def test_nothing_of_opentelemetry_is_imported_where_nobody_wants_traces(env: dict[str, str]) -> None:
    assert run("off", None, **env) == "[] 2 []"


def test_numbers_of_the_server_are_sent_too_also_those_of_a_short_run(collector: Collector) -> None:
    run("map", collector)
    values = {
        name: {
            tuple(it.value.string_value for it in sorted(point.attributes, key=lambda it: it.key)): (
                point.as_int or point.as_double
            )
            for point in points
        }
        for name, points in collector.metrics.items()
    }
    assert values["motet.inputs"]["traced", "inner", "success"] == 3
    assert values["motet.container.starts"]["traced", "inner"] == 1
    assert 0 < values["motet.input.latency.time"]["traced", "inner"] < 60
