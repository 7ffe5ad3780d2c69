"""What failed is told to the address of its deployment: what is said, how often it is tried, and that nothing waits for it."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from motet.core.commands import Command, RecordInputs, SaveOutcomes
from motet.errors import InvalidError, NotFoundError
from motet.model.attempt import AttemptRecord
from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.model.webhook import checked_url
from motet.records.inputs import InputRecord
from motet.server.clock import Clock
from motet.server.deployments.failure_hooks import MAX_WAITING, WAITS, FailureHooks
from motet.server.deployments.post_json import post_json
from motet.server.deployments.register import Deployment, Register
from motet.server.deployments.unkept import MemoryDeployments
from motet.store.base import KeptDeployment
from motet.wire import client_messages as m
from motet.wire import deployment_messages as d
from motet.wire import report
from tests.server.stage import Client, Stage, app, function, play, refusal
from tests.server.virtual_loop import run_virtually

URL = "https://example.com/failed"
NOBODY: Any = None


class Looked:
    """Of an engine, a catalogue and a driver: what hooks ask of them."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = Clock(loop.time, lambda: 1000.0 + loop.time())
        self.engine = self
        self.inspection = self
        self.turned: list[Any] = []

    def follow(self, turned: Any) -> None:
        self.turned.append(turned)

    def view(self, function_id: str, now: float) -> Any:
        raise NotFoundError("it has gone")

    def app_id_of(self, function_id: str) -> str | None:
        return {"fu-1": "ap-1", "fu-2": "ap-2"}.get(function_id)


class Hooked:
    """Hooks of one deployed app, and what they post: `answers` are given in turn, and then 200."""

    def __init__(self, url: str = URL) -> None:
        self.looked: Any = Looked()
        register = Register(MemoryDeployments(), NOBODY, NOBODY, NOBODY)
        view = DeploymentView(name="shop", version=3, app_id="ap-1", state="live", deployed_at=0.0, deployed_by="ci")
        kept = KeptDeployment(view=view, spec=AppSpec(name="shop", functions=()), function_ids={}, on_failure=url)
        register.state("shop").here["ap-1"] = Deployment(kept, NOBODY)
        self.posted: list[tuple[float, str, dict[str, Any], str]] = []
        self.answers: list[int | Exception] = []
        self.hooks = FailureHooks(register, self.looked, self.looked, self.post)
        self.hooks.look()

    async def post(self, url: str, body: bytes, key: str) -> int:
        self.posted.append((asyncio.get_running_loop().time(), url, json.loads(body), key))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self, kind: OutcomeKind = OutcomeKind.FAILURE, *, index: int = 0, function_id: str = "fu-1") -> None:
        """An input of a spawned call ends so."""
        attempts = [AttemptRecord("ta-1", 1.0, 2.0, kind)] * 2
        record = InputRecord.of("fc-1", index, 0.5, 2.0, kind, attempts, report.of(InvalidError("no such product")))
        commands: list[Command] = [
            SaveOutcomes("fc-1", [InputEnd(index, kind, b"")]),
            RecordInputs(function_id, [record]),
        ]
        for turned in self.looked.turned:
            turned((), commands, 2.0)

    @property
    def moments(self) -> list[float]:
        return [at for at, *_ in self.posted]


def hooked(scene: Callable[[Hooked], Coroutine[Any, Any, None]], url: str = URL) -> None:
    async def main() -> None:
        on = Hooked(url)
        try:
            await scene(on)
        finally:
            await on.hooks.close()

    run_virtually(main())


def test_a_failure_is_told_with_what_somebody_needs_to_find_it() -> None:
    async def scene(on: Hooked) -> None:
        on.end()
        await asyncio.sleep(1)
        ((_, url, body, key),) = on.posted
        assert (url, key) == (URL, "in-1-0")
        assert body == {
            "event": "input_failed",
            "app": "shop",
            "version": 3,
            "function": "",
            "call_id": "fc-1",
            "input_id": "in-1-0",
            "outcome": "failure",
            "error": {"type": "motet.errors.InvalidError", "message": "no such product"},
            "attempts": 2,
            "submitted_at": 1000.5,
            "ended_at": 1002.0,
        }

    hooked(scene)


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_of_all_ends_those_are_told_that_are_failures(kind: OutcomeKind) -> None:
    async def scene(on: Hooked) -> None:
        on.end(kind)
        on.end(function_id="fu-2")
        await asyncio.sleep(1)
        is_told = kind in (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)
        assert [body["outcome"] for _, _, body, _ in on.posted] == [kind.name.lower()] * is_told

    hooked(scene)


