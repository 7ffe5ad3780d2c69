"""What systemd is told."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from motet.server.service_manager import ServiceManager


@pytest.mark.parametrize("kind", ["a path", "an abstract name"])
def test_it_is_told_when_the_service_is_ready_and_when_it_ends_and_containers_do_not_learn_where(
    tmp_path: Path, kind: str
) -> None:
    path = str(tmp_path / "notify") if kind == "a path" else f"@motet-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path.replace("@", "\0"))
        listening.settimeout(5)
        env = {"NOTIFY_SOCKET": path, "HOME": "/h"}
        manager = ServiceManager(env)
        assert env == {"HOME": "/h"}
        manager.ready("listens")
        assert listening.recv(1000) == b"READY=1\nSTATUS=listens"
        manager.stopping(45.0)
        assert listening.recv(1000) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000"
        manager.close()


def test_signs_of_life_come_while_the_loop_runs(tmp_path: Path) -> None:
    async def scene() -> None:
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"})
        manager.ready("listens")
        told = [await asyncio.get_running_loop().sock_recv(listening, 1000) for _ in range(4)]
        assert told == [b"READY=1\nSTATUS=listens", *[b"WATCHDOG=1"] * 3]
        manager.close()

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        asyncio.run(scene())


@pytest.mark.parametrize(
    "env", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}]
)
def test_where_nobody_listens_nothing_happens(env: dict[str, str]) -> None:
    manager = ServiceManager(dict(env))
    manager.ready("listens")
    manager.stopping(1.0)
    manager.close()
