"""A server's numbers, for whoever exports them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from motet.core.containers import DRAINING, FROZEN, READY, STARTING, STOPPING
from motet.model.outcome import OutcomeKind
from motet.model.views import AppView, FunctionView
from motet.server.clients.calls_room import JournalProgress
from motet.server.driver import Turned
from motet.server.metrics import catalogue
from motet.server.metrics.catalogue import Metric
from motet.server.metrics.histogram import Histogram
from motet.server.metrics.server_numbers import ServerNumbers
from motet.server.metrics.tally import Name, Tally
from motet.store.base import HomeUsage

STATES = (STARTING, READY, FROZEN, DRAINING, STOPPING)
RETRIED = (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST)

V = TypeVar("V", float, Histogram)


class Readings(Generic[V]):
    """The values of metrics at one moment, by the values of their labels."""

    def __init__(self) -> None:
        self.values: dict[Metric, list[tuple[tuple[str, ...], V]]] = {}

    def add(self, metric: Metric, labels: tuple[str, ...], value: V) -> None:
        """One more."""
        self.values.setdefault(metric, []).append((labels, value))


class Metrics:
    """Reads pools when it is asked, what is in `tally`, which is to `follow` the driver from then on, and the server's own
    numbers: when its `certificates` expire, what is under its home (`usage`), for how long its agent is silent, how far its
    `journal` is. On the server's loop."""

    def __init__(
        self,
        views: Callable[[], tuple[AppView, ...]],
        tally: Tally,
        follow: Callable[[Turned], object],
        certificates: Sequence[Path] = (),
        usage: Callable[[], HomeUsage] | None = None,
        silence: Callable[[], float | None] = lambda: None,
        journal: Callable[[], JournalProgress | None] = lambda: None,
    ) -> None:
        self._tally = tally
        self._numbers = ServerNumbers(views, certificates, usage, silence, journal)
        self._views = views
        self._follow = follow
        self._begun = False

    def begin(self) -> None:
        """Count from now on; before, that costs nothing. Idempotent."""
        if not self._begun:
            self._begun = True
            self._follow(self._tally.turned)
            self._numbers.begin()

    def gauges(self) -> Readings[float]:
        """What there is now, of apps that run and of the server."""
        readings: Readings[float] = Readings()
        for metric, labels, value in self._numbers.readings():
            readings.add(metric, labels, value)
        for name, views in self._by_name().items():
            readings.add(catalogue.WAITING, name, sum(view.waiting_inputs for view in views))
            readings.add(catalogue.RUNNING, name, sum(view.running_inputs for view in views))
            readings.add(catalogue.DESIRED, name, sum(view.desired_containers for view in views))
            states: Counter[str] = Counter(it.state for view in views for it in view.containers)
            for state in STATES:
                readings.add(catalogue.CONTAINERS, (*name, state), states[state])
            readings.add(catalogue.SLOTS, name, sum(map(_slots, views)))
        return readings

    def counters(self) -> Readings[float]:
        """What has happened since `begin`, also in apps that have ended."""
        readings: Readings[float] = Readings()
        for name, counts in self._tally.counts().items():
            for kind in OutcomeKind:
                readings.add(catalogue.INPUTS, (*name, kind.name.lower()), counts.ended[kind])
            for kind in RETRIED:
                readings.add(catalogue.RETRIES, (*name, kind.name.lower()), counts.retries[kind])
            readings.add(catalogue.STARTS, name, counts.container_starts)
            for how, count in counts.container_ends.items():
                readings.add(catalogue.ENDS, (*name, how), count)
        return readings

    def histograms(self) -> Readings[Histogram]:
        """How long things took since `begin`, also in apps that have ended."""
        readings: Readings[Histogram] = Readings()
        for name, counts in self._tally.counts().items():
            readings.add(catalogue.QUEUED, name, counts.queued)
            readings.add(catalogue.EXECUTION, name, counts.execution)
            readings.add(catalogue.LATENCY, name, counts.latency)
            readings.add(catalogue.START, name, counts.start)
        return readings

    def _by_name(self) -> dict[Name, list[FunctionView]]:
        found: dict[Name, list[FunctionView]] = {}
        for app, view in _functions(self._views()):
            found.setdefault((app, view.name), []).append(view)
        return found


def _functions(apps: Iterable[AppView]) -> Iterable[tuple[str, FunctionView]]:
    return ((app.name, view) for app in apps for view in app.functions)


def _slots(view: FunctionView) -> int:
    return view.max_inputs * sum(container.state == READY for container in view.containers)
