"""Which server a program uses, and what it is told when that one is not to be had."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from motet.client import ground, reach
from motet.client.dual import run_blocking
from motet.client.reach import NamedServer, SocketServer, named
from motet.errors import ConnectionError, InvalidError, VersionError
from motet.wire import codec
from motet.wire.hello import PYTHON, Agreed, Refused
from motet.wire.message import Message
from tests.client.test_sockets import Listener


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"MOTET_SERVER": ""}, None),
        ({"MOTET_SERVER": "embedded"}, None),
        ({"MOTET_SERVER": "home", "MOTET_HOME": "/h"}, NamedServer("unix:/h/server/socket")),
        ({"MOTET_SERVER": "unix:/s", "MOTET_TOKEN": "t"}, NamedServer("unix:/s", "t")),
        ({"MOTET_SERVER": "unix:s"}, NamedServer(f"unix:{os.getcwd()}/s")),
        ({"MOTET_SERVER": "tcp:127.0.0.1:80", "MOTET_TOKEN": "t"}, NamedServer("tcp:127.0.0.1:80", "t")),
        ({"MOTET_SERVER": "tcp:[::1]:80", "MOTET_TOKEN": "t"}, NamedServer("tcp:[::1]:80", "t")),
    ],
)
def test_the_environment_names_a_server_or_none(env: dict[str, str], expected: NamedServer | None) -> None:
    assert named(env) == expected


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"MOTET_SERVER": "tcp:127.0.0.1:80"}, "needs a token in MOTET_TOKEN"),
        ({"MOTET_SERVER": "tcp:example.com:80", "MOTET_TOKEN": "t"}, "without TLS only a server of this machine"),
        ({"MOTET_SERVER": "homes"}, "MOTET_SERVER=homes: there is no such server; it must be 'home'"),
    ],
)
def test_a_name_without_sense_is_refused(env: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        named(env)


def test_a_server_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ConnectionError, match=rf"at unix:{tmp_path}/socket: .* \(`motet server`\), or unset MOTET_SERVER"
    ):
        SocketServer(NamedServer(f"unix:{tmp_path}/socket"), {})


def answering(directory: Path, *messages: Message) -> tuple[NamedServer, Callable[[], object]]:
    """A server that answers a hello so, and what waits for its end."""
    listener = Listener("unix", directory)

    def answer() -> None:
        accepted, _ = listener.socket.accept()
        with accepted, contextlib.suppress(OSError):
            accepted.sendall(b"".join(codec.frames(messages)))
            while accepted.recv(1024 * 1024):
                pass
        listener.socket.close()

    thread = threading.Thread(target=answer)
    thread.start()
    return NamedServer(listener.address), thread.join


def test_a_server_that_agrees_can_be_used(tmp_path: Path) -> None:
    where, join = answering(tmp_path, Agreed(1, PYTHON))
    server = SocketServer(where, {})
    run_blocking(server.wait_started())
    run_blocking(server.release())
    assert server.connection.ended
    join()


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Refused("a token is needed"), ConnectionError, "refused the connection: a token is needed"),
        (Refused("upgrade", (7, 8)), VersionError, "refused the connection: upgrade"),
    ],
)
def test_a_server_that_will_not_talk_says_so_at_the_start(
    tmp_path: Path, answer: Message, kind: type[Exception], message: str
) -> None:
    where, join = answering(tmp_path, answer)
    server = SocketServer(where, {})
    with pytest.raises(kind, match=message):
        run_blocking(server.wait_started())
    run_blocking(server.release())
    join()


def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "ANSWER_TIMEOUT", 0.05)
    where, join = answering(tmp_path)
    server = SocketServer(where, {})
    with pytest.raises(ConnectionError, match=r"has not answered within 0\.05 s"):
        run_blocking(server.wait_started())
    run_blocking(server.release())
    join()


def test_what_containers_read_for_us_and_search_paths_go_along_with_an_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where, join = answering(tmp_path, Agreed(1, PYTHON))
    env = {"PYTHONPATH": "src:/lib", "MOTET_LOG_RATE": "5", "MOTET_LIVE_LINES": "", "PASSWORD": "secret"}
    server = SocketServer(where, env)
    assert server.carried == {"PYTHONPATH": f"{tmp_path}/src:/lib", "MOTET_LOG_RATE": "5"}
    run_blocking(server.release())
    join()


def test_what_a_server_that_is_there_says_is_not_followed_by_advice_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: str, fingerprint: str, timeout: float | None) -> None:
        raise ConnectionError("no connection to the server at tls:a.example:1: its certificate has expired")

    monkeypatch.setattr(ground, "open_stream", refuse)
    with pytest.raises(ConnectionError, match=r"its certificate has expired$"):
        SocketServer(NamedServer("tls:a.example:1", "t"), {})
