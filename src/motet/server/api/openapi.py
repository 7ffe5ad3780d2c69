"""The OpenAPI document of the HTTP API: what there is, what it takes, and what it answers."""

from __future__ import annotations

from typing import Any

from motet.server.api.openapi_schemas import SCHEMAS

Json = dict[str, Any]

INTRODUCTION = """\
Call functions that run on a Motet server. Arguments are `{"args": [...], "kwargs": {...}}` as JSON or CBOR, results are what
the function returns. Show a token as `Authorization: Bearer TOKEN`. What fails is told as `application/problem+json`."""

APP = "An app's name, or the id (`ap-...`) of one that runs without having been deployed."
FUNCTION = "A function (`f`), or a method (`Class.method`)."


def document() -> Json:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Motet", "version": "1", "description": INTRODUCTION, "license": {"name": "Apache-2.0"}},
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": SCHEMAS,
            "responses": {"Problem": _PROBLEM_RESPONSE},
        },
    }


# --- parts ------------------------------------------------------------------------------------------------------------


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(name: str, description: str, pattern: str | None = None) -> Json:
    schema: Json = {"type": "string", "minLength": 1}
    if pattern is not None:
        schema["pattern"] = pattern
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query(name: str, description: str, **schema: Any) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _header(name: str, description: str, **schema: Any) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}


def _json(description: str, schema: Json, headers: Json | None = None) -> Json:
    found: Json = {"description": description, "content": {"application/json": {"schema": schema}}}
    if headers is not None:
        found["headers"] = headers
    return found


def _operation(name: str, summary: str, description: str, parameters: list[Json], responses: Json, **more: Any) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": {**responses, "default": {"$ref": "#/components/responses/Problem"}},
        **more,
    }


_APP = _path("app", APP)
_FUNCTION = _path("function", FUNCTION)
_CALL = _path("call", "The id of a call.", r"^fc-[0-9A-Za-z_\-]{1,100}$")
_VERSION = _query(
    "version",
    "A version of the app, where it has been deployed; else the one that has its name.",
    type="integer",
    minimum=0,
    maximum=2**31,
)
_PARAMETERS: Json = {
    "name": "parameters",
    "in": "query",
    "description": "Parameters of the class whose method it is: they choose the pool of containers.",
    "content": {"application/json": {"schema": {"type": "object"}}},
}
_INDEX = _query("index", "Which input, of a call that has several.", type="integer", minimum=0, maximum=10**9)
_IDEMPOTENCY = _header(
    "Idempotency-Key",
    "The same key with the same arguments of the same function is the same call, for as long as the call is kept; with other "
    "arguments it is refused. The result is kept.",
    minLength=1,
    maxLength=255,
    pattern="^[!-~]+$",
)
_TRACE = _header("traceparent", "The trace that the call continues (W3C Trace Context).", maxLength=512)
_ARGUMENTS: Json = {
    "description": "The arguments; none, if there is no body.",
    "content": {
        "application/json": {
            "schema": _ref("Arguments"),
            "examples": {"both": {"value": {"args": [3], "kwargs": {"plus": 1}}}},
        },
        "application/cbor": {},
    },
}
_ANY_RESULT: Json = {
    "description": "What the function returned.",
    "headers": {
        "Motet-Call-Id": {"schema": {"type": "string"}},
        "Motet-Input-Id": {"schema": {"type": "string"}},
    },
    "content": {"application/json": {"schema": {}}, "application/cbor": {}},
}
_PENDING = _json(
    "There is no result yet. The header Location says where to ask for it.",
    _ref("Pending"),
    {"Location": {"schema": {"type": "string"}}, "Retry-After": {"schema": {"type": "string"}}},
)
_PROBLEM_RESPONSE: Json = {
    "description": "What went wrong.",
    "content": {"application/problem+json": {"schema": _ref("Problem")}},
}
_LOG_FILTERS = [
    _query("follow", "Go on as server-sent events (`line`, `end`, `problem`) while lines may come.", type="boolean"),
    _query("limit", "How many lines at most.", type="integer", minimum=1, maximum=20_000),
    _query("after", "Only lines of a greater `position`.", type="integer", minimum=0, maximum=10**17),
    _query("search", "Text that lines have.", type="string", maxLength=2000),
    _query("since", "So long ago (`5m`), in ISO 8601, or seconds since the epoch.", type="string"),
    _query("until", "As `since`.", type="string"),
    _query("function", "Only lines of this function.", type="string", maxLength=2000),
    _query("container", "Only lines of this container.", type="string", pattern=r"^ta-[\w\-]{1,100}$"),
    _query("input", "Only lines of this input.", type="string", pattern=r"^in-[\w\-]{1,80}-[0-9]{1,9}$"),
    _query(
        "newest", "0: the first lines, and not the last, if there are more than `limit`.", type="integer", enum=[0, 1]
    ),
    _query("source", "Some of stdout, stderr and system, with commas between them.", type="string"),
]
_LINES: Json = {
    "description": "Lines, the oldest first.",
    "content": {
        "application/json": {"schema": _ref("Lines")},
        "text/event-stream": {"schema": _ref("Event")},
    },
}


