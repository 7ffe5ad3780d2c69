"""`motet image` on a home with environments."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from motet.cli.main import motet
from motet.images.cache import EnvironmentCache
from motet.images.uses import note_needed

from .test_cache import add

DAY = 86400.0


def image(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(motet, ["image", *arguments], env={"MOTET_HOME": str(home)})


@pytest.fixture
def cache(tmp_path: Path) -> EnvironmentCache:
    cache = EnvironmentCache(tmp_path / "images")
    for digest in ("one", "other"):
        add(cache, digest)
    cache.log("r").parent.mkdir()
    cache.log("r").write_text("Resolved\n")
    return cache


def test_environments_are_listed_with_who_used_them(cache: EnvironmentCache, tmp_path: Path) -> None:
    cache.hold("one", "shop")
    cache.release()
    found = json.loads(image(tmp_path, "list", "--json").output)
    assert [(each["name"], each["kind"], list(each["apps"])) for each in found] == [
        ("one", "environment", ["shop"]),
        ("other", "environment", []),
    ]
    assert "shop" in image(tmp_path, "list").output


def test_the_log_of_a_build_is_printed(cache: EnvironmentCache, tmp_path: Path) -> None:
    assert image(tmp_path, "logs", "on").output == "Resolved\n"
    assert image(tmp_path, "logs").output == "Resolved\n"
    cache.log("0123456789abcdef").write_text("Failed\n")  # of a build that failed: no environment came of it
    assert image(tmp_path, "logs", "0123456789ab").output == "Failed\n"
    assert "there are several images 'o'" in image(tmp_path, "logs", "o").output
    assert "nothing has been built here" in image(tmp_path / "empty", "logs").output


def test_what_is_used_or_was_lately_is_not_pruned(cache: EnvironmentCache, tmp_path: Path) -> None:
    assert (
        image(tmp_path, "prune", "--older-than", str(time.time() / DAY), "-y").output
        == "No image is old enough, and needed by nobody\n"
    )
    assert "2 environments would go" in image(tmp_path, "prune", "--dry-run").output
    cache.hold("one", "shop")
    assert "1 environment removed" in image(tmp_path, "prune", "--older-than", "0", "-y").output
    assert [each.built.digest for each in cache.listed()] == ["one"]
    cache.release()


def test_what_a_deployed_app_needs_is_not_pruned_while_its_server_does_not_run(
    cache: EnvironmentCache, tmp_path: Path
) -> None:
    note_needed(cache.directory, {"one": ["shop"]})
    assert "deployed" in image(tmp_path, "list").output
    assert "1 environment removed" in image(tmp_path, "prune", "--older-than", "0", "-y").output
    assert [each.built.digest for each in cache.listed()] == ["one"]
    note_needed(cache.directory, {})
    assert "1 environment removed" in image(tmp_path, "prune", "--older-than", "0", "-y").output
