"""Sandboxes whose images ask for packages: their commands run in the environment that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

import motet
from motet.backends.walls.levels import bubblewrap_lacks
from motet.errors import InvalidError
from motet.images.cache import EnvironmentCache

LEVELS = ["process"] + (["bubblewrap"] if bubblewrap_lacks() is None else [])


def test_commands_of_a_sandbox_run_in_the_environment_of_its_image(
    tmp_path: Path, cache: EnvironmentCache, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOTET_HOME", str(tmp_path))
    app = motet.App("boxes")
    (tmp_path / "seen").write_text("seen")
    image = motet.Image.debian_slim().pip_install("kite==1.0").env({"COLOUR": "red"}).entrypoint(["env", "SIZE=big"])
    program = "import os, sys, kite; print(kite.VERSION, sys.prefix, os.environ['COLOUR'], os.environ['SIZE'])"
    with app.run():
        with pytest.raises(InvalidError, match=r"environment with kite==1.0.*MOTET_BUILD_IMAGES=always"):
            motet.Sandbox.create("python", "-c", program, app=app, image=image)
        monkeypatch.setenv("MOTET_BUILD_IMAGES", "always")
        for level in LEVELS:
            box = motet.Sandbox.create("python", "-c", program, app=app, image=image, isolation=level)
            box.wait()
            (listed,) = cache.listed()
            there = f"1.0 {cache.environments / listed.built.digest} red big\n"
            assert (box.stdout.read(), box.stderr.read()) == (there, "")
        if "bubblewrap" in LEVELS:
            added = image.add_local_file(tmp_path / "seen", "/data/seen")
            with motet.Sandbox.create("cat", app=app, image=added, isolation="bubblewrap") as box:
                assert box.exec("cat", "/data/seen").stdout.read() == "seen"
                assert box.exec("python", "-c", "import kite; print(kite.VERSION)").stdout.read() == "1.0\n"
    assert capfd.readouterr().err.count("image: Built") == 1
