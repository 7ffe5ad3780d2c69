"""A client for tests to end in ugly ways: opens a backend, starts containers, tells their pids, then waits.

`python -m tests.backends.client SCRATCH HOW`; HOW: "wait" forever, "exit" without closing, or "fork" and wait.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from motet.backends.base import Launch
from motet.backends.process import ProcessBackend
from motet.model.template import PLAIN_TEMPLATE
from tests.contracts.backend_contract import ANOTHER_TEMPLATE, RecordingReports


async def main(scratch: str, how: str) -> None:
    backend = ProcessBackend(env=os.environ, scratch=Path(scratch), entry="tests.backends.entries:play")
    reports = RecordingReports()
    await backend.open(reports)
    env = {"ACT": json.dumps(["spawn"]), "PATH": os.environ["PATH"]}
    ids = ["ta-0", "ta-1"]
    for container_id, template in zip(ids, (PLAIN_TEMPLATE, ANOTHER_TEMPLATE), strict=True):
        launch = Launch(container_id=container_id, address="unix:/nowhere", token="t", env=env, template=template)
        backend.start_nowait(launch)
    await reports.wait_until(lambda: all(reports.text(id_).endswith("\n") for id_ in ids))
    forked = _fork_holder() if how == "fork" else None
    print(
        json.dumps(
            {
                "templates": backend.templates,
                "families": [json.loads(reports.text(id_)) for id_ in ids],
                "forked": forked,
            }
        ),
        flush=True,
    )
    if how == "exit":
        return
    await asyncio.Event().wait()


def _fork_holder() -> int:
    """As multiprocessing does: a child with a copy of every descriptor, the control socket's among them."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid


if __name__ == "__main__":
    # Shells have programs that they start in the background ignore Ctrl-C, and all that these start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asyncio.run(main(*sys.argv[1:]))
