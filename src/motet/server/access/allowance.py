"""How much of a server a principal may use over time and at once: counted here, whatever connections it comes over."""

from __future__ import annotations

from collections.abc import Callable

from motet.errors import ResourceExhaustedError
from motet.model.quota import Quota


class Bucket:
    """So much a second, and a second's worth at once. What is taken at once may be more: then the next waits for as much
    longer, so that over time it is no more than the rate, however it comes."""

    __slots__ = ("_at", "_level", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._level = max(rate, 1.0)
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Take so much; 0 if it was there, else the seconds until some is, and nothing is taken."""
        self._level = min(max(self.rate, 1.0), self._level + max(0.0, now - self._at) * self.rate)
        self._at = now
        if self._level <= 0:
            return (1e-9 - self._level) / self.rate
        self._level -= amount
        return 0.0


class Allowance:
    """One principal's, called so. `now` is a clock that does not go back."""

    def __init__(self, name: str, quota: Quota, now: Callable[[], float]) -> None:
        self.name = name
        self.quota = quota
        self.requests = 0
        """That are being answered."""
        self.stored = 0
        """Bytes that are kept for it."""
        self._now = now
        self._requests = self._bucket(quota.requests_per_second)
        self._inputs = self._bucket(quota.inputs_per_second)

    def _bucket(self, rate: float | None) -> Bucket | None:
        return None if rate is None else Bucket(rate, self._now())

    def request(self) -> None:
        """It asks for something. Raises `ResourceExhaustedError`."""
        self._take(self._requests, 1, "requests", "requests_per_second")
        most = self.quota.requests
        if most is not None and self.requests >= most:
            raise ResourceExhaustedError(
                f"{self.name} waits for {self.requests} answers, and may wait for {most} at once (limit `requests`). Try again "
                "in 1 s.",
                1.0,
                "requests",
            )

    def inputs(self, count: int) -> None:
        """It submits inputs. Raises `ResourceExhaustedError`."""
        self._take(self._inputs, count, "inputs", "inputs_per_second")

    def check_stored(self, more: int, beside: int = 0) -> None:
        """It wants so many bytes kept, `beside` those that somebody else counts. Raises `ResourceExhaustedError`."""
        most = self.quota.stored_bytes
        stored = self.stored + beside
        if most is not None and stored + more > most:
            raise ResourceExhaustedError(
                f"{stored} bytes are stored for {self.name}, {more} more are too many, and it may have {most} (limit "
                "`stored_bytes`): take items out of queues, end apps whose results are kept, or delete calls. Try again "
                "in 60 s.",
                60.0,
                "stored_bytes",
            )

    def store(self, size: int) -> None:
        """So many bytes more are kept for it, or fewer."""
        self.stored += size

    def _take(self, bucket: Bucket | None, amount: int, what: str, limit: str) -> None:
        if bucket is None or not (wait := bucket.take(amount, self._now())):
            return
        wait = max(wait, 0.001)
        raise ResourceExhaustedError(
            f"{self.name} may make {bucket.rate:g} {what} a second (limit `{limit}`), and has made more. Try again in "
            f"{wait:.2g} s.",
            wait,
            limit,
        )


class Allowances:
    """Those of the principals that are limited, by how the engine names them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._all: dict[int, Allowance] = {}

    def set(self, principal: int, name: str, quota: Quota) -> None:
        """A principal may have so much; what it has now counts."""
        if principal not in self._all:
            self._all[principal] = Allowance(name, quota, self._now)

    def of(self, principal: int) -> Allowance | None:
        """That of a principal; None: it is not limited."""
        return self._all.get(principal)

    def store(self, principal: int, size: int) -> None:
        """So many bytes more are kept for a principal, or fewer."""
        if (allowance := self._all.get(principal)) is not None:
            allowance.store(size)
