"""The line of those who want containers: who has fewest is first, principal by principal, app by app."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from motet.core.shares import Share


class InLine(Protocol):
    """Somebody who can stand in it. `share`: that of its app."""

    @property
    def share(self) -> Share: ...


S = TypeVar("S", bound=InLine)


class StartLine(Generic[S]):
    """Whoever has its turn is of the principal that has the fewest containers which start or serve, and there of the app that
    has the fewest; within an app, and among equals, first come first served. So one function among many of an app gets no more
    turns than the only one of another, and however much one principal wants, others get as many.

    Those `behind` have their turn when nobody else stands here. Who needs nothing goes there while one that needs something,
    and has waited for a place, stands here: the place may have been made for that one.
    """

    __slots__ = ("_behind", "_front", "_waited")

    def __init__(self) -> None:
        self._front: dict[Share | None, dict[Share, dict[S, None]]] = {}
        self._behind: dict[S, None] = {}
        self._waited: set[S] = set()
        """Of those in front, the ones that were put first."""

    def __bool__(self) -> bool:
        return bool(self._front or self._behind)

    def __contains__(self, starter: S) -> bool:
        return starter in self._behind or starter in self._standing(starter)

    def __iter__(self) -> Iterator[S]:
        for apps in self._front.values():
            for starters in apps.values():
                yield from starters
        yield from self._behind

    def add(self, starter: S, *, needs: bool) -> None:
        """At the end, unless it stands here already: one behind comes to the front once it `needs` something."""
        if needs:
            self._behind.pop(starter, None)
        if starter in self:
            return
        if needs or not self._waited:
            self._to_front(starter)
        else:
            self._behind[starter] = None

    def _to_front(self, starter: S) -> None:
        share = starter.share
        self._front.setdefault(share.whole, {}).setdefault(share, {})[starter] = None

    def put_first(self, starters: Iterable[S], needy: Iterable[S]) -> None:
        """Before those who stand here. Of all of them, those that are not `needy` go behind."""
        first = dict.fromkeys(starters)
        order = dict.fromkeys((*first, *self))
        need = dict.fromkeys(needy)
        self._waited = {starter for starter in need if starter in first or starter in self._waited}
        self._front = {}
        self._behind = {starter: None for starter in order if starter not in need}
        for starter in order:
            if starter in need:
                self._to_front(starter)

    def remove(self, starter: S) -> None:
        """It stands here no longer. Idempotent."""
        self._behind.pop(starter, None)
        self._waited.discard(starter)
        share = starter.share
        apps = self._front.get(share.whole)
        starters = None if apps is None else apps.get(share)
        if apps is None or starters is None or starter not in starters:
            return
        del starters[starter]
        if not starters:
            del apps[share]
            if not apps:
                del self._front[share.whole]

    def pop(self) -> S:
        """Whose turn it is; it stands here no longer, and those who have as many come before it next time."""
        if self._front:
            apps = min(self._front.items(), key=lambda pair: 0 if pair[0] is None else pair[0].live)[1]
            starters = min(apps.items(), key=lambda pair: pair[0].live)[1]
        else:
            starters = self._behind
        starter = next(iter(starters))
        self.remove(starter)
        return starter

    def _standing(self, starter: S) -> dict[S, None]:
        return self._front.get(starter.share.whole, {}).get(starter.share, {})
