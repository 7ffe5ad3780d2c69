"""The files of a bundle as they are found, each with its place."""

from __future__ import annotations

import heapq
import os
from collections.abc import Sequence

from motet.bundles.ignoring import ignores
from motet.bundles.pieces import FoundFile, found_files
from motet.bundles.walk import files_below, is_sendable
from motet.context import sources
from motet.errors import InvalidError
from motet.model.bundle import MAX_BUNDLE_BYTES, MAX_FILES, Manifest

_SHOWN = 3


class Collection:
    """Reads what is added, and refuses what is too much before it has read all of it."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        """What could not travel and is not missed, as far as one can tell: links to nothing, sockets, strange names."""
        self.directories: set[str] = set()
        """Those of the bundle that have something in them."""
        self._found: dict[str, FoundFile] = {}
        self._origins: dict[str, str] = {}
        self._walked: tuple[str, ...] = ()
        self._size = 0
        self._copies = sources.in_use()

    @property
    def found(self) -> list[FoundFile]:
        """All files."""
        return list(self._found.values())

    def manifest(self) -> Manifest:
        """Of all that was added. Raises `InvalidError`, with the file whose path no bundle may have."""
        try:
            return Manifest(it.file for it in self._found.values())
        except InvalidError as error:
            for path, found in self._found.items():
                if repr(path) in str(error):
                    raise InvalidError(f"{found.origin} cannot travel with the deployment: {error}") from None
            raise

    def place_of(self, file: str) -> str | None:
        """Where a file of this machine lies in the bundle."""
        return self._origins.get(file)

    def has_walked(self, path: str) -> bool:
        """Whether it lies below a directory that was added."""
        return path.startswith(self._walked)

    def add_directory(self, directory: str, place: str, ignore: Sequence[str] = (), *, hidden: bool = False) -> None:
        """All that travels of a directory; `hidden`: names that begin with a dot as well."""
        self._walked = (*self._walked, os.path.join(directory, ""))
        root = f"{place}/" if place else ""
        for path in files_below(directory, ignores(ignore), self._leave_out, hidden=hidden):
            self.add_file(os.path.join(directory, path), root + path)

    def add_python_files(self, directory: str, place: str) -> None:
        """The Python files right in a directory."""
        try:
            names = sorted(os.listdir(directory))
        except OSError as error:
            raise InvalidError(f"{directory}, which the app imports from, cannot be read: {error.strerror}") from error
        for name in names:
            file = os.path.join(directory, name)
            if name.endswith(".py") and not name.startswith(".") and is_sendable(name) and os.path.isfile(file):
                self.add_file(file, f"{place}/{name}")

    def add_file(self, file: str, place: str) -> None:
        """One file. Raises `InvalidError` if it cannot be read, or another one has its place."""
        earlier = self._found.get(place)
        if earlier is not None and earlier.origin == file:
            return
        copy = None if self._copies is None else self._copies.copy_of(file)
        for found in found_files(place, file, copy):
            if earlier is not None and found.file.path == place and found.file != earlier.file:
                raise InvalidError(f"{earlier.origin} and {file} would both be at {place!r} in containers")
            self._found[found.file.path] = found
            self._size += found.file.size
        self._origins.setdefault(file, place)
        directory = place.rpartition("/")[0]
        while directory and directory not in self.directories:
            self.directories.add(directory)
            directory = directory.rpartition("/")[0]
        self._check_size()

    def _check_size(self) -> None:
        if self._size <= MAX_BUNDLE_BYTES and len(self._found) <= MAX_FILES:
            return
        largest = heapq.nlargest(_SHOWN, self._found.values(), key=lambda it: it.file.size)
        shown = ", ".join(f"{it.origin} ({it.file.size / 2**20:.1f} MiB)" for it in largest)
        raise InvalidError(
            f"what is to travel with the deployment has {len(self._found)} files and {self._size / 2**20:.0f} MiB so far, "
            f"and may have {MAX_FILES} files and {MAX_BUNDLE_BYTES // 2**20} MiB. The largest are {shown}. Leave out what is "
            'not needed: image.add_local_python_source("PACKAGE", ignore=["data/**"])'
        )

    def _leave_out(self, path: str, why: str) -> None:
        self.left_out.append(f"{path} ({why})")
