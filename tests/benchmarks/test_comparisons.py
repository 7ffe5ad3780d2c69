"""What the comparisons with other servers compute, and that they leave no process behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))
pytest.importorskip("fastapi", reason="the pages that are served need it")

import batching  # noqa: E402
import http_calls  # noqa: E402
import web  # noqa: E402
import wrk  # noqa: E402
from measured import Row, markdown  # noqa: E402
from served.load import closed_loop, percentile  # noqa: E402

RUN = """Running 6s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.51ms    1.20ms  40.11ms   93.42%
    Req/Sec    12.11k     1.02k   13.37k    81.67%
  Latency Distribution
     50%    4.20ms
     75%    4.61ms
     90%    5.33ms
     99%  {p99}
  72345 requests in 6.00s, 10.14MB read
{more}Requests/sec:  12057.25
Transfer/sec:      1.69MB
"""


@pytest.mark.parametrize(
    ("p99", "seconds"), [("8.25ms", 0.00825), ("812.00us", 0.000812), ("1.42s", 1.42), ("1.50m", 90)]
)
def test_numbers_of_wrk_are_read_in_every_unit(p99: str, seconds: float) -> None:
    load = wrk.parsed(RUN.format(p99=p99, more=""))
    assert (load.rate, load.requests, load.failed) == (12057.25, 72345, 0)
    assert load.p99 == pytest.approx(seconds)


def test_refusals_and_broken_connections_count_as_failed() -> None:
    more = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 90\n"
    assert wrk.parsed(RUN.format(p99="8.25ms", more=more)).failed == 100


def test_other_output_than_that_of_wrk_is_refused() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        wrk.parsed("unable to connect to 127.0.0.1:1 Connection refused")


def test_ratios_are_of_the_same_repetition() -> None:
    assert web.ratios([10, 30], [5, 10, 99]) == (2, 3)


def test_a_floor_is_missed_below_it_and_unknown_without_values() -> None:
    def row(*values: float) -> Row:
        return Row(name="n", unit="x", values=values, floor=4.0, higher_is_better=True, note="not installed")

    assert [row(3.9).passed, row(3.0, 4.0, 5.0).passed, row().passed] == [False, True, None]
    assert row().cells()[3] == "not installed"
    assert row().as_json()["median"] is None


def test_servers_that_are_absent_have_rows_that_say_so() -> None:
    found = web.Found()
    for server, rate in (("uvicorn", 100.0), ("Motet", 90.0)):
        found.add(server, "async def rate", rate)
        found.idle[server].append(1.0)
    sizes = web.argparse.Namespace(streams=1000)
    rows = {row.name: row for row in web.rows(found, {"LitServe": "not installed", "Ray Serve": "failed"}, sizes)}
    assert rows["Motet's rate to that of uvicorn"].median == pytest.approx(0.9)
    assert rows["async def, requests: Motet"].ratio == pytest.approx(0.9)
    assert rows["Motet's rate to that of LitServe"].cells()[3] == "not installed"
    assert rows["async def, requests: Ray Serve"].cells()[3] == "failed"


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 3), (60, 3), (61, 4), (95, 5), (100, 5)])
def test_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([5, 3, 1, 4, 2], percent) == value


def test_percentile_of_nothing_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="measure for longer"):
        percentile([], 50)


def test_closed_loop_keeps_as_many_calls_in_flight_as_it_is_told() -> None:
    under_way, most = 0, 0

    async def call(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return 2 * number

    found = asyncio.run(closed_loop(call, in_flight=7, seconds=0.5))
    assert (most, under_way) == (7, 0)
    assert found["rate"] > 0
    assert 0 <= found["p50"] <= found["p95"]


def test_closed_loop_checks_answers() -> None:
    async def call(number: int) -> int:
        return number

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(closed_loop(call, in_flight=1, seconds=0.5))
    assert "the call with 1 was answered with 1" in str(caught.value.exceptions[0])


def test_ideal_rate_is_that_of_full_batches() -> None:
    row = batching.Row(server="s", called="c", max_batch_size=16, wait_ms="10", rates=[200, 400, 300], p50=0.1, p95=0.2)
    assert row.of_ideal == pytest.approx(300 * 0.028 / 16)
    assert row.cells()[3:] == ["10 ms", "300", "[200..400]", "52%", "100.0", "200.0"]
    absent = batching.Row(server="s", called="c", max_batch_size=16, wait_ms="auto", rates=[], note="not installed")
    assert absent.cells()[3:] == ["auto", "not installed", "", "", "", ""]


def test_tables_read_as_plain_text() -> None:
    assert markdown(["a", "bcd"], [["12345", "6"]]).splitlines() == [
        "| a     | bcd |",
        "|-------|-----|",
        "| 12345 | 6   |",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n1\r\no\r\n0\r\n\r\n",
    ],
)
def test_bodies_of_both_kinds_are_read_on_one_connection(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    async def ask() -> list[http_calls.Answer]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            connection = http_calls.Connection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
            answers = [await connection.get() for _ in range(2)]
            connection.close()
            return answers

    assert [(each.status, each.body) for each in asyncio.run(ask())] == [(200, b"hello")] * 2


LEAVES_A_CHILD_BEHIND = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("ready", '{"url": "", "child": %d}' % child.pid, flush=True)
sys.stdin.read()
"""
SERVES_ONCE = """
import sys
from servers import Server, own_all_descendants
own_all_descendants()
with Server([sys.executable, "-c", sys.argv[1]]) as server:
    print(server.told["child"], flush=True)
"""


