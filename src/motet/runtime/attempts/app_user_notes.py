"""Notes on what fails in a container because that is the user of its app, where the program was tried as root."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from motet.model.isolation import is_app_user

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def app_user_note(error: BaseException, uid: int, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """What to say of an `OSError` in a container of this user, whose mounts are in this file."""
    if not is_app_user(uid) or not isinstance(error, OSError) or not isinstance(error.filename, str | bytes):
        return None
    path = os.path.abspath(os.fsdecode(error.filename))
    who = f"This container is user {uid}, which its app has for itself, and not root"
    switch = "`MOTET_APP_USERS=off` at the server has containers be root."
    if covered := _shown_in_part(path, mounts.read_text().splitlines()):
        return (
            f"{who}. Of {covered}, which only root can enter, it sees what its app needs, and can make nothing there. Use a "
            f"directory that everybody can enter, or the container's home, {Path.home()}. {switch}"
        )
    if error.errno not in _REFUSED:
        return None
    return (
        f"{who}. Let everybody at {_closed(path)} (`chmod`), or this user (`chown {uid}`; a deployed app keeps it), or use the "
        f"container's home, {Path.home()}. {switch}"
    )


def _closed(path: str) -> str:
    """Where it goes no further on the way to this path."""
    for directory in reversed(Path(path).parents):
        if os.path.isdir(directory) and not os.access(directory, os.X_OK):
            return str(directory)
    return path


def _shown_in_part(path: str, mounts: list[str]) -> str | None:
    """The directory that covers what there is on the machine, if this path is in it and not shown."""
    found, is_cover = "", False
    for line in mounts:
        before, _, after = line.partition(" - ")
        _, _, _, _, point, options, *_ = before.split()
        if Path(path).is_relative_to(point) and len(point) >= len(found):  # a later one lies above
            found, is_cover = point, after.startswith("tmpfs ") and "ro" in options.split(",")
    return found if is_cover else None
