"""What an operator's commands believe of a server that they find under MOTET_HOME."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from motet.cli.main import motet
from motet.model.server_identity import ServerIdentity
from motet.store.home import ServerDirectory
from motet.wire import client_messages as m
from motet.wire import codec
from motet.wire.framing import FrameReader
from motet.wire.report import Failure


class Planted:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


class HostileServer:
    """Answers every request with the same body."""

    def __init__(self, home: Path) -> None:
        self.body: m.ReplyBody = m.Done()
        self.directory = ServerDirectory.create(home, "se-hostile")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(home / "s"))
        self._listening.listen()
        self.directory.publish(ServerIdentity("se-hostile", 1, 0.0, f"unix:{home / 's'}", "token"))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        self.directory.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        reader = FrameReader()
        while count := connection.recv_into(reader.buffer()):
            for frame in reader.received(count):
                for message in codec.decode_to_server(frame):
                    if isinstance(message, m.Request):
                        connection.sendall(b"".join(codec.frames([m.Reply(message.request_id, self.body)])))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HostileServer]:
    made = HostileServer(tmp_path)
    yield made
    made.close()


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(motet, list(arguments), env={"MOTET_HOME": str(home)})


COMMANDS = [["app", "list"], ["function", "list"], ["container", "list"], ["top", "--once"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_its_failures_are_shown_as_text_and_run_no_code(
    tmp_path: Path, server: HostileServer, command: list[str]
) -> None:
    pickled = pickle.dumps(Planted(tmp_path / "planted"))
    server.body = m.RequestFailed(Failure("Strange", "no \x1b[2Jviews", "", pickled).encoded())
    result = run(tmp_path, *command)
    assert result.exit_code == 0, result.output
    assert "left out: Strange: no" in result.stderr
    assert not (tmp_path / "planted").exists()


def test_an_answer_of_the_wrong_kind_is_told(tmp_path: Path, server: HostileServer) -> None:
    result = run(tmp_path, "app", "list")
    assert result.exit_code == 0
    assert "left out: the server with process id 1 answered ViewServer with Done" in result.stderr


def test_directories_that_others_can_write_to_are_told_and_not_asked(tmp_path: Path, server: HostileServer) -> None:
    server.directory.path.chmod(0o777)
    result = run(tmp_path, "app", "list")
    assert "or others can write to it: it is not believed" in result.stderr
    assert "answered" not in result.stderr
