"""`python -m motet.images.build_process`: one build, in a process of its own, which ends with who asked for it.

It reads what to build from its first line on stdin, as JSON, and writes JSON lines: what it does, and at last what came of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from motet.client import family
from motet.errors import Error
from motet.images.base import Environment
from motet.images.building import Build
from motet.images.cache import EnvironmentCache
from motet.images.recipe import Recipe
from motet.model.image import BuildPlace


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to build, and where it goes."""

    recipe: Recipe
    directory: str
    place: BuildPlace


class BuildLine(msgspec.Struct, frozen=True, tag="line"):
    """What a build does."""

    text: str


class BuildMade(msgspec.Struct, frozen=True, tag="made"):
    """It is done."""

    found: Environment


class FailedBuild(msgspec.Struct, frozen=True, tag="failed"):
    """It failed, for this reason."""

    reason: str


Answer = BuildLine | BuildMade | FailedBuild
encode_request = msgspec.json.Encoder().encode
decode_answer = msgspec.json.Decoder(Answer).decode


def main() -> None:
    """Build. The process group is killed when stdin ends: nobody waits for it any more."""
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=BuildRequest)
    family.adopt_orphans()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    told: Answer
    try:
        cache = EnvironmentCache(Path(request.directory))
        build = Build(request.recipe, cache, request.place, lambda it: _tell(BuildLine(it)), end_left=_end_left)
        told = BuildMade(build.made())
    except Error as error:
        told = FailedBuild(str(error))
    _tell(told)


def _tell(answer: Answer) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_stdin() -> None:
    # Not by the buffer, whose lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    _end_left()
    os.killpg(0, signal.SIGKILL)


def _end_left() -> None:
    """End what programs of this build have started, wherever it hides: a session of its own, a parent that has ended."""
    while left := [each.pid for each in family.descendants() if each.state != "Z"]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


if __name__ == "__main__":
    main()
