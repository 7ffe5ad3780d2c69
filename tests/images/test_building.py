"""Builds from an index on this machine, by the real uv."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import motet
from motet.client.family import process_of
from motet.errors import ImageBuildError
from motet.images.base import Environment
from motet.images.build_log import MOST_KEPT, MOST_TOLD
from motet.images.build_process import BuildLine, BuildMade, BuildRequest, FailedBuild, decode_answer, encode_request
from motet.images.building import Build
from motet.images.cache import EnvironmentCache
from motet.images.kept import KeptImages
from motet.images.linked_runtime import base_name
from motet.images.recipe import Recipe
from motet.model.image import BuildPlace, ImageSpec, PreparingFunction

from .index import Index

IMAGE = motet.Image.debian_slim()
KITE = "import kite, tail; print(kite.VERSION, tail.VERSION)"
TWO = """
from pathlib import Path


def prepare(text):
    (Path(__file__).parent / "prepared").write_text(text)


def fail():
    raise ValueError("no")
"""


def made(cache: EnvironmentCache, image: motet.Image, told: list[str] | None = None) -> Environment:
    lines: list[str] = [] if told is None else told
    return Build(Recipe.of(image.spec), cache, BuildPlace(), lines.append).made()


def says(environment: Environment, code: str) -> str:
    done = subprocess.run([environment.python, "-P", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_environment_has_what_was_asked_for_and_runs_motet(cache: EnvironmentCache) -> None:
    environment = made(cache, IMAGE.pip_install("kite==1.0"))
    assert says(environment, KITE) == "1.0 1.1"
    assert (
        says(environment, "import motet.runtime.lifecycle.template, uvloop; print(motet.__version__)")
        == motet.__version__
    )
    (listed,) = cache.listed()
    assert listed.built.packages == 2
    assert listed.built.steps == ("pip_install kite==1.0",)
    assert list(cache.building.iterdir()) == []
    assert any(each.name.endswith(".pyc") for each in Path(environment.python).parents[1].rglob("kite*.pyc"))


def test_what_was_built_is_found_and_another_pin_is_another_environment(cache: EnvironmentCache) -> None:
    first = made(cache, IMAGE.pip_install("kite==1.0"))
    told: list[str] = []
    assert made(cache, IMAGE.pip_install("kite==1.0"), told) == first
    assert told == []
    other = made(cache, IMAGE.pip_install("kite==2.0"))
    assert other != first
    assert says(other, KITE) == "2.0 1.1"
    assert made(cache, IMAGE.pip_install(["tail", "kite==1.0"])) == first  # the same lock


def test_a_later_step_keeps_what_an_earlier_one_has_chosen_if_it_can(cache: EnvironmentCache) -> None:
    kept = made(cache, IMAGE.pip_install("tail==1.0").pip_install("kite"))
    assert says(kept, KITE) == "2.0 1.0"
    told: list[str] = []
    changed = made(cache, IMAGE.pip_install("tail==1.0").pip_install("kite", "tail>1.0"), told)
    assert says(changed, KITE) == "2.0 1.1"
    assert any("chosen anew" in line for line in told)


def test_steps_may_have_indexes_of_their_own(cache: EnvironmentCache, tmp_path: Path, index: Index) -> None:
    wheels = tmp_path / "wheels"
    (wheels / "simple").mkdir(parents=True)
    Index(wheels).add("dragon", "3.0", needs=["tail<1.1"])
    image = IMAGE.pip_install("kite", index_url=index.url).pip_install("dragon", find_links=str(wheels))
    environment = made(cache, image)
    assert says(environment, "import dragon; print(dragon.VERSION)") == "3.0"
    assert says(environment, KITE) == "2.0 1.0"


def test_without_dependencies_none_are_installed(cache: EnvironmentCache) -> None:
    made(cache, IMAGE.pip_install("kite", extra_options="--no-deps"))
    assert cache.listed()[0].built.packages == 1


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("nunpy-of-nobody", "nunpy-of-nobody was not found in the package registry"),
        ("kite==9.9", "there is no version of kite==9.9"),
        ("msgspec<0.19", "msgspec"),
    ],
)
def test_what_cannot_be_had_is_told_in_the_words_of_the_resolver(
    cache: EnvironmentCache, requirement: str, said: str
) -> None:
    with pytest.raises(ImageBuildError) as failed:
        made(cache, IMAGE.pip_install(requirement))
    assert str(failed.value).startswith(
        f"Image.pip_install {requirement}: resolving its packages failed (exit status 1):"
    )
    assert said in str(failed.value)
    assert cache.listed() == []
    assert list(cache.building.iterdir()) == []
    (log,) = (cache.directory / "logs").iterdir()
    assert said in log.read_text()


def test_ten_builds_at_once_build_once(cache: EnvironmentCache) -> None:
    told: list[str] = []
    found: list[Environment] = []

    def build() -> None:
        found.append(made(cache, IMAGE.pip_install("kite==1.0"), told))

    threads = [threading.Thread(target=build) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 10
    assert len(set(found)) == 1
    assert sum(line.startswith("Built in") for line in told) == 1


def test_a_killed_build_leaves_nothing_half(cache: EnvironmentCache) -> None:
    image = IMAGE.pip_install("kite==1.0")
    request = BuildRequest(recipe=Recipe.of(image.spec), directory=str(cache.directory), place=BuildPlace())
    command = [sys.executable, "-P", "-m", "motet.images.build_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as build:
        assert build.stdin is not None
        assert build.stdout is not None
        build.stdin.write(encode_request(request) + b"\n")
        build.stdin.flush()
        while decode_answer(build.stdout.readline()) != BuildLine("Installing 2 packages"):
            pass
        build.send_signal(signal.SIGKILL)
        build.stdout.read()  # until what it had started has ended, too
    assert cache.listed() == []
    assert says(made(cache, image), KITE) == "1.0 1.1"
    assert list(cache.building.iterdir()) == []


def test_a_build_in_a_process_of_its_own_tells_what_it_does_and_what_came_of_it(cache: EnvironmentCache) -> None:
    recipe = Recipe.of(IMAGE.pip_install("kite==9.9").spec)
    request = BuildRequest(recipe=recipe, directory=str(cache.directory), place=BuildPlace())
    command = [sys.executable, "-P", "-m", "motet.images.build_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as build:
        assert build.stdin is not None
        assert build.stdout is not None
        build.stdin.write(encode_request(request) + b"\n")
        build.stdin.flush()
        answers = [decode_answer(line) for line in build.stdout]
    assert isinstance(answers[0], BuildLine)
    assert isinstance(answers[-1], FailedBuild)
    assert not any(isinstance(each, BuildMade) for each in answers)


def test_a_function_runs_once_in_the_environment_while_it_is_built(
    cache: EnvironmentCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.py").write_text(TWO)
    monkeypatch.syspath_prepend(str(tmp_path))
    import two  # type: ignore[import-not-found]

    image = IMAGE.pip_install("kite").run_function(two.prepare, args=("yes",))
    place = BuildPlace(sys_path=(str(tmp_path),))
    told: list[str] = []
    first = Build(Recipe.of(image.spec), cache, place, told.append).made()
    assert (tmp_path / "prepared").read_text() == "yes"
    (tmp_path / "prepared").unlink()
    assert Build(Recipe.of(image.spec), cache, place, told.append).made() == first
    assert not (tmp_path / "prepared").exists()
    assert told.count("Running prepare") == 1
    failing = Recipe.of(image.run_function(two.fail).spec)
    with pytest.raises(
        ImageBuildError, match=r"(?s)Image.run_function fail failed \(exit status 1\):.*ValueError: no"
    ) as caught:
        Build(failing, cache, place, told.append).made()
    logs = KeptImages(cache.directory, os.environ).logs_named(str(caught.value).split()[-1].rstrip(")"))
    assert "ValueError: no" in logs[0].read_text()


LEFT = """
import asyncio, os, subprocess


