"""Functions as tools over HTTP."""

from __future__ import annotations

from typing import Any

from motet.errors import ArgumentError
from motet.model.outcome import OutcomeKind
from motet.wire import payload, report
from tests.server.api.asking import Web, finish, play, send_items

PATH = "/v1/apps/shop/mcp"


def message(method: str, number: int | None = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params, **({} if number is None else {"id": number})}


def test_tools_are_told_and_called() -> None:
    async def scene(web: Web) -> None:
        assert (await web.ask("POST", PATH, json=message("initialize"))).json()["result"]["serverInfo"]
        assert (await web.ask("POST", PATH, json=message("notifications/initialized", None))).status_code == 202
        listed = (await web.ask("POST", PATH, json=message("tools/list"), token="caller")).json()
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["f", "g"]
        asked = web.begin("POST", PATH, json=message("tools/call", name="f", arguments={"x": 1}))
        container = await web.on.container()
        (attempt,) = await container.deliveries()
        assert attempt.payload == b'JJ{"kwargs":{"x":1}}'
        finish(container, [attempt], b'J{"a":1}')
        assert (await asked).json()["result"]["structuredContent"] == {"a": 1}
        asked = web.begin("POST", PATH, json=message("tools/call", name="f"))
        finish(container, await container.deliveries(), report.of(ArgumentError("no x")), OutcomeKind.FAILURE)
        assert (await asked).json()["result"]["isError"]

    play(scene)


def test_a_generators_items_are_one_answer() -> None:
    async def scene(web: Web) -> None:
        asked = web.begin("POST", PATH, json=message("tools/call", name="g"))
        container = await web.on.container()
        (attempt,) = await container.deliveries()
        send_items(container, attempt, b"J1", b"J2")
        finish(container, [attempt], payload.dumps(None, ""))
        assert (await asked).json()["result"]["content"][0]["text"] == "[1,2]"

    play(scene)


def test_what_is_wrong_has_a_status() -> None:
    async def scene(web: Web) -> None:
        assert (await web.ask("POST", PATH, content=b"{")).status_code == 400
        assert (await web.ask("POST", "/v1/apps/nobody/mcp", json=message("tools/list"))).status_code == 404
        assert (await web.ask("POST", PATH, token=None, json=message("tools/list"))).status_code == 401
        assert (await web.ask("GET", PATH)).status_code == 405

    play(scene)
