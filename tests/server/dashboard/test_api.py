"""What pages get, of a server whose records are known."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from motet.model.outcome import CallKind
from motet.records.calls import CallRecord
from motet.server.dashboard.api import Api
from motet.server.dashboard.app import dashboard_app
from motet.server.dashboard.events import Watchers
from motet.server.dashboard.logins import Logins
from motet.server.http.own_names import OwnNames

from . import made_server as made
from .made_server import MadeServer

COMMAND = {"x-motet-dashboard": "1"}


@pytest.fixture
def server() -> MadeServer:
    return MadeServer()


class Client:
    """Asks the dashboard without a network."""

    def __init__(self, server: MadeServer) -> None:
        api = Api(server, lambda: made.NOW)
        logins = Logins(lambda: 0.0)
        self._app = dashboard_app(api, Watchers(api), OwnNames(), logins)
        self._code = logins.new_code()
        self._cookies: httpx.Cookies | None = None

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, options))

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420") as client:
            if self._cookies is None:
                await client.get("/", params={"code": self._code})
                self._cookies = client.cookies
            client.cookies = self._cookies
            return await client.request(method, path, **options)


@pytest.fixture
def client(server: MadeServer) -> Client:
    return Client(server)


def get(client: Client, path: str, status: int = 200) -> Any:
    answer = client.get(f"/api{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


def post(client: Client, path: str, body: object, status: int = 200) -> Any:
    answer = client.post(f"/api{path}", json=body, headers=COMMAND)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_versions_of_a_deployed_app_have_what_they_do_and_how_their_inputs_ended_lately(client: Client) -> None:
    serving = get(client, "/deployments")["deployments"]
    assert [(it["name"], it["version"], it["state"], it["share"]) for it in serving] == [
        ("shop", 4, "canary", 10.0),
        ("shop", 3, "live", 90.0),
    ]
    shop = get(client, "/deployments/shop")
    canary, live, failed, _ = shop["versions"]
    assert (shop["name"], canary["lately"], failed["lately"]) == ("shop", None, None)
    assert failed["why"].endswith("division by zero")
    assert (live["containers"], live["running_inputs"], live["running"]) == (3, 60, True)
    lately = live["lately"]
    assert lately["inputs"] == 42
    assert lately["error_rate"] == lately["failed"] / 42
    assert 0 < lately["p50"] <= lately["p95"]
    assert get(client, "/deployments/nobody", 404)["error"] == "App 'nobody' is not deployed on this server."


def test_sandboxes_have_how_they_ended(client: Client) -> None:
    (sandbox,) = get(client, "/sandboxes")["sandboxes"]
    assert (sandbox["name"], sandbox["ended"], sandbox["returncode"], sandbox["command"][:2]) == (
        "till",
        "exited",
        3,
        ["sh", "-c"],
    )
    assert get(client, "/logs?container=sb-made")["lines"] == []


def test_schedules_have_their_next_and_last_runs(client: Client) -> None:
    (found,) = get(client, "/schedules?app=shop")["schedules"]
    assert (found["function"], found["when"], found["call_id"]) == ("fetch", "every 1 hour", "fc-1")
    assert found["next_at"] - found["ran_at"] == 3600
    assert get(client, "/schedules?app=kiosk") == {"schedules": []}
    assert "sort" in get(client, "/schedules?sort=up", 400)["error"]


def test_apps_that_run_have_their_functions(client: Client) -> None:
    running, ended = get(client, "/apps")["apps"]
    assert (running["name"], running["running"]) == ("shop", True)
    assert [function["name"] for function in running["functions"]] == ["fetch", "Shop"]
    assert (ended["name"], ended["running"], ended["functions"]) == ("yesterday", False, [])


def test_app_that_has_ended_has_the_functions_that_are_kept(client: Client) -> None:
    assert get(client, f"/apps/{made.APP}")["functions"][0]["name"] == "fetch"
    assert get(client, f"/apps/{made.OLD_APP}")["functions"] == []


def test_function_has_its_containers_and_the_reasons_for_their_number(client: Client) -> None:
    found = get(client, f"/functions/{made.FETCH}")
    assert {each["container_id"]: each["state"] for each in found["containers"]} == {
        made.READY: "ready",
        made.STARTING: "starting",
        made.DRAINING: "draining",
        made.DEAD: "ended",
    }
    assert found["decisions"][-1]["reason"] == "180 inputs at 50 each want 4, of which 3 pay"
    assert found["settings"]["max_containers"] == 10
    assert found["app"]["name"] == "shop"


def test_series_are_samples_and_latencies_of_a_span(client: Client) -> None:
    found = get(client, f"/functions/{made.FETCH}/series?since=30s&buckets=10")
    assert len(found["samples"]) == 31 - 1
    assert found["samples"][0]["waiting_inputs"] == 30
    whole = get(client, f"/functions/{made.FETCH}/series?since=1m&buckets=1")
    (latency,) = whole["latencies"]
    assert 1.5 <= latency["p50"] < latency["p95"] < 2.0


def test_series_of_a_long_span_have_few_points(client: Client, server: MadeServer) -> None:
    server.kept.all_samples = [
        made.sample(made.NOW - 3000 + second, waiting=second % 100, succeeded=second) for second in range(3000)
    ]
    found = get(client, f"/functions/{made.FETCH}/series?since=3000s")["samples"]
    assert len(found) <= 600
    assert max(each["waiting_inputs"] for each in found) == 99
    assert found[-1]["succeeded_inputs"] == 2999


def test_calls_are_found_by_function_outcome_and_parent(client: Client) -> None:
    def ids(query: str) -> list[str]:
        return [each["call_id"] for each in get(client, f"/calls?{query}")["calls"]]

    assert ids("") == [made.LIVE_CALL, made.NESTED, made.CALL]
    assert ids("function=fetch") == [made.LIVE_CALL, made.CALL]
    assert ids("kind=failure") == [made.CALL]
    assert ids("parent=in-map-3") == [made.NESTED]


def test_call_counts_outcomes_and_inputs_that_have_not_ended(client: Client) -> None:
    found = get(client, f"/calls/{made.CALL}")
    assert found["call"]["counts"] == {"success": 37, "failure": 3, "timed_out": 0, "cancelled": 0, "lost": 0}
    assert get(client, f"/calls/{made.LIVE_CALL}")["live"] == {"running": 2, "waiting": 3}


def test_inputs_of_a_call_are_paged(client: Client) -> None:
    first = get(client, f"/calls/{made.CALL}/inputs?limit=30")
    rest = get(client, f"/calls/{made.CALL}/inputs?limit=30&after={first['next']}")
    assert [each["index"] for each in first["inputs"] + rest["inputs"]] == list(range(40))
    assert rest["next"] is None


def test_inputs_of_a_call_are_found_by_outcome(client: Client) -> None:
    found = get(client, f"/calls/{made.CALL}/inputs?kind=failure")["inputs"]
    assert [each["index"] for each in found] == [12, 25, 38]
    assert found[0]["failure"] == "ValueError: <b>price</b> of 13"


def test_input_has_its_attempts_and_its_failure(client: Client) -> None:
    redelivered = get(client, "/inputs/in-map-5")
    assert [each["kind"] for each in redelivered["attempts_made"]] == ["lost", "success"]
    failed = get(client, "/inputs/in-map-12")
    assert failed["failure"]["type"] == "ValueError"
    assert failed["failure"]["traceback"] == made.FAILURE_TEXT


def test_parts_of_an_inputs_time_add_up_to_all_of_it(client: Client) -> None:
    found = get(client, "/inputs/in-map-5")
    parts = found["timeline"]
    assert [part["attempt"] for part in parts if part["phase"] == "running"] == [1, 2]
    whole = found["input"]["ended_at"] - found["input"]["submitted_at"]
    assert sum(part["ended"] - part["began"] for part in parts) == pytest.approx(whole)
    assert all(part["meaning"] for part in parts)


def test_input_that_has_not_ended_has_its_state(client: Client) -> None:
    found = get(client, "/inputs/in-live-1")["input"]
    assert (found["state"], found["container_id"], found["ended_at"]) == ("running", made.READY, None)
    waiting = get(client, f"/inputs?call={made.LIVE_CALL}")["inputs"][2:]
    assert [each["state"] for each in waiting] == ["waiting"] * 3


def test_tree_of_an_input_reaches_up_and_down(client: Client) -> None:
    below = get(client, "/inputs/in-map-3/tree")
    assert [each["input_id"] for each in below["root"]["calls"][0]["inputs"]] == ["in-nested-0", "in-nested-1"]
    above = get(client, "/inputs/in-nested-1/tree")
    assert above["path"] == ["in-map-3", "in-nested-1"]
    assert above["root"] == below["root"]


def test_tree_of_an_input_has_inputs_that_have_not_ended(client: Client) -> None:
    tree = get(client, "/inputs/in-live-4/tree")
    assert (tree["path"], tree["root"]["state"]) == (["in-live-4"], "waiting")


def test_tree_below_an_input_has_inputs_that_have_not_ended(client: Client, server: MadeServer) -> None:
    server.kept.all_calls.append(CallRecord("fc-below", made.FETCH, CallKind.ATTACHED, "", made.NOW, "in-live-1"))
    below = [
        msgspec.structs.replace(each, input_id=f"in-below-{place}", call_id="fc-below")
        for place, each in enumerate(server.live)
    ]
    server.live += below
    (call,) = get(client, "/inputs/in-live-1/tree")["root"]["calls"]
    assert [each["state"] for each in call["inputs"]] == ["running", "running", "waiting", "waiting", "waiting"]
    assert get(client, "/inputs/in-below-2/tree")["path"] == ["in-live-1", "in-below-2"]


def test_container_has_its_life_and_its_inputs(client: Client) -> None:
    found = get(client, f"/containers/{made.READY}")
    assert found["container"]["state"] == "ready"
    assert [each["input_id"] for each in found["live"]] == ["in-live-0", "in-live-1"]
    assert found["inputs"][0]["input_id"].startswith("in-")
    dead = get(client, f"/containers/{made.DEAD}")["container"]
    assert (dead["state"], dead["end"]) == ("ended", "killed by SIGKILL")


def test_lines_are_found_by_text_input_and_source(client: Client) -> None:
    assert [each["text"] for each in get(client, "/logs?search=number+12")["lines"]] == ["fetched number 12"]
    texts = [each["text"] for each in get(client, "/logs?input=in-map-7")["lines"]]
    assert texts == ["fetched number 7", made.HOSTILE]
    (system,) = get(client, "/logs?source=system")["lines"]
    assert system["input_id"] is None


def test_call_is_cancelled(client: Client, server: MadeServer) -> None:
    post(client, f"/calls/{made.LIVE_CALL}/cancel", {"terminate_containers": True})
    assert server.done == [f"cancel {made.LIVE_CALL} True"]


def test_call_that_has_ended_cannot_be_cancelled(client: Client) -> None:
    said = post(client, f"/calls/{made.CALL}/cancel", {}, 404)["error"]
    assert said == "no call fc-map has unfinished inputs on this server"


def test_container_is_stopped(client: Client, server: MadeServer) -> None:
    post(client, f"/containers/{made.READY}/stop", {"graceful": False})
    assert server.done == [f"stop {made.READY} False"]


def test_bounds_of_the_autoscaler_are_changed(client: Client) -> None:
    settings = post(client, f"/functions/{made.FETCH}/autoscaler", {"max_containers": 7})["settings"]
    assert settings["max_containers"] == 7
    said = post(client, f"/functions/{made.FETCH}/autoscaler", {"min_containers": 9}, 400)["error"]
    assert "`min_containers` (9) cannot be greater than `max_containers` (7)" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body of this command is wrong: Input data was truncated"),
        (b'{"max_containers": "many"}', "Expected `int | null`, got `str` - at `$.max_containers`"),
        (b"{" + b" " * 70_000 + b"}", "a command's body has 64 KiB at most"),
    ],
)
def test_command_with_a_wrong_body_is_refused(client: Client, body: bytes, said: str) -> None:
    headers = {**COMMAND, "content-type": "application/json"}
    answer = client.post(f"/api/functions/{made.FETCH}/autoscaler", content=body, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/apps/ap-none", 404, "no app ap-none is known here"),
        ("/functions/fu-none", 404, "no function fu-none is known here"),
        ("/calls/fc-none", 404, "no call fc-none is known here"),
        ("/inputs/in-none-0", 404, "no input in-none-0 is known here"),
        ("/inputs/in-none-0/tree", 404, "no input in-none-0 is known here"),
        ("/containers/ta-none", 404, "no container ta-none is known here"),
        ("/calls/in-5", 400, "'in-5' is not the id of a call; they begin with fc-"),
        ("/inputs/in-5", 400, "'in-5' is not an input id"),
        ("/calls?since=later", 400, "since=later is not a time"),
        ("/inputs", 400, "give call= or function="),
        ("/functions/fu-fetch/series?since=1m&until=5m", 400, "since= must be earlier than until="),
        ("/nothing", 404, "there is nothing at /api/nothing"),
        ("/events?topics=weather", 400, "topics=weather is not known; it can be: views, changes, logs"),
    ],
)
def test_question_that_cannot_be_answered_says_why(client: Client, path: str, status: int, said: str) -> None:
    assert said in get(client, path, status)["error"]


def test_every_page_is_the_same_document_under_a_strict_policy(client: Client) -> None:
    for path in ("/apps", "/functions/fu-fetch", "/inputs/in-map-5", "/logs?search=x"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert '<script type="module" src="/static/main.js">' in answer.text
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


def test_page_of_another_site_gets_nothing(client: Client) -> None:
    assert client.get("/api/apps", headers={"host": "evil.example"}).status_code == 403
    answer = client.post(f"/api/calls/{made.LIVE_CALL}/cancel", json={}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
