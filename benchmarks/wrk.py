"""wrk, the load generator for HTTP: what it says, as numbers."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HOW_TO_GET_IT = "wrk is not installed: `apt-get install wrk`, `brew install wrk`, or https://github.com/wg/wrk"
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One run. `p99` in seconds; `failed` counts answers other than 2xx and 3xx, and errors of sockets."""

    rate: float
    p99: float
    requests: int
    failed: int


def parsed(text: str) -> Load:
    """The output of `wrk --latency`. Raises `ValueError` if it is none."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"\b99%\s+([\d.]+)(us|ms|s|m|h)\b", text)
    requests = re.search(r"(\d+) requests in ", text)
    if rate is None or p99 is None or requests is None:
        raise ValueError(f"this is not what `wrk --latency` prints: {text!r}")
    refused = re.search(r"Non-2xx or 3xx responses:\s+(\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Load(
        rate=float(rate[1]),
        p99=float(p99[1]) * _SECONDS[p99[2]],
        requests=int(requests[1]),
        failed=(int(refused[1]) if refused else 0) + (sum(map(int, errors.groups())) if errors else 0),
    )


def installed() -> bool:
    return shutil.which("wrk") is not None


def wrk(url: str, *, seconds: float, connections: int = 64, script: Path | None = None) -> Load:
    """Load a URL from one thread, for so many whole seconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "--latency"]
    if script is not None:
        command += ["-s", str(script)]
    ended = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=seconds + 60)
    return parsed(ended.stdout)
