"""What proxies say of the client: believed of those that are trusted."""

from __future__ import annotations

import asyncio

import pytest

from motet.errors import InvalidError
from motet.server.http.forwarded import TrustedProxies
from motet.wire.web import RequestHead

from .virtual_loop import run_virtually
from .web_stage import WebApp, web_function, web_stage

TRUSTED = TrustedProxies.parse("10.0.0.1, 192.168.0.0/16")
APP = WebApp(web_function("f", custom_domains=("shop.example.com",)))


def head(trusted: TrustedProxies = TRUSTED, **how: object) -> RequestHead:
    """What the app is told of a request."""

    async def run() -> RequestHead:
        async with web_stage(APP, trusted_proxies=trusted) as stage:
            stage.ask(**{"path": "/app-f", **how})
            await asyncio.sleep(1)
            return stage.engine.head()

    return run_virtually(run())


def told(head: RequestHead, name: bytes) -> list[bytes]:
    return [value for other, value in head.headers if other == name]


def test_client_itself_is_named() -> None:
    it = head(client=("203.0.113.7", 4000))
    assert it.client == ("203.0.113.7", 4000)
    assert (told(it, b"x-forwarded-for"), told(it, b"x-forwarded-proto")) == ([b"203.0.113.7"], [b"http"])


def test_trusted_proxy_is_believed() -> None:
    said = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https", "host": "inside", "accept": "*/*"}
    it = head(client=("10.0.0.1", 4000), headers={**said, "x-forwarded-host": "shop.example.com"}, path="/page")
    assert (it.client, it.scheme, it.root_path, it.path) == (("203.0.113.7", 0), "https", "", "/page")
    assert (told(it, b"x-forwarded-for"), told(it, b"x-forwarded-proto")) == ([b"203.0.113.7"], [b"https"])
    assert (told(it, b"host"), told(it, b"accept")) == ([b"shop.example.com"], [b"*/*"])
    assert told(it, b"x-forwarded-host") == []


@pytest.mark.parametrize("client", [("10.0.0.2", 4000), None])
def test_what_anyone_else_claims_is_overwritten(client: tuple[str, int] | None) -> None:
    claims = {"x-forwarded-for": "1.1.1.1", "x-forwarded-proto": "https", "x-forwarded-host": "shop.example.com"}
    more = {"forwarded": "for=1.1.1.1", "x-real-ip": "1.1.1.1", "x-forwarded-port": "443", "x-forwarded-prefix": "/x"}
    it = head(client=client, headers={**claims, **more, "host": "inside"})
    assert (it.client, it.scheme) == (client, "http")
    assert b"1.1.1.1" not in b" ".join(value for _, value in it.headers)
    assert told(it, b"x-forwarded-for") == ([] if client is None else [b"10.0.0.2"])
    assert (told(it, b"x-forwarded-proto"), told(it, b"host")) == ([b"http"], [b"inside"])
    assert [name for name in more if told(it, name.encode())] == []


PROXIES_OWN = {
    "x-forwarded-user": "ada",
    "cf-connecting-ip": "1.1.1.1",
    "True-Client-IP": "1.1.1.1",
    "x-client-ip": "1.1.1.1",
}


def test_what_proxies_say_in_words_of_their_own_comes_from_trusted_ones_alone() -> None:
    headers = {name.lower(): value for name, value in PROXIES_OWN.items()}
    trusted, other = (head(client=(it, 4000), headers=headers) for it in ("10.0.0.1", "10.0.0.2"))
    assert [(name.decode(), value.decode()) for name, value in trusted.headers][:4] == list(headers.items())
    assert [name for name, _ in other.headers] == [b"x-forwarded-proto", b"x-forwarded-for"]


@pytest.mark.parametrize("client", [("10.0.0.1", 4000), ("10.0.0.2", 4000)])
def test_names_with_an_underscore_are_dropped_because_some_apps_take_them_for_dashes(client: tuple[str, int]) -> None:
    claims = {"x_forwarded_for": "6.6.6.6", "x_real_ip": "6.6.6.6", "x-forwarded_proto": "https", "remote_user": "ada"}
    it = head(client=client, headers={**claims, "x-mine": "1"})
    assert [name for name, _ in it.headers] == [b"x-mine", b"x-forwarded-proto", b"x-forwarded-for"]
    assert (it.scheme, it.client) == ("http", client)


@pytest.mark.parametrize(("said", "scheme"), [("https", "wss"), ("wss", "wss"), ("http", "ws"), ("gopher", "ws")])
def test_websocket_has_a_scheme_of_its_own(said: str, scheme: str) -> None:
    connect = [{"type": "websocket.connect"}]
    how = {"kind": "websocket", "scheme": "ws", "messages": connect, "client": ("10.0.0.1", 1)}
    it = head(**how, headers={"x-forwarded-proto": said})
    assert it.scheme == scheme
    assert told(it, b"x-forwarded-proto") == [b"https" if scheme == "wss" else b"http"]


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", ("203.0.113.7", 0)),
        ("1.1.1.1, 203.0.113.7", ("203.0.113.7", 0)),
        ("1.1.1.1, 203.0.113.7, 192.168.3.4,10.0.0.1", ("203.0.113.7", 0)),
        ("192.168.3.4, 10.0.0.1", ("192.168.3.4", 0)),
        ("203.0.113.7:81", ("203.0.113.7", 81)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]:81", ("2001:db8::1", 81)),
        ("[2001:db8::1]", ("2001:db8::1", 0)),
        ("unknown", ("unknown", 0)),
        ("[x", ("x", 0)),
        ("a:b", ("a", 0)),
        (" , ", None),
        ("", None),
    ],
)
def test_client_is_the_last_of_the_chain_that_is_no_proxy_of_ours(chain: str, client: object) -> None:
    assert TRUSTED.client(chain) == client


def test_everyone_may_be_trusted_and_nobody() -> None:
    everyone, nobody = TrustedProxies.parse("*"), TrustedProxies.parse("")
    assert "8.8.8.8" in everyone
    assert everyone.client("1.1.1.1, 2.2.2.2") == ("1.1.1.1", 0)
    assert "127.0.0.1" not in nobody
    assert "127.0.0.1" in TrustedProxies()
    assert "no address" not in TRUSTED
    assert "::ffff:10.0.0.1" in TRUSTED
    assert "::ffff:10.0.0.2" not in TRUSTED


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.0/33", "10.0.0.1/8"])
def test_names_and_malformed_networks_are_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="MOTET_WEB_FORWARDED_ALLOW_IPS takes addresses and networks"):
        TrustedProxies.parse(text)
