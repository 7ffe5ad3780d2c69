"""Which code kept the others in its container from running: decided from what the watchdog sees each time it wakes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

LONG = 5.0
"""Seconds after which a stall is told although it goes on: some never end."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where code is."""

    file: str
    function: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}, in {self.function}"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a thread was seen at: for which input (None: for none), where, and in which task or thread (its identity)."""

    input_id: str | None
    place: Place
    work: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the watchdog finds when it wakes, in seconds; `slept` is the time since the sample before.

    `starved` and `loop_starved`: how long of that its own thread, and the loop's, could have run and had no CPU. `answered`:
    how long after the sample before the loop answered the question it was asked then; None if it has not, and then
    `on_loop` is what its thread is at. `others_starved`: how long others of Python's threads, which may hold the GIL that the
    loop needs, had no CPU, as far as that has become known now. If the watchdog is `late`, `busiest` is what the thread is at
    that ran most: `busiest_ran` is for how long, `busiest_starved` how long it had no CPU, `others_ran` how long all others
    ran together.
    """

    slept: float
    starved: float = 0.0
    answered: float | None = 0.0
    on_loop: Sight | None = None
    loop_starved: float = 0.0
    others_starved: float = 0.0
    busiest: Sight | None = None
    busiest_ran: float = 0.0
    busiest_starved: float = 0.0
    others_ran: float = 0.0
    held: int = 1


@dataclass(frozen=True, slots=True)
class Stall:
    """Code that kept the event loop, or the GIL, for `seconds`, while `neighbours` other inputs were there."""

    kept: Literal["loop", "gil"]
    sight: Sight
    seconds: float
    neighbours: int
    goes_on: bool = False


@dataclass(slots=True)
class _Stretch:
    """A stall of the loop in the making."""

    sight: Sight
    seconds: float
    held: int
    told: bool = False


def late(sample_slept: float, starved: float, tick: float) -> float:
    """How long the watchdog was kept from waking, by something else than a lack of CPU."""
    return sample_slept - tick - starved


class Stalls:
    """Finds stalls of at least `threshold` seconds in samples taken every `tick` seconds. Pure: no clock, no threads.

    What it must not take for one: a machine that is busy with something else (threads could run and had no CPU: not
    counted), a process that was stopped or a machine that slept (time in which the watchdog did not wake counts as two ticks
    at most, unless a thread used CPU meanwhile), and many short steps one after the other (a stall has one task).
    """

    def __init__(self, threshold: float, tick: float) -> None:
        self._threshold = threshold
        self._tick = tick
        self._stretch: _Stretch | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the loop did not answer before the last sample: what is known of that time from now on counts, too."""
        return self._stretch is not None

    def take(self, sample: Sample) -> list[Stall]:
        """What this sample makes known. Cases, in this order:

        1. the watchdog was kept from waking, and one thread held the GIL;
        2. the loop answered, or nothing of the user's keeps it: a stretch is over;
        3. the loop did not answer: the stretch of the task that keeps it grows, or begins.
        """
        waited = late(sample.slept, sample.starved, self._tick)
        if waited >= self._threshold and sample.busiest is not None and self._held_gil(sample, waited):
            # The loop stood still for the same reason: told once.
            self._stretch = None
            return [Stall("gil", sample.busiest, waited, _others(sample.busiest, sample.held))]
        if sample.answered is not None or sample.on_loop is None:
            return self._over(min(sample.answered or 0.0, self._counted(sample)))
        found: list[Stall] = []
        stretch = self._stretch
        if stretch is None or stretch.sight.work != sample.on_loop.work:
            found = self._over(0.0)
            stretch = self._stretch = _Stretch(sample.on_loop, 0.0, sample.held)
        stretch.seconds = max(0.0, stretch.seconds + self._counted(sample))
        stretch.held = max(stretch.held, sample.held)
        if stretch.seconds >= LONG and not stretch.told:
            stretch.told = True
            found.append(self._stall(stretch, goes_on=True))
        return found

    def _held_gil(self, sample: Sample, waited: float) -> bool:
        """It ran for half of the time or more, where it had a CPU; threads that take turns run as long as each other."""
        enough = max(self._threshold, waited - sample.busiest_starved) / 2
        return sample.busiest_ran >= max(enough, 3 * sample.others_ran)

    def forget(self) -> None:
        """The next sample follows a pause."""
        self._stretch = None

    def _counted(self, sample: Sample) -> float:
        """Negative where a thread has waited for a CPU since an earlier sample: the kernel tells of it at the wait's end."""
        return min(sample.slept, 2 * self._tick) - max(sample.loop_starved, sample.others_starved)

    def _over(self, rest: float) -> list[Stall]:
        stretch, self._stretch = self._stretch, None
        if stretch is None or stretch.told:
            return []
        stretch.seconds += rest
        return [self._stall(stretch)] if stretch.seconds >= self._threshold else []

    def _stall(self, stretch: _Stretch, *, goes_on: bool = False) -> Stall:
        return Stall("loop", stretch.sight, stretch.seconds, _others(stretch.sight, stretch.held), goes_on)


def _others(sight: Sight, held: int) -> int:
    return max(0, held - (sight.input_id is not None))


@dataclass(slots=True)
class _Seen:
    place: Place
    times: int = 0
    longest: float = 0.0


@dataclass(slots=True)
class Warnings:
    """What is said of stalls in a function's containers: each place (a function in a file) once, and at the end how often."""

    function: str
    _places: dict[tuple[str, str], _Seen] = field(default_factory=dict)

    def first(self, stall: Stall) -> str | None:
        """The warning to print, if this place has not been warned of."""
        place = stall.sight.place
        seen = self._places.setdefault((place.file, place.function), _Seen(place))
        seen.times += 1
        seen.longest = max(seen.longest, stall.seconds)
        return _warning(stall, self.function) if seen.times == 1 else None

    def repeats(self) -> list[str]:
        """One line for each place that stalled more than once."""
        return [
            f"motet: {it.place} stalled this container {it.times} times, for up to {it.longest:.2f} s."
            for it in self._places.values()
            if it.times > 1
        ]


def _warning(stall: Stall, function: str) -> str:
    who = stall.sight.input_id or "code outside of any input"
    kept = "the event loop of its container" if stall.kept == "loop" else "Python's global lock (GIL)"
    waited = f"{stall.neighbours} other input{'' if stall.neighbours == 1 else 's'} waited meanwhile"
    remedy = (
        "Call it as `await asyncio.to_thread(...)`, or make the function sync (`def`): then inputs run on threads."
        if stall.kept == "loop"
        else "Threads do not help there. Call it in another process (`concurrent.futures.ProcessPoolExecutor`), in "
        "smaller pieces, or on many inputs at once (`@motet.batched`); or have one input per container (`max_inputs=1`)."
    )
    return (
        f"motet: {who} of function {function!r} kept {kept} for {stall.seconds:.2f} s"
        f"{' and still does' if stall.goes_on else ''}, at {stall.sight.place}; {waited}. {remedy} "
        "(Said once for each place.)"
    )
