"""What failed is told to the address of its deployment: what is said, how often it is tried, and that nothing waits for it."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from motet.core.commands import Command, RecordInputs, SaveOutcomes
from motet.errors import InvalidError, NotFoundError, ServiceError
from motet.model.attempt import AttemptRecord
from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.model.webhook import checked_secrets, checked_url, signatures
from motet.records.inputs import InputRecord
from motet.server.clock import Clock
from motet.server.deployments.failure_hooks import MAX_AGE, MAX_WAITING, WAITS, FailureHooks
from motet.server.deployments.post_json import post_json
from motet.server.deployments.register import Deployment, Register
from motet.server.deployments.unkept import MemoryDeployments
from motet.store.base import KeptDeployment, KeptNotice
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

    def __init__(self, url: str = URL, secret: str = "", store: MemoryDeployments | None = None) -> None:
        self.looked: Any = Looked()
        self.store = store or MemoryDeployments()
        register = Register(self.store, NOBODY, NOBODY, NOBODY)
        view = DeploymentView(name="shop", version=3, app_id="ap-1", state="live", deployed_at=0.0, deployed_by="ci")
        kept = KeptDeployment(
            view=view,
            spec=AppSpec(name="shop", functions=()),
            function_ids={},
            on_failure=url,
            on_failure_secret=secret,
        )
        self.store.add(kept)
        register.state("shop").here["ap-1"] = Deployment(kept, NOBODY)
        self.posted: list[tuple[float, str, dict[str, Any], str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.answers: list[int | Exception] = []
        self.hooks = FailureHooks(register, self.looked, self.looked, self.post)
        self.hooks.look()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.posted.append((asyncio.get_running_loop().time(), url, json.loads(body), headers["webhook-id"]))
        self.headers.append(headers)
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
            "type": "input.failed",
            "timestamp": "1970-01-01T00:16:42.000+00:00",
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
        await asyncio.sleep(sum(WAITS))
        assert on.moments == pytest.approx([0.0, WAITS[1], WAITS[1] + WAITS[2]], abs=0.01)
        on.answers = [answer] * 100
        on.end(index=1)
        await asyncio.sleep(sum(WAITS) + 1)
        assert len(on.posted) == 3 + len(WAITS)
        assert on.store.notices() == []

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
        assert len(on.store.notices()) == 0, "they are kept on another thread"
        await asyncio.sleep(1)
        assert len(on.store.notices()) == MAX_WAITING
        assert on.hooks.problem == (
            f"{MAX_WAITING} failures wait to be told to on_failure addresses: shop (ConnectionRefusedError: nobody)"
        )
        await asyncio.sleep(sum(WAITS) + 1)
        assert len(on.posted) == MAX_WAITING * len(WAITS)
        assert on.store.notices() == []
        assert on.hooks.problem == ""
        on.answers[:] = [503]
        on.end(index=1)
        await asyncio.sleep(1)
        assert len(on.posted) == MAX_WAITING * len(WAITS) + 1, "there is room again"
        assert "1 failure waits" in on.hooks.problem
        await asyncio.sleep(WAITS[1])
        assert on.hooks.problem == ""

    hooked(scene)
    full, failing, given_up = caplog.messages
    assert full.startswith("shop: its on_failure address is not told what failed: ")
    assert f"{MAX_WAITING} failures wait for it" in full
    assert "ConnectionRefusedError: nobody; it is tried again" in failing
    assert "is not told, and is in `motet call list --failed`" in given_up
    assert URL not in full + failing + given_up, "it may have a secret"


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_what_a_server_does_not_get_to_is_told_by_the_next_one_as_the_same() -> None:
    async def main() -> None:
        first = Hooked()
        first.answers = [ConnectionRefusedError()]
        first.end()
        await asyncio.sleep(1)
        await first.hooks.close()
        assert len(first.posted) == 1
        second = Hooked(store=first.store)
        await second.hooks.prepare()
        await asyncio.sleep(1)
        assert [(body, key) for _, _, body, key in second.posted] == [(body, key) for _, _, body, key in first.posted]
        assert second.store.notices() == []
        await second.hooks.close()
        third = Hooked(store=first.store)
        await third.hooks.prepare()
        await asyncio.sleep(1)
        assert third.posted == []
        await third.hooks.close()

    run_virtually(main())


def test_what_fails_as_the_server_ends_is_kept() -> None:
    async def main() -> None:
        on = Hooked()
        on.end()
        await on.hooks.close()
        assert on.posted == []
        assert [it.id for it in on.store.notices()] == ["in-1-0"]

    run_virtually(main())


def test_what_is_a_day_old_or_has_no_address_any_more_is_not_told_by_the_next_server() -> None:
    async def main() -> None:
        on = Hooked()
        on.store.keep_notices(
            [
                KeptNotice(id="in-1-0", app="shop", version=3, body=b"{}", failed_at=999.0 - MAX_AGE),
                KeptNotice(id="in-2-0", app="shop", version=2, body=b"{}", failed_at=1000.0),
            ]
        )
        await on.hooks.prepare()
        await asyncio.sleep(1)
        assert (on.posted, on.store.notices()) == ([], [])
        await on.hooks.close()

    run_virtually(main())


def test_what_cannot_be_kept_is_told_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Full(MemoryDeployments):
        def keep_notices(self, kept: Any) -> None:
            raise ServiceError("the disk is full")

    async def main() -> None:
        on = Hooked(store=Full())
        on.end()
        await asyncio.sleep(1)
        assert len(on.posted) == 1
        await on.hooks.close()

    run_virtually(main())
    assert "would be lost if the server ended now: the disk is full" in caplog.text


def test_each_try_is_signed_anew_with_the_same_id() -> None:
    async def main() -> None:
        on = Hooked(secret=f"{SECRET} {OTHER}")
        on.answers = [500]
        on.end()
        await asyncio.sleep(WAITS[1] + 1)
        await on.hooks.close()
        first, second = on.headers
        assert (first["webhook-id"], first["webhook-timestamp"]) == ("in-1-0", "1000")
        assert (second["webhook-id"], second["webhook-timestamp"]) == ("in-1-0", "1005")
        body = msgspec.json.encode(on.posted[1][2])
        assert second["webhook-signature"] == signatures(f"{SECRET} {OTHER}", "in-1-0", 1005, body)
        assert second["webhook-signature"].count("v1,") == 2
        assert first["webhook-signature"] != second["webhook-signature"]

    run_virtually(main())


def test_nothing_is_signed_without_a_secret() -> None:
    async def scene(on: Hooked) -> None:
        on.end()
        await asyncio.sleep(1)
        assert set(on.headers[0]) == {"webhook-id", "webhook-timestamp", "idempotency-key"}

    hooked(scene)


def test_signatures_are_those_of_standard_webhooks() -> None:
    made = signatures(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secrets",
    ["hunter2hunter2", "whsec_", "whsec_hunter2", "whsec_" + "A" * 31, "whsec_" + "A" * 88, f"{OTHER} hunter2"],
)
def test_what_is_no_secret_is_refused_and_not_shown(secrets: str) -> None:
    with pytest.raises(InvalidError, match=r"on_failure_secret is none: it must be whsec_") as refused:
        checked_secrets(secrets, URL)
    assert "hunter2" not in str(refused.value)
    assert "AAAA" not in str(refused.value)


def test_a_secret_needs_an_address_and_there_are_a_few_at_most() -> None:
    with pytest.raises(InvalidError, match="there is no such address"):
        checked_secrets(SECRET, "")
    with pytest.raises(InvalidError, match="has 5 secrets; it may have 4"):
        checked_secrets(f"{SECRET} " * 5, URL)
    assert checked_secrets(f" {SECRET}\n{OTHER} ", URL) == f"{SECRET} {OTHER}"
    assert checked_secrets("", URL) == ""


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
            came.append({"path": self.path, "key": self.headers["webhook-id"], **json.loads(body)})
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
        assert asyncio.run(post_json(f"{url}/a?b=c", b'{"x": 1}', {"webhook-id": "in-1-0"})) == 302
    assert came == [{"path": "/a?b=c", "key": "in-1-0", "x": 1}]


def test_who_does_not_listen_is_an_error() -> None:
    with pytest.raises(OSError, match="refused"):
        asyncio.run(post_json("http://127.0.0.1:1", b"{}", {}))


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