def _paths() -> dict[str, Json]:
    function = "/v1/apps/{app}/functions/{function}"
    return {
        "/v1/apps": {
            "get": _operation(
                "listApps",
                "Apps",
                "Deployed apps, and all that runs. Needs the right to look.",
                [],
                {"200": _json("Apps.", _ref("Apps"))},
            )
        },
        "/v1/apps/{app}": {
            "get": _operation(
                "getApp",
                "One app",
                "What can be called of an app, and what it takes.",
                [_APP, _VERSION],
                {"200": _json("The app.", _ref("App"))},
            )
        },
        "/v1/apps/{app}/deployments": {
            "get": _operation(
                "listDeployments",
                "Versions",
                "All versions of a deployed app, the newest first.",
                [_APP],
                {"200": _json("Versions.", _ref("Deployments"))},
            )
        },
        "/v1/apps/{app}/deployments/{version}": {
            "get": _operation(
                "getDeployment",
                "One version",
                "A version of a deployed app: what it is, and whether it serves.",
                [_APP, _path("version", "Its number.", r"^v?[0-9]{1,9}$")],
                {"200": _json("The version.", _ref("Deployment"))},
            )
        },
        "/v1/apps/{app}/rollback": {
            "post": _operation(
                "rollBack",
                "Roll back",
                "Deploys an old version once more, as the next one, and answers when that serves; while there is a canary, "
                "ends that instead. A client that goes away before gives it up. Needs the right to deploy.",
                [
                    _APP,
                    _query(
                        "version", "Which one; 0: the one before.", type="integer", minimum=0, maximum=2**31, default=0
                    ),
                    _query("strategy", "How it takes over.", type="string", enum=["rolling", "recreate"]),
                ],
                {"200": _json("The version that serves now.", _ref("Deployment"))},
            )
        },
        "/v1/apps/{app}/promote": {
            "post": _operation(
                "promote",
                "Promote a canary",
                "Gives a canary the name, and with it all calls. Needs the right to deploy.",
                [_APP],
                {"200": _json("The version that serves now.", _ref("Deployment"))},
            )
        },
        "/v1/apps/{app}/stop": {
            "post": _operation(
                "stopApp",
                "Stop a deployed app",
                "Ends what runs of an app by its name, for good, and answers when it has ended; its history stays. Needs the "
                "right to deploy or to operate.",
                [_APP],
                {"200": _json("It has ended.", _ref("Stopped"))},
            )
        },
        "/v1/apps/{app}/logs": {
            "get": _operation(
                "getAppLogs",
                "An app's lines",
                "What an app's containers wrote. Needs the right to look.",
                [_APP, *_LOG_FILTERS],
                {"200": _LINES},
            )
        },
        "/v1/apps/{app}/mcp": {
            "post": _operation(
                "mcp",
                "Tools of language models",
                "The Model Context Protocol (streamable HTTP): one JSON-RPC message, answered with one. Functions are "
                "tools.",
                [_APP, _TRACE],
                {
                    "200": _json("The answer.", {"type": "object"}),
                    "202": {"description": "A notification, to which there is no answer."},
                },
                requestBody={"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
            )
        },
        function: {
            "get": _operation(
                "getFunction",
                "One function",
                "How a function is called: schemas of its arguments and its result, from annotations and docstring.",
                [_APP, _FUNCTION, _VERSION],
                {"200": _json("The function.", _ref("Function"))},
            )
        },
        f"{function}/stats": {
            "get": _operation(
                "getStats",
                "A function's pool",
                "Inputs that wait and run, those that have ended, and containers.",
                [_APP, _FUNCTION, _VERSION, _PARAMETERS],
                {"200": _json("The pool now.", _ref("Pool"))},
            )
        },
        f"{function}/call": {
            "post": _operation(
                "call",
                "Call and wait",
                "Runs the function and answers what it returns, in what Accept: says (JSON, unless the arguments are CBOR). "
                "A client that goes away cancels the call, unless it gave an Idempotency-Key: then the call goes on, and the "
                "same request gets its result.",
                [
                    _APP,
                    _FUNCTION,
                    _VERSION,
                    _PARAMETERS,
                    _query("timeout", "Seconds to wait at most.", type="number", minimum=0, maximum=3600),
                    _IDEMPOTENCY,
                    _TRACE,
                ],
                {"200": _ANY_RESULT, "202": _PENDING},
                requestBody=_ARGUMENTS,
            )
        },
        f"{function}/spawn": {
            "post": _operation(
                "spawn",
                "Start a call",
                "Starts the function and answers at once. The result is kept for whoever asks for it.",
                [
                    _APP,
                    _FUNCTION,
                    _VERSION,
                    _PARAMETERS,
                    _query("result", "What the result is to be in.", type="string", enum=["json", "cbor"]),
                    _IDEMPOTENCY,
                    _TRACE,
                ],
                {"202": _PENDING},
                requestBody=_ARGUMENTS,
            )
        },
        f"{function}/stream": {
            "post": _operation(
                "stream",
                "Stream a generator's items",
                "Runs a generator function. Each item is a server-sent event `item` with JSON; `end` or `problem` is the last "
                "one. The function is no further ahead than 256 items. A client that goes away cancels it.",
                [_APP, _FUNCTION, _VERSION, _PARAMETERS, _TRACE],
                {"200": {"description": "Items.", "content": {"text/event-stream": {"schema": _ref("Event")}}}},
                requestBody=_ARGUMENTS,
            )
        },
        "/v1/calls/{call}": {
            "get": _operation(
                "getCall",
                "A spawned call",
                "Whether an input of the call has ended, and how.",
                [_CALL, _INDEX],
                {"200": _json("The call.", _ref("Call"))},
            )
        },
        "/v1/calls/{call}/result": {
            "get": _operation(
                "getResult",
                "A spawned call's result",
                "The result, as often as it is asked for; 202 while there is none. What the call failed with is a problem.",
                [
                    _CALL,
                    _INDEX,
                    _query("wait", "Seconds to wait for it.", type="number", minimum=0, maximum=300),
                ],
                {"200": _ANY_RESULT, "202": _PENDING},
            )
        },
        "/v1/calls/{call}/cancel": {
            "post": _operation(
                "cancel",
                "Cancel a call",
                "Ends what has not ended of the call; idempotent.",
                [_CALL, _query("terminate_containers", "Kill the containers that run it.", type="boolean")],
                {"202": _json("It will end.", _ref("Cancelled"))},
            )
        },
        "/v1/calls/{call}/logs": {
            "get": _operation(
                "getCallLogs",
                "A call's lines",
                "What the call's inputs wrote, and only they. Needs the right to look.",
                [_CALL, *_LOG_FILTERS],
                {"200": _LINES},
            )
        },
    }
