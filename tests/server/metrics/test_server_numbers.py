"""What a server tells of itself: its disk, its certificates, what is deployed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from motet.model.views import AppView
from motet.server.clients.calls_room import JournalProgress
from motet.server.metrics import catalogue
from motet.server.metrics.catalogue import Metric
from motet.server.metrics.server_numbers import MEASURED_FOR, ServerNumbers, expires_at
from motet.store.base import HomeUsage
from motet.store.home_usage import home_usage


class Watched:
    """Upkeep with a disk that answers when it is told to, and a clock."""

    def __init__(self, *views: AppView, certificates: tuple[Path, ...] = ()) -> None:
        self.now = 0.0
        self.looks: list[Callable[[], None]] = []
        self.used = HomeUsage({"records": 5, "bundles": 7}, 100)
        self.silence: float | None = None
        self.journal: JournalProgress | None = None
        self.upkeep = ServerNumbers(
            lambda: views,
            certificates,
            lambda: self.used,
            lambda: self.silence,
            lambda: self.journal,
            self.looks.append,
            lambda: self.now,
        )

    def values(self, metric: Metric) -> dict[tuple[str, ...], float]:
        return {labels: value for found, labels, value in self.upkeep.readings() if found is metric}


def test_the_disk_is_looked_at_elsewhere_and_once_a_minute() -> None:
    watched = Watched()
    assert watched.values(catalogue.HOME_BYTES) == {}
    (look,) = watched.looks
    look()
    assert watched.values(catalogue.HOME_BYTES) == {("records",): 5, ("bundles",): 7}
    assert watched.values(catalogue.HOME_FREE) == {(): 100}
    assert len(watched.looks) == 1
    watched.now = MEASURED_FOR
    watched.used = HomeUsage({}, 1)
    assert watched.values(catalogue.HOME_FREE) == {(): 100}  # what is known, until the disk has answered
    watched.looks[1]()
    assert watched.values(catalogue.HOME_FREE) == {(): 1}


def test_the_newest_version_of_each_deployed_app_is_told() -> None:
    versions = [AppView(app_id=f"ap-{n}", name="shop", functions=(), version=n) for n in (3, 2)]
    program = AppView(app_id="ap-9", name="script", functions=())
    assert Watched(*versions, program).values(catalogue.DEPLOYED) == {("shop",): 3}


def test_an_agent_that_does_not_answer_is_told_where_there_is_one() -> None:
    watched = Watched()
    assert watched.values(catalogue.AGENT_SILENCE) == {}
    watched.silence = 6.0
    assert watched.values(catalogue.AGENT_SILENCE) == {(): 6.0}


def test_a_certificate_says_when_it_expires(tmp_path: Path) -> None:
    file = tmp_path / "chain.pem"
    made = trustme.CA().issue_cert("localhost")
    file.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    read = Watched(certificates=(file,)).values(catalogue.CERTIFICATE_EXPIRY)
    assert read == {("chain.pem",): expires_at(file)}
    assert read["chain.pem",] > 1.8e9


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.pem").write_text(text)
    assert expires_at(tmp_path / "c.pem") is None
    assert expires_at(tmp_path / "gone.pem") is None


def test_what_is_under_a_home_is_counted_by_what_it_is_of_and_once(tmp_path: Path) -> None:
    block = 4096
    for name in (
        "servers/se-1/records.db",
        "server/bundles/pieces/a",
        "server/audit/audit.jsonl",
        "server/deployments.db",
        "server/deployments.db-wal",
        "server/tokens.json",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * block)
    (tmp_path / "server/bundles/trees").mkdir()
    os.link(tmp_path / "server/bundles/pieces/a", tmp_path / "server/bundles/trees/a")
    (tmp_path / "loop").symlink_to(tmp_path)
    used = home_usage(tmp_path)
    assert {name: used.parts[name] for name in ("records", "bundles", "audit")} == dict.fromkeys(
        ("records", "bundles", "audit"), block
    )
    assert used.parts["deployments"] == 2 * block
    assert block <= used.parts["other"] < 2 * block + 1
    assert used.total == sum(used.parts.values())
    assert used.free > 0
    assert home_usage(tmp_path / "gone") == HomeUsage({"records": 0, "other": 0}, 0)


def test_how_far_a_journal_is_is_told_where_there_is_one() -> None:
    watched = Watched()
    assert watched.values(catalogue.JOURNAL_LAG) == watched.values(catalogue.JOURNAL_TERM) == {}
    watched.journal = JournalProgress(0.5, 3)
    assert watched.values(catalogue.JOURNAL_LAG) == {(): 0.5}
    assert watched.values(catalogue.JOURNAL_TERM) == {(): 3}
