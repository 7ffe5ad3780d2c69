"""A package index of its own, on this machine, with wheels that hold next to nothing."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@dataclass
class Index:
    """One that serves `directory`. `url` is what installers are told."""

    directory: Path
    url: str = ""
    pages: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, version: str, *, needs: Sequence[str] = (), source: str | None = None) -> None:
        """A wheel with one module, which knows its version."""
        wheel = f"{name}-{version}-py3-none-any.whl"
        about = f"{name}-{version}.dist-info"
        metadata = "".join(f"Requires-Dist: {each}\n" for each in needs)
        files = {
            f"{name}.py": source if source is not None else f"VERSION = {version!r}\n",
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
        with zipfile.ZipFile(self.directory / wheel, "w") as archive:
            for path, text in {**files, f"{about}/RECORD": record}.items():
                archive.writestr(path, text)
        digest = hashlib.sha256((self.directory / wheel).read_bytes()).hexdigest()
        self.pages.setdefault(name, []).append(f'<a href="/{wheel}#sha256={digest}">{wheel}</a><br>')
        page = self.directory / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<!DOCTYPE html><html><body>{''.join(self.pages[name])}</body></html>")


@contextmanager
def serving(directory: Path) -> Iterator[Index]:
    """An index that is empty at first, until the block ends."""
    (directory / "simple").mkdir(parents=True)
    handler = partial(_Quiet, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Index(directory, f"http://127.0.0.1:{server.server_port}/simple")
        finally:
            server.shutdown()
            thread.join()
