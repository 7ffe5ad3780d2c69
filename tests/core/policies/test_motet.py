"""Motet's own policy: at once, unless a container would come too late to be of use."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from motet.core.arrivals import Arrivals
from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision
from motet.core.commands import DeliverAttempts, StartContainer, StopContainer
from motet.core.events import AttemptsFinished, ContainerReady
from motet.core.policies.motet import MotetPolicy
from motet.model.outcome import AttemptEnd, OutcomeKind
from motet.model.scaling import AutoscalerSettings
from motet.testing.playbook import Playbook
from motet.testing.transcript import attempts, deliver, finished, function, ready, send, start, submit

SETTINGS = AutoscalerSettings()


@dataclass(frozen=True)
class Aged:
    """Inputs that have run for so long on average."""

    seconds: float

    def age(self, now: float) -> float:
        return self.seconds


def decide(
    demand: Demand,
    *,
    live: int = 1,
    starting: int = 0,
    cold_start: float | None = 2.0,
    service_time: float | None = 0.1,
    age: float = 0.0,
    rate: float = 0.0,
    target: int = 1,
    most: int | None = None,
    last: ScalingDecision | None = None,
    settings: AutoscalerSettings = SETTINGS,
    now: float = 100.0,
    surge: float = 0.0,
    submitted: int = 0,
    held: int | None = None,
) -> ScalingDecision:
    arrivals, lately = Arrivals(cold_start or 1.0), Arrivals((cold_start or 2.0) / 16)
    arrivals.came(round(rate * arrivals.memory), now - 1e-6)
    lately.came(round(surge * lately.memory), now)
    facts = PoolFacts(
        most or target,
        target,
        live,
        starting,
        cold_start,
        service_time,
        Aged(age),
        arrivals,
        last=last,
        surge=lately,
        held=held,
        submitted=submitted,
    )
    return MotetPolicy().decide(demand, facts, settings, now)


@pytest.mark.parametrize(
    ("what", "desired"),
    [
        ({}, 1),  # 8 inputs of 0.1 s are over in 0.8 s, and a start takes 2
        ({"cold_start": None}, 8),
        ({"service_time": None}, 8),
        ({"cold_start": 0.5}, 1),  # 3 are left when one is ready: one container serves them in less than a start
        ({"cold_start": 0.1}, 7),  # one is over by then
        ({"service_time": 1.0}, 4),  # two are over by then, and four containers serve six in 0.8 times a start
        ({"service_time": 60.0}, 8),
        ({"age": 120.0}, 8),  # what runs now takes longer than what ran before
        ({"live": 3, "service_time": 1.0}, 3),
        ({"live": 0}, 1),  # none serves them meanwhile, but one can when it is there
        ({"live": 0, "service_time": 0.5}, 3),
        ({"live": 0, "service_time": 1.0}, 5),
        ({"live": 0, "service_time": 2.0}, 8),
        ({"rate": 10.0}, 3),  # one for those that come, one because they come unevenly, and one for those that wait
        ({"rate": 5.0}, 2),
        ({"rate": 40.0}, 8),  # never more than what is there calls for
        ({"target": 4}, 1),
        ({"target": 4, "most": 8, "service_time": 3.0}, 1),  # it bursts, which is over in time
        ({"target": 4, "most": 8, "service_time": 30.0}, 2),
    ],
)
def test_no_more_containers_are_wanted_than_will_be_of_use(what: dict[str, float], desired: int) -> None:
    assert decide(Demand(8), **what).desired == desired  # type: ignore[arg-type]


def test_a_lasting_load_gets_the_containers_that_it_fills() -> None:
    assert decide(Demand(8), live=1, service_time=1.0, rate=3.0).desired == 8
    assert decide(Demand(80), live=7, service_time=0.1, rate=200.0).desired == 45


def test_the_reason_has_the_numbers() -> None:
    assert decide(Demand(8), cold_start=0.5).reason == (
        "8 inputs at 1 each want 8; 1 pay: a start takes 0.5 s, an input 0.1 s, 0 come meanwhile"
    )


def test_it_holds_back_for_the_time_of_three_starts_at_most() -> None:
    first = decide(Demand(8), now=100.0)
    assert (first.desired, first.again_at) == (1, 106.0)
    second = decide(Demand(8), last=first, now=105.9)
    assert (second.desired, second.again_at) == (1, 106.0)
    third = decide(Demand(8), last=second, now=106.0)
    assert (third.desired, third.reason) == (8, "8 inputs at 1 each want 8")
    assert decide(Demand(8), last=third, now=110.0).desired == 8
    over = decide(Demand(1), last=third, now=111.0)
    assert decide(Demand(8), last=over, now=112.0).desired == 1


def test_suspects_batches_and_a_buffer_are_never_held_back() -> None:
    assert decide(Demand(8, alone=1)).desired == 9
    assert decide(Demand(8, unit="batches")).desired == 8
    assert decide(Demand(8), settings=AutoscalerSettings(buffer_containers=1)).desired == 8


def test_a_load_that_goes_on_rising_gets_containers_for_those_that_will_come() -> None:
    first = decide(Demand(8), service_time=2.0, rate=10.0, surge=80.0, submitted=100)
    assert first.desired == 8  # it may be one burst, which is all there
    later = decide(Demand(30), live=8, service_time=2.0, rate=20.0, surge=80.0, submitted=122, last=first, now=100.3)
    assert later.desired == 145
    assert "145 pay" in later.reason


def test_what_may_come_is_bounded_by_what_has_come() -> None:
    """A thousand a second for a second, which may be all."""
    first = decide(Demand(2), rate=10.0, surge=1000.0, submitted=100)
    later = decide(Demand(1000), rate=600.0, surge=1000.0, submitted=1100, last=first, now=101.0)
    assert 100 < later.desired < 250


def test_two_more_inputs_are_no_sign_that_many_come() -> None:
    first = decide(Demand(2), service_time=60.0, rate=0.5, surge=8.0, submitted=10)
    assert decide(Demand(4), service_time=60.0, rate=0.5, surge=16.0, submitted=12, last=first, now=100.3).desired == 4


def test_while_times_are_unknown_there_is_room_for_more_if_inputs_keep_coming() -> None:
    first = decide(Demand(1), live=0, cold_start=None, service_time=None, submitted=1)
    second = decide(Demand(40), live=1, starting=1, cold_start=None, submitted=40, last=first, now=100.1)
    assert (first.desired, second.desired) == (1, 40)  # so far it may be one client's burst
    third = decide(Demand(41), live=40, starting=40, cold_start=None, submitted=41, last=second, now=100.2)
    assert third.desired == 69
    assert third.reason == "41 inputs at 1 each want 41; room for 27 more that may come"


def test_a_burst_that_came_at_once_gets_no_more_than_it_fills() -> None:
    first = decide(Demand(8), service_time=60.0, rate=4.0, surge=64.0, submitted=8)
    assert first.desired == 8
    assert decide(Demand(8), service_time=60.0, rate=4.0, surge=64.0, submitted=8, last=first, now=100.5).desired == 8


@pytest.mark.parametrize(
    ("held", "inputs", "keep"),
    [(3, 1, 4), (3, 5, 5), (0, 0, 0), (20, 1, 21), (60, 1, 63)],  # one more for each twenty
)
def test_containers_beyond_those_needed_lately_are_spare(held: int, inputs: int, keep: int) -> None:
    decision = decide(Demand(inputs), live=9, held=held)
    assert (decision.desired, decision.keep, decision.spare_window) == (inputs, keep, 2.0)
    assert decision.again_at == 101.0  # a sixtieth of the window: what is held changes while nothing happens


def test_nothing_is_spare_before_enough_is_known() -> None:
    assert decide(Demand(1), live=9).keep is None


def test_a_spare_container_may_idle_for_as_long_as_a_start_takes() -> None:
    assert decide(Demand(1), live=9, held=3, cold_start=8.0).spare_window == 8.0


# --- in the engine ----------------------------------------------------------------------------------------------------


def taught(play: Playbook, *, cold_start: float = 2.0, service_time: float = 0.1, **settings: int) -> Playbook:
    """A pool that has seen one start and 20 inputs; its container is idle, and the next attempt is number 21."""
    play >> function(scaledown_window=60, **settings)
    for number in range(20):
        call = "t" + chr(ord("a") + number)
        play >> submit(call)
        if number == 0:
            play << start(1)
            play.at(cold_start) >> ready(1)
        play << deliver(1, f"{call}0#{number + 1}")
        play.at(play.now + service_time) >> finished(1, number + 1) << send(call, 0)
    return play.at(play.now + 30.0)


def test_before_enough_inputs_have_ended_every_start_pays(play: Playbook) -> None:
    play >> function()
    play >> submit("t") << start(1)
    play.at(2.0) >> ready(1) << deliver(1, "t0#1")
    play.at(2.1) >> finished(1, 1) << send("t", 0)
    play >> submit("a", 3) << deliver(1, "a0#2") << start(2, 3)


def test_a_burst_that_is_over_before_a_container_could_be_ready_starts_none(play: Playbook) -> None:
    taught(play) >> submit("a", 3) << deliver(1, "a0#21")
    for number in range(3):
        play.at(play.now + 0.1) >> finished(1, 21 + number)
        if number < 2:
            play << deliver(1, f"a{number + 1}#{number + 22}")
        play << send("a", number)
    play.at(play.now + 50.0)


def test_inputs_that_turn_out_slow_get_their_containers_all_the_same(play: Playbook) -> None:
    taught(play) >> submit("a", 3) << deliver(1, "a0#21")
    play.at(play.now + 5.9)
    play.take()
    play.at(play.now + 0.2)
    assert play.engine.inspection.view("fu-f", play.now).started_containers == 3
    play.take()


def test_a_burst_that_lasts_longer_starts_what_will_have_work(play: Playbook) -> None:
    taught(play, service_time=10.0) >> submit("a", 3) << deliver(1, "a0#21") << start(2, 3)


def test_a_lasting_overload_is_noticed_within_the_time_of_a_start(play: Playbook) -> None:
    taught(play, max_inputs=10, service_time=1.0)
    begin = play.now
    play >> submit("a", 10) << deliver(1, *attempts("a", range(10), first=21))
    play.at(begin + 0.1) >> submit("b", 4)
    play.at(begin + 0.3) >> submit("c", 8)
    assert [command for command in play.take() if isinstance(command, StartContainer)]


def test_a_square_wave_starts_its_containers_once(play: Playbook) -> None:
    taught(play, service_time=10.0)
    begin = play.now
    started = []
    for wave, name in enumerate("abcde"):
        play.at(begin + 60.0 * wave) >> submit(name, 4)
        commands = play.take()
        started += [command for command in commands if isinstance(command, StartContainer)]
        play >> [ContainerReady(command.container_id) for command in commands if isinstance(command, StartContainer)]
        commands += play.take()
        play.at(begin + 10.0 + 60.0 * wave)
        for command in commands:
            if isinstance(command, DeliverAttempts):
                ends = [AttemptEnd(each.attempt, OutcomeKind.SUCCESS, b"ok") for each in command.attempts]
                play >> AttemptsFinished(command.container_id, ends)
                assert not any(isinstance(command, StopContainer) for command in play.take())
    assert len(started) == 3
    play.at(begin + 1000.0)
    assert len([command for command in play.take() if isinstance(command, StopContainer)]) == 4
