"""What the HTTP API answers, as schemas of its OpenAPI document."""

from __future__ import annotations

from typing import Any

from motet.server.api.problems import TITLES, TYPE

Json = dict[str, Any]


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: list[str], /, **properties: Any) -> Json:
    return {"type": "object", "required": required, "properties": properties}


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}
_COUNT: Json = {"type": "integer"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_COUNT_OR_NULL: Json = {"type": ["integer", "null"]}
_SCHEMA: Json = {"type": ["object", "null"], "description": "A JSON schema; null, if it is not known."}

SCHEMAS: Json = {
    "Arguments": {
        "type": "object",
        "properties": {
            "args": {"type": "array", "description": "Positional arguments."},
            "kwargs": {"type": "object", "description": "Arguments by name."},
        },
        "additionalProperties": False,
    },
    "Problem": _object(
        ["type", "title", "status", "detail"],
        type={"type": "string", "enum": [TYPE + slug for slug in TITLES]},
        title=_TEXT,
        status=_COUNT,
        detail=_TEXT,
        call_id=_TEXT,
        result_url=_TEXT,
        may_have_run={"type": "boolean"},
        exception=_object(["type", "message"], type=_TEXT, message=_TEXT, traceback=_TEXT),
    ),
    "Pending": _object(
        ["call_id", "state", "result_url"],
        call_id=_TEXT,
        input_id=_TEXT,
        state={"type": "string", "enum": ["pending"]},
        result_url=_TEXT,
    ),
    "Stopped": _object(["name", "state"], name=_TEXT, state=_TEXT),
    "Cancelled": _object(["call_id"], call_id=_TEXT),
    "Call": _object(
        ["call_id", "input_id", "function_id", "num_inputs", "state", "result_url"],
        call_id=_TEXT,
        input_id=_TEXT,
        function_id=_TEXT,
        num_inputs=_COUNT,
        state={
            "type": "string",
            "enum": ["pending", "success", "failure", "timed_out", "cancelled", "lost", "refused"],
        },
        result_url=_TEXT,
        result_encoding={"type": "string", "enum": ["pickle", "json", "cbor"]},
    ),
    "Apps": _object(
        ["deployments", "running"],
        deployments={"type": "array", "items": _ref("Deployment")},
        running={
            "type": "array",
            "items": _object(
                ["app_id", "name", "version", "functions"],
                app_id=_TEXT,
                name=_TEXT,
                version=_COUNT_OR_NULL,
                functions={"type": "array", "items": _ref("Pool")},
            ),
        },
    ),
    "App": _object(
        ["name", "app_id", "version", "functions"],
        name=_TEXT,
        app_id=_TEXT,
        version=_COUNT_OR_NULL,
        functions={"type": "array", "items": _ref("Function")},
    ),
    "Function": _object(
        ["name", "kind", "function_id"],
        name=_TEXT,
        kind={"type": "string", "enum": ["call", "stream", "web"]},
        function_id=_TEXT,
        url=_TEXT_OR_NULL,
        description=_TEXT,
        arguments=_SCHEMA,
        result=_SCHEMA,
        parameters={
            "type": "array",
            "items": _object(["name", "type", "required"], name=_TEXT, type=_TEXT, required={"type": "boolean"}),
        },
    ),
    "Pool": _object(
        ["function_id", "name", "waiting_inputs", "running_inputs", "containers"],
        function_id=_TEXT,
        name=_TEXT,
        waiting_inputs=_COUNT,
        running_inputs=_COUNT,
        succeeded_inputs=_COUNT,
        failed_inputs=_COUNT,
        cancelled_inputs=_COUNT,
        containers={
            "type": "array",
            "items": _object(["container_id", "state"], container_id=_TEXT, state=_TEXT, age=_NUMBER),
        },
    ),
    "Deployments": _object(["deployments"], deployments={"type": "array", "items": _ref("Deployment")}),
    "Deployment": _object(
        ["name", "version", "app_id", "state", "deployed_at"],
        name=_TEXT,
        version=_COUNT,
        app_id=_TEXT,
        state=_TEXT,
        deployed_at=_NUMBER,
        ended_at={"type": ["number", "null"]},
        why=_TEXT,
        tag=_TEXT,
        commit=_TEXT,
    ),
    "Event": {
        "description": "One server-sent event; `data` is JSON.",
        **_object(
            ["event", "data"],
            event={"type": "string", "enum": ["item", "line", "end", "problem"]},
            data=_TEXT,
            id=_TEXT,
        ),
    },
    "Lines": _object(
        ["lines", "over"],
        lines={"type": "array", "items": _object(["text", "position"], text=_TEXT, position=_COUNT)},
        over={"type": "boolean"},
    ),
}
