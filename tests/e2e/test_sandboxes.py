"""Commands in containers of their own: on a server inside the program, and on one that stays."""

from __future__ import annotations

import asyncio
import pickle
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.backends.walls.levels import bubblewrap_lacks
from motet.exception import (
    AlreadyExistsError,
    ClientClosed,
    ConflictError,
    InvalidError,
    NotFoundError,
    SandboxFilesystemDirectoryNotEmptyError,
    SandboxFilesystemIsADirectoryError,
    SandboxFilesystemNotFoundError,
    SandboxFilesystemPathAlreadyExistsError,
    SandboxTerminatedError,
    SandboxTimeoutError,
    UnimplementedError,
)
from motet.sdk.sandbox.filesystem import FileWatchEventType
from tests.e2e.conftest import assert_nothing_left
from tests.e2e.free_port import free_port

app = motet.App("sandboxes")


@pytest.fixture(scope="module", autouse=True)
def running(either: None) -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


@pytest.fixture(scope="module")
def sandbox(running: None) -> Iterator[motet.Sandbox]:
    """One without a command, which every test may use that does not end it."""
    with motet.Sandbox.create(app=app, env={"COLOUR": "red"}) as made:
        yield made


def sh(line: str, **options: object) -> motet.Sandbox:
    return motet.Sandbox.create("sh", "-c", line, app=app, **options)


# --- the command of a sandbox -------------------------------------------------------------------------------------------


def test_a_sandbox_runs_a_command_and_ends_with_it() -> None:
    sandbox = sh("echo out; echo err >&2; exit 3")
    sandbox.wait()
    assert (sandbox.returncode, sandbox.poll()) == (3, 3)
    assert (sandbox.stdout.read(), sandbox.stderr.read()) == ("out\n", "err\n")
    with pytest.raises(SandboxTerminatedError, match="its command did, with code 3"):
        sandbox.exec("true")


def test_its_output_comes_line_by_line_while_it_runs_and_its_input_reaches_it() -> None:
    with sh("while read line; do echo got $line; done") as sandbox:
        lines = iter(sandbox.stdout)
        for word in ("one", "two"):
            sandbox.stdin.write(word + "\n")
            sandbox.stdin.drain()
            assert next(lines) == f"got {word}\n"
        sandbox.stdin.write_eof()
        sandbox.stdin.drain()
        assert list(lines) == []
        sandbox.wait()
    assert sandbox.returncode == 0


def test_all_of_it_is_there_for_async_code() -> None:
    async def main() -> tuple[str, list[str], int, int | None]:
        async with await motet.Sandbox.create.aio("sh", "-c", "echo a; echo b; sleep 600", app=app) as sandbox:
            process = await sandbox.exec.aio("cat")
            process.stdin.write("x")
            process.stdin.write_eof()
            await process.stdin.drain.aio()
            read = await process.stdout.read.aio()
            lines = []
            async for line in sandbox.stdout:
                lines.append(line)
                if len(lines) == 2:
                    break
            code = await process.wait.aio()
        return read, lines, code, await sandbox.poll.aio()

    assert asyncio.run(main()) == ("x", ["a\n", "b\n"], 0, 137)


def test_one_that_runs_too_long_is_ended() -> None:
    sandbox = sh("sleep 600", timeout=0.5)
    with pytest.raises(SandboxTimeoutError, match=r"timeout of 0\.5 s"):
        sandbox.wait()
    assert (sandbox.returncode, sandbox.stdout.read()) == (124, "")


def test_one_that_is_terminated_says_so() -> None:
    sandbox = sh("sleep 600")
    assert sandbox.poll() is None
    assert sandbox.terminate(wait=True) == 137
    with pytest.raises(SandboxTerminatedError, match="was terminated"):
        sandbox.wait()
    sandbox.wait(raise_on_termination=False)
    sandbox.terminate()  # again


