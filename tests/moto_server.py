"""An object store for tests: moto's server, which speaks S3, as a process on loopback."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Self

PATIENCE = 60.0

_SERVE = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(1, 15)
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""
"""A program that says its port once it listens, and ends with its parent (PR_SET_PDEATHSIG): tests may be killed."""

_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "for-tests", "AWS_SECRET_ACCESS_KEY": "for-tests"}


def missing() -> str:
    """What there is to install first, in words; "": nothing."""
    absent = [name for name in ("obstore", "moto", "flask") if importlib.util.find_spec(name) is None]
    return (
        f"no object storage: pip install 'motet[blobs]' 'moto[server]' ({', '.join(absent)} missing)" if absent else ""
    )


class MotoServer:
    """The process. Its objects are in its memory, and gone with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> Self:
        """Once more, at the port it had."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def stop(self) -> None:
        """It is gone, with its buckets."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def ask(self, method: str, path: str) -> int:
        """The status of the answer to a request that has no body."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path)
            return connection.getresponse().status

    def make_bucket(self, name: str) -> None:
        """Empty."""
        assert self.ask("PUT", f"/{name}") == 200

    def url(self, bucket: str, prefix: str = "motet") -> str:
        """As `MOTET_BLOBS` has it."""
        return f"s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{self.port}&region=us-east-1"


@contextlib.contextmanager
def moto_server() -> Iterator[MotoServer]:
    """One, with credentials that it takes in this process's environment."""
    before = {name: os.environ.get(name) for name in _CREDENTIALS}
    os.environ.update(_CREDENTIALS)
    server = MotoServer()
    try:
        yield server.start()
    finally:
        server.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
