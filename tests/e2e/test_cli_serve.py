"""`motet serve`: an app stays up, and follows its file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.standing import standing_server

from .conftest import assert_nothing_left, wait_until

MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]
PROGRAM = """
import asyncio
import os
import pathlib
import motet

app = motet.App("live")

@app.function(max_containers=2)
@motet.concurrent(max_inputs=10)
@motet.fastapi_endpoint(label="version")
async def version(seconds: float = 0.0, hold: bool = False) -> str:
    if hold:
        marks = pathlib.Path(os.environ["MARKS"])
        (marks / "began").touch()
        while not (marks / "may-end").exists():
            await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    return "VERSION"
"""


class Served:
    """A program being served, and the lines it prints."""

    def __init__(self, directory: Path, *reference: str, program: str = PROGRAM, **environment: str) -> None:
        self.program = program
        self.file = directory / "program" / "live.py"
        self.file.parent.mkdir(exist_ok=True)
        self.marks = directory
        """`began` appears here when a container runs a held request, which ends when `may-end` appears."""
        self.save("one")
        self.process = subprocess.Popen(
            [*MOTET, "serve", *(reference or [str(self.file)])],
            cwd=directory,
            env={**os.environ, "MARKS": str(self.marks), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_until(lambda: any(line.startswith("Serving") for line in self.lines), "the app to be served")
        self.url = next(line.split()[-1] for line in self.lines if line.startswith("version:"))

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def save(self, version: str) -> None:
        self.file.write_text(self.program.replace("VERSION", version))

    def get(self, *, hold: bool = False) -> str:
        answer: str = httpx.get(self.url, params={"hold": hold}, timeout=30, follow_redirects=True).json()
        return answer

    def wait_line(self, text: str) -> None:
        wait_until(lambda: any(text in line for line in self.lines), text)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        try:
            status = self.process.wait(60)  # longer than the containers may take (`MOTET_STOP_GRACE`)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end within 60 s; it printed {self.lines}") from None
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    if served.process.poll() is None:
        served.end()


def test_saving_reloads_under_the_same_url_and_requests_under_way_end_on_the_old_code(served: Served) -> None:
    assert served.get() == "one"
    slow: list[str] = []
    asking = threading.Thread(target=lambda: slow.append(served.get(hold=True)))
    asking.start()
    wait_until((served.marks / "began").exists, "the slow request to run")
    served.save("two")
    served.wait_line("Reloaded")
    assert served.get() == "two"
    assert not slow
    (served.marks / "may-end").touch()
    asking.join()
    assert slow == ["one"]
    assert served.end() == 0
    assert_nothing_left()


def test_response_of_the_older_version_is_fetched_from_the_newer(tmp_path: Path) -> None:
    served = Served(tmp_path, MOTET_WEB_REDIRECT_AFTER="0.5")
    try:
        first = httpx.get(served.url, params={"seconds": 2.0}, timeout=30)
        assert first.status_code == 303
        served.save("two")
        served.wait_line("Reloaded")
        assert served.get() == "two"
        where = httpx.URL(served.url).join(first.headers["location"])
        assert httpx.get(where, timeout=30, follow_redirects=True).json() == "one"
    finally:
        assert served.end() == 0


def test_file_with_an_error_leaves_the_old_version_in_service(served: Served) -> None:
    served.file.write_text("this is no Python")
    served.wait_line("still served")
    assert any("SyntaxError" in line for line in served.lines)
    assert served.get() == "one"
    served.save("three")
    served.wait_line("Reloaded")
    assert served.get() == "three"
    assert served.end() == 0


def test_when_its_server_breaks_it_says_so_and_fails(served: Served) -> None:
    assert served.get() == "one"
    served.file.write_text(
        served.program
        + """
if motet.is_local():
    from motet.server import embedded

    server = embedded.acquire()
    server._loop.call_soon_threadsafe(server.server._driver.fail, RuntimeError("a bug"))
"""
    )
    served.process.wait(60)
    assert served.end() == 1
    assert any(line.startswith("Error: Nothing is served any more: ") for line in served.lines)
    assert_nothing_left()


def test_sigterm_ends_it_in_order(served: Served) -> None:
    assert served.get() == "one"
    assert served.end(signal.SIGTERM) == 0
    assert not any("Traceback" in line for line in served.lines), served.lines
    assert_nothing_left()


def test_file_without_an_app_is_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "empty_program.py"
    file.write_text("x = 1\n")
    ended = subprocess.run([*MOTET, "serve", str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "empty_program.py has no app that could be served" in ended.stderr


AMONG_OTHERS = """
import sys
from pathlib import Path

import motet

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "shared"))
import words

app = motet.App("live")


@app.function(secrets=[motet.Secret.from_dotenv(__file__)])
@motet.fastapi_endpoint(label="version")
def version() -> str:
    import os

    from program import later

    theme = (HERE / ".streamlit" / "config.toml").read_text()
    data = (HERE.parent / "data.txt").read_text()
    return " ".join(["VERSION", words.WORD, later.WORD, os.environ["KEY"], theme, data])
"""


def test_a_served_program_finds_hidden_files_and_what_lies_above_it(tmp_path: Path) -> None:
    files = {
        "shared/words.py": "WORD = 'word'",
        "data.txt": "data",
        "program/.env": "KEY=key",
        "program/.streamlit/config.toml": "theme",
        "program/later.py": "WORD = 'later'",
        "program/__init__.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    served = Served(tmp_path, "-m", "program.live", program=AMONG_OTHERS)
    try:
        assert served.get() == "one word later key theme data"
        (tmp_path / "shared" / "words.py").write_text("WORD = 'other'")
        served.save("two")
        served.wait_line("Reloaded")
        assert served.get() == "two other later key theme data"
    finally:
        assert served.end() == 0
    assert not any("waits for" in line for line in served.lines), "the endpoint's threads end with their container"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit('set API_KEY first')", "set API_KEY first"),
        ("sys.exit(3)", "The program ended itself, with status 3, while it was imported."),
        ("raise asyncio.CancelledError('odd')", "CancelledError: odd"),
    ],
)
def test_why_an_import_ended_is_told(served: Served, code: str, message: str) -> None:
    served.file.write_text(f"import asyncio, sys\n{code}\n")
    served.wait_line("still served")
    assert any(message in line for line in served.lines[:-1])
    assert served.get() == "one"


def is_gone(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30).status_code == 404
    except httpx.TransportError:
        return True


def test_on_a_server_that_stays_it_is_there_beside_what_is_deployed_and_gone_with_the_command(tmp_path: Path) -> None:
    with standing_server(tmp_path / "home") as server:
        (tmp_path / "live.py").write_text(PROGRAM.replace("VERSION", "deployed"))
        command = [*MOTET, "deploy", "live.py"]
        done = subprocess.run(command, cwd=tmp_path, env=server.client_env, capture_output=True, text=True, check=True)
        deployed = done.stdout.split()[-1]
        served = Served(tmp_path, **server.client_env, MOTET_WEB_URL="https://example.com")
        try:
            served.wait_line("Not used: MOTET_WEB_URL. Web functions are served as the server at unix:")
            assert served.url != deployed
            assert served.get() == "one"
            served.save("two")
            served.wait_line("Reloaded")
            assert served.get() == "two"
            assert httpx.get(deployed, timeout=30).json() == "deployed"
        finally:
            assert served.end() == 0
        wait_until(lambda: is_gone(served.url), "what was served to be gone")
        assert httpx.get(deployed, timeout=30).json() == "deployed"
