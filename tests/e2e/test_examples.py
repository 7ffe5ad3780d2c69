"""The examples as users run them: `motet run examples/X.py`, from the repository, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
MODAL_PROGRAM = "tests/e2e/programs/modal_program.py"
MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]
# Programs that ask for GPUs do without, wherever they run.
WITHOUT_GPU = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "MOTET_MISSING_GPU": "ignore"}

# What each must print, in this order: arguments, then regular expressions. Where inputs take less time than one after
# another, that would be 5 s or more: a busy machine adds seconds.
TELLING: dict[str, tuple[list[str], list[str]]] = {
    "quickstart.py": (["--n", "250"], [r"process id \d+ ran 100 inputs", r"fetch: 250 inputs in 3 containers"]),
    "external_api.py": (
        ["--requests", "100"],
        [r"100 requests one at a time: ([5-9]|\d\d)", r"100 requests concurrently: [0-4]\."],
    ),
    "database.py": (["--customers", "100"], [r"(PostgreSQL|SQLite): 100 queries of 50 ms in [0-4]\.\d\d s"]),
    "calling_functions.py": ([], ["count_book: Emma has 13 words", "count_book_async: Emma has 13 words"]),
    "sync_threads.py": (
        ["--seconds", "0.5"],
        [r"20 x time.sleep\(0.5\) took \d\.\d\d s in one container, on 10 threads"],
    ),
    "async_tasks.py": (["--seconds", "0.5"], [r"took \d\.\d\d s in one container, on 1 thread", "at most 10 inputs"]),
    "class_pattern.py": (
        [],
        ["french: bonjour is spelled b-o-n-j-o-u-r", "ran in 1 container", "german: hallo from another container"],
    ),
    "dynamic_batching.py": (
        ["--inputs", "128"],
        ["max_batch_size=1: .* 128 inputs in 128 steps", "max_batch_size=64: .* in 2 steps", 'wait_ms="auto"'],
    ),
    "continuous_batching.py": (
        ["--prompts", "4", "--tokens", "8"],
        [r"one by one: [\d,]+ tokens/s; at once: [\d,]+ tokens/s", "4 of 4 prompts have the same tokens both ways"],
    ),
    "vllm_openai_server.py": (
        ["--requests", "8", "--tokens", "8"],
        [r"1 chat: [\d,]+ tokens/s", r"8 chats at once: [\d,]+ tokens/s, first token after"],
    ),
    "target_and_burst.py": ([], [r"1 +3 +12 +23", r"enough containers are warm", r"4 +0 +((10|5) +){4}0"]),
    "concurrent_logging.py": ([], [r"the lines about 0 are those with in-\w+-0", r"INFO in-\w+-2: Finished with 2"]),
    "web_app.py": (
        [],
        [
            "hello Ada",
            r"'data:', '3', 'data:', '2', 'data:', '1'",
            "50 requests of 500 ms each",
            "they shared 1 container",
        ],
    ),
    "legacy_2024.py": (
        [],
        [
            r"a program of 2024 ran in \d.\d\d s; gather gave 1 and 2",
            "`motet.Stub` has been renamed. Use `motet.App` instead",
            "'concurrency_limit' parameter has been renamed to 'max_containers'",
        ],
    ),
    "autoscaling_100_inputs.py": (
        [],
        [
            "enqueued: 100 run in 5 containers, 0 wait",
            "101 run in 6 containers, 0 wait",
            "later: 0 run in 0 containers",
        ],
    ),
}


NEEDS = {"continuous_batching.py": "torch", "vllm_openai_server.py": "vllm"}
"""Packages too heavy for the development extra: where one is missing, its example is left out, and pytest says so."""


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [*MOTET, "run", *argv]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=100, env=WITHOUT_GPU)


def test_every_example_is_run_here() -> None:
    assert sorted(TELLING) == EXAMPLES


@pytest.mark.parametrize("name", TELLING)
def test_example_shows_what_it_promises(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{name} needs {NEEDS[name]}")
    arguments, telling = TELLING[name]
    ended = run(f"examples/{name}", *arguments)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    assert re.search(".*".join(telling), output, re.DOTALL), output


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_says_how_to_run_it(name: str) -> None:
    assert f"Run it: motet run examples/{name}" in (ROOT / "examples" / name).read_text()


def test_help_of_an_example_lists_its_arguments() -> None:
    ended = run("examples/quickstart.py", "--help")
    assert ended.returncode == 0
    assert re.search(r"Square the numbers below n.*--n INTEGER +Default: 1000", ended.stdout, re.DOTALL)


MODAL_OUTPUT = """\
scores 15
surroundings ('sesame', '/cache', False)
stream [('good', 1), ('bad', -1)]
local ['good', 'good']
spawned 2 2 [2, 2]
errors ['int', 'int', 'int', 'KeyError', 'int']
raised 'three'
timed out
refused `target_inputs` parameter cannot be greater than `max_inputs`.
queue 6
unordered [1, 2]
stats 0
"""


def test_modal_program_runs_with_nothing_but_its_import_changed() -> None:
    ended = run(MODAL_PROGRAM)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == MODAL_OUTPUT
    assert "large model is done" in ended.stderr


def test_modal_program_runs_as_a_script_too() -> None:
    ended = subprocess.run(
        [sys.executable, MODAL_PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=WITHOUT_GPU,
    )
    assert ended.stdout.startswith(MODAL_OUTPUT)
    assert "large model is done" in ended.stdout