async def prepare():
    print("x" * 200_000)
    for number in range(20_000):
        print(f"{number} " + "a long line, printed over and over again, " * 25)
    # In a session of its own, with the output of the build, whose parent ends at once.
    subprocess.Popen(["setsid", "sh", "-c", "sleep 600 & echo $! > daemon; sleep 600"], cwd=os.path.dirname(__file__))
    await asyncio.sleep(0.2)
"""


def test_what_a_build_prints_is_bounded_and_what_an_async_function_leaves_behind_ends(
    cache: EnvironmentCache, tmp_path: Path
) -> None:
    (tmp_path / "left.py").write_text(LEFT)
    step = PreparingFunction(module="left", qualname="prepare", file=str(tmp_path / "left.py"))
    place = BuildPlace(sys_path=(str(tmp_path),))
    recipe = Recipe.of(ImageSpec(steps=(step,)))
    request = encode_request(BuildRequest(recipe=recipe, directory=str(cache.directory), place=place))
    command = [sys.executable, "-P", "-m", "motet.images.build_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as build:
        assert build.stdin is not None
        assert build.stdout is not None
        build.stdin.write(request + b"\n")
        build.stdin.flush()
        said = [decode_answer(line) for line in build.stdout]
    assert isinstance(said[-1], BuildMade)
    assert MOST_TOLD <= len(said) < MOST_TOLD + 10
    assert 0.9 * MOST_KEPT < cache.log(recipe.digest(base_name())).stat().st_size < 1.1 * MOST_KEPT
    daemon = int((tmp_path / "daemon").read_text())
    found = process_of(daemon)
    assert found is None or found.state == "Z"


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[None]:
    """A file system of its own, of so many bytes, until the block ends."""
    directory.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def test_a_disk_that_is_full_in_mid_build_is_told_and_what_there_is_goes_on(
    cache: EnvironmentCache, index: Index
) -> None:
    if "heavy" not in index.pages:
        index.add("heavy", "1.0", source=f"WEIGHT = {'x' * 2**23!r}\n")
    with small_disk(cache.directory, "4m"):
        before = made(cache, IMAGE.pip_install("kite==1.0"))
        with pytest.raises(
            ImageBuildError, match=r"(?s)a disk is full \(.*nothing is kept.*`motet image prune`.*No space"
        ):
            made(cache, IMAGE.pip_install("heavy"))
        assert list(cache.building.iterdir()) == []
        assert [each.built.digest for each in cache.listed()] == [before.digest]
        assert says(before, KITE) == "1.0 1.1"
        assert made(cache, IMAGE.pip_install("kite==2.0")) != before
        cache.release()


def test_a_disk_that_cannot_be_written_is_told(cache: EnvironmentCache) -> None:
    cache.directory.mkdir()
    (cache.directory / "building").write_text("no directory")
    with pytest.raises(ImageBuildError, match="the environment cannot be built"):
        made(cache, IMAGE.pip_install("kite"))
