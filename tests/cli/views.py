"""Views of apps, made by hand."""

from __future__ import annotations

from typing import Any

from motet.model.views import AppView, ContainerView, FunctionView


def container(state: str = "ready", running: int = 0, number: int = 0) -> ContainerView:
    return ContainerView(
        container_id=f"ta-01hq{number:05}", state=state, running_inputs=running, finished_inputs=0, age=1.0
    )


def function(name: str = "fetch", **fields: Any) -> FunctionView:
    containers = fields.pop("containers", ())
    values: dict[str, Any] = {
        "function_id": f"fu-{name}",
        "name": name,
        "waiting_inputs": 0,
        "running_inputs": sum(it.running_inputs for it in containers),
        "succeeded_inputs": 0,
        "failed_inputs": 0,
        "cancelled_inputs": 0,
        "max_inputs": 10,
        "target_inputs": 8,
        "started_containers": len(containers),
        "peak_containers": len(containers),
        "containers": tuple(containers),
        "last_decision": "",
    }
    return FunctionView(**{**values, **fields})


def app(*functions: FunctionView) -> AppView:
    return AppView(app_id="ap-01hq", name="demo", functions=functions)
