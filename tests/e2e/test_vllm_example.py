"""examples/vllm_openai_server.py with a stand-in for vLLM: how it is declared, started and asked, and how it fails."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.e2e.conftest import assert_nothing_left

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "vllm_openai_server.py"
MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]

pytestmark = pytest.mark.skipif(
    (Path(sys.executable).parent / "vllm").exists(), reason="the real vLLM is beside this Python, and would be taken"
)

STAND_IN = """
    import json, os, sys, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    arguments = sys.argv[1:]
    with open(os.environ["STAND_IN_LOG"], "w") as log:
        json.dump(arguments, log)
    if "--fail" in arguments:
        sys.exit("no such weights")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps({"data": [{"id": arguments[1]}]}).encode() if self.path == "/v1/models" else b""
            self.send_response(200 if self.path in ("/v1/models", "/health") else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.path == "/v1/chat/completions" and asked["stream"] and asked["model"] == arguments[1]
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.event({"choices": [{"delta": {"role": "assistant"}}]})
            for number in range(asked["max_tokens"]):
                self.event({"choices": [{"delta": {"content": f"t{number} "}}]})
                time.sleep(0.002)
            self.piece(b"data: [DONE]\\n\\n")
            self.piece(b"")

        def event(self, event):
            self.piece(f"data: {json.dumps(event)}\\n\\n".encode())

        def piece(self, data):
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(data), data))
            self.wfile.flush()

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    host, port = (arguments[arguments.index(name) + 1] for name in ("--host", "--port"))
    Server((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH with nothing but the stand-in, which notes its arguments in `STAND_IN_LOG`."""
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(STAND_IN)}")
    program.chmod(0o755)
    ours = {"PATH": str(program.parent), "STAND_IN_LOG": str(tmp_path / "log"), "MODEL": "tiny/model", "MODEL_GPU": ""}
    return {**os.environ, **ours}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*MOTET, "run", str(EXAMPLE), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_chats_stream_through_the_server_it_starts(environment: dict[str, str]) -> None:
    environment["MODEL_ARGS"] = "--dtype 'b float16'"
    ended = run(environment, "--requests", "20", "--tokens", "8")
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    telling = [
        r"tiny/model answers at http://127.0.0.1:\d+/v1",
        r"1 chat: [\d,]+ tokens/s: 't0 t1 t2 t3 t4 t5 t6 t7 '",
        r"20 chats at once: [\d,]+ tokens/s, first token after \d\.\d{3} s",
    ]
    assert re.search(".*".join(telling), output, re.DOTALL), output
    arguments = json.loads(Path(environment["STAND_IN_LOG"]).read_text())
    port = arguments[5]
    assert port.isdecimal()
    limits = ["--max-num-seqs", "64", "--dtype", "b float16"]
    assert arguments == ["serve", "tiny/model", "--host", "127.0.0.1", "--port", port, *limits]
    assert_nothing_left()


def test_server_that_ends_while_it_loads_is_reported_to_who_asks(environment: dict[str, str]) -> None:
    environment["MODEL_ARGS"] = "--fail"
    ended = run(environment)
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "no such weights" in output
    assert re.search(
        r"the server does not answer: .*503.*`vllm serve tiny/model` ended with status 1", output, re.DOTALL
    )
    assert_nothing_left()


def test_without_vllm_it_says_what_to_install(environment: dict[str, str], tmp_path: Path) -> None:
    ended = run({**environment, "PATH": str(tmp_path)})
    assert ended.returncode != 0
    assert "This example needs vLLM, and a GPU that it supports: pip install vllm" in ended.stdout + ended.stderr


def test_it_declares_one_server_on_a_gpu_for_many_requests(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", environment["PATH"])
    for name in ("MODEL", "MODEL_GPU", "MODEL_ARGS"):
        monkeypatch.delenv(name, raising=False)
    found = importlib.util.spec_from_file_location("vllm_openai_server", EXAMPLE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    declared = module.server.target.declared
    assert [request.kind for request in declared.resources.gpu] == ["any"]
    assert declared.concurrency.max_inputs == 64
    assert (declared.startup_timeout, declared.timeout) == (1800.0, 600.0)
    assert declared.env["MODEL"] == module.MODEL
    (method,) = declared.methods
    assert (method.web.kind, method.web.port) == ("server", 8000)
