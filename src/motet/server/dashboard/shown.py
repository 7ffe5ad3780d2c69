"""Records and views as the JSON that pages get: objects whose names are those of docs/dashboard.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from motet.model.attempt import AttemptRecord
from motet.model.ids import input_id
from motet.model.views import AppView, ContainerView, FunctionView, InputView
from motet.records.calls import CallSummary
from motet.records.facts import DecisionRecord, SampleRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogLine
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.timeline import MEANINGS, Timeline
from motet.wire import report

Json = dict[str, Any]


def fields_of(record: msgspec.Struct) -> Json:
    """A record's fields by name; those that are arrays on the wire are objects here."""
    return {name: getattr(record, name) for name in record.__struct_fields__}


def app_json(app: AppRecord, view: AppView | None) -> Json:
    """An app; `view` if it runs."""
    functions = [] if view is None else [function_view_json(each) for each in view.functions]
    version, is_detached = (0, False) if view is None else (view.version, view.is_detached)
    return {
        **fields_of(app),
        "running": view is not None,
        "version": version,
        "is_detached": is_detached,
        "functions": functions,
    }


def app_without_record(view: AppView) -> Json:
    """An app that runs where nothing is kept of it (yet)."""
    return app_json(AppRecord(view.app_id, view.name, 0.0), view)


def function_json(function: FunctionRecord) -> Json:
    """A function with the settings it began with."""
    return fields_of(function)


def function_view_json(view: FunctionView) -> Json:
    """A pool as it is now. Ages of containers are left out: all else stays the same while nothing happens."""
    plain: Json = msgspec.to_builtins(view)
    plain["containers"] = [_container_view_json(each) for each in view.containers]
    return plain


def _container_view_json(view: ContainerView) -> Json:
    plain: Json = msgspec.to_builtins(view)
    del plain["age"]
    return plain


def container_json(record: ContainerRecord, view: ContainerView | None) -> Json:
    """A container's life, and what it does now if it lives."""
    state = "ended" if view is None or record.ended_at is not None else view.state
    return {
        **fields_of(record),
        "state": state,
        "running_inputs": 0 if view is None else view.running_inputs,
        "finished_inputs": None if view is None else view.finished_inputs,
    }


def call_json(summary: CallSummary) -> Json:
    """A call and how its inputs ended."""
    return {
        **fields_of(summary.call),
        "kind": summary.call.kind.name.lower(),
        "app_id": summary.app_id,
        "function_name": summary.function_name,
        "ended_at": summary.ended_at,
        "ended_inputs": summary.ended_inputs,
        "counts": {
            "success": summary.succeeded,
            "failure": summary.failed,
            "timed_out": summary.timed_out,
            "cancelled": summary.cancelled,
            "lost": summary.lost,
        },
    }


def input_json(record: InputRecord) -> Json:
    """An input that has ended, in a table: its last attempt, and how many it had."""
    last = record.attempts[-1] if record.attempts else None
    return {
        "input_id": input_id(record.call_id, record.index),
        "index": record.index,
        "state": record.kind.name.lower(),
        "submitted_at": record.submitted_at,
        "delivered_at": None if last is None else last.delivered_at,
        "ended_at": record.ended_at,
        "attempts": len(record.attempts),
        "container_id": None if last is None else last.container_id,
        "failure": report.summary(record.failure).partition("\n")[0][:300] if record.failure else "",
    }


def live_input_json(view: InputView) -> Json:
    """An input that has not ended, with the same names."""
    return {
        **{name: getattr(view, name) for name in ("input_id", "state", "submitted_at", "delivered_at")},
        "index": int(view.input_id.rpartition("-")[2]),
        "ended_at": None,
        "attempts": view.attempts,
        "container_id": view.container_id,
        "failure": "",
    }


def attempt_json(attempt: AttemptRecord) -> Json:
    """One delivery of an input."""
    return {**fields_of(attempt), "kind": attempt.kind.name.lower()}


def timeline_json(timeline: Timeline) -> list[Json]:
    """The parts of an input's time, in order, without gaps."""
    return [{**fields_of(span), "meaning": MEANINGS[span.phase]} for span in timeline.spans]


def failure_json(data: bytes) -> Json | None:
    """An exception as text; nothing of it is unpickled."""
    if not data:
        return None
    found = report.read(data)
    return {"type": found.type_name, "message": found.message, "traceback": found.traceback}


def line_json(line: LogLine) -> Json:
    """A line, and the input it is of."""
    return {**fields_of(line), "input_id": input_id(line.call_id, line.index) if line.index >= 0 else None}


def decision_json(decision: DecisionRecord) -> Json:
    """Why a pool was to have its size."""
    return fields_of(decision)


def sample_json(sample: SampleRecord) -> Json:
    """A pool at one moment."""
    return fields_of(sample)


def containers_json(records: Iterable[ContainerRecord], views: Mapping[str, ContainerView]) -> list[Json]:
    """Containers, with what those that live do now."""
    return [container_json(record, views.get(record.container_id)) for record in records]
