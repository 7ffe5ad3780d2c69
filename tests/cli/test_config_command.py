"""`motet config`: what it writes and prints, and that it prints no token."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from motet.cli.main import motet

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("MOTET_PROFILE", "MOTET_SERVER", "MOTET_TOKEN", "MOTET_SERVER_FINGERPRINT", "MOTET_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOTET_CONFIG", str(tmp_path / "profiles.toml"))

    def run(*argv: str, given: str | None = None) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MOTET_PROFILE", "")  # `--profile` sets it, and what was never set is not put back
            patch.delenv("MOTET_PROFILE")
            return CliRunner().invoke(motet, argv, input=given)

    return run


def test_a_server_is_written_down_once_and_found_from_then_on(run: Run, tmp_path: Path) -> None:
    assert run("config", "set", "server", "tls:build.example").exit_code == 0
    assert run("config", "set", "token", "-", given="hush\n").exit_code == 0
    text = (tmp_path / "profiles.toml").read_text()
    assert text == '[default]\ntoken = "hush"\nserver = "tls:build.example:7433"\n'
    shown = run("config", "show", "--json")
    assert {row["key"]: row["value"] for row in json.loads(shown.stdout)} == {
        "server": "tls:build.example:7433",
        "token": "(set)",
        "fingerprint": "",
        "home": "~/.motet",
    }
    assert "hush" not in run("config", "list").output + run("config", "show").output + shown.output


def test_one_of_several_profiles_is_in_use(run: Run) -> None:
    for name in ("work", "play"):
        run("--profile", name, "config", "set", "server", f"tls:{name}.example:1")
    assert run("config", "use", "work").exit_code == 0
    listed = json.loads(run("config", "list", "--json").stdout)
    assert listed == [
        {"name": "work", "in_use": True, "server": "tls:work.example:1"},
        {"name": "play", "in_use": False, "server": "tls:play.example:1"},
    ]
    assert "tls:play.example:1" in run("--profile", "play", "config", "show").stdout
    assert run("config", "unset", "server", "--profile", "play").exit_code == 0
    assert "tls:play.example:1" not in run("config", "list").stdout


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (("set", "server", "elsewhere"), 2, "server elsewhere: there is no such server"),
        (("set", "fingerprint", "ab"), 2, "a fingerprint is sha256:"),
        (("set", "colour", "red"), 2, "'colour' is not one of"),
        (("set", "server", ""), 2, "the value of server is empty"),
        (("use", "play"), 1, "has no profile 'play'"),
        (("unset", "home"), 1, "has no 'home'"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_written(
    run: Run, tmp_path: Path, argv: tuple[str, ...], status: int, message: str
) -> None:
    done = run("config", *argv)
    assert (done.exit_code, (tmp_path / "profiles.toml").exists()) == (status, False)
    assert message in done.output


def test_without_profiles_there_is_a_word_of_how_to_make_one(run: Run) -> None:
    assert "motet config set server" in run("config", "list").output
