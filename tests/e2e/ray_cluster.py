"""A real Ray cluster of several nodes on this machine, for tests; its nodes can be killed and stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLAIN = {"RAY_AUTH_MODE": "disabled", "RAY_raylet_start_wait_time_s": "120"}
"""Ray asks for a token otherwise, and gives up a node that is slow to start."""

CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster

cluster, nodes = Cluster(), {}
for line in sys.stdin:
    name, options = json.loads(line)
    if name == "stop":
        break
    nodes[name] = node = cluster.add_node(object_store_memory=80 * 2**20, include_dashboard=False, **options)
    pids = {kind: [each.process.pid for each in found] for kind, found in node.all_processes.items()}
    print(json.dumps([cluster.address, node.node_id, pids]), flush=True)
cluster.shutdown()
"""


class RayNode:
    """One of them. `ends_with`: what its host's id ends with."""

    def __init__(self, node_id: str, pids: dict[str, list[int]]) -> None:
        self.ends_with = node_id[:8]
        self.pids = pids

    @property
    def raylet(self) -> int:
        return self.pids["raylet"][0]

    def below(self) -> list[int]:
        """The processes of the node: its raylet, workers, host agent and containers."""
        children: dict[int, list[int]] = {}
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{pid}/stat").read_text()
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(pid)
        found, left = [], [self.raylet]
        while left:
            found.append(pid := left.pop())
            left += children.get(pid, [])
        return found

    def agents(self) -> list[int]:
        """Its host agents."""
        return [pid for pid in self.below() if b"motet.clusters.ray_agent" in _command(pid)]

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes."""
        for pid in self.below():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class RealRay:
    """The cluster. `add` its head first."""

    def __init__(self, **env: str) -> None:
        self.env = {**os.environ, **PLAIN, **env}
        self._process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = ""
        self.nodes: dict[str, RayNode] = {}

    def add(self, name: str, **options: Any) -> RayNode:
        """A node, once it is there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, options]) + "\n")
        self._process.stdin.flush()
        self.address, node_id, pids = json.loads(self._process.stdout.readline())
        node = self.nodes[name] = RayNode(node_id, pids)
        return node

    def stop(self) -> None:
        """All of it."""
        left = [pid for node in self.nodes.values() for pid in node.below()]
        for node in self.nodes.values():
            left += [pid for pids in node.pids.values() for pid in pids]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
            self._process.communicate('["stop", {}]\n', timeout=30)
        self._process.kill()
        self._process.communicate()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                if b"ray" in _command(pid):
                    os.kill(pid, signal.SIGKILL)


def _command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


@contextlib.contextmanager
def real_ray(**env: str) -> Iterator[RealRay]:
    """A cluster without nodes, which ends with the block."""
    cluster = RealRay(**env)
    try:
        yield cluster
    finally:
        cluster.stop()
