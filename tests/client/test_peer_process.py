"""Who is at the other end of a Unix socket: the very process that connected, or nobody that is known."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from motet.client import peer_process as module
from motet.client.peer_process import PeerProcess, descends_from, peer_process

CONNECT = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdin.read()"


def test_a_process_that_ended_is_known_to_have_ended_also_if_its_number_is_anothers_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        client = subprocess.Popen([sys.executable, "-c", CONNECT, str(tmp_path / "s")], stdin=subprocess.PIPE)
        with listening.accept()[0] as peer:
            there = peer_process(peer)
            assert there is not None
            assert (there.pid, there.uid, there.began is None) == (client.pid, os.geteuid(), False)
            client.communicate()
            # Somebody else has the number.
            monkeypatch.setattr(PeerProcess, "of", classmethod(lambda cls, pid, uid: cls(pid, uid, 4711)))
            now = peer_process(peer)
            if _kernel_knows(peer):
                assert now == PeerProcess(client.pid, os.geteuid(), None)
                assert descends_from(now, os.getpid())  # as far as anybody knows


def _kernel_knows(sock: socket.socket) -> bool:
    try:
        os.close(int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, module._SO_PEERPIDFD, 4), sys.byteorder))
    except OSError as error:
        return error.errno != errno.ENOPROTOOPT
    return True


def test_a_kernel_that_does_not_know_is_believed_about_the_number() -> None:
    class Old:
        family = socket.AF_UNIX

        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            if option == socket.SO_PEERCRED:
                return module._CREDENTIALS.pack(os.getpid(), os.geteuid(), 0)
            raise OSError(errno.ENOPROTOOPT, "no such option")

    assert peer_process(Old()) == PeerProcess.of(os.getpid(), os.geteuid())
