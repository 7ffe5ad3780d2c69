"""The actor that keeps a host agent on a node of a Ray cluster, and what else runs there: imported by Ray's workers.

It takes no CPU, and does nothing: the agent is a process of its own, and containers are that one's. Ray starts the actor
again when it is killed, and so its agent.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping

import msgspec

from motet.clusters.ray_agent import AgentSettings

END_TIMEOUT = 15.0
"""Seconds that an agent may take to leave, and then to end everything, after which it is killed."""

_OF_RAY = ("RAY_", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTHONBREAKPOINT")
"""Variables that Ray sets for its workers: containers are none, and the agent looks at all GPUs."""


def agent_env(env: Mapping[str, str]) -> dict[str, str]:
    """Of an agent, from that of its actor."""
    return {name: value for name, value in env.items() if not name.startswith(_OF_RAY)}


class AgentKeeper:
    """Runs one agent. `watch` it from a thread of its own."""

    def __init__(self, settings: bytes) -> None:
        settings = msgspec.json.encode(msgspec.json.decode(settings, type=AgentSettings))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "motet.clusters.ray_agent"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=agent_env(os.environ),
            cwd="/",
            start_new_session=True,
        )
        self._last: deque[str] = deque(maxlen=3)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        assert self._process.stdin is not None
        self._process.stdin.write(settings + b"\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode(errors="replace").rstrip()
            self._last.append(text)
            print(text, file=sys.stderr, flush=True)

    def watch(self) -> tuple[int, str]:
        """Wait until the agent has ended; its exit status, and the last that it said."""
        status = self._process.wait()
        self._reading.join(1.0)
        return status, "; ".join(self._last)

    def end(self) -> None:
        """Have it leave its server, end with all that it has, and wait for that."""
        stdin = self._process.stdin
        assert stdin is not None
        for tell in (lambda: (stdin.write(b"leave\n"), stdin.flush()), stdin.close, self._process.kill):
            with contextlib.suppress(OSError):  # it has ended
                tell()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_TIMEOUT)
                return


def gpu_ids() -> list[str]:
    """As a task in a reservation: the devices that this has, as Ray numbers them."""
    import ray

    return [str(each) for each in ray.get_gpu_ids()]
