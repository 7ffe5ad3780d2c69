"""docs/configuration.md and the table that it is made of: every variable that is read, and what it is without."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.client.misspelled import misspelled
from motet.client.resuming_link import RECONNECT_TIMEOUT, SILENCE
from motet.client.settings import KEYS
from motet.client.variable import ReadBy
from motet.client.variables import VARIABLES
from motet.core.host import DEFAULT_LIMITS
from motet.runtime.stalls.watchdog import BLOCKED_AFTER
from motet.server.config import ServerConfig
from motet.server.container_environment import SECRETS
from motet.server.records.config import RecordsConfig
from motet.store.lease import LEASE
from motet.wire.log_allowance import LINES_PER_SECOND

SOURCE = Path(motet.__file__).parent
SCRIPT = Path(__file__).parents[1] / "docs" / "make_configuration.py"
NAME = re.compile(r"(?<![A-Za-z0-9_])MOTET_[A-Z0-9]+(?:_[A-Z0-9]+)*(?![A-Z0-9_*])")


def names() -> Iterator[tuple[str, str]]:
    """Every name of a variable in a text of the code, messages and docstrings included; and where."""
    for path in SOURCE.rglob("*.py"):
        if path.name == "variables.py" and path.parent.name == "client":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value if isinstance(node.value, str) else node.value.decode(errors="replace")
                for name in NAME.findall(text):
                    yield name, f"{path.relative_to(SOURCE)}:{node.lineno}"


def test_every_variable_that_the_code_names_has_a_row() -> None:
    missing = {name: where for name, where in names() if name not in VARIABLES}
    assert missing == {}, "each is a row of client/variables.py; then: python docs/make_configuration.py"


def test_every_row_is_a_variable_that_the_code_names() -> None:
    # Those that are written by their options: `motet serve --host`.
    assert sorted(VARIABLES.keys() - {name for name, _ in names()}) == []


def test_the_page_shows_the_table_as_it_is() -> None:
    spec = importlib.util.spec_from_file_location("make_configuration", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text() == module.page(), "run python docs/make_configuration.py"


def test_keys_of_profiles_are_in_the_table_as_profiles_have_them() -> None:
    rows = {row.profile: (row.name, row.means, row.is_withheld) for row in VARIABLES.values() if row.profile}
    assert rows == {key.name: (key.variable, key.means, not key.is_shown) for key in KEYS.values()}


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_set")
def test_what_the_table_says_holds_without_a_variable_does() -> None:
    config = ServerConfig.from_environment()
    records = RecordsConfig.from_environment({})
    assert records is not None
    mib, day = 1024 * 1024, 86400
    defaults: dict[str, Any] = {
        "MOTET_DRAIN_GRACE": config.limits.drain_grace,
        "MOTET_STOP_GRACE": config.stop_grace,
        "MOTET_FREEZE_GRACE": config.limits.freeze_grace,
        "MOTET_MISSING_GPU": config.limits.missing_gpu,
        "MOTET_LISTEN": config.listen,
        "MOTET_WEB_HOST": config.web.host,
        "MOTET_WEB_REDIRECT_AFTER": config.web.redirect_after,
        "MOTET_WEB_KEEP_RESPONSES": config.web.keep_responses,
        "MOTET_WEB_KEEP_ALIVE": config.web.keep_alive,
        "MOTET_DASHBOARD_HOST": config.dashboard.host,
        "MOTET_KEEP_RECORDS_DAYS": records.keep_for / day,
        "MOTET_KEEP_RESULTS_DAYS": config.keep_results / day,
        "MOTET_BLOBS_ABOVE_KIB": config.blobs_above / 1024,
        "MOTET_KEEP_RECORDS_MIB": records.keep_bytes / mib,
        "MOTET_KEEP_ARGUMENTS_BYTES": records.arguments_bytes,
        "MOTET_KEEP_ARGUMENTS_MIB": records.all_arguments_bytes / mib,
        "MOTET_KEEP_LARGE_ARGUMENTS_MIB": records.large_arguments_bytes / mib,
        "MOTET_AGENT_GRACE": config.agent_grace,
        "MOTET_CONNECTIONS_PER_PRINCIPAL": config.connections,
        "MOTET_CONNECTION_GRACE": config.connection_grace,
        "MOTET_RECONNECT": RECONNECT_TIMEOUT,
        "MOTET_LEASE": LEASE,
        "MOTET_SILENCE": SILENCE,
        "MOTET_LOG_RATE": LINES_PER_SECOND,
        "MOTET_BLOCKED_AFTER": BLOCKED_AFTER,
    }
    said = {name: VARIABLES[name].default for name in defaults}
    assert said == {name: f"{it:.10g}" if isinstance(it, int | float) else it for name, it in defaults.items()}
    assert config.limits.stop_grace == DEFAULT_LIMITS.stop_grace
    numbers = {name for name, row in VARIABLES.items() if re.fullmatch(r"\d+(\.\d+)?", row.default)}
    assert numbers <= defaults.keys(), "a default that is a number is compared with the code above"


def test_every_number_has_a_unit() -> None:
    of_code = {name for name, row in VARIABLES.items() if row.read_by is ReadBy.NOBODY}
    for name, row in VARIABLES.items():
        assert bool(row.unit) or not re.match(r"\d+(\.\d+)?$", row.default), name
        assert bool(row.default) is (name not in of_code), name


def test_secrets_are_not_inherited() -> None:
    assert {"MOTET_TOKEN", "MOTET_PROXY_TOKENS", "MOTET_WEB_TLS_KEY"} <= SECRETS


def test_a_variable_that_is_written_wrong_is_told() -> None:
    env = {"MOTET_WEB_PROT": "1", "MOTET_HOME": "/x", "MOTET_OF_MY_OWN": "1", "PATH": ""}
    assert misspelled(env) == ["MOTET_WEB_PROT is set, which nothing reads; did you mean MOTET_WEB_PORT?"]
