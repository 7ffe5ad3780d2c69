"""The machine while it is measured: how idle it is, what runs on it, and how much memory our processes take."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import threading
import time
from pathlib import Path

SAMPLE_EVERY = 0.1


def idle(seconds: float = 1.0) -> float:
    """The fraction of all processors that was idle for `seconds` from now: low means somebody else uses the machine."""
    before = _processor_times()
    time.sleep(seconds)
    spent = [after - start for start, after in zip(before, _processor_times(), strict=True)]
    return (spent[3] + spent[4]) / max(sum(spent), 1)


def _processor_times() -> list[int]:
    with open("/proc/stat") as stat:
        return [int(field) for field in stat.readline().split()[1:9]]


def busy() -> float:
    """Processor time that the whole machine has spent on anything, in seconds."""
    spent = _processor_times()
    return (sum(spent) - spent[3] - spent[4]) / os.sysconf("SC_CLK_TCK")


def description() -> dict[str, str]:
    """Date, machine and versions."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "python": platform.python_version(),
        "processors": f"{len(os.sched_getaffinity(0))} x {_processor_model()}",
        "kernel": platform.release(),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        **{name: importlib.metadata.version(name) for name in ("motet", "uvloop", "msgspec", "cloudpickle")},
    }


def _processor_model() -> str:
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


class PeakMemory:
    """`with PeakMemory() as peak:` samples the resident memory of this process, its children and their children, in MiB.

    This process is client and server, its child the template, and the template's children the containers. Resident
    memory counts pages that are shared, as those between the template and its containers, in each of them.
    """

    def __init__(self) -> None:
        self.before: dict[str, float] = {}
        self.peak: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self.before = dict(memory_by_role())
        self.peak = dict(self.before)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_EVERY):
            for role, mib in memory_by_role().items():
                self.peak[role] = max(self.peak.get(role, 0.0), mib)


def memory_by_role() -> dict[str, float]:
    templates = _children(os.getpid())
    containers = [pid for template in templates for pid in _children(template)]
    return {
        "client and server": _resident_mib(os.getpid()),
        "template": sum(map(_resident_mib, templates)),
        "containers": sum(map(_resident_mib, containers)),
    }


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended meanwhile
        return []


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