def test_what_a_server_leaves_behind_is_ended() -> None:
    command = [sys.executable, "-c", SERVES_ONCE, LEAVES_A_CHILD_BEHIND]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=True, timeout=60)
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_a_server_that_does_not_come_up_is_reported_with_what_it_said() -> None:
    command = [sys.executable, "-c", SERVES_ONCE, "raise SystemExit('no such model')"]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "no such model" in done.stderr


def test_without_wrk_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "web.py")]
    env = {**web.os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "apt-get install wrk" in done.stderr


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk")
def test_web_functions_are_measured_beside_uvicorn(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    sizes = ["--quick", "--only", "uvicorn", "Motet", "LitServe"]
    rows = _measured([str(BENCHMARKS / "web.py"), *sizes, "--peers-python", str(_bare(tmp_path))], report)
    by_name = {row["name"]: row for row in rows}
    for name in ("async def, requests: Motet", "def, p99: uvicorn", "20 slow streams: Motet"):
        assert by_name[name]["median"] > 0
    assert by_name["Motet's rate to that of LitServe"]["note"] == "not installed"


def test_batches_are_measured_by_every_way_to_call(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    sizes = ["--reps", "1", "--batches", "4", "--in-flight", "4", "--seconds", "0.5"]
    rows = _measured([str(BENCHMARKS / "batching.py"), *sizes, "--peers-python", str(_bare(tmp_path))], report)
    assert {(row["called"], row["wait_ms"]) for row in rows if row["rates"]} == {
        (called, wait) for called in (".remote", "over HTTP") for wait in ("10", "auto")
    }
    assert {row["server"] for row in rows if row["note"] == "not installed"} == {"Ray Serve", "LitServe"}


def _bare(tmp_path: Path) -> Path:
    """An interpreter that has nothing installed."""
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o700)
    return bare


def _measured(command: list[str], report: Path) -> list[dict[str, Any]]:
    # A floor may be missed here; it is not what is tested.
    done = subprocess.run(
        [sys.executable, *command, "--json", str(report)], capture_output=True, text=True, check=False, timeout=110
    )
    assert report.exists(), done.stdout + done.stderr
    rows: list[dict[str, Any]] = json.loads(report.read_text())["rows"]
    return rows
