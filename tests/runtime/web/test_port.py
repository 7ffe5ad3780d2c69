"""Finding the server that user code started."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from motet.runtime.web.port import Address, start_server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "MOTET_WEB_SERVER_PORT"):
        monkeypatch.setenv(name, "0")  # so that it is restored


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_server_that_a_thread_begins_later_is_waited_for_and_found_on_either_loopback_address(
    family: socket.AddressFamily, host: str
) -> None:
    may_end = threading.Event()

    def serve() -> None:
        may_end.wait(0.3)  # a server takes its time
        with socket.create_server((host, int(os.environ["PORT"])), family=family):
            may_end.wait(20)

    thread = threading.Thread(target=serve)
    try:
        found = start_server(thread.start, 1, 20)
        assert found == Address(host, int(os.environ["PORT"]))
    finally:
        may_end.set()
        thread.join()


def test_server_of_a_thread_is_waited_for_though_a_thread_that_was_there_before_has_ended() -> None:
    may_end, earlier_may_end = threading.Event(), threading.Event()

    def serve() -> None:
        may_end.wait(0.3)
        with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))):
            may_end.wait(20)

    earlier = threading.Thread(target=earlier_may_end.wait)
    earlier.start()
    thread = threading.Thread(target=serve)

    def call() -> None:
        earlier_may_end.set()
        earlier.join()
        thread.start()

    try:
        assert start_server(call, 1, 20) == Address("127.0.0.1", int(os.environ["PORT"]))
    finally:
        may_end.set()
        thread.join()
