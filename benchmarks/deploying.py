"""A changed line until it runs: `python benchmarks/deploying.py [--files 500] [--reps 15]`.

A project of so many modules, all of which the app imports, and which import only the standard library, is deployed to a server
that stays. Then, again and again, a line of one module is changed and the app is deployed by `motet deploy`, while a client
calls a function by its name. Measured is the time from the start of the command to the first answer of the new version.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import motet

FLOOR = 0.5
WARM_UP = 3
PER_PACKAGE = 50
PATIENCE = 60.0

SHOP = """
import motet
{imports}

app = motet.App("benchmark-deploying")

@app.function()
def version() -> int:
    return {last}.VERSION
"""

MODULE = '''"""Module {number} of a project."""

import collections
import functools
import json
import os
import re

VERSION = 0


class Thing{number}:
    """Something with a name and a price."""

    def __init__(self, name, price=0.0):
        self.name = name
        self.price = price


{functions}
'''

FUNCTION = '''def work_{number}(values, limit={number}):
    """Counts what is there, up to a limit."""
    counted = collections.Counter(str(value) for value in values)
    found = [(name, count) for name, count in counted.most_common() if count <= limit]
    if re.match("[a-z]+", os.curdir):
        found.append(("other", len(values)))
    return json.dumps(dict(found), sort_keys=True)
'''


def generate(directory: Path, files: int) -> Path:
    """A project; the file whose line changes."""
    names = []
    for number in range(files):
        package = f"part{number // PER_PACKAGE}"
        (directory / package).mkdir(exist_ok=True)
        (directory / package / "__init__.py").touch()
        functions = "\n\n".join(FUNCTION.format(number=each) for each in range(8))
        (directory / package / f"module{number}.py").write_text(MODULE.format(number=number, functions=functions))
        names.append(f"{package}.module{number}")
    imports = "\n".join(f"import {name}" for name in names)
    (directory / "shop.py").write_text(SHOP.format(imports=imports, last=names[-1]))
    return directory / f"{names[-1].replace('.', '/')}.py"


class Caller:
    """A client that calls all the time, and notes when it was first given each answer."""

    def __init__(self) -> None:
        self._first: dict[int, float] = {}
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call)
        self._thread.start()

    def _call(self) -> None:
        version = motet.Function.from_name("benchmark-deploying", "version")
        while not self._over.wait(0.002):  # a client that does nothing else would have a core for itself
            answer = version.remote()
            with self._changed:
                self._first.setdefault(answer, time.monotonic())
                self._changed.notify_all()

    def stop(self) -> None:
        """Call no more."""
        self._over.set()
        self._thread.join()

    def first(self, answer: int) -> float:
        """When it was given this one, at last."""
        with self._changed:
            if not self._changed.wait_for(lambda: answer in self._first, PATIENCE):
                sys.exit(f"version {answer} has not answered within {PATIENCE:g} s")
            return self._first[answer]


def deploy(project: Path) -> float:
    """Run the command; when it was started."""
    began = time.monotonic()
    command = [sys.executable, "-m", "motet", "deploy", "shop.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return began


def measure(project: Path, changing: Path, reps: int) -> tuple[float, list[float], list[float]]:
    """Seconds of the first deployment, and of each later one to the end of its command and to its first answer."""
    began = deploy(project)
    first = time.monotonic() - began
    caller = Caller()
    caller.first(0)
    ended, answered = [], []
    text = changing.read_text()
    for number in range(1, WARM_UP + reps + 1):
        changing.write_text(text.replace("VERSION = 0", f"VERSION = {number}"))
        began = deploy(project)
        end, answer = time.monotonic() - began, caller.first(number) - began
        if number > WARM_UP:
            ended.append(end)
            answered.append(answer)
    caller.stop()
    return first, ended, answered


def main() -> None:
    """Print what deploying took."""
    parser = argparse.ArgumentParser(description="How long it takes until a changed line runs.")
    parser.add_argument("--files", type=int, default=500, help="modules of the project")
    parser.add_argument("--reps", type=int, default=15, help="deployments that are measured")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as project:
        os.environ |= {"MOTET_HOME": home, "MOTET_SERVER": "home"}
        changing = generate(Path(project), arguments.files)
        server = subprocess.Popen([sys.executable, "-m", "motet", "server"], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            while not server.stdout.readline().startswith("Ready"):
                if server.poll() is not None:
                    sys.exit("the server did not start")
            first, ended, answered = measure(Path(project), changing, arguments.reps)
        finally:
            server.terminate()
            server.wait()
    print(f"first deployment of {arguments.files} modules: {first:.2f} s, all of them sent and written to disk")
    for what, taken in (("first answer of the new version", answered), ("end of the command", ended)):
        print(
            f"{what}: median {statistics.median(taken):.3f} s [{min(taken):.3f}..{max(taken):.3f}], {len(taken)} times"
        )
    print(f"aim: {FLOOR} s to the first answer: {'ok' if statistics.median(answered) <= FLOOR else 'MISSED'}")


if __name__ == "__main__":
    main()
