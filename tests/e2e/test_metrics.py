"""Metrics of a real run, as a scraper gets them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

PROGRAM = """
import urllib.request

import motet

app = motet.App("shop")

@app.function()
@motet.concurrent(max_inputs=4)
def price(x: int) -> int:
    if x == 3:
        raise ValueError("no such article")
    return x

if __name__ == "__main__":
    for _ in range(2):  # counters go on though no app, and so no server, runs in between
        with app.run():
            list(price.map(range(5), return_exceptions=True))
            scraped = urllib.request.urlopen("http://127.0.0.1:PORT/metrics").read().decode()
    print(scraped)
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize("records", ["on", "off"])
def test_a_scrape_during_a_run_tells_what_it_did(tmp_path: Path, port: int, records: str) -> None:
    file = tmp_path / "shop.py"
    file.write_text(PROGRAM.replace("PORT", str(port)))
    env = {**os.environ, "MOTET_METRICS_PORT": str(port), "MOTET_RECORDS": records}
    began = time.monotonic()
    done = subprocess.run([sys.executable, str(file)], env=env, capture_output=True, text=True, timeout=60, check=True)
    took = time.monotonic() - began
    families = {family.name: family for family in text_string_to_metric_families(done.stdout)}
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    of_price = (("app", "shop"), ("function", "price"))
    assert values["motet_inputs_total", *of_price, ("outcome", "success")] == 8
    assert values["motet_inputs_total", *of_price, ("outcome", "failure")] == 2
    assert values["motet_container_starts_total", *of_price] >= 1
    assert values["motet_containers", *of_price, ("state", "ready")] >= 1
    assert values["motet_input_execution_seconds_count", *of_price] == 10
    assert 0 < values["motet_input_latency_seconds_sum", *of_price] < 5 * took
    assert values["motet_container_start_seconds_sum", *of_price] > 0
    assert values["process_resident_memory_bytes",] > 0
