"""What counts: a variable of the environment before a profile, and that before the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.client.home import home_directory
from motet.client.reach import NamedServer, named
from motet.client.settings import settings
from motet.errors import InvalidError

FINGERPRINT = "sha256:" + "0a" * 32
PROFILE = f'[default]\nserver = "tls:a.example:1"\ntoken = "hush"\nfingerprint = "{FINGERPRINT}"\nhome = "/h"\n'


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "profiles.toml"
    path.write_text(PROFILE)
    path.chmod(0o600)
    return {"MOTET_CONFIG": str(path), "HOME": "/home/ada"}


def test_without_anything_a_program_brings_its_own_server_and_its_home_is_its_users(tmp_path: Path) -> None:
    nothing = {"HOME": str(tmp_path)}
    assert named(nothing) is None
    assert home_directory(nothing) == tmp_path / ".motet"
    assert home_directory({**nothing, "MOTET_HOME": "/m"}) == Path("/m")
    assert {each.source for each in settings(nothing).values()} == {"default"}


def test_a_profile_says_which_server_and_what_it_is_shown(env: dict[str, str]) -> None:
    assert named(env) == NamedServer("tls:a.example:1", "hush", FINGERPRINT)
    assert home_directory(env) == Path("/h")
    assert settings(env)["server"].source == f"profile default in {env['MOTET_CONFIG']}"


def test_a_variable_counts_more(env: dict[str, str]) -> None:
    assert named({**env, "MOTET_TOKEN": "other"}) == NamedServer("tls:a.example:1", "other", FINGERPRINT)
    assert home_directory({**env, "MOTET_HOME": "/m"}) == Path("/m")
    assert named({**env, "MOTET_SERVER": "embedded"}) is None


def test_a_profiles_token_is_shown_to_no_server_but_its_own(env: dict[str, str]) -> None:
    with pytest.raises(InvalidError, match=r"MOTET_SERVER=tls:b\.example:1 needs a token"):
        named({**env, "MOTET_SERVER": "tls:b.example:1"})
    assert named({**env, "MOTET_SERVER": "home"}) == NamedServer("unix:/h/server/socket")
    assert named({**env, "MOTET_SERVER": "tls:a.example:1"}) == NamedServer("tls:a.example:1", "hush", FINGERPRINT)


def test_a_fingerprint_that_is_none_is_told_with_who_said_it(env: dict[str, str]) -> None:
    with pytest.raises(InvalidError, match=r"MOTET_SERVER_FINGERPRINT: a fingerprint is sha256: and 64 .* it is 'abc'"):
        named({**env, "MOTET_SERVER_FINGERPRINT": "abc"})


def test_no_setting_shows_its_value(env: dict[str, str]) -> None:
    assert "hush" not in repr(settings(env)) + repr(named(env))
