"""Proxies between a client and its server: which are used, what they are told, and what is said of those that refuse."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from motet.client import proxy as proxy_module
from motet.client.open_stream import open_stream
from motet.client.proxy import connect_through, proxy_for
from motet.errors import ConnectionError


class Proxy:
    """Takes one connection, answers its request, and sends back what comes then."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(10)
        self.port = self._listening.getsockname()[1]
        self.asked = b""
        self._answer = answer
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            accepted, _ = self._listening.accept()
            with accepted:
                accepted.settimeout(10)
                while b"\r\n\r\n" not in self.asked:
                    self.asked += accepted.recv(1000)
                accepted.sendall(self._answer)
                while data := accepted.recv(1000):
                    accepted.sendall(data)

    def close(self) -> None:
        self._listening.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_connection_leads_through_the_proxy_which_is_told_who_asks(proxy: Proxy) -> None:
    with connect_through(f"http://ada:s%2Fsame@127.0.0.1:{proxy.port}", "a.example", 443, 10) as sock:
        sock.sendall(b"there and back")
        assert sock.recv(100) == b"there and back"
    request = proxy.asked.decode()
    assert request.startswith("CONNECT a.example:443 HTTP/1.")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'ada:s/same').decode()}\r\n" in request


def test_a_proxy_that_refuses_is_told_without_its_password() -> None:
    proxy = Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    said = rf"the proxy 127\.0\.0\.1:{proxy.port} \(HTTPS_PROXY\) does not lead .*407"
    with pytest.raises(ConnectionError, match=said) as told:
        connect_through(f"http://ada:secret@127.0.0.1:{proxy.port}", "a.example", 443, 10)
    assert "secret" not in str(told.value)
    proxy.close()


def test_only_proxies_of_http_are_known() -> None:
    with pytest.raises(ConnectionError, match=r"the proxy p\.example:1080 \(HTTPS_PROXY\) is none of HTTP"):
        connect_through("socks5://ada:secret@p.example:1080", "a.example", 443, 10)


def test_the_environment_says_which_is_used_and_for_whom_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("a.example") == ""
    monkeypatch.setenv("HTTPS_PROXY", "http://p.example:3128")
    monkeypatch.setenv("NO_PROXY", "b.example")
    assert proxy_for("a.example") == "http://p.example:3128"
    assert proxy_for("b.example") == ""


@pytest.mark.parametrize(
    ("address", "is_used"), [("wss://a.example", True), ("tls:127.0.0.1:1", False), ("ws://127.0.0.1:1", False)]
)
def test_it_is_for_websockets_over_tls_alone(monkeypatch: pytest.MonkeyPatch, address: str, is_used: bool) -> None:
    asked: list[str] = []

    def refuse(proxy: str, host: str, port: int, timeout: float) -> socket.socket:
        asked.append(f"{host}:{port}")
        raise OSError("no")

    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr(proxy_module, "connect_through", refuse)
    with pytest.raises(ConnectionError, match=f"no connection to the server at {address}"):
        open_stream(address)
    assert asked == (["a.example:443"] if is_used else [])
