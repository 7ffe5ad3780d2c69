"""The server is killed under running inputs, and started again: they end once, and none runs twice."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.restarted import Restarted
from tests.e2e.standing import PATIENCE, StandingServer


@pytest.mark.parametrize("kind", ["sync", "together"])
def test_an_input_that_runs_goes_on(home: Restarted, kind: str) -> None:
    home.begin("one", "--kind", kind)
    home.wait_begun(1)
    home.restart()
    assert home.server.said[0] == "Taking over 1 container from the server before this one\n"
    home.until.touch()
    assert home.result() == "result of a\n"
    assert home.marked() == ["begin a", "end a"]


def test_a_batch_that_runs_goes_on(home: Restarted) -> None:
    home.begin("three")
    home.wait_begun(1)
    home.restart()
    home.until.touch()
    assert home.result() == "result of a, result of b, result of c\n"
    assert home.marked() == ["begin ['a', 'b', 'c']", "end ['a', 'b', 'c']"]


def test_one_that_ends_while_there_is_no_server_is_not_run_again(home: Restarted) -> None:
    home.begin("one")
    home.wait_begun(1)
    home.kill()
    home.until.touch()
    wait_until(lambda: "end a" in home.marked())
    home.start()
    assert home.result() == "result of a\n"
    assert home.marked() == ["begin a", "end a"]


def test_of_many_each_ends_once_however_often_the_server_is_killed(home: Restarted) -> None:
    """20 run and 20 wait: those that the server had not delivered are submitted again."""
    home.begin("many")
    home.wait_begun(20)
    home.restart()
    home.restart()
    home.until.touch()
    wait_until(lambda: len(home.marked()) > 45)
    home.restart()
    assert home.result() == f"{sorted(f'result of {n}' for n in range(40))}\n"
    assert set(Counter(home.marked()).values()) == {1}
    assert len(home.marked()) == 80


def test_calls_that_inputs_have_made_go_on_too(home: Restarted) -> None:
    home.begin("one", "--kind", "calls")
    home.wait_begun(2)
    home.restart()
    home.until.touch()
    assert home.result() == "a has result of a's\n"
    assert home.marked() == ["begin a", "begin a's", "end a's", "end a"]


def test_variants_have_the_ids_that_they_had(home: Restarted) -> None:
    home.begin("before_and_after")
    home.wait_begun(1)
    home.restart()
    home.until.touch()
    assert home.result() == "6 result of a 12\n"


def test_a_stream_ends_with_the_server_and_says_so(home: Restarted) -> None:
    home.begin("stream")
    wait_until(lambda: "got 1" in home.marked())
    home.restart()
    assert home.result() == "ended: the server was gone while this stream was under way\n"
    wait_until(lambda: "left items" in home.marked())
    wait_recorded_as_cancelled(home.server, "items")


def test_of_everything_that_runs_each_ends_once_when_a_server_hands_over(home: Restarted) -> None:
    home.begin("everything")
    home.wait_begun(7)
    assert home.server.end(signal.SIGUSR2)[0] == 0
    home.start()
    wait_until(lambda: {"left items", "left page"} <= set(home.marked()))
    home.until.touch()
    assert home.result().splitlines() == [
        "alone: result of alone",
        "nested: nested has result of nested's",
        "together: result of together",
        "batch: ['result of a', 'result of b', 'result of c']",
        "stream: ConnectionError",
        "request: HTTPError",
    ]
    assert set(Counter(home.marked()).values()) == {1}
    for function in ("items", "page"):
        wait_recorded_as_cancelled(home.server, function)


def wait_recorded_as_cancelled(server: StandingServer, function: str) -> None:
    def is_recorded() -> bool:
        rows = json.loads(server.motet("function", "calls", function, "--json"))
        return [row["status"] for row in rows] == ["cancelled"]

    wait_until(is_recorded)


def test_an_input_whose_container_is_killed_too_runs_again(home: Restarted) -> None:
    home.begin("one", "--kind", "together")
    home.wait_begun(1)
    home.kill()
    (agent,) = _agents(home.home)
    os.kill(agent, signal.SIGKILL)
    home.start()
    assert "Taking over" not in home.server.said[0]
    home.wait_begun(2)
    home.until.touch()
    assert home.result() == "result of a\n"
    assert sorted(home.marked()) == ["begin a", "begin a", "end a"]


def test_a_server_hands_over_in_order(home: Restarted) -> None:
    home.begin("one")
    home.wait_begun(1)
    status, out, err = home.server.end(signal.SIGUSR2)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "The server has ended, and left its containers to the next one."
    home.start()
    home.until.touch()
    assert home.result() == "result of a\n"
    assert home.marked() == ["begin a", "end a"]


def test_a_server_that_does_not_come_back_is_an_error_and_its_containers_go(home: Restarted) -> None:
    home.server.end()
    home.server = StandingServer(home.home, env={"MOTET_AGENT_GRACE": "0.3"})
    home.begin("one", MOTET_RECONNECT="0.3")
    home.wait_begun(1)
    (agent,) = _agents(home.home)
    home.kill()
    assert home.program is not None
    _, err = home.program.communicate(timeout=PATIENCE)
    assert home.program.returncode == 1
    assert "was gone, and none has come in its place within 0.3 s (MOTET_RECONNECT)" in err
    wait_until(lambda: not Path(f"/proc/{agent}").exists())
    assert "end a" not in home.marked()


def _agents(home: Path) -> list[int]:
    """The host agents of this home, by the log that they write."""
    log = (home / "server" / "agent.log").stat().st_ino
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            is_agent = os.stat(f"/proc/{pid}/fd/2").st_ino == log and b"motet.agent.agent" in _command(pid)
        except OSError:
            continue
        if is_agent:
            found.append(int(pid))
    return found


def _command(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
