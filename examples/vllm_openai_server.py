"""A language model behind the vLLM server, which speaks OpenAI's protocol and batches the requests it has continuously.

Needs vLLM, a GPU, and weights that fit it: pip install vllm 'motet[web]'. The environment says which: MODEL (a name or a
directory), MODEL_GPU ("any", "H100:2", ... or nothing for none), and MODEL_ARGS, further arguments of `vllm serve`.

Run it: motet run examples/vllm_openai_server.py --requests 32 --tokens 64
Keep it up: motet serve examples/vllm_openai_server.py; base_url of an OpenAI client is the URL that prints, and /v1.
"""

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import motet

MODEL = os.environ.get("MODEL", "Qwen/Qwen2.5-1.5B-Instruct")
MODEL_GPU = os.environ.get("MODEL_GPU", "any")
MODEL_ARGS = os.environ.get("MODEL_ARGS", "")
MAX_INPUTS = 64
LOADING = 1800.0  # seconds; the first time, weights are downloaded

# Beside this Python too: its directory is not on PATH where its environment is not activated.
VLLM = shutil.which("vllm", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))
if VLLM is None:
    raise SystemExit("This example needs vLLM, and a GPU that it supports: pip install vllm")

app = motet.App("vllm")


@app.function(
    gpu=MODEL_GPU or None,
    max_containers=1,  # one server; several share the requests, each with a GPU of its own
    scaledown_window=600,
    startup_timeout=LOADING,
    timeout=600,
    env={"MODEL": MODEL, "MODEL_GPU": MODEL_GPU, "MODEL_ARGS": MODEL_ARGS},
)
@motet.concurrent(max_inputs=MAX_INPUTS)
@motet.web_server(8000, startup_timeout=60)
def server():
    """Once per container. What the server prints is in the container's output."""
    port = os.environ["PORT"]
    command = [VLLM, "serve", MODEL, "--host", "127.0.0.1", "--port", port, "--max-num-seqs", str(MAX_INPUTS)]
    process = subprocess.Popen([*command, *shlex.split(MODEL_ARGS)])
    while not is_healthy(port):
        if process.poll() is not None:
            raise RuntimeError(f"`vllm serve {MODEL}` ended with status {process.returncode}; what it printed says why")
        time.sleep(0.25)


def is_healthy(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@app.local_entrypoint()
def main(requests: int = 32, tokens: int = 64):
    """One chat, then many at once."""
    url = f"{server.get_web_url()}/v1"
    print(f"waiting for {MODEL} ...")
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=LOADING) as answer:
            model = json.load(answer)["data"][0]["id"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"the server does not answer: {error}: {error.read().decode()}") from None
    print(f"{model} answers at {url}")

    chat(url, model, "Say hello.", 4)  # warm up
    _, text, alone = measured(url, model, 1, tokens)
    print(f"1 chat: {alone:,.0f} tokens/s: {text[:60]!r}")
    first, _, together = measured(url, model, requests, tokens)
    print(f"{requests} chats at once: {together:,.0f} tokens/s, first token after {first:.3f} s (median)")


def measured(url: str, model: str, count: int, tokens: int) -> tuple[float, str, float]:
    """The median of the seconds to a first token, the first chat's text, and tokens per second of all."""
    began = time.perf_counter()
    with ThreadPoolExecutor(count) as threads:
        chats = list(threads.map(lambda n: chat(url, model, f"Tell me fact number {n}.", tokens), range(1, count + 1)))
    took = time.perf_counter() - began
    total = sum(len(pieces) for _, pieces in chats)
    return statistics.median(first for first, _ in chats), "".join(chats[0][1]), total / took


def chat(url: str, model: str, prompt: str, tokens: int) -> tuple[float, list[str]]:
    """Seconds to the first token, and what was streamed, piece by piece: a token each, as a rule."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
    }
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    began, first, pieces = time.perf_counter(), 0.0, []
    with urllib.request.urlopen(request, timeout=600) as answer:
        for line in answer:
            event = line.decode().strip().removeprefix("data: ")
            if not event or event == "[DONE]":
                continue
            for choice in json.loads(event)["choices"]:
                if choice["delta"].get("content"):
                    first = first or time.perf_counter() - began
                    pieces.append(choice["delta"]["content"])
    return first, pieces
