"""What the watchdog takes for a stall, and what not: tables of samples."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from motet.runtime.stalls.stalls import LONG, Place, Sample, Sight, Stall, Stalls, Warnings

TICK = 0.05
PLACE = Place("/app/a.py", "crawl", 12)
MINE = Sight("in-1", PLACE, 1)
OTHER = Sight("in-2", Place("/app/a.py", "parse", 30), 2)
NOBODY = Sight(None, PLACE, 3)


def idle() -> Sample:
    """The loop answered at once."""
    return Sample(slept=TICK, answered=0.001)


def kept(sight: Sight = MINE, *, slept: float = TICK, loop_starved: float = 0.0, held: int = 3) -> Sample:
    """The loop did not answer."""
    return Sample(slept=slept, answered=None, on_loop=sight, loop_starved=loop_starved, held=held)


def woken_late(
    by: float,
    *,
    starved: float = 0.0,
    busiest: Sight | None = MINE,
    ran: float | None = None,
    busiest_starved: float = 0.0,
    others_ran: float = 0.0,
    answered: float | None = 0.0,
) -> Sample:
    return Sample(
        slept=TICK + by,
        starved=starved,
        busiest=busiest,
        busiest_ran=by if ran is None else ran,
        busiest_starved=busiest_starved,
        others_ran=others_ran,
        held=3,
        answered=answered,
    )


def found(samples: Sequence[Sample]) -> list[Stall]:
    stalls = Stalls(0.25, TICK)
    return [stall for sample in samples for stall in stalls.take(sample)]


@pytest.mark.parametrize(
    ("samples", "seconds"),
    [
        pytest.param([*[kept()] * 12, idle()], 0.60, id="measured to its end"),
        pytest.param([*[kept()] * 12, Sample(slept=TICK, answered=0.04)], 0.64, id="an end between two samples"),
        pytest.param(
            [*[kept()] * 12, Sample(slept=TICK, answered=None, on_loop=None)], 0.60, id="back in nobody's code"
        ),
        pytest.param([*[kept(slept=0.08)] * 6, idle()], 0.48, id="a watchdog that is a little late"),
        pytest.param([kept(OTHER), *[kept()] * 12, idle()], 0.60, id="behind the short step of another task"),
        pytest.param(
            [*[kept()] * 6, kept(slept=3.0), idle()], 0.40, id="the process was stopped meanwhile: not counted"
        ),
        pytest.param(
            [*[kept(loop_starved=0.02)] * 12, idle()], 0.36, id="without the time its thread waited for a CPU"
        ),
    ],
)
def test_task_that_keeps_the_loop_is_found(samples: list[Sample], seconds: float) -> None:
    (stall,) = found(samples)
    assert (stall.kept, stall.sight, stall.neighbours, stall.goes_on) == ("loop", MINE, 2, False)
    assert stall.seconds == pytest.approx(seconds, abs=0.005)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([idle()] * 20, id="a loop that answers"),
        pytest.param([*[kept()] * 4, idle()], id="shorter than the threshold"),
        pytest.param([*[kept(), idle()] * 20], id="many short steps with answers in between"),
        pytest.param([*[kept(), kept(OTHER)] * 20, idle()], id="many tasks, each with a short step"),
        pytest.param([kept(), kept(slept=5.0), idle()], id="the process was stopped, or the machine asleep"),
        pytest.param([*[kept(loop_starved=0.045)] * 20, idle()], id="a loop that gets no CPU"),
        pytest.param(
            [*[Sample(slept=TICK, answered=None, on_loop=MINE, others_starved=0.045)] * 20, idle()],
            id="a loop that waits for a thread that gets no CPU",
        ),
        pytest.param(
            [*[kept()] * 5, Sample(slept=TICK, answered=None, on_loop=MINE, others_starved=0.3), idle()],
            id="a loop that waits for a thread that got no CPU, as is known at last",
        ),
        pytest.param(
            [*[kept()] * 5, Sample(slept=TICK, answered=0.01, others_starved=0.3)],
            id="the same, known with the answer",
        ),
        pytest.param([woken_late(2.0, starved=1.9)], id="a watchdog that gets no CPU"),
        pytest.param([woken_late(2.0, ran=0.2)], id="stopped: nobody used CPU meanwhile"),
        pytest.param([woken_late(2.0, ran=0.5)], id="many threads took turns"),
        pytest.param([woken_late(2.0, ran=0.1, busiest_starved=1.9)], id="a machine so busy that nobody ran"),
        pytest.param([woken_late(2.0, ran=0.4, busiest_starved=1.4, others_ran=0.9)], id="turns on a busy machine"),
        pytest.param([woken_late(2.0, busiest=None)], id="nobody known"),
        pytest.param([woken_late(0.2)], id="the GIL, shorter than the threshold"),
    ],
)
def test_what_is_none_is_not_found(samples: list[Sample]) -> None:
    assert found(samples) == []


def test_thread_that_holds_the_gil_is_found_when_it_lets_go() -> None:
    assert found([idle(), woken_late(0.8, ran=0.7), idle()]) == [Stall("gil", MINE, pytest.approx(0.8), 2)]


def test_thread_that_holds_the_gil_on_a_busy_machine_is_found() -> None:
    assert found([woken_late(3.0, starved=0.5, ran=0.8, busiest_starved=1.6)]) == [
        Stall("gil", MINE, pytest.approx(2.5), 2)
    ]


def test_input_that_holds_the_gil_on_the_loop_is_told_once() -> None:
    samples = [kept(), woken_late(0.8, answered=None), idle()]
    assert [stall.kept for stall in found(samples)] == ["gil"]


def test_stall_that_goes_on_is_told_after_a_while_and_not_again_at_its_end() -> None:
    samples = [kept()] * (int(LONG / TICK) + 100)
    (stall,) = found([*samples, idle()])
    assert stall.goes_on
    assert stall.seconds == pytest.approx(LONG, abs=2 * TICK)


def test_two_tasks_that_keep_it_one_after_the_other_are_two_stalls() -> None:
    assert [it.sight for it in found([*[kept()] * 8, *[kept(OTHER)] * 8, idle()])] == [MINE, OTHER]


def test_pause_ends_a_stretch() -> None:
    stalls = Stalls(0.25, TICK)
    for _ in range(4):
        stalls.take(kept())
    stalls.forget()
    assert [stalls.take(sample) for sample in [*[kept()] * 4, idle()]] == [[]] * 5


def test_neighbours_are_all_that_were_held_for_code_of_no_input() -> None:
    (stall,) = found([*[kept(NOBODY)] * 8, idle()])
    assert stall.neighbours == 3


# --- what is said -----------------------------------------------------------------------------------------------------


def test_each_place_is_warned_of_once_whatever_line_it_is_at_and_counted() -> None:
    warnings = Warnings("shop")
    stall = Stall("loop", MINE, 0.6, 2)
    elsewhere = Stall("gil", OTHER, 0.7, 1)
    later = Stall("loop", Sight("in-9", Place("/app/a.py", "crawl", 14), 9), 0.9, 0)
    said = [warnings.first(it) for it in (stall, elsewhere, later)]
    assert said[0] == (
        "motet: in-1 of function 'shop' kept the event loop of its container for 0.60 s, at /app/a.py:12, in crawl; "
        "2 other inputs waited meanwhile. Call it as `await asyncio.to_thread(...)`, or make the function sync (`def`): "
        "then inputs run on threads. (Said once for each place.)"
    )
    assert said[1] is not None
    assert (
        "in-2 of function 'shop' kept Python's global lock (GIL) for 0.70 s, at /app/a.py:30, in parse; 1 other input "
        in (said[1])
    )
    assert said[2] is None
    assert warnings.repeats() == ["motet: /app/a.py:12, in crawl stalled this container 2 times, for up to 0.90 s."]


def test_code_of_no_input_and_a_stall_that_goes_on_are_said_so() -> None:
    said = Warnings("shop").first(Stall("loop", NOBODY, 5.0, 1, goes_on=True))
    assert said is not None
    assert said.startswith("motet: code outside of any input of function 'shop' kept")
    assert "for 5.00 s and still does, at" in said
