"""The ingress as its operator sets it up: TLS, tokens, proxies, and what becomes of requests that take long."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from motet.errors import InvalidError

from .conftest import assert_nothing_left, wait_until
from .free_port import free_port
from .programs import ingress as web

TOKEN = {"Motet-Key": "ada", "Motet-Secret": "s3cret"}
LIMIT = 1.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files of a certificate for 127.0.0.1, and of who vouches for it."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "authority.pem")
    issued = authority.issue_cert("127.0.0.1", "127.0.0.2", "shop.example.com")
    issued.private_key_and_cert_chain_pem.write_to_path(directory / "both.pem")
    issued.private_key_pem.write_to_path(directory / "key.pem")
    for number, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(directory / "certificate.pem", append=number > 0)
    return directory


@pytest.fixture(scope="module")
def trust(certificates: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates / "authority.pem")


@pytest.fixture(scope="module", autouse=True)
def running(certificates: Path) -> Iterator[None]:
    variables = {
        "MOTET_WEB_PORT": str(free_port()),
        "MOTET_WEB_TLS_CERTIFICATE": str(certificates / "certificate.pem"),
        "MOTET_WEB_TLS_KEY": str(certificates / "key.pem"),
        "MOTET_WEB_REDIRECT_AFTER": str(LIMIT),
        "MOTET_PROXY_TOKENS": "ada:s3cret",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with web.app.run():
            yield
    assert_nothing_left()


@pytest.fixture
def client(trust: ssl.SSLContext) -> Iterator[httpx.Client]:
    # Followed, because a container may take longer to start than requests wait here.
    with httpx.Client(timeout=30, verify=trust, follow_redirects=True) as client:
        yield client


def url(path: str = "") -> str:
    return f"{web.site.get_web_url()}{path}"


def wss(address: str | None) -> str:
    assert address is not None
    return address.replace("https://", "wss://")


def by_label(path: str = "") -> str:
    """The URL where the function is by its label's path."""
    return url(f"/ingress-site{path}")


# --- TLS and addresses ------------------------------------------------------------------------------------------------


def test_requests_come_over_tls_and_the_app_knows(client: httpx.Client) -> None:
    assert url().startswith("https://127.0.0.1:")
    told = client.get(url("/told")).json()
    assert told["url"] == url("/told")
    assert told["headers"]["x-forwarded-proto"] == "https"


def test_port_that_was_asked_for_is_the_first_function_s_and_there_labels_are_paths_and_hosts(
    client: httpx.Client,
) -> None:
    port = int(os.environ["MOTET_WEB_PORT"])
    assert url() == f"https://127.0.0.1:{port}"
    others = {httpx.URL(it.get_web_url() or "").port for it in (web.locked, web.too_slow)}
    assert len(others) == 2
    assert port not in others
    assert client.get(by_label("/told")).json()["url"] == by_label("/told")
    told = client.get(url("/told"), headers={"host": f"ingress-site.localhost:{port}"}).json()
    assert told["url"] == f"https://ingress-site.localhost:{port}/told"
    assert client.post(url("/ingress-locked"), content=b"abc").status_code == 401
    assert client.get(url("/told"), headers={"host": "nobody.localhost"}).status_code == 404


def test_plain_http_is_not_answered_where_tls_is_spoken() -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(url("/told").replace("https://", "http://"))


def test_websocket_over_tls(trust: ssl.SSLContext) -> None:
    async def talk() -> str | bytes:
        async with connect(f"{wss(url())}/ws", ssl=trust, open_timeout=30) as channel:
            await channel.send("hello")
            return await channel.recv()

    assert asyncio.run(talk()) == "wss hello"


def test_url_is_known_in_event_loops_too() -> None:
    async def ask() -> tuple[str | None, str | None]:
        return await web.site.get_web_url.aio(), web.site.get_web_url()

    assert asyncio.run(ask()) == (url(), url())


def test_changed_function_has_no_url_and_says_what_to_do() -> None:
    for changed in (web.site.with_options(timeout=3), web.site.with_concurrency(max_inputs=2)):
        with pytest.raises(InvalidError, match=r"'site' as changed by `with_options`.*Declare a second one"):
            changed.get_web_url()


# --- proxies ----------------------------------------------------------------------------------------------------------

CLAIMS = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "http", "x-forwarded-host": "shop.example.com"}


def test_proxy_on_this_machine_is_believed(client: httpx.Client) -> None:
    told = client.get(url("/told"), headers=CLAIMS).json()
    assert (told["url"], told["client"]) == ("http://shop.example.com/told", "203.0.113.7")
    assert told["headers"]["x-forwarded-for"] == "203.0.113.7"


def test_what_others_claim_is_overwritten(trust: ssl.SSLContext) -> None:
    transport = httpx.HTTPTransport(local_address="127.0.0.2", verify=trust)
    with httpx.Client(timeout=30, transport=transport, follow_redirects=True) as elsewhere:
        told = elsewhere.get(url("/told"), headers=CLAIMS).json()
    assert (told["url"], told["client"]) == (url("/told"), "127.0.0.2")
    assert told["headers"]["x-forwarded-for"] == "127.0.0.2"
    assert "x-forwarded-host" not in told["headers"]


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_token_lets_a_request_in(client: httpx.Client) -> None:
    target = web.locked.get_web_url() or ""
    assert client.post(target, headers=TOKEN, content=b"abc").json() == {"size": 3, "key": "ada"}
    as_modal = {name.replace("Motet", "Modal"): value for name, value in TOKEN.items()}
    assert client.post(target, headers=as_modal, content=b"abc").json()["size"] == 3


