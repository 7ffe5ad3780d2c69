"""`motet host join`: containers of a server on a machine that dialled in over TLS, and what becomes of them when it dies."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.standing import PATIENCE, StandingServer, standing_server

PROGRAM = """
import os, sys, time, pathlib
import motet

app = motet.App("hosted")


@app.function(min_containers=2, max_containers=2, retries=0)
@motet.concurrent(max_inputs=4)
def where(x: int) -> tuple[int, int]:
    print("input", x, "runs")
    while not pathlib.Path(sys.argv[1], "go").exists():
        pathlib.Path(sys.argv[1], f"{x} {os.getpid()}").touch()
        time.sleep(0.02)
    return x, os.getpid()


if __name__ == "__main__":
    with motet.enable_output(), app.run():
        for x, by in where.map(range(8)):
            sys.stdout.write(f"{x} {by}\\n")  # in one piece: lines of containers are printed meanwhile
"""


class Cluster:
    """A server with TLS whose own machine has few containers, and what joins it."""

    def __init__(self, server: StandingServer) -> None:
        self.server = server
        said = "".join(server.said)
        found = re.search(r"tls:127\.0\.0\.1:(\d+).*(sha256:[0-9a-f]{64})", said, re.DOTALL)
        assert found is not None, said
        self.address, self.fingerprint = f"tls:127.0.0.1:{found[1]}", found[2]
        self.token = server.motet("token", "new", "boxes", "--right", "host").split()[-1]

    def agent(self, *options: str, **env: str) -> subprocess.Popen[str]:
        elsewhere = {
            "MOTET_HOME": f"{self.server.home}-elsewhere",
            "MOTET_SERVER": self.address,
            "MOTET_TOKEN": self.token,
            "MOTET_SERVER_FINGERPRINT": self.fingerprint,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "motet", "host", "join", *options],
            env={**os.environ, **elsewhere, **env},
            stderr=subprocess.PIPE,
            text=True,
        )

    def hosts(self) -> list[dict[str, Any]]:
        """What `motet host list` says."""
        found: list[dict[str, Any]] = json.loads(self.server.motet("host", "list", "--json"))
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("joined") / "home"
    with standing_server(
        home, "--port", "0", "--tls", env={"MOTET_CONTAINERS_PER_HOST": "1", "MOTET_APP_USERS": "off"}
    ) as server:
        yield Cluster(server)
        status, _, err = server.end()
        assert status == 0
        told = r".*(host box: its connection is gone|host box is gone: it has not|container ta-\S+ was|no TLS came).*"
        assert all(re.fullmatch(told, line) for line in err.splitlines()), err


def wait_joined(agent: subprocess.Popen[str]) -> None:
    assert agent.stderr is not None
    line = agent.stderr.readline()
    assert "has joined the server at tls:127.0.0.1:" in line, line


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_inputs_run_on_a_host_that_has_joined_and_elsewhere_when_it_dies(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    agent = cluster.agent("--name", "box", "--cpu", "2", "--label", "zone=a")
    wait_joined(agent)
    program = subprocess.Popen(
        [sys.executable, "program.py", str(tmp_path)],
        cwd=tmp_path,
        env=cluster.server.client_env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: len(list(tmp_path.glob("? *"))) == 8)
        assert len({path.name.split()[1] for path in tmp_path.glob("? *")}) == 2
        own, box = cluster.hosts()
        assert (own["containers"], box["containers"], box["host"]["labels"]) == (1, 1, {"zone": "a"})
        agent.kill()
        # It is silent at once, and gone soon.
        until(lambda: all(it["host"]["host_id"] != "box" or it["host"]["silent"] for it in cluster.hosts()))
        (tmp_path / "go").touch()
        out, err = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        agent.kill()
        agent.communicate()
    assert program.returncode == 0, err
    results = [line.split() for line in out.splitlines() if re.fullmatch(r"\d \d+", line)]
    assert [x for x, _ in results] == list("01234567")
    assert len({by for _, by in results}) == 1, "those of the host that died ran on the other one, and were not charged"
    assert all(f"input {x} runs" in out + err for x in range(8)), (out, err)


SHOP = """
import pathlib
import motet
import shop_parts

app = motet.App("shop")


@app.function(min_containers=2, max_containers=2)
def price(x: int) -> tuple[int, str, str, str]:
    import shop_parts.later

    here = pathlib.Path(shop_parts.__file__)
    return x * shop_parts.later.EACH, (here.parent / "data.txt").read_text(), str(here), str(pathlib.Path.cwd())
"""

CALL = """
import motet
price = motet.Function.from_name("shop", "price")
found = set()
while len(found) < 2:
    found |= {tuple(it[1:]) for it in price.map(range(20))}
print(*sorted(" ".join(it) for it in found), sep="\\n")
"""


def test_a_deployed_app_runs_on_a_host_with_its_source_and_one_that_is_to_go_says_so(
    cluster: Cluster, tmp_path: Path
) -> None:
    agent = cluster.agent("--name", "leaves", MOTET_HOME=str(tmp_path / "elsewhere"))
    wait_joined(agent)
    source = tmp_path / "source"
    (source / "shop_parts").mkdir(parents=True)
    (source / "shop.py").write_text(SHOP)
    (source / "shop_parts" / "__init__.py").touch()
    (source / "shop_parts" / "later.py").write_text("EACH = 10")
    (source / "shop_parts" / "data.txt").write_text("data")
    cluster.server.motet("deploy", "shop.py", cwd=source)
    shutil.rmtree(source)
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        env=cluster.server.client_env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (there, here) = sorted((line.split() for line in done.stdout.splitlines()), key=lambda it: "/hosts/" not in it[1])
    assert (there[0], here[0]) == ("data", "data")
    assert there[1].startswith(f"{tmp_path}/elsewhere/hosts/0/trees/"), there
    assert there[2] == str(Path(there[1]).parent.parent)
    assert here[1].startswith(f"{cluster.server.home}/server/bundles/"), here
    cluster.server.motet("app", "stop", "shop", "--yes")
    agent.send_signal(signal.SIGTERM)
    assert agent.communicate(timeout=PATIENCE)[1].endswith("The host has left.\n")
    assert agent.returncode == 0
    until(lambda: "leaves" not in [each["host"]["host_id"] for each in cluster.hosts()])


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"MOTET_TOKEN": "motet_wrong"}, "the token (MOTET_TOKEN) is none here"),
        ({"MOTET_SERVER": "tls:127.0.0.1:1"}, "no connection to the server at tls:127.0.0.1:1"),
        ({"MOTET_SERVER_FINGERPRINT": "sha256:" + "0" * 64}, "its key has the fingerprint"),
    ],
    ids=["token", "address", "fingerprint"],
)
def test_who_may_not_join_is_told_in_one_line(cluster: Cluster, env: dict[str, str], message: str) -> None:
    agent = cluster.agent(**env)
    err = agent.communicate(timeout=PATIENCE)[1]
    assert agent.returncode not in (0, None)
    assert message in err
    assert len(err.splitlines()) == 1, err
