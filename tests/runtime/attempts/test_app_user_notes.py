"""Notes on what fails because a container is the user of its app."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from motet.model.isolation import FIRST_APP_USER
from motet.runtime.attempts.app_user_notes import app_user_note

USER = FIRST_APP_USER + 7
MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
22 21 0:20 / /dev/shm rw,nosuid - tmpfs tmpfs rw
40 21 0:44 / /root rw,nosuid - ext4 /dev/root rw
41 40 0:45 / /root ro,nosuid,nodev - tmpfs none rw,mode=755
42 41 8:1 /root/project /root/project rw,relatime - ext4 /dev/root rw
"""


def note(tmp_path: Path, number: int, name: str | None, uid: int = USER) -> str | None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    error = OSError(number, os.strerror(number)) if name is None else OSError(number, os.strerror(number), name)
    return app_user_note(error, uid, mounts)


@pytest.mark.parametrize(
    ("number", "name"),
    [(errno.EACCES, "/var/lib/out"), (errno.EPERM, "/dev/shm/x"), (errno.EACCES, "/root/project/out")],
)
def test_what_is_refused_says_who_the_container_is_and_what_to_do(tmp_path: Path, number: int, name: str) -> None:
    said = str(note(tmp_path, number, name))
    assert said.startswith(
        f"This container is user {USER}, which its app has for itself, and not root. Let everybody at "
    )
    assert f" at {name} (`chmod`), or this user (`chown {USER}`; a deployed app keeps it), or use" in said
    assert said.endswith("`MOTET_APP_USERS=off` at the server has containers be root.")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EROFS])
def test_what_is_not_shown_says_so(tmp_path: Path, number: int) -> None:
    assert "Of /root, which only root can enter, it sees what its app needs" in str(
        note(tmp_path, number, "/root/data/x")
    )


@pytest.mark.parametrize(
    ("number", "name", "uid"),
    [
        (errno.EACCES, "/var/lib/out", 0),
        (errno.EACCES, "/var/lib/out", 1000),
        (errno.EPERM, None, USER),
        (errno.ENOENT, "/var/lib/out", USER),
        (errno.ENOENT, "/root/project/out", USER),
    ],
)
def test_nothing_is_said_of_other_failures(tmp_path: Path, number: int, name: str | None, uid: int) -> None:
    assert note(tmp_path, number, name, uid) is None