def test_request_without_a_token_is_401_and_no_input(client: httpx.Client) -> None:
    target = web.locked.get_web_url() or ""
    for headers, reason in (({}, "Motet-Key and Motet-Secret"), ({**TOKEN, "Motet-Secret": "x"}, "not valid")):
        answer = client.post(target, headers=headers, content=b"abc")
        assert answer.status_code == 401
        assert reason in answer.text
        assert "motet-input-id" not in answer.headers


def test_websocket_needs_the_token_to_open(trust: ssl.SSLContext) -> None:
    address = f"{wss(web.locked.get_web_url())}/ws"

    async def talk() -> str | bytes:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(address, ssl=trust)
        assert refusal.value.response.status_code == 401
        async with connect(address, ssl=trust, additional_headers=TOKEN, open_timeout=30) as channel:
            return await channel.recv()

    assert asyncio.run(talk()) == "welcome"


def test_tokens_are_not_in_the_environment_of_containers(client: httpx.Client) -> None:
    environment = client.get(url("/told")).json()["environment"]
    assert "MOTET_WEB_REDIRECT_AFTER" in environment
    assert "MOTET_PROXY_TOKENS" not in environment


# --- requests that take long ------------------------------------------------------------------------------------------


def test_long_request_is_followed_to_its_response(client: httpx.Client) -> None:
    answer = client.post(url("/slow?seconds=2.5"), content=b"abc")
    assert {it.status_code for it in answer.history} == {303}
    assert len(answer.history) >= 2
    call = answer.history[0].headers["location"].rpartition("=")[2]
    assert answer.json() == {"body": "abc", "input": f"in-{call[3:]}-0"}
    assert answer.request.method == "GET"
    assert client.get(answer.url).status_code == 404


def test_response_waits_for_the_client(client: httpx.Client) -> None:
    first = client.post(url("/slow?seconds=3"), content=b"abc", follow_redirects=False)
    assert first.status_code == 303
    wait_until(lambda: web.site.get_current_stats().num_running_inputs == 0)
    answer = client.get(httpx.URL(url("/slow")).join(first.headers["location"]))
    assert answer.json()["body"] == "abc"


def test_stream_that_began_in_time_is_not_cut(client: httpx.Client) -> None:
    client.get(url("/told"))  # there is a container from now on
    answer = client.get(url("/stream?seconds=2.5"), follow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "first last")


def test_function_of_a_class_with_parameters_is_followed(client: httpx.Client) -> None:
    target = f"{web.Named(name='Ada').greet.get_web_url()}&seconds=1.5"
    answer = client.get(target)
    assert answer.history
    assert answer.json() == "hello Ada"


def test_timeout_of_the_function_holds_for_long_requests(client: httpx.Client) -> None:
    answer = client.get(web.too_slow.get_web_url() or "")
    assert answer.history
    assert answer.status_code == 504


# --- motet serve ------------------------------------------------------------------------------------------------------

PROGRAM = """
import motet
app = motet.App("cli")

@app.function(max_containers=1)
@motet.fastapi_endpoint(requires_proxy_auth=True)
async def hello() -> str:
    return "hello"
"""


def serving(directory: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    (directory / "served_program.py").write_text(PROGRAM)
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("MOTET_WEB", "MOTET_PROXY"))}
    return subprocess.Popen(
        [sys.executable, "-c", "from motet.cli.main import main; main()", "serve", "served_program.py", *options],
        cwd=directory,
        env={**mine, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def failure(*options: str, directory: Path, **environment: str) -> str:
    """What `motet serve` says when it cannot start."""
    process = serving(directory, *options, **environment)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    return said


def test_serve_listens_where_its_options_say(certificates: Path, trust: ssl.SSLContext, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("ada:s3cret\n")
    options = ["--host", "0.0.0.0", "--tls-certificate", str(certificates / "both.pem")]
    process = serving(tmp_path, *options, MOTET_PROXY_TOKENS_FILE=str(tokens))
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert address.startswith("https://127.0.0.1:")
        for host in ("127.0.0.1", "127.0.0.2"):
            elsewhere = address.replace("127.0.0.1", host)
            assert httpx.get(elsewhere, headers=TOKEN, verify=trust, timeout=30).json() == "hello"
            assert httpx.get(elsewhere, verify=trust, timeout=30).status_code == 401
    finally:
        process.terminate()
        process.communicate(timeout=60)
    wait_until(lambda: process.poll() is not None)


def test_serve_says_what_keeps_it_from_starting(certificates: Path, tmp_path: Path) -> None:
    token = {"MOTET_PROXY_TOKENS": "ada:s3cret"}
    assert "hello has `requires_proxy_auth=True`" in failure(directory=tmp_path)
    certificate = str(certificates / "certificate.pem")
    assert f"cannot use the TLS certificate {certificate}" in failure(
        "--tls-certificate", certificate, directory=tmp_path, **token
    )
    taken = httpx.URL(url()).port
    assert f"cannot take requests on 127.0.0.1:{taken}" in failure("--port", str(taken), directory=tmp_path, **token)


def test_app_says_which_tokens_it_lacks() -> None:
    program = (
        "import motet; app = motet.App('x')\n"
        "@app.function(serialized=True)\n"
        "@motet.fastapi_endpoint(requires_proxy_auth=True)\n"
        "def f() -> None: ...\n"
        "with app.run(): pass"
    )
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("MOTET_WEB", "MOTET_PROXY"))}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=mine, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "InvalidError: f has `requires_proxy_auth=True`, and this server has no proxy tokens" in ended.stderr