def test_one_that_nobody_uses_ends_after_its_idle_timeout() -> None:
    sandbox = motet.Sandbox.create(app=app, idle_timeout=0.2)
    sandbox.wait(raise_on_termination=False)
    assert sandbox.returncode == 137


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        (("no-such-command",), {}, "'no-such-command' was not found in the sandbox"),
        (("./no/such/file",), {}, "there is no such file"),
        (("true",), {"workdir": "/no/such"}, "working directory '/no/such' does not exist"),
    ],
)
def test_a_command_that_cannot_run_is_told_when_the_sandbox_is_created(
    command: tuple[str, ...], options: dict[str, str], says: str
) -> None:
    with pytest.raises(NotFoundError, match=says):
        motet.Sandbox.create(*command, app=app, **options)


# --- found again ----------------------------------------------------------------------------------------------------------


def test_a_sandbox_is_found_by_id_name_and_tags() -> None:
    with sh("cat", name="found", tags={"team": "a", "kind": "x"}) as sandbox:
        assert motet.Sandbox.from_id(sandbox.object_id).poll() is None
        assert motet.Sandbox.from_name("sandboxes", "found").object_id == sandbox.object_id
        assert pickle.loads(pickle.dumps(sandbox)).object_id == sandbox.object_id
        assert [each.object_id for each in motet.Sandbox.list(tags={"team": "a"})] == [sandbox.object_id]
        sandbox.set_tags({"team": "b"})
        assert sandbox.get_tags() == {"team": "b"}
        assert list(motet.Sandbox.list(tags={"team": "a"})) == []
        assert sandbox.object_id in [each.object_id for each in motet.Sandbox.list(app_id=app.app_id)]
        with pytest.raises(AlreadyExistsError, match="a sandbox named 'found' runs in app 'sandboxes' already"):
            sh("cat", name="found")
    with pytest.raises(NotFoundError, match="no sandbox named 'found'"):
        motet.Sandbox.from_name("sandboxes", "found")
    with pytest.raises(NotFoundError, match="no sandbox sb-nobody is known"):
        motet.Sandbox.from_id("sb-nobody")


def test_a_handle_that_was_detached_is_used_no_more() -> None:
    sandbox = sh("sleep 600")
    sandbox.detach()
    with pytest.raises(ClientClosed, match="was detached"):
        sandbox.poll()
    found = motet.Sandbox.from_id(sandbox.object_id)
    assert found.poll() is None
    found.terminate()


# --- commands besides its own ---------------------------------------------------------------------------------------------


def test_exec_runs_commands_with_their_own_surroundings(sandbox: motet.Sandbox, tmp_path: Path) -> None:
    show = sandbox.exec("sh", "-c", "echo $COLOUR $SIZE; pwd", env={"SIZE": "big"}, workdir=str(tmp_path))
    assert show.stdout.read() == f"red big\n{tmp_path}\n"
    assert (show.wait(), show.returncode) == (0, 0)
    raw = sandbox.exec("sh", "-c", r"printf '\377\001'", text=False)
    assert raw.stdout.read() == b"\xff\x01"
    assert sandbox.exec("sh", "-c", "exit 7").wait() == 7
    assert sandbox.exec("sh", "-c", "kill -9 $$").wait() == 137
    assert sandbox.exec("sleep", "600", timeout=0.2).wait() == -1


def test_exec_says_what_cannot_run(sandbox: motet.Sandbox) -> None:
    with pytest.raises(NotFoundError, match="a line for a shell goes to one"):
        sandbox.exec("echo hello")
    with pytest.raises(NotFoundError, match="working directory"):
        sandbox.exec("true", workdir="/no/such")
    with pytest.raises(InvalidError, match="is not executable"):
        sandbox.exec("/etc/passwd")
    with pytest.raises(InvalidError, match="needs a command"):
        sandbox.exec()
    process = sandbox.exec("true")
    with pytest.raises(InvalidError, match="must call wait"):
        assert process.returncode
    process.wait()
    process.stdin.write("late")
    with pytest.raises(ConflictError, match="does not take input any more"):
        process.stdin.drain()


def test_a_command_is_terminated_with_what_it_started(sandbox: motet.Sandbox) -> None:
    process = sandbox.exec("sh", "-c", "sleep 600 & echo begun; wait")
    assert next(iter(process.stdout)) == "begun\n"
    assert process.poll() is None
    process.terminate()
    assert process.wait() == 143


