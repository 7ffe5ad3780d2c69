"""Files of images at the paths at which containers are to find them, where containers have no image to themselves."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

import msgspec

from motet.model.local_files import LocalFiles

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_KERNELS = ("/proc", "/sys", "/dev")
_NEVER_LINKED = (*_SYSTEM, *_KERNELS, "/etc", "/boot", "/run", "/var")


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether it is one of these, or lies below one."""
    return any(path == each or path.startswith(f"{each.rstrip('/')}/") for each in directories)


def why_not_shown(target: str, program: Iterable[str]) -> str:
    """Why containers within walls cannot find a file or directory at this path; "": they can. `program`: where the program
    and its source are."""
    program = list(program)
    target = posixpath.normpath(target)
    if any(is_below(each, [target]) for each in program):
        return f"nothing else can be at {target}, where the program is"
    if is_below(target, _KERNELS) or (is_below(target, (*_SYSTEM, *program)) and not os.path.exists(target)):
        return f"{target} cannot be made, because what is around it is read-only"
    return ""


class MadePath(msgspec.Struct, frozen=True):
    """A path that was made to lead to a source, with the directories that were made on the way, the outermost first."""

    target: str
    source: str
    directories: list[str]


class LinkedPaths:
    """Paths of this machine that lead to files of images while programs run, and are taken away again by the last of them, or
    by the next one where that was killed. What is there already is never touched. `directory` has notes of it."""

    def __init__(self, directory: Path) -> None:
        from motet.images.uses import Uses  # late: locks of files, which Windows lacks; there is nothing to link there

        self._directory = directory
        self._uses = Uses(directory)
        self._held: set[str] = set()

    def make(self, files: LocalFiles) -> str:
        """Have its target lead to its source. Why it does not; "": it does."""
        target = posixpath.normpath(files.target)
        name = hashlib.sha256(os.fsencode(target)).hexdigest()[:32]
        try:
            if not os.path.lexists(target):
                if why := _why_not_made(target):
                    return f"{why}; {files.source} is on this machine"
                self._hold(name)
                self._link(name, target, files.source)
            if os.path.exists(target) and os.path.samefile(target, files.source):
                if self._note(name).exists():
                    self._hold(name)
                return ""
        except OSError as error:
            return f"{target} cannot be made ({error.strerror}); {files.source} is on this machine"
        return f"{target} is there already, and is not {files.source}: functions find what is there"

    def _hold(self, name: str) -> None:
        self._uses.hold(name)
        self._held.add(name)

    def _link(self, name: str, target: str, source: str) -> None:
        made: list[str] = []
        parent = posixpath.dirname(target)
        while not os.path.exists(parent):
            made.insert(0, parent)
            parent = posixpath.dirname(parent)
        self._note(name).write_bytes(msgspec.json.encode(MadePath(target, source, made)))
        for each in made:
            os.mkdir(each)
        os.symlink(source, target)

    def undo(self) -> None:
        """This program needs them no more. Idempotent."""
        held, self._held = self._held, set()
        self._uses.release()
        for name in held:
            with contextlib.suppress(OSError, msgspec.MsgspecError), self._uses.alone(name) as is_alone:
                if is_alone:
                    self._remove(name)

    def _remove(self, name: str) -> None:
        link = msgspec.json.decode(self._note(name).read_bytes(), type=MadePath)
        with contextlib.suppress(OSError):
            if os.readlink(link.target) == link.source:
                os.unlink(link.target)
            for each in reversed(link.directories):
                os.rmdir(each)
        self._note(name).unlink()

    def _note(self, name: str) -> Path:
        return self._directory / f"{name}.json"


def _why_not_made(target: str) -> str:
    parent = posixpath.dirname(target)
    while not os.path.lexists(parent):
        parent = posixpath.dirname(parent)
    if is_below(target, _NEVER_LINKED) or is_below(os.path.realpath(parent), _NEVER_LINKED):
        return f"{target} is not on this machine, and is not made among the system's files"
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK | os.X_OK):
        return f"{target} is not on this machine, and cannot be made in {parent}"
    return ""
