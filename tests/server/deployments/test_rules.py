"""When a canary is rolled back by itself, on moments that the test gives."""

from __future__ import annotations

import pytest

from motet.errors import InvalidError
from motet.server.deployments.names import CallShares
from motet.server.deployments.rules import ENOUGH, WINDOW, RollbackRules, VersionScore, verdict


def score(inputs: int, failed: int = 0, seconds: float = 0.1, at: float = 0.0) -> VersionScore:
    made = VersionScore()
    for number in range(inputs):
        made.add(at, number < failed, seconds)
    return made


def judged(rules: str, canary: VersionScore, other: VersionScore, now: float = 0.0) -> str:
    return verdict(RollbackRules.read(rules), canary.stats(now, "shop", 4), other.stats(now, "shop", 3))


def test_rules_are_read_and_no_rule_is_none() -> None:
    assert RollbackRules.read("error-rate=2%,p95=2x") == RollbackRules(error_rate=0.02, p95=2.0)
    assert RollbackRules.read(" p50=1.5x ") == RollbackRules(p50=1.5)
    assert not RollbackRules.read("")


@pytest.mark.parametrize("text", ["error-rate=2", "p95=2", "p99=2x", "latency<3", "error-rate=-1%"])
def test_what_is_no_rule_is_refused_with_what_rules_look_like(text: str) -> None:
    with pytest.raises(InvalidError, match=r"is no rule for a rollback; rules are error-rate=2% .* p95=2x"):
        RollbackRules.read(text)


def test_more_errors_than_agreed_are_a_reason_once_enough_inputs_have_ended() -> None:
    other = score(0)
    assert judged("error-rate=10%", score(ENOUGH - 1, failed=ENOUGH - 1), other) == ""
    assert judged("error-rate=10%", score(100, failed=10), other) == ""
    assert judged("error-rate=10%", score(100, failed=11), other) == (
        "error-rate=0.1 was agreed, and 11 of its last 100 inputs failed (11.0%)"
    )


def test_times_are_compared_with_those_of_the_version_beside_it() -> None:
    assert judged("p95=2x", score(100, seconds=0.2), score(100, seconds=0.1)) == ""
    assert judged("p95=2x", score(100, seconds=0.21), score(ENOUGH - 1, seconds=0.1)) == ""
    says = judged("p95=2x", score(100, seconds=0.21), score(100, seconds=0.1))
    assert says == "p95=2x was agreed, and its p95 is 210 ms, beside 100 ms of v3"
    assert judged("p50=2x", score(100, seconds=0.21), score(100, seconds=0.1)).startswith("p50=2x")


def test_what_is_long_ago_does_not_count() -> None:
    canary = score(50, failed=50, at=0.0)
    assert judged("error-rate=1%", canary, score(0), now=WINDOW - 1) != ""
    assert judged("error-rate=1%", canary, score(0), now=WINDOW + 1) == ""


def test_times_of_inputs_that_failed_are_not_those_of_a_version() -> None:
    made = score(10, failed=10, seconds=30.0)
    made.add(0.0, False, 0.1)
    stats = made.stats(0.0)
    assert (stats.p50, stats.p95, stats.failed, stats.inputs) == (0.1, 0.1, 10, 11)


@pytest.mark.parametrize("percent", [1.0, 10.0, 25.0, 33.3, 50.0, 99.0])
def test_shares_are_as_even_as_can_be(percent: float) -> None:
    shares = CallShares(2, percent, 1)
    found = [shares.next() for _ in range(1000)]
    for end in range(1, 1001):
        assert abs(found[:end].count(2) - end * percent / 100) <= 1
