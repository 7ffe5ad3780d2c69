"""The server that stays: which one calls by name go to, and when that is looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.client import standing
from motet.client.connection import Connection
from motet.client.dual import run_blocking
from motet.client.ground import Ground, ground, stand_on
from motet.wire.hello import PYTHON, Agreed
from tests.client.test_reach import answering


class HeldClock(Ground):
    """Its time passes when the test says so."""

    seconds = 1000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Iterator[HeldClock]:
    before, held = ground(), HeldClock()
    stand_on(held)
    yield held
    stand_on(before)


def connected() -> Connection:
    return run_blocking(standing.standing("a test", "")).connect()


def test_another_name_in_the_environment_counts_for_the_next_call(
    tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        servers.append(answering(tmp_path / name, Agreed(1, PYTHON)))
    (first, join_first), (second, join_second) = servers
    monkeypatch.setenv("MOTET_SERVER", first.address)
    one = connected()
    assert connected() is one
    monkeypatch.setenv("MOTET_SERVER", second.address)
    other = connected()
    assert other is not one
    assert not one.ended
    one.close()
    standing.disconnect()
    join_first()
    join_second()


def test_what_a_profile_says_anew_counts_after_a_moment(
    tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, join_first = answering(tmp_path / "a", Agreed(1, PYTHON))
    second, join_second = answering(tmp_path / "b", Agreed(1, PYTHON))
    profiles = tmp_path / "profiles.toml"
    monkeypatch.delenv("MOTET_SERVER", raising=False)
    monkeypatch.setenv("MOTET_CONFIG", str(profiles))
    profiles.write_text(f'[default]\nserver = "{first.address}"\n')
    one = connected()
    profiles.write_text(f'[default]\nserver = "{second.address}"\n')
    assert connected() is one
    clock.seconds += standing.PROFILES_HOLD
    assert connected() is not one
    one.close()
    standing.disconnect()
    join_first()
    join_second()
