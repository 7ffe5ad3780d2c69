"""The embedded server's configuration, from the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from motet.server.config import ServerConfig


def test_relative_search_paths_are_absolute_for_containers_which_run_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", "/opt/lib", ""]))
    assert ServerConfig.from_environment().base_env["PYTHONPATH"] == os.pathsep.join([f"{tmp_path}/src", "/opt/lib"])


def test_containers_start_from_the_clients_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAVOUR", "plum")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    base_env = ServerConfig.from_environment().base_env
    assert base_env["FLAVOUR"] == "plum"
    assert "PYTHONPATH" not in base_env
