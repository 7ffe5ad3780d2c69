"""Directories of processes: who still needs one, and who deletes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from motet.client.scratch import Scratch, sweep


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_directory_is_its_users_and_goes_when_it_is_removed(temporary: Path) -> None:
    with Scratch("test") as scratch:
        assert scratch.path.parent == temporary
        assert scratch.path.stat().st_mode & 0o777 == 0o700
        (scratch.path / "file").touch()
        assert sweep() == []
    scratch.remove()
    assert list(temporary.iterdir()) == []


KILLED = """
import time
from motet.client.scratch import Scratch

kept = Scratch("test")
print(kept.path, flush=True)
time.sleep(60)
"""


def test_that_of_a_killed_process_is_swept_by_the_next(temporary: Path) -> None:
    env = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        assert sweep() == []
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert directory.is_dir()
    assert sweep() == [directory]
    assert sweep() == list(temporary.iterdir()) == []


def test_what_is_not_known_to_be_left_stays(temporary: Path) -> None:
    (temporary / "motet-without-lock").mkdir()
    (temporary / "motet-without-lock" / "lock").touch()
    (temporary / "motet-file").touch()
    (temporary / "other").mkdir()
    (temporary / "other" / ".motet-scratch").touch()
    (temporary / "motet-link").symlink_to(temporary / "other")
    assert sweep() == []
    assert len(list(temporary.iterdir())) == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_that_of_another_user_stays(temporary: Path) -> None:
    (temporary / "motet-theirs").mkdir()
    (temporary / "motet-theirs" / ".motet-scratch").touch()
    os.chown(temporary / "motet-theirs", 65534, 65534)
    assert sweep() == []
