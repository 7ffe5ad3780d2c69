"""`motet server --backend ray`: containers on a real Ray cluster, and what becomes of inputs when parts of it die."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ray_cluster import PLAIN, RayNode, RealRay, real_ray
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

pytest.importorskip("ray", reason="Ray is not installed: pip install 'motet[ray]'")
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

KEEP = 4

PROGRAM = """
import pathlib, sys, time
import motet

app = motet.App("on-ray")


@app.function(cpu=1, min_containers=2, max_containers=3, retries=0)
@motet.concurrent(max_inputs=4)
def work(x: int, begun: str) -> tuple[int, int]:
    import os

    pathlib.Path(begun, f"{x}-{os.getpid()}-{time.time_ns()}").touch()
    time.sleep(0.25)
    return x, os.getpid()


if __name__ == "__main__":
    begun, count = sys.argv[1], int(sys.argv[2])
    with app.run():
        for x, pid in work.map(range(count), kwargs={"begun": begun}, order_outputs=False):
            print(x, pid, time.time(), flush=True)
"""

GPU_PROGRAM = """
import os
import motet

app = motet.App("gpus-on-ray")


@app.function(gpu="H100", cpu=0.5, serialized=True)
def devices() -> str:
    import os, time

    time.sleep(0.5)
    return os.environ["CUDA_VISIBLE_DEVICES"]


if __name__ == "__main__":
    with app.run():
        calls = [devices.spawn() for _ in range(2)]
        print(*[call.get() for call in calls])
"""


class OnRay:
    """A server whose containers are on a cluster."""

    def __init__(self, server: StandingServer, ray: RealRay) -> None:
        self.server = server
        self.ray = ray

    def hosts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.server.motet("host", "list", "--json"))
        return found

    def program(self, directory: Path, text: str, *arguments: str) -> subprocess.Popen[str]:
        (directory / "program.py").write_text(text)
        return subprocess.Popen(
            [sys.executable, "program.py", *arguments],
            cwd=directory,
            env=self.server.client_env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def driver(self) -> int:
        """The pid of the cluster driver."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = Path("/proc", pid, "cmdline").read_bytes()
                parent = int(Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"motet.clusters.ray_driver" in command and parent == self.server.process.pid:
                return int(pid)
        return 0


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRay]:
    """Two nodes: the head, with one core, and another with two."""
    home = tmp_path_factory.mktemp("ray") / "home"
    with real_ray() as ray:
        ray.add("head", num_cpus=1)
        ray.add("other", num_cpus=2)
        options = ("--port", "0", "--tls", "--backend", "ray", "--ray-address", ray.address, "--ray-keep", str(KEEP))
        with standing_server(home, *options, env=PLAIN) as server:
            yield OnRay(server, ray)


def gone_wrong(on: OnRay, node: RayNode, how: str) -> None:
    match how:
        case "the agent is killed":
            for pid in node.agents():
                os.kill(pid, signal.SIGKILL)
        case "the raylet is killed":
            os.kill(node.raylet, signal.SIGKILL)
        case "the node hangs":
            node.signal(signal.SIGSTOP)
        case "the node is gone":
            node.signal(signal.SIGKILL)
        case "the driver is killed":
            os.kill(on.driver(), signal.SIGKILL)
        case "the head is killed":
            os.kill(on.ray.nodes["head"].pids["gcs_server"][0], signal.SIGKILL)


@pytest.mark.parametrize(
    ("how", "may_rerun"),
    [
        ("the agent is killed", True),
        ("the raylet is killed", True),
        ("the node hangs", True),
        ("the node is gone", True),
        ("the driver is killed", False),
        ("the head is killed", False),
    ],
)
def test_inputs_run_to_their_end_whatever_dies(on_ray: OnRay, tmp_path: Path, how: str, may_rerun: bool) -> None:
    count = 120
    begun = tmp_path / "begun"
    begun.mkdir()
    program = on_ray.program(tmp_path, PROGRAM, str(begun), str(count))
    try:
        until(lambda: len(list(begun.iterdir())) >= 20)
        assert {each["containers"] for each in on_ray.hosts()} == {1, 2}
        gone_wrong(on_ray, on_ray.ray.nodes["other"], how)
        at = time.time()
        out, err = program.communicate(timeout=120)
    finally:
        program.kill()
        program.communicate()
    assert program.returncode == 0, err
    results = [line.split() for line in out.splitlines()]
    assert sorted(int(x) for x, _, _ in results) == list(range(count)), "each has one result"
    runs = Counter(path.name.split("-")[0] for path in begun.iterdir())
    if not may_rerun:
        assert set(runs.values()) == {1}, "nothing was run twice"
    moments = sorted(float(moment) for _, _, moment in results)
    gap = max(after - before for before, after in itertools.pairwise(moments))
    late = max((moment for (x, _, moment) in [(x, p, float(m)) for x, p, m in results] if runs[x] > 1), default=at) - at
    print(
        f"{how}: {sum(runs.values()) - count} ran again, the last of them ended {late:.1f} s after; longest gap {gap:.1f} s"
    )
    if how == "the driver is killed":
        until(on_ray.driver)
    if how != "the head is killed":
        # What is not needed is given back, and comes again when it is.
        until(lambda: not on_ray.hosts())
        again = on_ray.program(tmp_path, PROGRAM, str(begun), "4")
        out, err = again.communicate(timeout=PATIENCE)
        assert len(out.splitlines()) == 4, err


def test_what_no_node_has_is_waited_for_with_its_reason_until_a_node_brings_it(on_ray: OnRay, tmp_path: Path) -> None:
    program = on_ray.program(tmp_path, GPU_PROGRAM)
    try:
        until(lambda: "none of its 2 nodes has that" in on_ray.server.motet("function", "list", "--json"))
        said = on_ray.server.motet("function", "list", "--json")
        assert "waiting for 1 x H100, 0.5 CPU on the Ray cluster" in said, said
        on_ray.ray.add("gpus", num_cpus=1, num_gpus=2, resources={"accelerator_type:H100": 1})
        out, err = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        program.communicate()
    assert program.returncode == 0, err
    assert sorted(out.split()) == ["0", "1"], "no device is given twice"


def test_a_server_without_a_cluster_says_so_in_one_line(tmp_path: Path) -> None:
    options = ["--port", "0", "--tls", "--backend", "ray", "--ray-address"]
    for address, message in (("127.0.0.1:1", "there is no Ray cluster at 127.0.0.1:1"), ("nonsense", "nonsense")):
        done = subprocess.run(
            [sys.executable, "-m", "motet", "server", *options, address],
            env={**os.environ, **PLAIN, "MOTET_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_cluster_that_wants_a_token_is_used_with_it(tmp_path: Path) -> None:
    token = "0123456789abcdef" * 2
    wants = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    with real_ray(**wants) as ray:
        ray.add("head", num_cpus=1)
        options = ("--port", "0", "--tls", "--backend", "ray", "--ray-address", ray.address)
        with pytest.raises(RuntimeError, match="token"):
            StandingServer(tmp_path / "without", *options, env={**PLAIN})
        with standing_server(tmp_path / "home", *options, env=wants) as server:
            begun = tmp_path / "begun"
            begun.mkdir()
            program = OnRay(server, ray).program(tmp_path, PROGRAM.replace("min_containers=2, ", ""), str(begun), "4")
            out, err = program.communicate(timeout=PATIENCE)
            assert len(re.findall(r"^\d ", out, re.MULTILINE)) == 4, err
