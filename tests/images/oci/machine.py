"""A machine for tests of OCI images: an engine's store of their own, and a base that debootstrap makes, without a registry."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from motet.backends.oci.programs import EnginePrograms, find_programs
from motet.images.oci.runtime_files import own_python, runtime_for

BASE = "localhost/motet-tests/base:1"
_PACKAGES = "python3,ca-certificates"
_RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Which release of Debian has the Python that runs the tests."""
ROOT = Path(__file__).parents[3]


class OciMachine:
    """What stays between runs of tests is in one directory of the system's temporary one: a base takes a minute to make."""

    def __init__(self, scratch: Path) -> None:
        self.base = BASE
        self._kept = Path(
            tempfile.gettempdir(), f"motet-tests-oci-{os.geteuid()}-{sys.version_info[0]}.{sys.version_info[1]}"
        )
        self._kept.mkdir(mode=0o700, exist_ok=True)
        storage = self._kept / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self._kept / "graph"}"\nrunroot = "{self._kept / "run"}"\n'
        )
        self.env = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(storage),
            "MOTET_OCI_BASE": BASE,
        }
        with self._locked():
            self.runtime = self._runtime(scratch)
            if self._run("image", "exists", BASE).returncode:
                self._make_base()

    @functools.cached_property
    def programs(self) -> EnginePrograms:
        return find_programs(self.env)

    def containers(self) -> list[str]:
        """The names of all containers that the engine has."""
        return self._run("ps", "--all", "--format", "{{.Names}}").stdout.split()

    def _runtime(self, scratch: Path) -> Path:
        """Motet as containers see it, and the tests' entries beside it."""
        made = runtime_for(own_python(), scratch / "runtimes", lambda: Path("/no/uv"))
        shutil.copytree(
            ROOT / "tests", made / "tests", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
        return made

    def _make_base(self) -> None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            rootfs = Path(directory, "rootfs")
            release = _RELEASES[sys.version_info[0], sys.version_info[1]]
            command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, str(rootfs)]
            try:
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            finally:
                # Which debootstrap leaves there where it is ended before its time.
                subprocess.run(["umount", "--recursive", str(rootfs / "proc")], check=False, capture_output=True)
            packed = Path(directory, "rootfs.tar")
            subprocess.run(["tar", "-C", str(rootfs), "-cf", str(packed), "."], check=True)
            done = self._run("import", str(packed), BASE)
            assert done.returncode == 0, done.stderr

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["podman", *words], env=self.env, capture_output=True, text=True, check=False)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self._kept / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def why_not() -> str | None:
    """Why no OCI container can be tested here; None if one can."""
    if os.geteuid() != 0:
        return "debootstrap and podman as another user than root are not tested"
    if (sys.version_info[0], sys.version_info[1]) not in _RELEASES:
        return "no release of Debian that is tested with has this Python"
    missing = [name for name in ("podman", "debootstrap") if shutil.which(name) is None]
    return f"{', '.join(missing)} not installed: apt-get install podman buildah runc debootstrap" if missing else None


def machine(tmp_path_factory: pytest.TempPathFactory) -> OciMachine:
    """The machine, or the test is left out, and says why."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    return OciMachine(tmp_path_factory.mktemp("oci"))
