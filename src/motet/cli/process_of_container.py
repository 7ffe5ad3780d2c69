"""The process of a container on this machine: how much memory it has had, and how much processor time."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


class ProcessOfContainer:
    """One process, read from /proc: processes that it started are not counted. Numbers are None once it is gone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def find(cls, container_id: str) -> ProcessOfContainer | None:
        """That of a container, which is known by the name of a file that it holds open; None if it is none of this machine."""
        for directory in _PROC.iterdir():
            # What a container forked may have it, too; the container itself leads their session.
            if directory.name.isdecimal() and _leads(int(directory.name)) and _holds(directory, container_id):
                return cls(directory)
        return None

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self._directory.name)

    @property
    def peak_bytes(self) -> int | None:
        """The most memory that it has had at any time, pages that it shares with others counted in (VmHWM)."""
        for line in self._read("status").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return None

    @property
    def processor_time(self) -> tuple[float, float] | None:
        """Seconds in which its threads ran on a processor, and in which they could have but for other work of the machine."""
        ran = waited = 0
        try:
            for thread in (self._directory / "task").iterdir():
                on_cpu, in_line, _ = (thread / "schedstat").read_text().split()
                ran += int(on_cpu)
                waited += int(in_line)
        except (OSError, ValueError):
            return None
        return ran / 1e9, waited / 1e9

    def _read(self, name: str) -> str:
        try:
            return (self._directory / name).read_text()
        except OSError:
            return ""


def _leads(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def _holds(process: Path, name: str) -> bool:
    """Whether a file in memory of that name is among its open ones."""
    try:
        descriptors = os.listdir(process / "fd")
    except OSError:
        return False
    return any(_target(process / "fd" / each).startswith(f"/memfd:{name} ") for each in descriptors)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
