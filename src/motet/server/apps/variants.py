"""The variants of functions: which there are, and which were retired and come back when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from motet.errors import ResourceExhaustedError
from motet.model.function import FunctionVariant
from motet.model.scaling import AutoscalerUpdate

MAX_BY_REQUESTS = 1000
"""Variants that only requests have asked for, at a time: whoever can reach the ingress can make them."""
MAX_RETIRED = 10_000
"""Variants that are remembered for clients who hold them."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A variant: by what it is found, of which function it is one, and what it changes. `held`: a client has its id."""

    key: bytes
    base: str
    variant: FunctionVariant
    held: bool


class Variants:
    """By id and by what they are."""

    def __init__(self) -> None:
        self._ids: dict[bytes, str] = {}
        self._bound: dict[str, Bound] = {}
        self._retired: OrderedDict[str, Bound] = OrderedDict()
        self._by_requests = 0

    def __len__(self) -> int:
        return len(self._bound)

    def find(self, key: bytes) -> str | None:
        """The id of the variant that is found by this."""
        return self._ids.get(key)

    def of(self, function_id: str) -> Bound | None:
        """What a function is a variant of, if it is one and is there."""
        return self._bound.get(function_id)

    def check_room(self) -> None:
        """Raise `ResourceExhaustedError` if requests have made as many variants as they may."""
        if self._by_requests >= MAX_BY_REQUESTS:
            raise ResourceExhaustedError(
                f"requests with {self._by_requests} different parameters were served lately, and no more may be now: those "
                "that nobody asks for any more go after a while",
                60.0,
            )

    def add(self, function_id: str, bound: Bound) -> None:
        """It is there from now on."""
        self._ids[bound.key] = function_id
        self._bound[function_id] = bound
        self._by_requests += not bound.held

    def hold(self, function_id: str) -> None:
        """A client has its id from now on."""
        bound = self._bound[function_id]
        self._by_requests -= not bound.held
        self._bound[function_id] = replace(bound, held=True)

    def change(self, function_id: str, change: AutoscalerUpdate) -> None:
        """It has other bounds from now on, also when it has been away."""
        if (bound := self._bound.get(function_id)) is not None:
            variant = bound.variant.merged(FunctionVariant(autoscaler_changes=change))
            self._bound[function_id] = replace(bound, variant=variant)

    def retire(self, function_id: str) -> None:
        """It is gone; one that a client holds is remembered."""
        bound = self._remove(function_id)
        if bound is not None and bound.held:
            self._retired[function_id] = bound
            if len(self._retired) > MAX_RETIRED:
                self._retired.popitem(last=False)

    def is_retired(self, function_id: str) -> bool:
        """It was there, and may come back."""
        return function_id in self._retired

    def revive(self, function_id: str) -> Bound | None:
        """It is there again, if it was retired and is remembered."""
        bound = self._retired.pop(function_id, None)
        if bound is not None:
            self._bound[function_id] = bound
            # Not over another one: while it was away, the same variant may have been made under a new id.
            self._ids.setdefault(bound.key, function_id)
        return bound

    def forget(self, gone: set[str]) -> None:
        """These functions, and the variants of them, are gone for good."""
        for function_id in gone:
            self._remove(function_id)
        for function_id in [each for each, bound in self._retired.items() if bound.base in gone]:
            del self._retired[function_id]

    def _remove(self, function_id: str) -> Bound | None:
        bound = self._bound.pop(function_id, None)
        if bound is not None:
            self._by_requests -= not bound.held
            # Two ids may stand for one variant (see `revive`): the key goes with the one it finds.
            if self._ids.get(bound.key) == function_id:
                del self._ids[bound.key]
        return bound
