"""Calls over HTTP: what is asked, and what is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import cbor2
import pytest

from motet.errors import ArgumentError, ContainerDied, FunctionTimeoutError
from motet.model.outcome import OutcomeKind
from motet.model.scaling import AutoscalerSettings
from motet.server.api.api import HttpApi
from motet.wire import codec, failure, payload, report
from motet.wire.container_messages import Cancel
from motet.wire.encoding import Encoding, marked_result
from tests.server.api.asking import Web, deploy, events, finish, play, send_items
from tests.server.stage import function

_ONE = AutoscalerSettings(max_containers=1)
CALL = "/v1/apps/shop/functions/f/call"
SPAWN = "/v1/apps/shop/functions/f/spawn"
STREAM = "/v1/apps/shop/functions/g/stream"


def test_a_call_is_delivered_as_it_came_and_answered_as_the_container_wrote_it() -> None:
    async def scene(web: Web) -> None:
        asked = web.begin("POST", CALL, json={"args": [3], "kwargs": {"y": 1}}, headers={"traceparent": TRACE})
        container = await web.on.container()
        (attempt,) = await container.deliveries()
        assert attempt.payload == b'JJ{"args":[3],"kwargs":{"y":1}}'
        assert attempt.trace == TRACE
        finish(container, [attempt], b'J{"a": 1}')
        answer = await asked
        assert (answer.status_code, answer.content) == (200, b'{"a": 1}')
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["motet-call-id"] == attempt.call_id

    play(scene)


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "marks"),
    [
        (b"{}", "application/json", "*/*", b"JJ"),
        (b"", None, None, b"JJ"),
        (b"{}", "application/json; charset=utf-8", "application/cbor", b"JC"),
        (cbor2.dumps({}), "application/cbor", "*/*", b"CC"),
        (cbor2.dumps({}), "application/cbor", "application/json", b"CJ"),
        (b"{}", "application/json", "application/cbor;q=0.5, application/json;q=0.9", b"JJ"),
    ],
)
def test_the_request_names_both_encodings(body: bytes, content_type: Any, accept: Any, marks: bytes) -> None:
    async def scene(web: Web) -> None:
        headers = {name: it for name, it in (("content-type", content_type), ("accept", accept)) if it is not None}
        asked = web.begin("POST", CALL, content=body, headers=headers)
        container = await web.on.container()
        (attempt,) = await container.deliveries()
        assert attempt.payload == marks + body
        finish(container, [attempt], marked_result(b"0", Encoding.JSON if marks[1:] == b"J" else Encoding.CBOR))
        assert (await asked).status_code == 200

    play(scene)


@pytest.mark.parametrize(
    ("how", "status", "detail"),
    [
        (
            {"content": b"[1", "headers": {"content-type": "application/json"}},
            400,
            "the body is no JSON, or no arguments",
        ),
        ({"json": {"arg": 1}}, 400, 'must be given as {"args": [...], "kwargs": {...}}'),
        ({"content": b"a=1", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 415, "curl: `--json`"),
        ({"json": {}, "headers": {"accept": "text/html"}}, 406, "results are application/json or application/cbor"),
        ({"json": {}, "params": {"timeout": "soon"}}, 400, "timeout=soon must be a number of seconds"),
        ({"json": {}, "params": {"verison": "1"}}, 400, "there is no filter 'verison' here"),
        ({"json": {}, "params": {"version": "7"}}, 404, "has no version 7"),
        ({"json": {}, "params": {"parameters": "{}"}}, 400, "is of no class that has any"),
        ({"json": {}, "params": {"access_token": "all"}}, 400, "a token in a URL ends in logs"),
    ],
)
def test_a_request_that_is_wrong_is_told_why(how: dict[str, Any], status: int, detail: str) -> None:
    async def scene(web: Web) -> None:
        answer = await web.ask("POST", CALL, **how)
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status), problem
        assert answer.headers["content-type"] == "application/problem+json"
        assert detail in problem["detail"]
        assert problem["type"].startswith("urn:motet:problem:")

    play(scene)


def raised(kind: OutcomeKind, error: BaseException) -> tuple[OutcomeKind, bytes]:
    try:
        raise error
    except BaseException as caught:
        return kind, failure.describe(caught).encoded()


@pytest.mark.parametrize(
    ("outcome", "status", "slug"),
    [
        (raised(OutcomeKind.FAILURE, ValueError("no")), 500, "function-failed"),
        (raised(OutcomeKind.FAILURE, ArgumentError("argument 'x'")), 422, "bad-arguments"),
        ((OutcomeKind.TIMED_OUT, report.of(FunctionTimeoutError("too long"))), 504, "timed-out"),
        ((OutcomeKind.LOST, report.of(ContainerDied("gone"))), 502, "container-lost"),
        ((OutcomeKind.CANCELLED, report.of(ContainerDied("gone"))), 409, "cancelled"),
    ],
)
def test_how_a_call_failed_has_a_status_and_says_the_exception(
    outcome: tuple[OutcomeKind, bytes], status: int, slug: str
) -> None:
    async def scene(web: Web) -> None:
        asked = web.begin("POST", CALL)
        container = await web.on.container()
        attempts = await container.deliveries()
        finish(container, attempts, outcome[1], outcome[0])
        problem = (await asked).json()
        assert (problem["status"], problem["type"]) == (status, f"urn:motet:problem:{slug}")
        assert problem["call_id"] == attempts[0].call_id
        assert problem["exception"]["type"]

    play(scene)


def test_a_traceback_is_for_those_who_may_look() -> None:
    async def scene(web: Web) -> None:
        kind, data = raised(OutcomeKind.FAILURE, ValueError("no"))
        container = None
        for token, has in (("caller", False), ("all", True)):
            asked = web.begin("POST", CALL, token=token)
            container = container or await web.on.container()
            finish(container, await container.deliveries(), data, kind)
            found = (await asked).json()["exception"]
            assert (found["type"], found["message"], "Traceback" in found.get("traceback", "")) == (
                "ValueError",
                "no",
                has,
            )

    play(scene)


def test_too_many_waiting_inputs_are_429_with_when_to_come_again() -> None:
    async def scene(web: Web) -> None:
        await deploy(web.on, function("f", max_waiting_inputs=1, autoscaler=_ONE), name="full")
        path = "/v1/apps/full/functions/f"
        assert (await web.ask("POST", f"{path}/spawn")).status_code == 202
        waits = web.begin("POST", f"{path}/call")
        await web.on.wait(lambda: web.on.server.operations.views()[-1].functions[0].waiting_inputs == 2)
        for way in ("spawn", "call"):
            answer = await web.ask("POST", f"{path}/{way}", headers={"idempotency-key": "k"} if way == "spawn" else {})
            assert answer.status_code == 429, answer.text
            assert int(answer.headers["retry-after"]) >= 1
        waits.cancel()

    play(scene)


# --- calls whose results are asked for later --------------------------------------------------------------------------


def test_a_spawned_call_is_pending_and_then_has_its_result_as_often_as_it_is_asked_for() -> None:
    async def scene(web: Web) -> None:
        answer = await web.ask("POST", SPAWN, json={"args": [1]})
        assert answer.status_code == 202
        call_id = answer.json()["call_id"]
        assert answer.headers["location"] == answer.json()["result_url"] == f"/v1/calls/{call_id}/result"
        pending = await web.ask("GET", answer.headers["location"])
        assert (pending.status_code, pending.json()["state"], "retry-after" in pending.headers) == (
            202,
            "pending",
            True,
        )
        assert (await web.ask("GET", f"/v1/calls/{call_id}")).json()["state"] == "pending"
        waiting = web.begin("GET", f"/v1/calls/{call_id}/result?wait=60")
        container = await web.on.container()
        finish(container, await container.deliveries(), b"J7")
        for found in (await waiting, await web.ask("GET", f"/v1/calls/{call_id}/result")):
            assert (found.status_code, found.json()) == (200, 7)
        status = (await web.ask("GET", f"/v1/calls/{call_id}")).json()
        assert (status["state"], status["result_encoding"], status["num_inputs"]) == ("success", "json", 1)

    play(scene)


def test_a_poll_waits_no_longer_than_it_says() -> None:
    async def scene(web: Web) -> None:
        call_id = (await web.ask("POST", SPAWN)).json()["call_id"]
        assert (await web.ask("GET", f"/v1/calls/{call_id}/result?wait=0.01")).status_code == 202
        assert (await web.ask("GET", f"/v1/calls/{call_id}/result?wait=301")).status_code == 400

    play(scene)


@pytest.mark.parametrize(
    ("result", "accept", "sentence"),
    [
        (payload.dumps(1, ""), "*/*", 'with `f.with_result_encoding("json").spawn(...)`'),
        (b"C\x01", "application/json", "is application/cbor, which the request's Accept: does not allow"),
    ],
)
def test_a_result_that_is_not_acceptable_is_406_with_the_sentence_that_changes_it(
    result: bytes, accept: str, sentence: str
) -> None:
    async def scene(web: Web) -> None:
        call_id = (await web.ask("POST", SPAWN)).json()["call_id"]
        container = await web.on.container()
        finish(container, await container.deliveries(), result)
        answer = await web.ask("GET", f"/v1/calls/{call_id}/result?wait=5", headers={"accept": accept})
        assert answer.status_code == 406
        assert sentence in answer.json()["detail"]

    play(scene)


def test_another_principals_call_is_not_there() -> None:
    async def scene(web: Web) -> None:
        call_id = (await web.ask("POST", SPAWN, token="caller")).json()["call_id"]
        for method, path in (("GET", ""), ("GET", "/result"), ("POST", "/cancel")):
            assert (await web.ask(method, f"/v1/calls/{call_id}{path}", token="caller")).status_code < 300
            if path != "/cancel":
                assert (await web.ask(method, f"/v1/calls/{call_id}{path}", token="other")).status_code == 404

    play(scene)


def test_a_key_that_was_used_is_the_same_call() -> None:
    async def scene(web: Web) -> None:
        def spawn(key: str, token: str = "all", **how: Any) -> Any:
            return web.ask("POST", SPAWN, token=token, headers={"idempotency-key": key}, **how)

        first = (await spawn("k", json={"args": [1]})).json()["call_id"]
        assert (await spawn("k", json={"args": [1]})).json()["call_id"] == first
        other = await spawn("k", json={"args": [2]})
        assert (other.status_code, other.json()["type"]) == (422, "urn:motet:problem:key-reused")
        assert f"used for {first}" in other.json()["detail"]
        assert (await spawn("l", json={"args": [1]})).json()["call_id"] != first
        assert (await spawn("k", token="other", json={"args": [2]})).json()["call_id"] != first
        assert "text of 1 to 255" in (await spawn("x" * 256)).json()["detail"]
        container = await web.on.container()
        assert len(await container.deliveries()) == 1  # one at a time

    play(scene)


def test_a_call_with_a_key_goes_on_without_its_client_and_can_be_had_again() -> None:
    async def scene(web: Web) -> None:
        def call(**how: Any) -> Any:
            return web.ask("POST", CALL, headers={"idempotency-key": "k"}, json={"args": [1]}, **how)

        late = await call(params={"timeout": "0.01"})
        assert late.status_code == 202
        container = await web.on.container()
        finish(container, await container.deliveries(), b"J9")
        assert [(await call()).json() for _ in range(2)] == [9, 9]

    play(scene)


# --- the end of a wait ------------------------------------------------------------------------------------------------


class Raw:
    """A client that can leave: what it gets as ASGI messages."""

    def __init__(self, app: HttpApi, path: str, body: bytes = b"") -> None:
        self.sent: list[Any] = []
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self._to_app.put_nowait({"type": "http.request", "body": body, "more_body": False})
        headers = [(b"host", b"localhost"), (b"authorization", b"Bearer all"), (b"content-type", b"application/json")]
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": "POST" if body or "/calls/" not in path else "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
            "scheme": "http",
            "http_version": "1.1",
        }
        self.task = asyncio.get_running_loop().create_task(app(scope, self._to_app.get, self._take))

    async def _take(self, message: Any) -> None:
        self.sent.append(message)

    def leave(self) -> None:
        self._to_app.put_nowait({"type": "http.disconnect"})

    @property
    def text(self) -> str:
        return b"".join(each.get("body", b"") for each in self.sent).decode()


@pytest.mark.parametrize("path", [CALL, STREAM])
def test_a_client_that_goes_away_cancels_its_call(path: str) -> None:
    async def scene(web: Web) -> None:
        client = Raw(web.app, path, b"{}")
        container = await web.on.container()
        (attempt,) = await container.deliveries()
        client.leave()
        async with asyncio.timeout(30):
            await client.task
            (message,) = await container.control.hear(codec.decode_to_control)
        assert message == Cancel([attempt.attempt])
        assert client.sent == []

    play(scene)


def test_a_client_that_goes_away_does_not_cancel_what_it_spawned() -> None:
    async def scene(web: Web) -> None:
        call_id = (await web.ask("POST", SPAWN)).json()["call_id"]
        client = Raw(web.app, f"/v1/calls/{call_id}/result?wait=60")
        container = await web.on.container()
        attempts = await container.deliveries()
        client.leave()
        async with asyncio.timeout(30):
            await client.task
        finish(container, attempts, b"J1")
        assert (await web.ask("GET", f"/v1/calls/{call_id}/result?wait=5")).json() == 1

    play(scene)


def test_a_call_that_takes_longer_than_it_may_is_cancelled() -> None:
    async def scene(web: Web) -> None:
        answer = await web.ask("POST", f"{CALL}?timeout=0.01")
        assert answer.status_code == 504
        assert "is cancelled: spawn it" in answer.json()["detail"]
        await web.on.wait(lambda: not web.on.server.operations.has_call(answer.json()["call_id"]))

    play(scene)


def test_cancelling_ends_a_spawned_call() -> None:
    async def scene(web: Web) -> None:
        call_id = (await web.ask("POST", SPAWN)).json()["call_id"]
        assert (await web.ask("POST", f"/v1/calls/{call_id}/cancel")).status_code == 202
        answer = await web.ask("GET", f"/v1/calls/{call_id}/result?wait=5")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:motet:problem:cancelled")
        assert (await web.ask("POST", "/v1/calls/fc-nobody/cancel")).status_code == 404

    play(scene)


def test_who_waits_is_told_when_the_server_ends() -> None:
    async def scene(web: Web) -> None:
        asked = web.begin("POST", CALL)
        await web.on.wait(lambda: web.on.backend.launches)
        web.on.server.http_api.end()
        assert (await asked).status_code == 503
        assert (await web.ask("GET", "/v1/apps")).status_code == 503

    play(scene)


# --- streams ----------------------------------------------------------------------------------------------------------


def test_items_of_a_generator_are_events_and_so_is_its_end() -> None:
    async def scene(web: Web) -> None:
        asked = web.begin("POST", STREAM, json={"args": [2]})
        container = await web.on.container()
        (attempt,) = await container.deliveries()
        send_items(container, attempt, b"J1", b'J{"a":2}')
        finish(container, [attempt], payload.dumps(None, ""))
        answer = await asked
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert events(answer.text) == [("item", 1), ("item", {"a": 2}), ("end", {"items": 2})]

    play(scene)


def test_a_generator_that_fails_has_a_status_before_its_first_item_and_an_event_after_it() -> None:
    async def scene(web: Web) -> None:
        kind, data = raised(OutcomeKind.FAILURE, ValueError("no"))
        asked = web.begin("POST", STREAM)
        container = await web.on.container()
        finish(container, await container.deliveries(), data, kind)
        assert (await asked).status_code == 500
        asked = web.begin("POST", STREAM)
        (attempt,) = await container.deliveries()
        send_items(container, attempt, b"J1")
        finish(container, [attempt], data, kind)
        (first, (name, problem)) = events((await asked).text)
        assert (first, name, problem["exception"]["message"]) == (("item", 1), "problem", "no")

    play(scene)


@pytest.mark.parametrize(
    ("path", "way"), [(STREAM.replace("stream", "call"), "stream"), (CALL.replace("call", "stream"), "call")]
)
def test_the_other_kind_of_function_says_which_way_it_is_called(path: str, way: str) -> None:
    async def scene(web: Web) -> None:
        answer = await web.ask("POST", path)
        assert answer.status_code == 409
        assert f".../{way}" in answer.json()["detail"]

    play(scene)


# --- the server ends ----------------------------------------------------------------------------------------------------


def test_a_server_that_ends_says_of_each_request_whether_it_may_have_run_and_what_to_do() -> None:
    async def scene(web: Web) -> None:
        plain = web.begin("POST", CALL)
        container = await web.on.container()
        await container.deliveries()
        call_id = (await web.ask("POST", SPAWN)).json()["call_id"]
        keyed = web.begin("POST", CALL, headers={"idempotency-key": "k"})
        polled = web.begin("GET", f"/v1/calls/{call_id}/result?wait=60")
        await web.on.wait(lambda: len(web.on.server._calls._waiting) == 2)
        web.app.close()
        told = [(await each).json() for each in (plain, keyed, polled, web.begin("POST", CALL))]
        assert [(it["status"], it.get("may_have_run")) for it in told] == [
            (503, True),
            (503, True),
            (503, None),
            (503, False),
        ]
        assert "may have run, and its result is lost" in told[0]["detail"]
        assert told[0]["call_id"] in told[0]["detail"]
        assert told[1]["result_url"] == f"/v1/calls/{told[1]['call_id']}/result"
        assert "same Idempotency-Key" in told[1]["detail"]
        assert "call_id" not in told[3]

    play(scene)
