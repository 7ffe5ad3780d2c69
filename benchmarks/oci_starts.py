"""The first container in an OCI image beside bare podman: `python -m benchmarks.oci_starts [--rounds 10]`.

From the request to the first line of a container, the first of its kind and the next one (which a spare becomes), beside
`podman run` of the same image with the same options, of `echo` and of a Python that imports what a container does. The image is
made by debootstrap, without a registry, as tests make it; the first run takes a minute for that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.contracts.backend_contract import RecordingReports
from tests.images.oci.machine import ROOT, OciMachine, why_not

from motet.backends.base import Launch
from motet.backends.oci.backend import OciBackend
from motet.backends.oci.programs import RunCall
from motet.model.isolation import NO_LIMITS, Limits, Mount, Walls
from motet.model.template import TemplateSpec

PYTHON = "/usr/bin/python3"
IMPORTS = (
    "import sys; sys.path.append('/opt/motet'); from motet.runtime.lifecycle import template; "
    "from motet.runtime.lifecycle.entries import import_entry; import_entry('tests.backends.entries:play'); print('up')"
)
WITH_LIMITS = Limits(memory=2**28, cpu=1.0, pids=1024)
UNTIL_SPARES = 3.0
"""Seconds until an OCI container that is started ahead is ready."""


async def started(
    backend: OciBackend, reports: RecordingReports, spec: TemplateSpec, name: str, limits: Limits
) -> float:
    """Milliseconds to the first line."""
    began = time.perf_counter()
    env = {"ACT": json.dumps(["act", [["stdout", "up\n"]], 0])}
    backend.start_nowait(
        Launch(container_id=name, address="unix:/nowhere", token="t", env=env, template=spec, limits=limits)
    )
    await reports.wait_until(lambda: name in reports.ended or "up" in reports.text(name))
    took = (time.perf_counter() - began) * 1000
    ended = await reports.wait_ended(name)
    assert ended.code == 0, ended.description
    return took


async def ours(machine: OciMachine, spec: TemplateSpec, scratch: Path, limits: Limits) -> tuple[float, float]:
    """The first of its kind, and the next."""
    env = {**machine.env, "PYTHONPATH": str(ROOT)}
    backend, reports = OciBackend(env=env, scratch=scratch, entry="tests.backends.entries:play"), RecordingReports()
    await backend.open(reports)
    try:
        first = await started(backend, reports, spec, "first", limits)
        await asyncio.sleep(UNTIL_SPARES)
        return first, await started(backend, reports, spec, "second", limits)
    finally:
        await backend.close()


def bare(machine: OciMachine, spec: TemplateSpec, command: list[str], limits: Limits) -> float:
    """Of podman itself."""
    call = RunCall(
        name=f"bare-{os.getpid()}",
        image=spec.image,
        command=command,
        mounts=spec.walls.mounts,
        walls=spec.walls,
        limits=limits,
        labels={"motet.owner": "benchmark"},
    )
    words = machine.programs.run(call)
    words.remove("--detach")
    words[words.index("--log-driver") + 1] = "none"
    began = time.perf_counter()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=machine.env, bufsize=0
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        took = (time.perf_counter() - began) * 1000
    assert said == b"up\n", said
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    if (reason := why_not()) is not None:
        raise SystemExit(reason)
    took: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        machine = OciMachine(scratch)
        os.environ.update(machine.env)
        mounts = (Mount(source=str(machine.runtime), target="/opt/motet"),)
        walls = Walls(isolation="oci", mounts=mounts, network=False)
        spec = TemplateSpec(python=PYTHON, image=machine.base, walls=walls, env=((b"PATH", b"/usr/bin:/bin"),))
        for _ in range(rounds):
            for kind, limits in (("", NO_LIMITS), (", with limits", WITH_LIMITS)):
                first, second = asyncio.run(ours(machine, spec, scratch, limits))
                took.setdefault(f"oci, first{kind}", []).append(first)
                took.setdefault(f"oci, with a spare{kind}", []).append(second)
                python = [PYTHON, "-P", "-c", IMPORTS]
                took.setdefault(f"podman run, a Python that imports{kind}", []).append(
                    bare(machine, spec, python, limits)
                )
                echo = ["/usr/bin/echo", "up"]
                took.setdefault(f"podman run, echo{kind}", []).append(bare(machine, spec, echo, limits))
    for name, values in took.items():
        print(f"{name:50} median {statistics.median(values):7.1f}   min {min(values):7.1f}   max {max(values):7.1f}")
    for kind in ("", ", with limits"):
        first, python, echo = (
            statistics.median(took[f"{name}{kind}"])
            for name in ("oci, first", "podman run, a Python that imports", "podman run, echo")
        )
        print(f"oci, first{kind}: {first / python:.2f} times podman run of a Python, {first / echo:.2f} times of echo")
    print("load", *os.getloadavg())


if __name__ == "__main__":
    main()
