"""Programs in every way that Python is started: scripts, modules, standard input, notebooks, over TCP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import assert_nothing_left, marked_processes, wait_until

DECLARATIONS = """
import asyncio, os, sys
from dataclasses import dataclass
import motet

app = motet.App("hosted")

@dataclass
class Point:
    x: int

class Oops(Exception):
    def __init__(self, left, right):
        super().__init__(f"{left}-{right}")
        self.left = left
    def __reduce__(self):
        return Oops, (self.left, 0)

OFFSET = 100

def helper(x):
    return x + OFFSET

@app.function(max_containers=1)
def move(point: Point) -> Point:
    return Point(helper(point.x))

@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def nested(x):
    return (await move.remote.aio(Point(x))).x

@app.function(max_containers=1)
def points(n):
    for i in range(n):
        yield Point(i)

@app.function(max_containers=1)
def fail():
    raise Oops(1, 2)

@app.cls(max_containers=1)
@motet.concurrent(max_inputs=3)
class Counter:
    start: int = motet.parameter(default=0)
    @motet.enter()
    def enter(self):
        self.n = self.start
    @motet.method()
    def up(self, by: Point):
        self.n += by.x
        return Point(self.n)
"""

CALLS = """
moved = move.remote(Point(1))
assert type(moved) is Point and moved == Point(101), moved
assert [p.x for p in move.map([Point(i) for i in range(5)])] == list(range(100, 105))
assert list(points.remote_gen(3)) == [Point(0), Point(1), Point(2)]
assert nested.remote(5) == 105
assert move.spawn(Point(2)).get() == Point(102)
assert Counter(start=3).up.remote(Point(4)) == Point(7)
try:
    fail.remote()
except Oops as error:
    assert error.left == 1
else:
    raise AssertionError("no Oops")
print("all is well")
"""


def indented(text: str, by: int = 4) -> str:
    return "".join(" " * by + line if line.strip() else line for line in text.splitlines(keepends=True))


SCRIPT = f"""{DECLARATIONS}
if __name__ == "__main__":
    with app.run():
{indented(CALLS, 8)}
"""


def python(*arguments: str, cwd: Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end; nothing it started may be left."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert_nothing_left()
    return done


def assert_well(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, "all is well\n", "")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_script_runs_and_its_own_classes_are_arguments_results_and_exceptions(script: Path) -> None:
    assert_well(python("script.py", cwd=script.parent))


def test_a_script_runs_from_another_directory(script: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert_well(python(str(script), cwd=tmp_path_factory.mktemp("elsewhere")))


def test_a_script_runs_over_tcp(script: Path) -> None:
    assert_well(python("script.py", cwd=script.parent, MOTET_LISTEN="tcp"))


def test_a_script_may_run_its_app_twice_in_a_row(script: Path) -> None:
    twice = SCRIPT.replace("    with app.run():", "    for _ in range(2):\n      with app.run():")
    script.write_text(twice)
    done = python("script.py", cwd=script.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "all is well\n" * 2, "")


def test_a_module_of_a_package_runs_with_m_and_its_relative_imports(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sibling.py").write_text("OFFSET = 100\n")
    (package / "mod.py").write_text(SCRIPT.replace("OFFSET = 100", "from .sibling import OFFSET"))
    assert_well(python("-m", "pkg.mod", cwd=tmp_path))


def test_an_app_in_an_imported_module_runs_and_so_do_two_apps_at_once(tmp_path: Path) -> None:
    (tmp_path / "library.py").write_text(DECLARATIONS)
    (tmp_path / "other.py").write_text(DECLARATIONS.replace("OFFSET = 100", "OFFSET = 200"))
    (tmp_path / "main.py").write_text(
        """
import library, other

if __name__ == "__main__":
    with library.app.run(), other.app.run():
        assert library.nested.remote(1) == 101
        assert other.nested.remote(1) == 201
    print("all is well")
"""
    )
    assert_well(python("main.py", cwd=tmp_path))


def test_a_script_without_a_main_guard_gets_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(f"{DECLARATIONS}\nwith app.run():\n    move.remote(Point(1))\n")
    done = python("script.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "InvalidError: Can not run an app in global scope within a container" in done.stderr
    assert '`if __name__ == "__main__":`' in done.stderr


def test_a_script_that_fails_inside_its_run_leaves_nothing(script: Path) -> None:
    script.write_text(SCRIPT.replace('print("all is well")', 'raise SystemExit("enough")'))
    done = python("script.py", cwd=script.parent)
    assert (done.returncode, done.stderr) == (1, "enough\n")


def test_a_script_that_never_leaves_its_run_leaves_nothing(script: Path) -> None:
    script.write_text(SCRIPT.replace("    with app.run():", "    app.run().__enter__()\n    if True:"))
    assert_well(python("script.py", cwd=script.parent))


def test_a_script_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"""{DECLARATIONS}
if __name__ == "__main__":
    import os, signal
    with app.run():
        move.remote(Point(1))
        os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not marked_processes(), "the end of the template and its containers")


# --- no file ----------------------------------------------------------------------------------------------------------

INTERACTIVE = f"{DECLARATIONS}\nwith app.run():\n{indented(CALLS)}\n"


def test_a_program_on_standard_input_runs_by_value(tmp_path: Path) -> None:
    assert_well(python("-", cwd=tmp_path, stdin=INTERACTIVE))


def test_a_program_given_with_c_runs_by_value(tmp_path: Path) -> None:
    assert_well(python("-c", INTERACTIVE, cwd=tmp_path))


def test_a_program_typed_at_the_prompt_runs_by_value(tmp_path: Path) -> None:
    typed = f"exec({DECLARATIONS!r})\nrun = app.run()\n_ = run.__enter__()\nexec({CALLS!r})\nrun.__exit__()\n"
    done = python("-i", "-q", cwd=tmp_path, stdin=typed)
    assert (done.returncode, done.stdout) == (0, "all is well\n")


NOTEBOOK = f"""
import asyncio, sys, types

# What a kernel is to Motet: cells executed in `__main__`, inside a loop that runs.
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel="here"))
cells = [
    {DECLARATIONS!r},
    "run = app.run(); run.__enter__()",
    {CALLS!r},
    "OFFSET = 7",
    "run.__exit__()",
]

async def kernel():
    for number, cell in enumerate(cells):
        exec(compile(cell, f"<ipython-input-{{number}}>", "exec"), globals())
        await asyncio.sleep(0)

asyncio.run(kernel())
"""


def test_cells_of_a_notebook_run_inside_its_running_loop(tmp_path: Path) -> None:
    assert_well(python("-W", "error", "-", cwd=tmp_path, stdin=NOTEBOOK))


def test_a_real_jupyter_kernel_runs_cells(tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager", reason="needs jupyter_client and ipykernel")
    pytest.importorskip("ipykernel")
    kernel = manager.KernelManager()
    kernel.start_kernel(cwd=str(tmp_path))
    client = kernel.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        async_cell = "async with app.run():\n    print((await move.remote.aio(Point(1))).x)"
        for cell in (DECLARATIONS, f"with app.run():\n{indented(CALLS)}", async_cell):
            printed: list[str] = []
            reply = client.execute_interactive(cell, timeout=60, output_hook=lambda m, out=printed: out.append(str(m)))
            assert reply["content"]["status"] == "ok", reply["content"]
        assert "101" in "".join(printed)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    wait_until(lambda: not marked_processes(), "the end of the kernel")
