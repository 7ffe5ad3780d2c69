"""Programs that build: started, their lines passed on and kept, and what they ended with."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from motet.errors import ImageBuildError
from motet.images.build_log import BuildLog, lines_of
from motet.model.hidden import hides_secrets

_KEPT = 30
"""Lines of a program that failed which its error has."""

_LONGEST_SHOWN = 1000
"""Characters of each of these."""

_NOT_FOR_BUILDS = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON")

NO_UV = (
    "building an image's environment needs uv, which is not installed here: `pip install 'motet[images]'`, or "
    "`pip install uv`"
)


def uv_command() -> list[str] | None:
    """How uv is called here: as an installed package, or the program on PATH. None: it is not here."""
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("uv")
    return None if found is None else [found]


@hides_secrets
@dataclass(slots=True, kw_only=True)
class Programs:
    """Runs programs for one build. `log` gets what they write. `descriptors` are inherited by each: what is locked with one
    stays so while a program runs whose build was killed. `end_left` ends what a program has started and left behind."""

    log: BuildLog
    end_left: Callable[[], None] = lambda: None
    descriptors: tuple[int, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    def uv(self, *arguments: str, what: str, env: Mapping[str, str] = {}, cwd: Path | None = None) -> str:
        """What uv writes on stdout. Raises `ImageBuildError`, also where uv is not here."""
        command = uv_command()
        if command is None:
            raise ImageBuildError(NO_UV)
        settings = {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_COLOR": "1", "NO_COLOR": "1"}
        return self.run([*command, *arguments], what=what, env={**settings, **env}, cwd=cwd)

    def run(
        self,
        command: Sequence[str],
        *,
        what: str,
        env: Mapping[str, str] = {},
        cwd: Path | None = None,
        data: bytes = b"",
        timeout: float | None = None,
    ) -> str:
        """What a program writes on stdout; its stderr is told line by line. Raises `ImageBuildError` with the last lines of it,
        if it fails: `what` failed, in words."""
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_BUILDS}
        self.log.keep(f"$ {_shown(' '.join(command))}")
        last: deque[str] = deque(maxlen=_KEPT)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if data else subprocess.PIPE,
                env={**inherited, **self.env, **env},
                cwd=cwd,
                pass_fds=self.descriptors,
                text=False,
            )
        except OSError as error:
            raise ImageBuildError(f"{what}: {command[0]} cannot be started: {error.strerror}") from error
        with process:
            return self._followed(process, what, data, last, timeout)

    def _followed(
        self, process: subprocess.Popen[bytes], what: str, data: bytes, last: deque[str], timeout: float | None
    ) -> str:
        import threading  # late: builds run in processes of their own

        out: list[bytes] = []
        told = process.stderr or process.stdout
        assert told is not None
        assert process.stdin is not None
        readers = []
        if process.stderr is not None and process.stdout is not None:
            stdout = process.stdout
            readers.append(threading.Thread(target=lambda: out.append(stdout.read()), daemon=True))
        watch = threading.Timer(timeout, process.kill) if timeout is not None else None

        def end_left() -> None:
            process.wait()
            self.end_left()  # what has its output open would keep this waiting

        readers.append(threading.Thread(target=end_left, daemon=True))
        for each in (*readers, *([] if watch is None else [watch])):
            each.start()
        try:
            process.stdin.write(data)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended without reading: its status tells
        for raw in lines_of(told):
            line = _shown(raw.decode(errors="replace").rstrip())
            last.append(line)
            self.log.line(line)
        code = process.wait()
        overdue = watch is not None and not watch.is_alive()
        if watch is not None:
            watch.cancel()
        for each in readers:
            each.join()
        if code == 0:
            return b"".join(out).decode(errors="replace")
        why = f"took longer than {timeout:g} s" if overdue else _ended(code)
        said = "".join(f"\n  {line[:_LONGEST_SHOWN]}" for line in last if line)
        raise ImageBuildError(f"{what} failed ({why}):{said or ' it said nothing'}")


def _shown(text: str) -> str:
    """Without the credentials in URLs."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def _ended(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"signal {-code}"
