"""Programs as they are started: what stands in the main module keeps its identity wherever a container meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

JOBS = """
import motet

app = motet.App("jobs")

@app.function()
def call(function, *values):
    return function(*values)

@app.function()
def names(value):
    return type(value).__module__, type(value).__name__

@app.cls()
class Caller:
    @motet.method()
    def call(self, handle, *values):
        try:
            return handle.remote(*values)
        except Exception as error:
            return error
"""

DEFINITIONS = """
import dataclasses
import enum
import motet
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Item:
    colour: Colour = Colour.RED
    def doubled(self):
        return double(self.colour.value)

class Refused(Exception):
    def __init__(self, *, code):
        self.code = code

def double(x):
    return 2 * x

def refuse(code):
    raise Refused(code=code)

def asserted():
    assert not __debug__ and double(1) == 3
"""

OWN = (
    DEFINITIONS
    + """
import jobs

app = motet.App("own").include(jobs.app)
queue = motet.Queue.from_name("own")

@app.function()
def look(item, key=None):
    return item.colour is Colour.RED, isinstance(item, Item), item == Item(), {Colour.RED: 1}.get(item.colour) == 1

@app.function()
def fail(code):
    raise Refused(code=code)

@app.function()
def make():
    return Item()

@app.function()
def from_queue():
    return look.local(queue.get())

@app.function()
def pooled(method):
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as pool:
        return list(pool.map(double, [1, 2])), [it.colour is Colour.RED for it in pool.map(Item, [Colour.RED])]

scalers = []
for factor in (2, 3):
    @app.function(name=f"times_{factor}")
    def scale(x, item=None, factor=factor):
        return x * factor, item is None or isinstance(item, Item)
    scalers.append(scale)

@app.function(name="first")
def again(): return "first"
first = again
@app.function(name="second")
def again(): return "second"

@app.function(name="same")
def old(): return "older"
older = old
@app.function(name="same")
def old(): return "old"
@app.function(name="same")
def new(): return "new"

def inner():
    @app.function(serialized=True)
    def serialized(item):
        return item.colour is Colour.RED, isinstance(item, Item), item.doubled()
    return serialized

if __name__ == "__main__":
    class Guarded(Item):
        pass

    @app.function()
    def guarded(item):
        return type(item).__name__, isinstance(item, Guarded), item.colour is Colour.RED

    serialized = inner()
    with motet.enable_output(), app.run():
        fine = (True, True, True, True)
        assert look.remote(Item()) == fine
        assert look.remote(Item(), key=lambda it: it.colour) == fine, look.remote(Item(), key=lambda it: it.colour)
        assert look.remote(item=Item(), key=Item().__dict__.keys()) == fine
        assert list(look.map([Item()] * 2, [lambda: 1] * 2)) == [fine, fine]
        assert serialized.remote(Item()) == (True, True, 2)
        assert [it.remote(10, Item()) for it in scalers] == [(20, True), (30, True)]
        assert (first.remote(), again.remote()) == ("first", "second")
        assert (old.remote(), new.remote(), older.remote()) == ("old", "new", "older")
        assert jobs.Caller().call.remote(old) == "old"
        assert guarded.remote(Guarded()) == ("Guarded", True, True)
        queue.put(Item())
        assert from_queue.remote() == fine
        # functions of a module get, and pass on, what is the script's
        assert jobs.call.remote(double, 4) == 8
        assert jobs.call.remote(lambda it: isinstance(it, Item), Item()) is True
        made = jobs.Caller().call.remote(make)
        assert isinstance(made, Item) and made.colour is Colour.RED
        failed = jobs.Caller().call.remote(fail, 5)
        assert type(failed) is Refused and failed.code == 5, failed
        try:
            jobs.call.remote(refuse, 6)
        except Refused as error:
            assert error.code == 6
        for method in ("fork", "spawn", "forkserver"):
            assert pooled.remote(method) == ([2, 4], [True]), method
        print("all is well")
"""
)

FOREIGN = (
    DEFINITIONS
    + """
import jobs

started = []

class Counting:
    count = 0
    def __init__(self):
        type(self).count += 1
    def counted(self):
        return Counting.count, len(started)

def main():
    # Everything here runs in the client alone: containers have the module `jobs`, and nobody guards this script.
    with jobs.app.run():
        started.append(1)
        assert jobs.call.remote(double, 3) == 6
        assert jobs.call.remote(lambda it: (it.colour is Colour.RED, it.doubled()), Item()) == (True, 2)
        assert jobs.names.remote(Item()) == ("__main__", "Item")
        back = jobs.call.remote(Item)
        assert type(back) is Item and back.colour is Colour.RED
        counting = jobs.call.remote(Counting)
        assert type(counting) is Counting and counting.counted() == (0, 1), counting.counted()
        try:
            jobs.call.remote(refuse, 6)
        except Refused as error:
            assert error.code == 6
        print("all is well")

main()
"""
)

SERIALIZED = (
    DEFINITIONS
    + """
app = motet.App("serialized")

def main():
    @app.function(serialized=True)
    def look(item):
        return item.colour is Colour.RED, isinstance(item, Item), item.doubled()
    with app.run():
        assert look.remote(Item()) == (True, True, 2)
        print("all is well")

if __name__ == "__main__":
    main()
"""
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    return tmp_path


ONE_POOL = OWN.replace('("fork", "spawn", "forkserver")', '("spawn",)')


def run(directory: Path, source: str, *how: str, file: str = "program.py") -> str:
    """What is wrong with a program that is started like this; its last line if nothing is."""
    (directory / file).parent.mkdir(exist_ok=True)
    (directory / file).write_text(source)
    command = [sys.executable, *(how or (file,))]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=100)
    lines = [line for line in done.stdout.splitlines() if "well" in line]
    return lines[-1] if done.returncode == 0 and lines else done.stdout + done.stderr


def test_a_scripts_own_classes_and_functions_are_the_same_everywhere(directory: Path) -> None:
    assert run(directory, OWN) == "all is well"


def test_so_they_are_in_a_module_that_is_run(directory: Path) -> None:
    (directory / "package").mkdir()
    (directory / "package" / "__init__.py").touch()
    assert run(directory, ONE_POOL, "-m", "package.program", file="package/program.py") == "all is well"


def test_an_app_in_a_module_takes_what_a_script_without_a_guard_defines(directory: Path) -> None:
    assert run(directory, FOREIGN) == "all is well"


def test_a_serialized_function_of_a_script_knows_the_scripts_classes(directory: Path) -> None:
    assert run(directory, SERIALIZED) == "all is well"


def test_a_program_needs_no_suffix(directory: Path) -> None:
    (directory / "program.py").write_text("raise AssertionError('another program')")
    assert run(directory, ONE_POOL, file="program") == "all is well"


@pytest.mark.parametrize("how", ["-m cProfile -o out", "-m trace --count -C counts"])
def test_a_program_runs_under_profilers_and_tracers(directory: Path, how: str) -> None:
    assert run(directory, ONE_POOL, *how.split(), "program.py") == "all is well"


def test_optimized_programs_have_optimized_containers(directory: Path) -> None:
    source = DEFINITIONS + (
        "app = motet.App('optimized')\n"
        "@app.function()\n"
        "def f(): asserted(); return 'well'\n"
        "if __name__ == '__main__':\n"
        "    with app.run(): print('all is', f.remote())\n"
    )
    assert run(directory, source, "-O", "program.py") == "all is well"
