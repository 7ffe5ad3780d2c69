"""The place of the server that stays: one has it at a time, and says who it is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from motet.errors import AlreadyExistsError, ServiceError
from motet.store.server_home import ServerHome, holder_of


def test_a_second_server_is_told_who_has_the_home_and_since_when(tmp_path: Path) -> None:
    before = time.time()
    first = ServerHome.take(tmp_path / "server")
    assert holder_of(tmp_path / "server") == first.holder
    assert first.holder.pid == os.getpid()
    assert before <= first.holder.since <= time.time()
    with pytest.raises(AlreadyExistsError, match=rf"has {tmp_path} already: process {os.getpid()}, since 20\d\d-"):
        ServerHome.take(tmp_path / "server")
    first.close()
    first.close()
    assert holder_of(tmp_path / "server") is None
    ServerHome.take(tmp_path / "server").close()


def test_its_directory_is_for_its_user_alone(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir(mode=0o777)
    ServerHome.take(tmp_path / "server").close()
    assert (tmp_path / "server").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "server" / "lock").stat().st_mode & 0o777 == 0o600


def test_who_looks_does_not_keep_a_server_out(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "server") is None
    ServerHome.take(tmp_path / "server").close()
    assert holder_of(tmp_path / "server") is None


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match=rf"cannot make {tmp_path}/file/server.*set MOTET_HOME"):
        ServerHome.take(tmp_path / "file" / "server")