def test_what_a_command_leaves_behind_does_not_keep_its_reader(sandbox: motet.Sandbox) -> None:
    process = sandbox.exec("sh", "-c", "sleep 600 & echo done")
    assert process.stdout.read() == "done\n"


def test_much_output_is_read_whole_by_whoever_reads_while_it_comes(sandbox: motet.Sandbox) -> None:
    size = 20_000_000
    process = sandbox.exec("head", "-c", str(size), "/dev/zero", text=False)
    assert len(process.stdout.read()) == size


def test_a_terminal_has_a_size_and_takes_ctrl_c(sandbox: motet.Sandbox) -> None:
    process = sandbox.exec("sh", "-c", "stty size; exec cat", pty=True)
    lines = iter(process.stdout)
    assert next(lines) == "24 80\r\n"
    process.stdin.write("\x03")
    process.stdin.drain()
    assert process.wait() == 130


# --- files ----------------------------------------------------------------------------------------------------------------


def test_files_are_written_read_listed_and_removed(sandbox: motet.Sandbox, tmp_path: Path) -> None:
    files = sandbox.filesystem
    files.write_text("grün\n", "a/b/c.txt")
    assert files.read_bytes("a/b/c.txt") == "grün\n".encode()
    assert sandbox.exec("cat", "a/b/c.txt").stdout.read() == "grün\n"
    found = files.stat("a/b/c.txt")
    assert (found.name, found.size, found.is_file(), found.permissions[0]) == ("c.txt", 6, True, "-")
    assert [each.name for each in files.list_files("a")] == ["b"]
    large = bytes(range(256)) * 12_000
    (tmp_path / "large").write_bytes(large)
    files.copy_from_local(tmp_path / "large", "a/large")
    files.copy_to_local("a/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large
    files.make_directory("a/d/e")
    with pytest.raises(SandboxFilesystemDirectoryNotEmptyError):
        files.remove("a")
    files.remove("a", recursive=True)
    with pytest.raises(SandboxFilesystemNotFoundError, match="No such file"):
        files.read_text("a/b/c.txt")
    with pytest.raises(SandboxFilesystemIsADirectoryError):
        files.read_bytes("/")


def test_files_have_their_older_names_too(sandbox: motet.Sandbox) -> None:
    sandbox.mkdir("old/er", parents=True)
    with pytest.raises(SandboxFilesystemPathAlreadyExistsError):
        sandbox.mkdir("old")
    with sandbox.open("old/notes", "w") as file:
        file.write("one\ntwo\nthree")
    with sandbox.open("old/notes", "a+") as file:
        file.write("!\n")
        file.seek(4)
        assert (file.readline(), file.readlines()) == ("two\n", ["three!\n"])
    with sandbox.open("old/notes", "rb") as file:
        assert (file.read(3), file.read()) == (b"one", b"\ntwo\nthree!\n")
        with pytest.raises(InvalidError, match="opened with another mode"):
            file.write(b"x")
    assert sandbox.ls("old") == ["er", "notes"]
    with pytest.raises(SandboxFilesystemPathAlreadyExistsError):
        sandbox.open("old/notes", "x")
    sandbox.rm("old", recursive=True)
    with pytest.raises(SandboxFilesystemNotFoundError):
        sandbox.open("old/notes")


def test_changes_of_files_are_told(sandbox: motet.Sandbox) -> None:
    sandbox.mkdir("watched")
    # The watch has begun when its first event is there: until then, files are made.
    maker = sandbox.exec("sh", "-c", "i=0; while [ ! -e enough ]; do i=$((i+1)); : > watched/$i; sleep 0.02; done")
    event = next(iter(sandbox.filesystem.watch("watched", filter=[FileWatchEventType.Create])))
    sandbox.exec("touch", "enough")
    assert event.type is FileWatchEventType.Create
    assert "/watched/" in event.paths[0]
    maker.wait()


# --- the rest -------------------------------------------------------------------------------------------------------------


ECHO = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data.upper())
"""


def test_ports_are_reached_as_they_are_or_over_tls_until_the_sandbox_ends() -> None:
    port, other = free_port(), free_port()
    options: dict[str, Any] = {"encrypted_ports": [port], "h2_ports": [other], "unencrypted_ports": [9901]}
    with sh("cat", **options) as sandbox:
        listening = sandbox.exec("python", "-c", ECHO.replace("0)) as", f"{port})) as"))
        assert next(iter(listening.stdout)) == f"{port}\n"
        tunnels = sandbox.tunnels()
        plain, tunnel = tunnels[9901], tunnels[port]
        assert (plain.url, plain.tcp_socket) == ("http://127.0.0.1:9901", ("127.0.0.1", 9901))
        with pytest.raises(InvalidError, match="without TLS: use `tcp_socket`"):
            assert plain.tls_socket
        with pytest.raises(InvalidError, match="not configured for unencrypted TCP"):
            assert tunnel.tcp_socket
        assert tunnel.url == "https://{}:{}".format(*tunnel.tls_socket)
        trust = ssl.create_default_context(cadata=tunnel.certificate)
        with closing(over_tls(trust, tunnel.tls_socket)) as connection:
            data = b"echo" * 100_000
            threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
            assert read(connection, len(data)) == data.upper()
            with closing(over_tls(trust, tunnel.tls_socket)) as more:
                sandbox.terminate()
                assert connection.recv(1) == b"", "it ends with the sandbox"
                assert more.recv(1) == b""
        trust.set_alpn_protocols(["h2"])
        with pytest.raises(ConnectionRefusedError):
            over_tls(trust, tunnels[other].tls_socket)
        assert sandbox.tunnels() == {9901: plain}


def test_a_tunnel_to_a_port_where_nobody_listens_ends_and_the_one_for_http2_says_so() -> None:
    port = free_port()
    with sh("cat", h2_ports=[port]) as sandbox:
        tunnel = sandbox.tunnels()[port]
        trust = ssl.create_default_context(cadata=tunnel.certificate)
        trust.set_alpn_protocols(["http/1.1", "h2"])
        with closing(over_tls(trust, tunnel.tls_socket)) as connection:
            assert connection.selected_alpn_protocol() == "h2"
            assert connection.recv(1) == b""


def over_tls(trust: ssl.SSLContext, where: tuple[str, int]) -> ssl.SSLSocket:
    return trust.wrap_socket(socket.create_connection(where, timeout=10), server_hostname=where[0])


def read(connection: ssl.SSLSocket, count: int) -> bytes:
    found = b""
    while len(found) < count and (part := connection.recv(65536)):
        found += part
    return found


def test_a_snapshot_is_refused_where_there_is_no_picture_of_the_files(sandbox: motet.Sandbox) -> None:
    with pytest.raises(UnimplementedError, match="no snapshot of them can be taken"):
        sandbox.snapshot_filesystem()


@app.function()
def make_sandbox() -> str:
    return motet.Sandbox.create("sh", "-c", "echo $HOME; cat", name="inner").object_id


def test_code_in_containers_creates_sandboxes_and_others_find_them() -> None:
    found = motet.Sandbox.from_id(make_sandbox.remote())
    assert next(iter(found.stdout)).startswith("/")
    found.terminate()


@pytest.mark.skipif(bubblewrap_lacks() is not None, reason=f"bubblewrap: {bubblewrap_lacks()}")
def test_a_sandbox_within_walls_has_its_own_tmp_and_processes_and_no_network() -> None:
    with motet.Sandbox.create(app=app, isolation="bubblewrap", block_network=True) as box:
        name = f"note-{uuid.uuid4().hex}"
        box.filesystem.write_text("kept", name)
        assert box.exec("sh", "-c", f"cat /tmp/{name}; pwd").stdout.read() == "kept/tmp\n"
        assert not Path(f"/tmp/{name}").exists()
        shown = box.exec("sh", "-c", "ls -d /proc/[0-9]* | wc -l; ls /sys/class/net 2>/dev/null || echo none")
        assert int(shown.stdout.read().split()[0]) < 10
        assert box.exec("sh", "-c", "stty size", pty=True).stdout.read() == "24 80\r\n"
