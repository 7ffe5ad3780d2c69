"""Directories of servers: who lives, and what is deleted when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from motet.errors import AlreadyExistsError, ServiceError
from motet.store.home import (
    ServerDirectory,
    foreign_directories,
    is_live,
    live_servers,
    retire,
    server_directories,
)

NOW = 1_000_000.0
GIB = 1 << 30


def server(home: Path, name: str, *, written_at: float = NOW, size: int = 100) -> ServerDirectory:
    directory = ServerDirectory.create(home, name)
    directory.records.write_bytes(b"x" * size)
    for file in directory.path.iterdir():
        os.utime(file, (written_at, written_at))
    return directory


def names(directories: list[Path]) -> list[str]:
    return [directory.name for directory in directories]


def test_a_server_lives_until_its_directory_is_closed(tmp_path: Path) -> None:
    first, second = server(tmp_path, "first", written_at=1), server(tmp_path, "second", written_at=2)
    assert names(live_servers(tmp_path)) == ["second", "first"]
    second.close()
    second.close()
    assert names(live_servers(tmp_path)) == ["first"]
    assert names(server_directories(tmp_path)) == ["second", "first"]
    first.close()


def test_a_directory_is_for_its_user_alone(tmp_path: Path) -> None:
    directory = server(tmp_path / "home", "first")
    assert [it.stat().st_mode & 0o777 for it in (directory.path, directory.path.parent)] == [0o700, 0o700]
    directory.close()


def test_a_directory_is_made_once(tmp_path: Path) -> None:
    server(tmp_path, "first").close()
    with pytest.raises(AlreadyExistsError, match="first"):
        ServerDirectory.create(tmp_path, "first")


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match=r"cannot make .*/file/servers/first.*set MOTET_HOME"):
        ServerDirectory.create(tmp_path / "file", "first")


def test_a_home_without_servers_has_none(tmp_path: Path) -> None:
    assert live_servers(tmp_path / "nothing") == server_directories(tmp_path / "nothing") == []
    assert retire(tmp_path / "nothing", 0, 0, NOW) == []


LIVE = """
import sys
from pathlib import Path
from motet.store.home import ServerDirectory
directory = ServerDirectory.create(Path(sys.argv[1]), "killed")
directory.records.write_bytes(b"x")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_killed_server_does_not_live(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    program = [sys.executable, "-c", LIVE, str(tmp_path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert names(live_servers(tmp_path)) == ["killed"]
        assert retire(tmp_path, keep_for=0, keep_bytes=0, now=1e12) == []
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not is_live(tmp_path / "servers" / "killed")
    assert names(retire(tmp_path, keep_for=0, keep_bytes=0, now=1e12)) == ["killed"]
    assert server_directories(tmp_path) == []


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_directories_that_others_can_write_to_are_not_believed(tmp_path: Path, mode: int) -> None:
    directory = server(tmp_path, "first")
    for part in (directory.path, directory.path.parent):
        part.chmod(mode)
        assert (server_directories(tmp_path), live_servers(tmp_path)) == ([], [])
        assert foreign_directories(tmp_path) == [part]
        part.chmod(0o700)
    assert (names(live_servers(tmp_path)), foreign_directories(tmp_path)) == (["first"], [])
    directory.close()


def test_links_to_directories_are_not_believed(tmp_path: Path) -> None:
    directory = server(tmp_path / "other", "first")
    (tmp_path / "servers").mkdir(mode=0o700)
    (tmp_path / "servers" / "link").symlink_to(directory.path)
    assert live_servers(tmp_path) == []
    directory.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_directories_of_other_users_are_not_believed(tmp_path: Path) -> None:
    directory = server(tmp_path, "first")
    os.chown(directory.path, 65534, 65534)
    assert live_servers(tmp_path) == []
    assert foreign_directories(tmp_path) == [directory.path]
    directory.close()


def test_what_is_older_than_the_retention_is_deleted(tmp_path: Path) -> None:
    for age in (1, 50, 99, 101, 200):
        server(tmp_path, f"aged-{age}", written_at=NOW - age).close()
    live = server(tmp_path, "live", written_at=NOW - 300)
    assert names(retire(tmp_path, keep_for=100, keep_bytes=GIB, now=NOW)) == ["aged-200", "aged-101"]
    assert names(server_directories(tmp_path)) == ["aged-1", "aged-50", "aged-99", "live"]
    live.close()


def test_the_oldest_are_deleted_until_the_rest_is_small_enough(tmp_path: Path) -> None:
    for age in (1, 2, 3, 4):
        server(tmp_path, f"aged-{age}", written_at=NOW - age, size=1000).close()
    live = server(tmp_path, "live", written_at=NOW - 300, size=1000)
    assert names(retire(tmp_path, keep_for=100, keep_bytes=3000, now=NOW)) == ["aged-4", "aged-3"]
    assert names(server_directories(tmp_path)) == ["aged-1", "aged-2", "live"]
    live.close()


def test_a_directory_whose_server_has_not_taken_its_lock_yet_stays(tmp_path: Path) -> None:
    for part in (tmp_path / "servers", tmp_path / "servers" / "coming"):
        part.mkdir(mode=0o700)
    assert retire(tmp_path, keep_for=0, keep_bytes=0, now=1e12) == []
    assert names(server_directories(tmp_path)) == ["coming"]
    assert live_servers(tmp_path) == []


def test_several_may_delete_at_once(tmp_path: Path) -> None:
    for number in range(20):
        server(tmp_path, f"server-{number}", written_at=NOW - 1000).close()
    with ThreadPoolExecutor(4) as threads:
        gone = threads.map(lambda _: names(retire(tmp_path, keep_for=100, keep_bytes=GIB, now=NOW)), range(4))
    assert {name for some in gone for name in some} == {f"server-{number}" for number in range(20)}
    assert server_directories(tmp_path) == []
