"""A bundle: the source that travels with a deployment, as a list of files whose contents are known by their hash."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from motet.errors import InvalidError

MAX_FILES = 20_000
MAX_FILE_BYTES = 100 * 2**20
MAX_BUNDLE_BYTES = 2**30
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_DEPTH = 64

WORK = "work"
"""The directory of a bundle in which its containers begin: what lies below the deployer's current directory."""

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
"""SHA-256 in hexadecimal."""


_PLAIN = re.compile(rf"(?:(?!\.\.?(?:/|$))[ -.0-\[\]-~]{{1,{MAX_NAME_BYTES}}}(?:/(?!$)|$)){{1,{MAX_DEPTH}}}")
"""Nearly all paths: of ASCII, each part with a name that may be one."""


class BundleFile(msgspec.Struct, frozen=True, array_like=True):
    """A file of a bundle: where it lies there ("work/shop.py"), and which piece is its content."""

    path: Annotated[str, msgspec.Meta(max_length=MAX_PATH_BYTES)]
    piece: Digest
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_FILE_BYTES)]
    executable: bool = False


class Manifest:
    """The files of a bundle, sorted by path, and the bundle's digest. Raises `InvalidError` for what no bundle may be: every
    way to have a file written elsewhere, or over another one, is refused here."""

    def __init__(self, files: Iterable[BundleFile]) -> None:
        self.files = tuple(sorted(files, key=_path))
        if len(self.files) > MAX_FILES:
            raise InvalidError(f"a bundle may have {MAX_FILES} files at most, and this one has {len(self.files)}")
        self.size = sum(file.size for file in self.files)
        if self.size > MAX_BUNDLE_BYTES:
            raise InvalidError(
                f"a bundle may have {MAX_BUNDLE_BYTES // 2**20} MiB at most, and this one has {self.size / 2**20:.1f} MiB"
            )
        _check_sizes(self.files)
        _check_tree([file.path for file in self.files])
        self.digest = _digest(self.files)

    @property
    def pieces(self) -> dict[str, int]:
        """The size of each piece that it is made of, by digest."""
        return {file.piece: file.size for file in self.files}


def digest_of(data: bytes) -> str:
    """What a piece with this content is called."""
    return hashlib.sha256(data).hexdigest()


def check_path(path: str) -> None:
    """Raises `InvalidError` unless it is a path below a bundle's directory, on whatever system it is written."""
    if len(path) < MAX_PATH_BYTES and _PLAIN.fullmatch(path):
        return
    parts = path.split("/")
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise InvalidError(f"the path {path!r} in a bundle is not UTF-8") from None
    why = None
    if not path or path.startswith("/"):
        why = "it must be relative"
    elif any(part in ("", ".", "..") for part in parts):
        why = "it has an empty part, '.' or '..'"
    elif any(character < " " or character in "\x7f\\" for character in path):
        why = "it has a control character or a backslash"
    elif sum(lengths) + len(parts) > MAX_PATH_BYTES or max(lengths) > MAX_NAME_BYTES or len(parts) > MAX_DEPTH:
        why = f"it is longer than {MAX_PATH_BYTES} bytes, has a name over {MAX_NAME_BYTES}, or more than {MAX_DEPTH} parts"
    if why is not None:
        raise InvalidError(f"the path {path!r} cannot be in a bundle: {why}")


def folded(path: str) -> str:
    """The same for paths that some file systems take for one."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _path(file: BundleFile) -> str:
    return file.path


def _check_sizes(files: Sequence[BundleFile]) -> None:
    """One digest has one size, or one of them is a lie."""
    sizes: dict[str, int] = {}
    for file in files:
        if sizes.setdefault(file.piece, file.size) != file.size:
            raise InvalidError(
                f"the files of a bundle disagree about the size of piece {file.piece}: see {file.path!r}"
            )


def _check_tree(paths: Sequence[str]) -> None:
    """Each path is one file; no file is a directory, too; none differ only where some file systems see no difference."""
    for path in paths:
        check_path(path)
    files = {folded(path): path for path in paths}
    if len(files) < len(paths):
        seen: dict[str, str] = {}
        for path in paths:
            if (key := folded(path)) in seen:
                raise InvalidError(_alike(seen[key], path))
            seen[key] = path
    directories: dict[str, str] = {}
    for directory in sorted({path.rpartition("/")[0] for path in paths}):
        parent = directory
        while parent and directories.get(key := folded(parent)) != parent:
            if key in files:
                raise InvalidError(f"{files[key]!r} cannot be both a file of a bundle and a directory")
            if key in directories:
                raise InvalidError(_alike(directories[key], parent))
            directories[key] = parent
            parent = parent.rpartition("/")[0]


def _alike(one: str, other: str) -> str:
    if one == other:
        return f"{one!r} is in a bundle twice"
    return f"{one!r} and {other!r} cannot both be in a bundle: some file systems take them for one"


def _digest(files: Sequence[BundleFile]) -> str:
    # Paths have no line breaks.
    text = "".join(f"{file.piece} {file.size} {'x' if file.executable else '-'} {file.path}\n" for file in files)
    return digest_of(text.encode())
