"""What environments of images cost: `python -m benchmarks.images [--heavy MIB]`, with uv and no network.

Packages come from an index on this machine. Each row is one build or start, in order: what an earlier one has left in uv's
cache or in the home counts. The heavy package is as large as torch with its libraries, in files of 64 MiB. Starts are whole
runs of `motet run`, from the command to its end, beside the same program without an image.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.images.index import Index, serving

import motet
from motet.images.building import Build
from motet.images.cache import EnvironmentCache
from motet.images.recipe import Recipe
from motet.model.image import BuildPlace

FILE_MIB = 64
PROGRAM = """
import motet

app = motet.App("bench"{image})

@app.function()
def f(x):
    return x

@app.local_entrypoint()
def main():
    assert f.remote(1) == 1
"""


def heavy_wheel(index: Index, mib: int) -> None:
    """A package of so many MiB, none of which can be compressed."""
    index.add("heavy", "1.0")
    wheel = index.directory / "heavy-1.0-py3-none-any.whl"
    block = os.urandom(FILE_MIB * 2**20)
    with zipfile.ZipFile(wheel, "a") as archive:
        for number in range(mib // FILE_MIB):
            archive.writestr(f"heavy_libraries/{number}.so", number.to_bytes(8) + block[8:])
    # Its page had the hash of the wheel before.
    page = index.directory / "simple" / "heavy" / "index.html"
    page.write_text(page.read_text().split("#sha256=")[0] + f'">{wheel.name}</a></body></html>')


def timed(what: str, do: Callable[[], object]) -> None:
    began, cpu = time.perf_counter(), os.times()
    do()
    took, after = time.perf_counter() - began, os.times()
    spent = sum(after[:4]) - sum(cpu[:4])
    print(f"{what:62} {took:8.3f} s  {spent:7.2f} s of processor time", flush=True)


def made(cache: EnvironmentCache, image: motet.Image) -> None:
    Build(Recipe.of(image.spec), cache, BuildPlace(), lambda line: None).made()


def ten_at_once(cache: EnvironmentCache, image: motet.Image) -> None:
    threads = [threading.Thread(target=made, args=(cache, image)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def started(directory: Path, image: str, *words: str) -> None:
    (directory / "program.py").write_text(PROGRAM.format(image=image))
    command = [sys.executable, "-m", "motet", "run", *words, str(directory / "program.py")]
    subprocess.run(command, check=True, capture_output=True, cwd=directory)


def measure(directory: Path, index: Index, heavy: int) -> None:
    os.environ.update(
        UV_DEFAULT_INDEX=index.url,
        UV_NO_CONFIG="1",
        UV_CACHE_DIR=str(directory / "uv"),
        MOTET_HOME=str(directory / "home"),
    )
    for version in ("1.0", "2.0"):
        index.add("kite", version, needs=["tail"])
    index.add("tail", "1.0")
    cache, again = EnvironmentCache(directory / "home" / "images"), EnvironmentCache(directory / "other" / "images")
    slim = motet.Image.debian_slim()
    one, two = slim.pip_install("kite==1.0"), slim.pip_install("kite==2.0")
    timed("cold build, two small packages", lambda: made(cache, one))
    timed("found again", lambda: made(cache, one))
    timed("built again in another home, uv's cache warm", lambda: made(again, one))
    timed("a changed pin", lambda: made(cache, two))
    timed(
        "ten builds at once of one hash",
        lambda: ten_at_once(cache, slim.pip_install("tail")),
    )
    image = ', image=motet.Image.debian_slim().pip_install("kite==1.0")'
    started(directory, "")  # bytecode and files are in memory then
    timed("start without an image", lambda: started(directory, ""))
    timed("start in the environment", lambda: started(directory, image))
    timed("start in the environment, a line of the source changed", lambda: started(directory, f"{image}, tags={{}}"))
    heavy_wheel(index, heavy)
    large = ', image=motet.Image.debian_slim().pip_install("heavy")'
    timed(f"first start with {heavy} MiB, which are downloaded and built", lambda: started(directory, large, "--build"))
    timed(f"second start with {heavy} MiB", lambda: started(directory, large))
    timed(f"{heavy} MiB built in another home, uv's cache warm", lambda: made(again, slim.pip_install("heavy")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heavy", type=int, default=2560, help="MiB of the heavy package")
    heavy = parser.parse_args().heavy
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory, "index")) as index:
        measure(Path(directory), index, heavy)


if __name__ == "__main__":
    main()