def test_nothing_is_looked_at_without_an_address() -> None:
    async def scene(on: Hooked) -> None:
        assert on.looked.turned == []

    hooked(scene, url="")


@pytest.mark.parametrize("answer", [500, 503, 408, 429, ConnectionRefusedError(), ValueError("no host")])
def test_what_cannot_be_told_is_tried_a_few_times(answer: int | Exception) -> None:
    async def scene(on: Hooked) -> None:
        on.answers = [answer] * 2
        on.end()
        await asyncio.sleep(1000)
        assert on.moments == pytest.approx([0.0, WAITS[1], WAITS[1] + WAITS[2]], abs=0.01)
        on.answers = [answer] * 100
        on.end(index=1)
        await asyncio.sleep(1000)
        assert len(on.posted) == 3 + len(WAITS)

    hooked(scene)


@pytest.mark.parametrize("answer", [301, 400, 404])
def test_an_answer_that_will_be_the_same_again_is_not_asked_for_again(answer: int) -> None:
    async def scene(on: Hooked) -> None:
        on.answers = [answer]
        on.end()
        await asyncio.sleep(1000)
        assert len(on.posted) == 1

    hooked(scene)


def test_no_more_wait_than_may_and_an_address_that_cannot_be_told_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(on: Hooked) -> None:
        on.answers = [ConnectionRefusedError("nobody")] * 100_000
        for index in range(MAX_WAITING + 10):
            on.end(index=index)
        await asyncio.sleep(1000)
        assert len(on.posted) == MAX_WAITING * len(WAITS)

    hooked(scene)
    (said,) = caplog.messages
    assert "failures wait to be told already" in said
    assert URL not in said, "it may have a secret"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com",
        "example.com",
        "https://",
        "http://host:99999/",
        "http://ho st/",
        "http://a/\nb",
        "http://ü.com/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="on_failure is an address that failures are posted to, such as"):
        checked_url(url)


def test_an_address_with_a_password_is_refused_and_others_are_not() -> None:
    with pytest.raises(InvalidError, match="must have no user or password"):
        checked_url("https://me:secret@example.com/")
    for url in ("", URL, "http://127.0.0.1:8000", "http://[::1]:80/x?y=z"):
        assert checked_url(url) == url


# --- over a socket, and on a server ---------------------------------------------------------------------------------------


@contextmanager
def listener(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]], threading.Event]]:
    """Where it listens, what came, and an event that is set when something has."""
    came: list[dict[str, Any]] = []
    arrived = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append({"path": self.path, "key": self.headers["idempotency-key"], **json.loads(body)})
            self.send_response(status)
            self.send_header("location", "/elsewhere")
            self.end_headers()
            arrived.set()

        def log_message(self, *_: Any) -> None:
            """Nothing is said."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came, arrived
        finally:
            server.shutdown()
            thread.join()


def test_json_is_posted_and_no_redirect_followed() -> None:
    with listener(302) as (url, came, _):
        assert asyncio.run(post_json(f"{url}/a?b=c", b'{"x": 1}', "in-1-0")) == 302
    assert came == [{"path": "/a?b=c", "key": "in-1-0", "x": 1}]


def test_who_does_not_listen_is_an_error() -> None:
    with pytest.raises(OSError, match="refused"):
        asyncio.run(post_json("http://127.0.0.1:1", b"{}", "in-1-0"))


def test_a_spawned_call_of_a_deployed_app_that_fails_is_told_and_one_that_somebody_waits_for_is_not() -> None:
    async def scene(on: Stage, client: Client) -> None:
        with listener() as (url, came, arrived):
            deployed = await client.answer(d.DeployApp("shop", app(function()), on_failure=f"{url}/hook"))
            assert isinstance(deployed, d.AppDeployed), refusal(deployed)
            client.call("fu-@shop/f", call_id="fc-1")
            container = await on.container()
            container.fail(await container.deliveries(), report.of(InvalidError("one")))
            await client.wait(m.Outcomes)
            await client.answer(m.SubmitInputs("fc-2", "fu-@shop/f", CallKind.SPAWNED, "", [NewInput(0, b"x")]))
            container.fail(await container.deliveries(), report.of(InvalidError("two")))
            assert await asyncio.to_thread(arrived.wait, 30.0)
        (told,) = came
        assert (told["path"], told["function"], told["call_id"], told["error"]["message"]) == (
            "/hook",
            "f",
            "fc-2",
            "two",
        )
        again = await client.answer(d.DeployApp("shop", app(), on_failure="file:///etc/passwd"))
        assert "on_failure is an address" in str(refusal(again))

    play(scene)
