"""However the process that holds the backend ends, its templates, containers and all they started end with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.backends.conftest import ROOT, template_env, wait_gone


@contextmanager
def client(scratch: Path, how: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The client's process, and what it told about the processes it made."""
    command = [sys.executable, "-m", "tests.backends.client", str(scratch), how]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=template_env(), cwd=ROOT, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def all_pids(told: dict[str, Any]) -> list[int]:
    return [*told["templates"], *(pid for family in told["families"] for pid in family)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_client_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    with client(tmp_path, "wait") as (process, told):
        process.send_signal(number)
        wait_gone(all_pids(told))
        assert process.wait() == -number
    assert list(tmp_path.iterdir()) == []


def test_nothing_outlives_a_client_that_exits_without_closing(tmp_path: Path) -> None:
    with client(tmp_path, "exit") as (process, told):
        wait_gone(all_pids(told))
        assert process.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_nothing_outlives_a_killed_client_whose_fork_holds_its_descriptors(tmp_path: Path) -> None:
    with client(tmp_path, "fork") as (process, told):
        try:
            process.kill()
            wait_gone(all_pids(told))
        finally:
            os.kill(told["forked"], signal.SIGKILL)


def test_ctrl_c_in_the_clients_terminal_does_not_reach_its_containers(tmp_path: Path) -> None:
    with client(tmp_path, "wait") as (process, told):
        groups = {os.getpgid(pid) for pid in all_pids(told)}
        sessions = {os.getsid(pid) for pid in all_pids(told)}
        assert process.pid not in groups | sessions
        # What a terminal does on Ctrl-C; the client ends by it, and only then the rest.
        os.killpg(process.pid, signal.SIGINT)
        wait_gone(all_pids(told))
