"""The embedded server's configuration, from the environment."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from motet.client import settings
from motet.errors import InvalidError
from motet.server import config
from motet.server.config import ServerConfig
from motet.server.container_environment import SECRETS
from motet.server.http.config import WebConfig
from motet.server.http.forwarded import TrustedProxies
from motet.server.http.proxy_tokens import ProxyTokens


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


def test_a_servers_secrets_are_not_for_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read as a token or a key, under whatever name: the list and the reader must agree."""
    (tmp_path / "tokens").write_text("bob:second\n")
    monkeypatch.setenv("MOTET_PROXY_TOKENS", "alice:first")
    monkeypatch.setenv("MOTET_PROXY_TOKENS_FILE", str(tmp_path / "tokens"))
    monkeypatch.setenv("MOTET_WEB_TLS_CERTIFICATE", "c.pem")
    monkeypatch.setenv("MOTET_WEB_TLS_KEY", "k.pem")
    monkeypatch.setenv("MOTET_TOKEN", "secret")
    monkeypatch.setenv("MOTET_WEB_PORT", "8000")
    base_env = ServerConfig.from_environment().base_env
    assert [name for name in base_env if name.startswith(("MOTET_PROXY", "MOTET_WEB"))] == ["MOTET_WEB_PORT"]
    source = Path(config.__file__).read_text() + Path(settings.__file__).read_text()
    read = set(re.findall(r"MOTET_[A-Z_]*(?:TOKEN|SECRET|PASSWORD|KEY|CERTIFICATE)[A-Z_]*", source))
    elsewhere = {"MOTET_STORE", "MOTET_ON_FAILURE_SECRET"}
    """The URL of a database has a password in it; the other is a client's."""
    assert read | elsewhere == set(SECRETS)


def test_a_host_has_64_containers_for_each_core_unless_the_environment_says_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MOTET_CONTAINERS_PER_HOST", raising=False)
    assert ServerConfig.from_environment().limits.containers == 64 * len(os.sched_getaffinity(0))
    monkeypatch.setenv("MOTET_CONTAINERS_PER_HOST", "5")
    assert ServerConfig.from_environment().limits.containers == 5
    monkeypatch.setenv("MOTET_CONTAINERS_PER_HOST", "0")
    with pytest.raises(InvalidError, match="MOTET_CONTAINERS_PER_HOST must be at least 1; it is 0"):
        ServerConfig.from_environment()


def test_requests_are_taken_as_variables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("# those of the night shift\nbob:second\n")
    variables = {
        "MOTET_WEB_HOST": "0.0.0.0",
        "MOTET_WEB_PORT": "8000",
        "MOTET_WEB_URL": "https://apps.example.com",
        "MOTET_WEB_TLS_CERTIFICATE": "c.pem",
        "MOTET_WEB_TLS_KEY": "k.pem",
        "MOTET_WEB_FORWARDED_ALLOW_IPS": "10.0.0.0/8",
        "MOTET_WEB_REDIRECT_AFTER": "1.5",
        "MOTET_WEB_KEEP_RESPONSES": "60",
        "MOTET_WEB_KEEP_ALIVE": "90",
        "MOTET_PROXY_TOKENS": "ada:first",
        "MOTET_PROXY_TOKENS_FILE": str(tokens),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ServerConfig.from_environment().web == WebConfig(
        host="0.0.0.0",
        port=8000,
        url="https://apps.example.com",
        tls_certificate="c.pem",
        tls_key="k.pem",
        trusted_proxies=TrustedProxies.parse("10.0.0.0/8"),
        proxy_tokens=ProxyTokens({b"ada": b"first", b"bob": b"second"}),
        redirect_after=1.5,
        keep_responses=60.0,
        keep_alive=90.0,
    )


def test_without_variables_requests_are_taken_on_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("MOTET_WEB", "MOTET_PROXY"))]:
        monkeypatch.delenv(name)
    web = ServerConfig.from_environment().web
    assert web == WebConfig()
    assert (web.host, web.port, web.redirect_after) == ("127.0.0.1", 0, 150)


def test_containers_are_not_given_the_proxy_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_PROXY_TOKENS", "ada:first")
    assert "MOTET_PROXY_TOKENS" not in ServerConfig.from_environment().base_env


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOTET_CONTAINERS_PER_FUNCTION", "many"),
        ("MOTET_WEB_PORT", "http"),
        ("MOTET_WEB_PORT", "65536"),
        ("MOTET_WEB_URL", "apps.example.com"),
        ("MOTET_WEB_TLS_KEY", "k.pem"),
        ("MOTET_WEB_REDIRECT_AFTER", "soon"),
        ("MOTET_WEB_REDIRECT_AFTER", "0"),
        ("MOTET_WEB_KEEP_RESPONSES", "nan"),
        ("MOTET_PROXY_TOKENS", "ada"),
        ("MOTET_PROXY_TOKENS_FILE", "/nowhere/tokens"),
    ],
)
def test_value_that_cannot_be_is_reported_with_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidError, match=name):
        ServerConfig.from_environment()


def test_what_becomes_of_inputs_without_their_gpu_is_set_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOTET_MISSING_GPU", raising=False)
    assert ServerConfig.from_environment().limits.missing_gpu == "error"
    monkeypatch.setenv("MOTET_MISSING_GPU", "wait")
    assert ServerConfig.from_environment().limits.missing_gpu == "wait"
    monkeypatch.setenv("MOTET_MISSING_GPU", "explode")
    with pytest.raises(InvalidError, match="MOTET_MISSING_GPU must be 'error', 'wait' or 'ignore'; it is 'explode'"):
        ServerConfig.from_environment()


def test_apps_have_users_of_their_own_where_a_server_that_stays_is_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOTET_APP_USERS", raising=False)
    assert ServerConfig.of_standing(tmp_path, None).app_users is (os.geteuid() == 0)
    assert not ServerConfig.from_environment().app_users
    monkeypatch.setenv("MOTET_APP_USERS", "off")
    assert not ServerConfig.of_standing(tmp_path, None).app_users
    monkeypatch.setenv("MOTET_APP_USERS", "perhaps")
    with pytest.raises(InvalidError, match="MOTET_APP_USERS must be 'on' or 'off'; it is 'perhaps'"):
        ServerConfig.of_standing(tmp_path, None)
