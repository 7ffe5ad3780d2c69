"""What has become of each function's inputs since the run began, followed from one view of the app to the next."""

from __future__ import annotations

from collections import deque

import msgspec

from motet.model.views import AppView, FunctionView

RATE_WINDOW = 3.0


class FunctionProgress(msgspec.Struct):
    """One function's latest view, and the times between which it had work. All times on one monotonic clock."""

    view: FunctionView
    began: float
    ended: float
    samples: deque[tuple[float, int]] = msgspec.field(default_factory=deque)

    @property
    def finished(self) -> int:
        return self.view.succeeded_inputs + self.view.failed_inputs + self.view.cancelled_inputs

    @property
    def unfinished(self) -> int:
        return self.view.waiting_inputs + self.view.running_inputs

    @property
    def is_used(self) -> bool:
        """False as long as nobody called it and no container was started for it."""
        return bool(self.finished or self.unfinished or self.view.started_containers or self.view.containers)

    @property
    def elapsed(self) -> float:
        """Seconds from the first input to the end of the last one, or to the latest view while some are unfinished."""
        return self.ended - self.began

    def observe(self, view: FunctionView, now: float) -> None:
        """Take in a view at `now`, for the rate."""
        self.view = view
        self.samples.append((now, self.finished))
        while len(self.samples) > 2 and self.samples[1][0] <= now - RATE_WINDOW:
            self.samples.popleft()

    @property
    def rate(self) -> float:
        """Inputs finished per second over the last `RATE_WINDOW` seconds."""
        (first_at, first), (last_at, last) = self.samples[0], self.samples[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0


class Progress:
    """Follows the functions of one app; give it a view now and then. `began` is when the run's own code began.

    Its times are as exact as the views are frequent.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.latest = began
        self.app: AppView | None = None
        self._functions: dict[str, FunctionProgress] = {}

    @property
    def functions(self) -> list[FunctionProgress]:
        """Those that had any input or container, in order of declaration."""
        return [function for function in self._functions.values() if function.is_used]

    def observe(self, view: AppView, now: float) -> None:
        """Takes in a view of the app at `now`."""
        for function_view in view.functions:
            self._observe_function(function_view, now)
        self.app, self.latest = view, now

    def _observe_function(self, view: FunctionView, now: float) -> None:
        known = self._functions.get(view.function_id)
        if known is None:
            known = self._functions[view.function_id] = FunctionProgress(view, self.latest, self.latest)
            known.samples.append((self.latest, 0))
            before, was_untouched = 0, True
        else:
            before, was_untouched = known.finished, not known.finished and not known.unfinished
        known.observe(view, now)
        if was_untouched:
            # The first input came after the view before this one: that is all that is known.
            known.began = known.ended = self.latest
        if known.unfinished or known.finished != before:
            known.ended = now
