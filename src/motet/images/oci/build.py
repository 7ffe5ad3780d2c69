"""One build by a program: its lines as they come, the step at which it fails, and nothing left of it then."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from motet.backends.oci.programs import BuildCall, EnginePrograms
from motet.client.scratch import Scratch
from motet.errors import ImageBuildError, ServiceError
from motet.images.build_log import BuildLog, lines_of
from motet.images.oci.context import fill, secret_files
from motet.images.oci.stages import Stage

Told = Callable[[str], None]
"""Takes a line that a build has written, without its end."""


class BuildStop:
    """Ends a build from another thread: the program that runs now, and the steps that would come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_told = False

    def now(self) -> None:
        """Idempotent."""
        with self._lock:
            self._is_told = True
            if self._process is not None:
                _end(self._process)

    def follow(self, process: subprocess.Popen[bytes] | None) -> None:
        """This one runs now; None: none does. Raises `ServiceError` if the build was to end meanwhile."""
        with self._lock:
            self._process = process
            if self._is_told:
                if process is not None:
                    _end(process)
                raise ServiceError("the build was cancelled")


_LAST_LINES = 20
_LONGEST_SHOWN = 1000
# "STEP 3/4: RUN ..." and "[2/2] STEP 3/4: ..." of podman and buildah, "#7 [3/4] RUN ..." of docker.
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP (\d+)(?:/\d+)?: |^#\d+ \[(?:\S+ +)?(\d+)/\d+\] ")
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NO_PYTHON = re.compile(r"No system Python installation found|No interpreter found|python3: not found", re.IGNORECASE)


def run_build(
    stage: Stage,
    programs: EnginePrograms,
    *,
    base: str,
    log: Path,
    told: Told,
    env: Mapping[str, str],
    uv: Callable[[], Path],
    runtime: Callable[[], Path],
    stop: BuildStop,
) -> None:
    """Have a stage built; the engine has its tag then. `base`: what it begins with. `log` gets all that is written, `told` each
    line. Raises `ImageBuildError`, with the step and its last lines, and `ServiceError` where the program cannot run."""
    try:
        with Scratch("build") as scratch:
            directory, containerfile = scratch.path / "context", scratch.path / "Containerfile"
            directory.mkdir()
            fill(directory, stage, uv=uv, runtime=runtime)
            containerfile.write_text(stage.text, encoding="utf-8", errors="surrogatepass")
            with secret_files(scratch.path / "secrets", stage, env) as (secrets, login):
                call = BuildCall(
                    directory=str(directory),
                    containerfile=str(containerfile),
                    tag=stage.tag,
                    build_args=stage.build_args,
                    secrets=secrets,
                    login=login,
                    is_anew=stage.anew,
                    base=base,
                )
                _run(programs.build(call), stage, log, told, {**env, "DOCKER_BUILDKIT": "1"}, stop)
    except OSError as error:
        raise ServiceError(f"an image cannot be built on this machine: {error}") from error


def _run(command: list[str], stage: Stage, log: Path, told: Told, env: Mapping[str, str], stop: BuildStop) -> None:
    last: deque[str] = deque(maxlen=_LAST_LINES)
    at = 0
    with (
        open(log, "a", encoding="utf-8", errors="backslashreplace") as file,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            # Ctrl-C in a terminal is for whoever waits for the build, and says so.
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        kept = BuildLog(file, told)
        try:
            stop.follow(process)
            for written in lines_of(process.stdout):
                line = written.decode("utf-8", "backslashreplace")
                if step := _STEP.match(line):
                    at = int(step.group(1) or step.group(2)) - 1
                    last.clear()
                last.append(line)
                kept.line(line)
        except BaseException:
            _end(process)
            raise
        code = process.wait()
        if code:
            kept.end("\n".join(["", *last, f"({command[0]} ended with status {code})"]))
    stop.follow(None)
    if code:
        raise _failure(command[0], code, stage, at, list(last), log)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The program has children of its own, in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failure(program: str, code: int, stage: Stage, at: int, last: list[str], log: Path) -> ImageBuildError:
    origin = stage.instructions[min(at, len(stage.instructions) - 1)].origin
    written = "\n".join(f"    {line[:_LONGEST_SHOWN]}" for line in last)
    text = "\n".join(last)
    if code < 0:
        why = f"{program} was killed by signal {-code}; nothing is kept of that step, and the next build begins with it"
    elif _FULL.search(text):
        engine = "docker" if program == "docker" else "podman"
        why = (
            "the disk is full; nothing is kept of that step. Delete images that nobody needs with "
            f"`{engine} image prune --all`"
        )
    elif _NO_PYTHON.search(text):
        why = (
            'the image so far has no Python that is called python3; begin with one that has, or give add_python="3.12"'
        )
    else:
        why = f"{program} ended with status {code}"
    return ImageBuildError(
        f"the image could not be built: step {origin!r} failed: {why}\n{written}\n"
        f"(the whole log: motet image logs {log.stem[:12]})"
    )
