"""A copy of what the server that stays has, in one file: made while it runs, and given back where none runs.

What one part says of another is in the copy, too: databases are read before what they name, of calls before versions, of
versions before their source. Of large arguments and results, none is deleted meanwhile.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from motet.errors import AlreadyExistsError, NotFoundError, ServiceError
from motet.model.version import VERSION
from motet.store.base import BackupInfo
from motet.store.blob_check import check_blobs, named_in
from motet.store.blobs_directory import BlobDirectory
from motet.store.blobs_opened import blobs_of_home
from motet.store.journal_identity import JOURNAL, JOURNAL_ID, check_journal, journal_problem
from motet.store.journal_sqlite import LAYOUT as JOURNAL_LAYOUT
from motet.store.server_home import HOME_FORMAT, holder_of
from motet.store.sqlite_deployments import LAYOUT as DEPLOYMENTS_LAYOUT
from motet.store.sqlite_file import copy, damage
from motet.store.sqlite_state import LAYOUT as STATE_LAYOUT
from motet.store.sqlite_state import LOCK as STATE_LOCK
from motet.store.sqlite_state import STATE

BACKUP_FORMAT = 1
"""Goes up with every change of the file that a Motet before it could not read."""

_INFO = "backup.json"
_DATABASE = ".db"
_BESIDE_DATABASES = ("-wal", "-shm", "-journal")
BLOBS = "blobs"
_LAYOUTS = {JOURNAL: JOURNAL_LAYOUT, "deployments.db": DEPLOYMENTS_LAYOUT, STATE: STATE_LAYOUT}
_ORDER = tuple(_LAYOUTS)
"""Databases that name what others have come first; those that are not here come after them."""
_LEFT = frozenset(
    {"blobs.area", "lock", "socket", "agent", "agent.log", "agent.log.1", "containers", JOURNAL_ID, STATE_LOCK}
)
"""Of the processes that have the home now; and what is copied by itself."""
_LEFT_BELOW = frozenset({"bundles/trees", "bundles/incoming", "blobs/.incoming", "blobs/.lock"})
"""Made again from what is copied, or half there."""


def back_up(directory: Path, target: Path, at: float) -> BackupInfo:
    """Copy what lies in a server's directory to a file that its user alone can read, whether the server runs or not; what it
    keeps meanwhile may be in it or not. `at`: now, by the wall clock. Raises `NotFoundError` if no server was ever here,
    `AlreadyExistsError` if the file is there already, and `ServiceError` if something cannot be read or written, or the journal
    is not the one that was there; then there is no file."""
    if not (directory / "format.json").exists():
        raise NotFoundError(f"{directory} has nothing of a server: start `motet server` there first, or set MOTET_HOME")
    if target.exists():
        raise AlreadyExistsError(f"{target} is there already: give the backup another name")
    check_journal(directory)
    unnamed = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with open(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            # What the journal names when it is copied is there until it has been, too.
            with BlobDirectory(directory / BLOBS).kept():
                info = _write(directory, file, at)
            file.flush()
            os.fsync(file.fileno())
        os.link(unnamed, target)  # nobody's file is written over
    except FileExistsError:
        raise AlreadyExistsError(f"{target} is there already: give the backup another name") from None
    except OSError as error:
        raise ServiceError(f"cannot write a backup of {directory} to {target}: {error}") from error
    finally:
        unnamed.unlink(missing_ok=True)
    return info


def _write(directory: Path, file: io.BufferedIOBase, at: float) -> BackupInfo:
    info = BackupInfo(BACKUP_FORMAT, HOME_FORMAT, VERSION, at)
    identity = directory / JOURNAL_ID
    # First: what has no id when it is copied may get one meanwhile.
    known_as = identity.read_bytes() if identity.exists() else None
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, _INFO, msgspec.json.encode(info), at)
        for path in sorted(_databases(directory), key=lambda path: (_place(path), path)):
            with _copy_of(path) as copied:
                _add(archive, path.relative_to(directory).as_posix(), copied, at)
        if known_as is not None:
            _add(archive, JOURNAL_ID, known_as, at)
        # Looked for after that: what was kept meanwhile may be named in them.
        for path in sorted(path for path in _files(directory) if path.suffix != _DATABASE):
            with contextlib.suppress(FileNotFoundError):  # it was given back meanwhile
                _add(archive, path.relative_to(directory).as_posix(), path, path.stat().st_mtime)
    return info


def _databases(directory: Path) -> list[Path]:
    return sorted(path for path in _files(directory) if path.suffix == _DATABASE)


def _place(path: Path) -> int:
    return _ORDER.index(path.name) if path.name in _ORDER else len(_ORDER)


def _files(directory: Path) -> Iterator[Path]:
    for where, directories, names in os.walk(directory):
        here = PurePosixPath(Path(where).relative_to(directory).as_posix())
        top = str(here) == "."
        directories[:] = [
            name for name in directories if not (top and name in _LEFT) and str(here / name) not in _LEFT_BELOW
        ]
        for name in names:
            path = Path(where) / name
            left = (top and name in _LEFT) or str(here / name) in _LEFT_BELOW
            if left or name.endswith((".new", *_BESIDE_DATABASES)):
                continue
            if path.is_file() and not path.is_symlink():
                yield path


@contextlib.contextmanager
def _copy_of(database: Path) -> Iterator[Path]:
    """One state of a database, in one file: as of its last commit. Whoever writes to it waits for nobody."""
    # Beside the others on the disk of the home: it may be larger than memory, where /tmp may be.
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=database.parent.parent) as place:
        copied = Path(place) / database.name
        copy(database, copied)
        yield copied


def _add(archive: tarfile.TarFile, name: str, what: Path | bytes, modified: float) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = 0o600, int(modified)
    if isinstance(what, bytes):
        member.size = len(what)
        archive.addfile(member, io.BytesIO(what))
        return
    with what.open("rb") as file:
        # Of a file that grows, as much as it had when it was opened.
        member.size = os.fstat(file.fileno()).st_size
        archive.addfile(member, file)


def restore(source: Path, directory: Path) -> BackupInfo:
    """Give back what a backup has, to where no server has been. All of it is there then, or nothing.

    Raises `AlreadyExistsError` if something of a server is there, `NotFoundError` if there is no such file, and
    `ServiceError` if it is no backup, or one of a newer Motet, is damaged, or cannot be given back.
    """
    _check_empty(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = Path(tempfile.mkdtemp(prefix=".restoring-", dir=directory.parent))
    except OSError as error:
        raise ServiceError(f"cannot restore to {directory}: {error}") from error
    try:
        info = _unpack(source, place)
        for database in sorted(place.rglob(f"*{_DATABASE}")):
            if wrong := damage(database):
                raise ServiceError(f"{source}: {database.name} in it is damaged ({wrong[0]}); nothing was restored")
        if strange := journal_problem(place):
            raise ServiceError(f"{source}: {strange.replace(str(place), 'the backup')}; nothing was restored")
        # In one step, and only onto nothing: a server may start there at this moment.
        place.rename(directory)
    except OSError as error:
        raise ServiceError(f"cannot restore {source} to {directory}: {error}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return info


def _check_empty(directory: Path) -> None:
    if (holder := holder_of(directory)) is not None:
        raise AlreadyExistsError(f"a server has {directory.parent}: {holder}. A backup is restored where none runs")
    if _entries(directory):
        raise AlreadyExistsError(
            f"{directory} has the state of a server, which would be lost. Move it away first, or set MOTET_HOME to another "
            "directory"
        )


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ServiceError(f"cannot look into {directory}: {error.strerror}") from error


def _unpack(source: Path, place: Path) -> BackupInfo:
    try:
        with tarfile.open(source, mode="r:") as archive:
            info = _info(source, archive)
            for member in archive:
                if member.name == _INFO:
                    continue
                # Only what `back_up` writes: plain files below the directory.
                path = PurePosixPath(member.name)
                if not member.isreg() or path.is_absolute() or ".." in path.parts:
                    raise ServiceError(f"{source}: {member.name!r} cannot be in a backup; nothing was restored")
                target = place / path
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                found = archive.extractfile(member)
                assert found is not None
                with found, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    shutil.copyfileobj(found, file, 1 << 20)
                    file.flush()
                    os.fsync(file.fileno())
                os.utime(target, (member.mtime, member.mtime))
            return info
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {source}") from None
    except (tarfile.TarError, EOFError) as error:
        raise ServiceError(f"{source} is damaged, or no backup of `motet server backup`: {error}") from error


def _info(source: Path, archive: tarfile.TarFile) -> BackupInfo:
    first = archive.next()
    found = archive.extractfile(first) if first is not None and first.name == _INFO and first.isreg() else None
    if found is None:
        raise ServiceError(f"{source} is no backup of `motet server backup`")
    try:
        info = msgspec.json.decode(found.read(1 << 16), type=BackupInfo)
    except msgspec.DecodeError as error:
        raise ServiceError(f"{source} does not say what it is: {error}") from None
    if info.format > BACKUP_FORMAT or info.home_format != HOME_FORMAT:
        raise ServiceError(
            f"{source} was made by Motet {info.motet} (format {info.format} of a home of format {info.home_format}); this is "
            f"{VERSION}, which reads {BACKUP_FORMAT} and {HOME_FORMAT}. Restore it with that one: docs/upgrading.md says how "
            "homes move on"
        )
    return info


def check(directory: Path, blobs: str = "") -> dict[str, list[str]]:
    """What is wrong with each database in a server's directory, by its name, and with the blobs that its journal names, as
    "blobs". `blobs`: where they are, if it is not in the directory. Raises `NotFoundError` if there is no database, and
    `InvalidError` and `ServiceError` if blobs cannot be looked for."""
    databases, strange = _databases(directory), journal_problem(directory)
    if not databases and not strange:
        raise NotFoundError(f"{directory} has no database of a server")
    found = {path.relative_to(directory).as_posix(): damage(path, _LAYOUTS.get(path.name)) for path in databases}
    if strange:
        found[JOURNAL] = [strange]
    elif found.get(JOURNAL) == []:
        found[BLOBS] = check_blobs(partial(named_in, directory / JOURNAL), blobs_of_home(directory, blobs))
    return found
