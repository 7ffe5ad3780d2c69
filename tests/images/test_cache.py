from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from motet.images.cache import Built, EnvironmentCache

HOLD = """
import sys
from pathlib import Path
from motet.images.cache import EnvironmentCache
EnvironmentCache(Path(sys.argv[1])).hold("one", "shop")
print("held", flush=True)
sys.stdin.read()
"""


def add(cache: EnvironmentCache, digest: str) -> None:
    place = cache.environments / digest
    (place / "bin").mkdir(parents=True)
    cache.python(digest).symlink_to(sys.executable)
    built = Built(
        digest=digest,
        recipe="r",
        python_version="3",
        steps=("pip_install a",),
        packages=1,
        built_at=5.0,
        seconds=1.0,
        size=7,
    )
    (place / "motet.json").write_bytes(msgspec.json.encode(built))


@pytest.fixture
def one(tmp_path: Path) -> EnvironmentCache:
    cache = EnvironmentCache(tmp_path)
    add(cache, "one")
    return cache


def test_a_recipe_leads_to_its_environment_while_that_is_there(one: EnvironmentCache) -> None:
    assert one.led_to("recipe") is None
    one.note_led("recipe", "one")
    found = one.led_to("recipe")
    assert found is not None
    assert found.python == str(one.python("one"))
    one.python("one").unlink()
    assert one.led_to("recipe") is None


def test_what_another_process_uses_is_not_removed(one: EnvironmentCache) -> None:
    command = [sys.executable, "-c", HOLD, str(one.directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "held\n"
        (listed,) = one.listed()
        assert listed.in_use
        assert list(listed.apps) == ["shop"]
        assert not one.remove("one")
        user.communicate()
    assert not one.listed()[0].in_use
    assert one.remove("one")
    assert one.listed() == []


def test_what_is_no_environment_is_not_listed(one: EnvironmentCache) -> None:
    (one.environments / "half").mkdir()
    assert [each.built.digest for each in one.listed()] == ["one"]


def test_what_killed_builds_left_goes_and_what_is_being_built_stays(one: EnvironmentCache) -> None:
    for name in ("left.1", "making.1"):
        (one.building / name).mkdir(parents=True)
    with one.locked("build-making"):
        one.remove_left()
    assert [each.name for each in one.building.iterdir()] == ["making.1"]
