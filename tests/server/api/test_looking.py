"""What there is to see over HTTP, and for whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from motet.model.function import FunctionSpec, MethodSpec
from motet.model.interface import InterfaceSpec
from motet.model.parameters import ParameterSpec
from motet.model.web import WebSpec
from motet.server.api.openapi import document
from motet.wire.client_messages import CreateApp
from motet.wire.parameters import decoded_parameters, encoded_value
from tests.server.api.asking import Web, deploy, finish, play
from tests.server.stage import app, function

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"


def model() -> FunctionSpec:
    """A class with parameters and two methods, one of which answers requests."""
    spec = function("Model")
    told = InterfaceSpec(description="Runs it.", arguments='{"type":"object"}', result='{"type":"integer"}')
    return FunctionSpec(
        name="Model",
        app_name="app",
        app_key="app",
        definition=spec.definition,
        is_class=True,
        methods=(
            MethodSpec(name="run", interface=told),
            MethodSpec(name="page", is_generator=True, web=WebSpec(kind="asgi")),
        ),
        parameters=(
            ParameterSpec(name="size", type_name="int"),
            ParameterSpec(name="data", type_name="bytes", default=encoded_value(b"", "bytes", "it")),
        ),
    )


# --- who asks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "headers", "status", "detail"),
    [
        (None, {}, 401, "send `Authorization: Bearer TOKEN`"),
        ("wrong", {}, 401, "the token is none here"),
        (None, {"authorization": "Basic YTpi"}, 401, "Authorization: Basic is not known here"),
        ("caller", {}, 403, "needs a right that this token does not give: look"),
        ("all", {"host": "evil.example"}, 421, "this server is not known as 'evil.example'"),
        ("all", {"origin": "http://localhost:3000"}, 403, "a page of 'http://localhost:3000' may not use this API"),
    ],
)
def test_who_may_not_is_told_why(token: str | None, headers: dict[str, str], status: int, detail: str) -> None:
    async def scene(web: Web) -> None:
        answer = await web.ask("GET", "/v1/apps", token=token, headers=headers)
        assert answer.status_code == status
        assert detail in answer.json()["detail"]
        assert ("www-authenticate" in answer.headers) == (status == 401)

    play(scene)


def test_whose_rights_do_not_allow_calls_is_refused_them() -> None:
    async def scene(web: Web) -> None:
        for way in ("call", "spawn"):
            answer = await web.ask("POST", f"/v1/apps/shop/functions/f/{way}", token="looker")
            assert (answer.status_code, "needs a right" in answer.json()["detail"]) == (403, True)

    play(scene)


def test_what_is_not_there_is_a_problem_too() -> None:
    async def scene(web: Web) -> None:
        for method, path, status in (
            ("GET", "/v2", 404),
            ("GET", "/v1/apps/", 404),
            ("GET", "/v1/apps/nobody", 404),
            ("GET", "/v1/apps/shop/functions/nobody", 404),
            ("POST", "/v1/apps/shop/functions/nobody/call", 404),
            ("DELETE", "/v1/apps", 405),
            ("GET", "/v1/calls/x", 400),
            ("GET", "/v1/calls/fc-1", 404),
        ):
            answer = await web.ask(method, path)
            assert answer.status_code == status, (path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"

    play(scene)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_apps_with_their_versions_and_what_can_be_called() -> None:
    async def scene(web: Web) -> None:
        await deploy(web.on, function("f"), model())
        listed = (await web.ask("GET", "/v1/apps")).json()
        assert [(it["name"], it["version"], it["state"]) for it in listed["deployments"]] == [("shop", 2, "live")]
        found = (await web.ask("GET", "/v1/apps/shop", token="caller")).json()
        assert (found["name"], found["version"]) == ("shop", 2)
        assert [(it["name"], it["kind"]) for it in found["functions"]] == [
            ("f", "call"),
            ("Model.run", "call"),
            ("Model.page", "web"),
        ]
        run = (await web.ask("GET", "/v1/apps/shop/functions/Model.run")).json()
        assert (run["description"], run["arguments"], run["result"]) == (
            "Runs it.",
            {"type": "object"},
            {"type": "integer"},
        )
        assert run["parameters"][0] == {"name": "size", "type": "int", "required": True}
        history = (await web.ask("GET", "/v1/apps/shop/deployments")).json()["deployments"]
        assert [(it["version"], it["state"]) for it in history] == [(2, "live"), (1, "replaced")]
        assert (await web.ask("GET", "/v1/apps/shop/deployments/v1")).json()["state"] == "replaced"
        assert (await web.ask("GET", "/v1/apps/shop/deployments/9")).status_code == 404

    play(scene)


def test_versions_are_rolled_back_and_stopped_by_who_may() -> None:
    async def scene(web: Web) -> None:
        await deploy(web.on, function("f"), model())  # which deploys it a second time
        refused = await web.ask("POST", "/v1/apps/shop/rollback", token="caller")
        assert (refused.status_code, "rolling an app back needs a right" in refused.text) == (403, True)
        back = (await web.ask("POST", "/v1/apps/shop/rollback?version=1")).json()
        assert (back["version"], back["state"], back["source_version"]) == (3, "live", 1)
        for path, status, detail in (
            ("rollback?version=9", 404, "App 'shop' has no version 9"),
            ("rollback?strategy=slowly", 400, "Deployment strategy must be"),
            ("promote", 400, "canary"),
        ):
            answer = await web.ask("POST", f"/v1/apps/shop/{path}")
            assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text
        assert (await web.ask("POST", "/v1/apps/shop/stop")).json() == {"name": "shop", "state": "stopped"}
        assert (await web.ask("POST", "/v1/apps/shop/stop")).status_code == 404

    play(scene)


def test_parameters_of_a_class_choose_its_pool() -> None:
    async def scene(web: Web) -> None:
        await deploy(web.on, model(), name="models")
        path = "/v1/apps/models/functions/Model.run/call"
        for parameters, status, detail in (
            ("", 422, "missing the required parameter 'size'"),
            ('?parameters={"size": "x"}', 422, "must be int, not str"),
            ('?parameters={"colour": 1}', 422, "unexpected keyword argument 'colour'"),
            ("?parameters=[1]", 400, "must be a JSON object"),
        ):
            answer = await web.ask("POST", path + parameters)
            assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text
        asked = web.begin("POST", path + '?parameters={"size": 3, "data": "eA=="}')
        container = await web.on.container()
        (attempt,) = await container.deliveries()
        given = container.configure.spec.parameters_given
        assert (attempt.method, given and decoded_parameters(given)) == ("run", {"size": 3, "data": b"x"})
        finish(container, [attempt], b"J1")
        assert (await asked).json() == 1
        assert (await web.ask("POST", "/v1/apps/models/functions/Model.page/call")).status_code in (409, 422)

    play(scene)


def test_a_pools_numbers() -> None:
    async def scene(web: Web) -> None:
        await web.ask("POST", "/v1/apps/shop/functions/f/spawn")
        stats = (await web.ask("GET", "/v1/apps/shop/functions/f/stats", token="caller")).json()
        assert (stats["waiting_inputs"], len(stats["containers"])) == (1, 1)

    play(scene)


def test_an_app_that_runs_without_having_been_deployed_is_found_by_name_and_id() -> None:
    async def scene(web: Web) -> None:
        client = web.on.client()
        await client.answer(CreateApp("ap-run", app(function("h"))))
        container = None
        for name in ("app", "ap-run"):
            found = (await web.ask("GET", f"/v1/apps/{name}")).json()
            assert (found["name"], found["app_id"], found["version"]) == ("app", "ap-run", None)
            asked = web.begin("POST", f"/v1/apps/{name}/functions/h/call")
            container = container or await web.on.container()
            finish(container, await container.deliveries(), b"J5")
            assert (await asked).json() == 5
        assert (await web.ask("GET", "/v1/apps/app?version=1")).status_code == 404

    play(scene)


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_document_has_every_path_and_no_other() -> None:
    async def scene(web: Web) -> None:
        told = {(method.upper(), path) for path, item in document()["paths"].items() for method in item}
        assert told == web.app.paths
        answer = await web.ask("GET", "/v1/openapi.json", token=None)
        assert (answer.status_code, answer.json()) == (200, document())

    play(scene)


def test_the_document_that_is_kept_is_the_one_that_is_served() -> None:
    assert msgspec.json.decode(DOCUMENT.read_bytes()) == document(), (
        "python -m tests.server.api.test_looking writes it anew"
    )


def write() -> None:
    found: Any = msgspec.json.format(msgspec.json.encode(document()), indent=1)
    DOCUMENT.write_bytes(found + b"\n")


def test_a_failing_endpoint_does_not_end_the_server() -> None:
    async def scene(web: Web) -> None:
        def broken(*_: Any) -> Any:
            raise RuntimeError("oops")

        web.app._calling._has_call = broken
        answer = await web.ask("POST", "/v1/calls/fc-1/cancel")
        assert (answer.status_code, "This is a bug in Motet" in answer.json()["detail"]) == (500, True)
        assert (await web.ask("GET", "/v1/apps")).status_code == 200

    play(scene)


if __name__ == "__main__":
    write()
