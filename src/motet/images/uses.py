"""Who uses what was built: a lock of the kernel for as long as a process does, and a file for each app that has.

locks/use-NAME.lock                  shared by who uses it
uses/NAME/APP                        touched when an app of this name did
needed.json                          what deployed apps need, also while their server does not run
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from motet.errors import ImageBuildError

_USED_AGAIN = 3600.0
"""Seconds after which another use is noted."""


class Uses:
    """Of what was built in one directory, by name. Safe to use from several processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, int] = {}

    def hold(self, name: str, app: str = "") -> None:
        """It is used from now on by this process, for an app of this name: it is not removed. Idempotent."""
        if name not in self._held:
            descriptor = self.open_lock(f"use-{name}")
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._held[name] = descriptor
        if app:
            with contextlib.suppress(OSError):  # a full disk keeps nobody from running
                self._note(name, app)

    def release(self) -> None:
        """This process uses none any more."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _note(self, name: str, app: str) -> None:
        place = self._directory / "uses" / name / app.replace("/", "_")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists() or time.time() - place.stat().st_mtime > _USED_AGAIN:
            place.touch()

    def apps(self, name: str) -> dict[str, float]:
        """The apps that have used it, with when they last did."""
        uses = self._directory / "uses" / name
        return {each.name: each.stat().st_mtime for each in uses.iterdir()} if uses.is_dir() else {}

    def forget(self, name: str) -> None:
        """It is gone."""
        shutil.rmtree(self._directory / "uses" / name, ignore_errors=True)

    def is_used(self, name: str) -> bool:
        """Whether a process that lives uses it."""
        with self.alone(name) as is_alone:
            return not is_alone

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Whether nobody uses it; if so, nobody does until this ends."""
        descriptor = self.open_lock(f"use-{name}")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)

    def open_lock(self, name: str) -> int:
        """A descriptor of the file that stands for a lock. Raises `ImageBuildError`."""
        place = self._directory / "locks" / f"{name}.lock"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ImageBuildError(f"{place} cannot be opened: {error.strerror}") from error


def note_needed(directory: Path, needed: Mapping[str, Sequence[str]]) -> None:
    """Remember what the deployed apps of a home's server need: environments and OCI images by name, each with the apps. Raises
    `OSError`."""
    place = directory / "needed.json"
    if not needed and not place.exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    aside = place.with_suffix(f".{os.getpid()}")
    aside.write_bytes(msgspec.json.encode(needed))
    os.replace(aside, place)


def needed(directory: Path) -> dict[str, list[str]]:
    """What was remembered last; nothing where no server has deployed apps. Raises `ImageBuildError` where that cannot be read:
    nothing is to be removed then."""
    place = directory / "needed.json"
    try:
        return msgspec.json.decode(place.read_bytes(), type=dict[str, list[str]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise ImageBuildError(f"{place}, which says what deployed apps need, cannot be read: {error}") from error
