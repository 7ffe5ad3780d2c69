"""Who has the other end of a connection on this machine."""

from __future__ import annotations

import socket

import pytest

from motet.server.http.other_end import is_held


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_other_end_is_held_until_it_is_closed_whole(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as listening:
        client = socket.create_connection(listening.getsockname()[:2])
        connection, _ = listening.accept()
        with connection:
            assert is_held(connection) is True
            client.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
            assert is_held(connection) is True
            client.close()
            assert is_held(connection) is False


def test_nothing_is_known_of_a_connection_that_is_broken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"unread")
            client.close()
            assert is_held(connection) is None
