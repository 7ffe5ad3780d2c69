"""Which container gets the next input.

Containers are kept by load, so that a choice costs the same with one container and with ten thousand.
"""

from __future__ import annotations

from motet.core.containers import Container


class LoadIndex:
    """Containers that may be given attempts, in buckets by the number of attempts they hold."""

    __slots__ = ("_buckets", "_loads", "_max_inputs", "_used", "load", "lowered")

    def __init__(self, max_inputs: int) -> None:
        self._max_inputs = max_inputs
        self._buckets: list[dict[str, Container]] = [{} for _ in range(max_inputs + 1)]
        self._loads: dict[str, int] = {}
        self.lowered: dict[str, int] = {}
        """Slots that are free, but that their container does not want used."""
        self.load = 0
        """Attempts held by all of them."""
        # Bits, because the next fullest or emptiest bucket is found by arithmetic, and not by a walk over up to 1,000.
        self._used = 0
        """Bit n is set while bucket n has a container."""

    def __contains__(self, container: Container) -> bool:
        return container.container_id in self._loads

    @property
    def room(self) -> int:
        """How many more attempts they could hold."""
        return len(self._loads) * self._max_inputs - self.load - (sum(self.lowered.values()) if self.lowered else 0)

    def taken(self, target_inputs: int) -> int:
        """The attempts they hold; one that has as many as it wants, and fewer than the target, counts as if it had those."""
        beyond = self._max_inputs - target_inputs
        return self.load + sum(unwanted - beyond for unwanted in self.lowered.values() if unwanted > beyond)

    def put(self, container: Container) -> None:
        """Add it, or move it to where its load now belongs."""
        load = len(container.running)
        if self.lowered or load >= container.limit:
            self._put_lowered(container, load)
            return
        key = container.container_id
        before = self._loads.get(key)
        if before == load:
            return
        self._loads[key] = load
        if before is None:
            self.load += load
        else:
            self.load += load - before
            bucket = self._buckets[before]
            del bucket[key]
            if not bucket:
                self._used &= ~(1 << before)
        self._buckets[load][key] = container
        self._used |= 1 << load

    def _put_lowered(self, container: Container, held: int) -> None:
        """The same, where some take fewer attempts than others. One that has as many as it wants stands among the full ones."""
        load = held if held < container.limit else self._max_inputs
        key = container.container_id
        before = self._loads.get(key)
        if before == load == held and key not in self.lowered:
            return
        if before is not None:
            self._leave(key, before)
        if load != held:
            self.lowered[key] = load - held
        self._loads[key] = load
        self.load += held
        self._buckets[load][key] = container
        self._used |= 1 << load

    def remove(self, container: Container) -> None:
        """Take it out; nothing happens if it is not in."""
        load = self._loads.pop(container.container_id, None)
        if load is not None:
            self._leave(container.container_id, load)

    def fullest_below(self, limit: int) -> Container | None:
        """The container with most attempts among those with fewer than `limit`; the one used last among equals.

        Filling one before touching the next lets the others fall idle, so that a pool shrinks as soon as it can.
        """
        candidates = self._used & ((1 << limit) - 1)
        if not candidates:
            return None
        return next(reversed(self._buckets[candidates.bit_length() - 1].values()))

    def emptiest_below(self, limit: int) -> Container | None:
        """The container with fewest attempts, if that is fewer than `limit`: a burst above target is spread evenly."""
        candidates = self._used & ((1 << limit) - 1)
        if not candidates:
            return None
        return next(iter(self._buckets[(candidates & -candidates).bit_length() - 1].values()))

    def idle(self) -> Container | None:
        """The container that has held nothing for the shortest time, or None if all hold something."""
        return next(reversed(self._buckets[0].values()), None)

    def longest_idle(self) -> Container | None:
        """The container that has held nothing for longest, or None if all hold something."""
        return next(iter(self._buckets[0].values()), None)

    def _leave(self, key: str, load: int) -> None:
        self.load -= load - (self.lowered.pop(key, 0) if self.lowered else 0)
        bucket = self._buckets[load]
        del bucket[key]
        if not bucket:
            self._used &= ~(1 << load)
