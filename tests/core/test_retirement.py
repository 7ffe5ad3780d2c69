"""Pools of variants go when nobody uses them."""

from __future__ import annotations

from motet.core.commands import ReportFunctionRetired
from motet.core.events import FunctionAdded, FunctionWanted
from motet.model.outcome import OutcomeKind
from motet.model.retires import Retires
from motet.testing.playbook import Playbook
from motet.testing.transcript import deliver, ended, finished, ready, send, spec, start, stop, submit

RETIRED = ReportFunctionRetired("fu-v")


def variant(retires: Retires, **options: object) -> FunctionAdded:
    return FunctionAdded("fu-v", "ap-1", spec("v", **options), retires)


def wanted(retires: Retires = "when idle") -> FunctionWanted:
    return FunctionWanted("fu-v", retires)


def test_a_variant_goes_60_seconds_after_its_window_and_its_containers_and_calls_find_it_no_more(
    play: Playbook,
) -> None:
    play >> variant("when empty", scaledown_window=10.0)
    play >> submit("a", function="v") << start(1, function="v")
    play.at(100.0)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(300.0) >> finished(1, 1) << send("a", 0)
    play.at(310.0) << stop(1)
    play.at(311.0) >> ended(1, "exited with status 0")
    assert play.engine.inspection.takes("fu-v")
    play.at(369.9)
    play.at(370.0) << RETIRED
    assert not play.engine.inspection.takes("fu-v")
    assert play.engine.state.pools == {}
    play >> submit("b", function="v") << send("b", 0, kind=OutcomeKind.LOST)


def test_a_variant_that_was_never_called_goes_too_and_who_asks_for_it_begins_its_time_anew(play: Playbook) -> None:
    play >> variant("when idle", scaledown_window=10.0)
    play.at(60.0) >> wanted()
    play.at(129.9)
    play.at(130.0) << RETIRED


def test_what_requests_have_made_goes_with_the_containers_it_keeps_and_what_a_client_holds_keeps_them(
    play: Playbook,
) -> None:
    play >> variant("when idle", min_containers=1, scaledown_window=10.0) << start(1, function="v")
    play.at(1.0) >> ready(1)
    play.at(70.0) << stop(1, reason="nobody used this variant for a while")
    assert not play.engine.inspection.takes("fu-v"), "whoever asks for it now gets a new one"
    play >> ended(1, "exited with status 0") << RETIRED
    play >> variant("when idle", min_containers=1, scaledown_window=10.0) << start(2, function="v")
    play >> wanted("when empty")
    play >> wanted("when idle")
    play >> ready(2)
    play.at(10_000.0)
    assert play.engine.inspection.takes("fu-v")


def test_a_variant_with_an_input_that_waits_runs_or_is_to_be_retried_stays(play: Playbook) -> None:
    play >> variant("when idle", scaledown_window=2.0, retries=1, max_containers=1, timeout=10_000.0)
    play >> submit("a", 2, function="v") << start(1, function="v")
    play.at(200.0)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(1000.0) >> finished(1, 1, kind=OutcomeKind.FAILURE) << deliver(1, "a1#2")
    play.at(1001.0) << []
    assert play.engine.inspection.takes("fu-v")
    play >> finished(1, 2) << deliver(1, "a0#3") << send("a", 1)
    play.at(3000.0) >> finished(1, 3) << send("a", 0)
    play.at(3002.0) << stop(1)
    play >> ended(1, "exited with status 0")
    play.at(3062.0) << RETIRED


def test_a_declared_function_never_goes(play: Playbook) -> None:
    play >> variant("never", scaledown_window=2.0)
    play >> wanted()
    play.at(100_000.0)
    assert play.engine.inspection.takes("fu-v")
