"""Functions whose containers are forked from a process that has imported this module."""

from __future__ import annotations

import contextvars
import logging
import os
import random
import signal
import sys
import uuid

import motet

app = motet.App("snapshots", secrets=[motet.Secret.from_dict({"AT_IMPORT": "is there", "GIVEN": "goes"})])

IMPORTED_IN = os.getpid()
AT_IMPORT = os.environ.get("AT_IMPORT")
CONTAINER_AT_IMPORT = os.environ.get("MOTET_CONTAINER_ID")
OPENED = open(__file__)  # noqa: SIM115 - containers share it
where = contextvars.ContextVar("where", default="nowhere")
handler = logging.StreamHandler(sys.stdout)
logger = logging.getLogger(__name__)
if not motet.is_local():
    print("imported once")
    logger.addHandler(handler)
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.environ["SET_AT_IMPORT"] = "stays"
    os.environ.pop("GIVEN", None)
    os.chdir("/")
    sys.path.insert(0, "/somewhere")


@app.function(enable_memory_snapshot=True, single_use_containers=True)
def tell(name: str) -> dict[str, object]:
    logger.warning("said by %s", name)
    return {
        "imported in": IMPORTED_IN,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "at import": AT_IMPORT,
        "container at import": CONTAINER_AT_IMPORT,
        "drawn": (random.random(), str(uuid.uuid4())),
        "reads": OPENED.readable() and os.fstat(OPENED.fileno()).st_ino == os.stat(__file__).st_ino,
        "keeps its handler": callable(signal.getsignal(signal.SIGTERM)),
        "surroundings": (os.environ.get("SET_AT_IMPORT"), os.environ.get("GIVEN"), os.getcwd(), sys.path[0]),
        "is local": motet.is_local(),
        "calls": double.remote(4),
    }


@app.function(enable_memory_snapshot=True)
def double(number: int) -> int:
    return 2 * number


@app.cls(enable_memory_snapshot=True, single_use_containers=True)
class Model:
    size: int = motet.parameter(default=1)

    @motet.enter(snap=True)
    async def load(self) -> None:
        self.weights = [0] * self.size
        self.loaded_in = os.getpid()
        where.set("set by load")

    @motet.enter()
    def connect(self) -> None:
        self.connected_in = os.getpid()

    @motet.method()
    def tell(self) -> tuple[int, bool, bool, str]:
        return len(self.weights), self.loaded_in == os.getppid(), self.connected_in == os.getpid(), where.get()


@app.cls(enable_memory_snapshot=True)
class Caller:
    """Calls a function where there is no server."""

    @motet.enter(snap=True)
    def call(self) -> None:
        self.doubled = double.remote(21)

    @motet.method()
    def tell(self) -> int:
        return self.doubled


@app.cls(enable_memory_snapshot=True)
class Failing:
    @motet.enter(snap=True)
    def fail(self) -> None:
        raise RuntimeError("no weights")

    @motet.method()
    def never(self) -> None: ...
