"""The files of a directory that travel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from motet.bundles.ignoring import Ignores, never_travels
from motet.errors import InvalidError
from motet.model.bundle import MAX_FILES

Note = Callable[[str, str], None]
"""Told of a path that is left out, and why."""


def is_sendable(path: str) -> bool:
    """Whether a path can be told to others: those that are not UTF-8 cannot."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def files_below(directory: str, ignored: Ignores, note: Note, *, hidden: bool) -> Iterator[str]:
    """The paths of regular files, relative to it and with `/`, in a fixed order. Links are followed, but not in circles;
    `hidden`: names that begin with a dot, too. What cannot travel is noted. Raises `InvalidError` for what cannot be read,
    and for far too many."""
    count = 0
    waiting = [("", os.path.realpath(directory), frozenset[str]())]
    while waiting:
        below, real, above = waiting.pop()
        directories = []
        for entry in _entries(os.path.join(directory, below)):
            path = f"{below}/{entry.name}" if below else entry.name
            if never_travels(entry.name) or (not hidden and entry.name.startswith(".")) or ignored(path):
                continue
            if not is_sendable(path):
                note(entry.path.encode("utf-8", "backslashreplace").decode(), "its name is not UTF-8")
            elif entry.is_dir():
                target = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
                if target in above or target == real:
                    note(entry.path, "a link to a directory that it is in")
                elif not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                    directories.append((path, target, above | {real}))
            elif entry.is_file():
                count += 1
                if count > MAX_FILES:
                    raise InvalidError(
                        f"{directory} has more than {MAX_FILES} files, which is what a bundle may have: the last ones are "
                        f"in {os.path.dirname(entry.path)}. Leave out what is not needed with `ignore=`"
                    )
                yield path
            else:
                note(
                    entry.path,
                    "a link to nothing" if entry.is_symlink() and not os.path.exists(entry.path) else "no regular file",
                )
        waiting += reversed(directories)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidError(
            f"{directory} is to travel with the deployment, and cannot be read: {error.strerror}. Leave it out with "
            "`ignore=`, or make it readable"
        ) from error
