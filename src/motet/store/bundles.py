"""Bundles on disk: pieces by the hash of their content, and a directory for each bundle, made of links to pieces.

    pieces/DIGEST       the content of files
    manifests/DIGEST    which files a bundle has
    trees/DIGEST        the same as files, read-only; made anew from pieces whenever it is not as it should be
    incoming/           what is being written; nothing in it outlives its server

Everything is written under another name first and renamed when it is whole. So what has its name is whole, whenever the machine
stops. Trees are not synchronised to disk, and code of containers that runs as root can write into them: they are looked at
whenever a version begins to use one.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from motet.errors import Error, InvalidError, NotFoundError, ServiceError
from motet.model.bundle import WORK, BundleFile, Manifest, digest_of
from motet.store.base import Freed

CLAIM_SECONDS = 3600.0
"""For so long what was offered is kept, though no version needs it yet."""

_SYNCING = 16
_TOO_MANY_LINKS = (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENOTSUP)
_WRITABLE = 0o222
_READABLE = 0o444
"""By everybody who gets here: users of apps are shown their own trees. What a backup gives back is root's alone at first."""
_CACHE = "/__pycache__/"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[BundleFile]).decode


class BundleDirectory:
    """One directory, which one server has. Thread-safe; every method waits for the disk. `now`: for how long claims hold."""

    def __init__(self, directory: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._now = now
        self._pieces, self._manifests, self._trees, self._incoming = (
            directory / name for name in ("pieces", "manifests", "trees", "incoming")
        )
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        """Held while it is decided what is needed, and what is not goes."""
        self._claims: dict[str, float] = {}
        """Bundles that were offered or used, and until when they are kept for that."""
        self._known: dict[tuple[int, int], tuple[int, str]] = {}
        """By file: when it was changed last, which the system alone sets, and which piece its content made it then."""
        self._is_open = False

    # --- taking ---------------------------------------------------------------------------------------------------------

    def offer(self, manifest: Manifest) -> list[str]:
        """See `BundleStore`."""
        with self._failing(), self._lock:
            self._open()
            lacking = [piece for piece, size in manifest.pieces.items() if not self._has(piece, size)]
            self._claims[manifest.digest] = self._now() + CLAIM_SECONDS
            if not (self._manifests / manifest.digest).exists():
                self._write(self._manifests, {manifest.digest: _encode(manifest.files)}, 0o600)
            return lacking

    def put(self, pieces: Mapping[str, bytes]) -> None:
        """See `BundleStore`."""
        for digest, data in pieces.items():
            if (found := digest_of(data)) != digest:
                raise InvalidError(f"a piece of a bundle was sent as {digest}, and is {found}: it is not kept")
        with self._failing():
            self._open()
            self._write(self._pieces, pieces, 0o444)
            for digest in pieces:
                status = os.lstat(self._pieces / digest)
                self._known[status.st_dev, status.st_ino] = status.st_ctime_ns, digest

    def _write(self, directory: Path, contents: Mapping[str, bytes], mode: int) -> None:
        """All of them, and each as a whole, however this ends."""
        written: list[tuple[Path, str, int]] = []
        try:
            for name, data in contents.items():
                path = self._new()
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                written.append((path, name, descriptor))
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            for _, _, descriptor in written:
                os.fchmod(descriptor, mode)
            # Together: a disk that has many to wait for writes them in fewer turns than one after the other.
            with ThreadPoolExecutor(_SYNCING) as threads:
                list(threads.map(os.fsync, [descriptor for _, _, descriptor in written]))
            for path, name, _ in written:
                path.rename(directory / name)
            _sync_directory(directory)
        finally:
            for path, _, descriptor in written:
                os.close(descriptor)
                path.unlink(missing_ok=True)

    def _has(self, piece: str, size: int) -> bool:
        """Whether it is here, and as it was when it came: code of containers with the right to do so can write into it. Raises
        `InvalidError` if it has another size: whoever says so is wrong, and others may need it."""
        path = f"{self._pieces}/{piece}"
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return False
        if not self._is_piece(path, status, piece):
            os.unlink(path)
            return False
        if status.st_size != size:
            raise InvalidError(f"piece {piece} has {status.st_size} bytes, and not {size}, as the bundle says")
        return True

    def _is_piece(self, path: str, status: os.stat_result, piece: str) -> bool:
        """Whether a file has the content that is asked for; it is read, unless nobody has changed it since it was."""
        if not stat.S_ISREG(status.st_mode):
            return False
        file = status.st_dev, status.st_ino
        if self._known.get(file) != (status.st_ctime_ns, piece):
            mode = stat.S_IMODE(status.st_mode)
            if mode & _WRITABLE or mode & _READABLE != _READABLE:  # first: from here on nobody begins to write
                os.chmod(path, mode & ~_WRITABLE | _READABLE)
                status = os.lstat(path)
            if digest_of(Path(path).read_bytes()) != piece:
                return False
            self._known[file] = status.st_ctime_ns, piece
        return True

    def _know_again(self, path: str, piece: str) -> None:
        """A file was changed here, which left its content as it was known."""
        status = os.lstat(path)
        file = status.st_dev, status.st_ino
        if file in self._known:
            self._known[file] = status.st_ctime_ns, piece

    # --- using ----------------------------------------------------------------------------------------------------------

    def place(self, digest: str) -> Path:
        """See `BundleStore`."""
        with self._failing():
            self._open()
            with self._lock:
                self._claims[digest] = max(self._claims.get(digest, 0.0), self._now() + CLAIM_SECONDS)
            tree = self._trees / digest
            manifest = self.manifest(digest)
            if not self._is_whole(tree, manifest):
                self._remove(tree)
                self._build(tree, manifest)
            return tree

    def _is_whole(self, tree: Path, manifest: Manifest) -> bool:
        """Whether it has what it is to have, and nothing that could be imported instead. Bytecode that Python adds, where code
        runs as root, harms nobody."""
        wanted = {file.path: file.piece for file in manifest.files}
        for path, status in _files(tree):
            piece = wanted.pop(path, None)
            if piece is None and _CACHE in f"/{path}/":
                continue
            if stat.S_ISDIR(status.st_mode):
                if status.st_mode & _WRITABLE:
                    return False
                continue
            if piece is None or not self._is_piece(f"{tree}/{path}", status, piece):
                return False
        return not wanted and tree.is_dir()

    def manifest(self, digest: str) -> Manifest:
        """See `BundleStore`."""
        try:
            manifest = Manifest(_decode((self._manifests / digest).read_bytes()))
        except FileNotFoundError:
            raise NotFoundError(f"this server has no bundle {digest}: deploy again") from None
        except (msgspec.DecodeError, InvalidError) as error:
            raise ServiceError(f"the bundle {digest} is damaged on the server's disk: {error}. Deploy again") from error
        if manifest.digest != digest:
            raise ServiceError(f"the bundle {digest} is damaged on the server's disk. Deploy again")
        return manifest

    def _build(self, tree: Path, manifest: Manifest) -> None:
        lacking = [piece for piece, size in manifest.pieces.items() if not self._has(piece, size)]
        if lacking:
            raise NotFoundError(
                f"this server lacks {len(lacking)} of {len(manifest.pieces)} pieces of bundle {manifest.digest}: deploy again"
            )
        building = self._new()
        building.mkdir(mode=0o700)
        (building / WORK).mkdir()  # containers begin there, whatever else travels
        made = {"", WORK}
        for file in manifest.files:
            directory = file.path.rpartition("/")[0]
            if directory not in made:
                (building / directory).mkdir(parents=True, exist_ok=True)
                made.add(directory)
            self._link(file, f"{building}/{file.path}")
        for directory, _, _ in os.walk(building):
            if directory != str(building):
                os.chmod(directory, 0o555)
        try:
            building.rename(tree)
        except OSError as error:
            self._remove(building)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:  # a directory that cannot be written cannot be moved
            tree.chmod(0o555)

    def _link(self, file: BundleFile, path: str) -> None:
        piece = f"{self._pieces}/{file.piece}"
        if not file.executable:  # a link has the mode of what it leads to
            try:
                os.link(piece, path, follow_symlinks=False)
                self._know_again(path, file.piece)
                return
            except OSError as error:
                if error.errno not in _TOO_MANY_LINKS:
                    raise
        shutil.copyfile(piece, path)
        os.chmod(path, 0o555 if file.executable else 0o444)

    # --- removing -------------------------------------------------------------------------------------------------------

    def prune(self, needed: Collection[str], *, dry_run: bool = False) -> Freed:
        """See `BundleStore`."""
        with self._failing(), self._lock:
            self._open()
            now = self._now()
            self._claims = {digest: until for digest, until in self._claims.items() if until > now}
            kept = {digest for digest in os.listdir(self._manifests) if digest in needed or digest in self._claims}
            pieces = self._pieces_of(kept)
            trees = [self._trees / name for name in os.listdir(self._trees) if name not in kept]
            gone = [name for name in os.listdir(self._manifests) if name not in kept]
            unused = [self._pieces / name for name in os.listdir(self._pieces) if name not in pieces]
            freed = Freed(len(gone), sum(map(_copied, trees)) + sum(map(_allocated, unused)))
            if dry_run:
                return freed
            for tree in trees:
                self._remove(tree)
            for name in gone:
                (self._manifests / name).unlink()
            for piece in unused:
                piece.unlink()
            self._known = {}  # of files that went, and whose links did
            return freed

    def _pieces_of(self, digests: Collection[str]) -> set[str]:
        """Of bundles that are kept. Without one's manifest nobody knows which pieces it needs: then none may go."""
        found: set[str] = set()
        for digest in digests:
            found |= self.manifest(digest).pieces.keys()
        return found

    def _remove(self, tree: Path) -> None:
        """It is not there under its name any more, even if this is interrupted."""
        away = self._new()
        try:
            if not tree.is_symlink():
                tree.chmod(0o700)
            tree.rename(away)
        except FileNotFoundError:
            return
        _delete(away)

    # --- the directory --------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Make it, and clear away what an earlier server was writing."""
        if self._is_open:
            return
        for directory in (self._directory, self._pieces, self._manifests, self._trees, self._incoming):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in os.listdir(self._incoming):
            _delete(self._incoming / name)
        self._is_open = True

    def _new(self) -> Path:
        return self._incoming / f"{next(self._numbers)}-{threading.get_ident()}"

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except Error:
            raise
        except OSError as error:
            what = f" {error.filename}" if error.filename else ""
            raise ServiceError(
                f"the server cannot keep bundles in {self._directory}: {error.strerror or error}{what}. What runs is not "
                "affected"
            ) from error


def _files(tree: Path) -> Iterator[tuple[str, os.stat_result]]:
    """All that is there."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(f"{tree}/{below}") as entries:
                found = [(f"{below}{entry.name}", entry.stat(follow_symlinks=False)) for entry in entries]
        except FileNotFoundError:
            continue
        for path, status in found:
            if stat.S_ISDIR(status.st_mode):
                waiting.append(f"{path}/")
            yield path, status


def _copied(tree: Path) -> int:
    """Bytes of a tree that are not those of pieces."""
    return sum(
        status.st_blocks * 512
        for directory, _, names in os.walk(tree)
        for name in names
        if (status := os.lstat(os.path.join(directory, name))).st_nlink == 1
    )


def _allocated(path: Path) -> int:
    return path.lstat().st_blocks * 512


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for directory, _, _ in os.walk(path):
            os.chmod(directory, 0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
