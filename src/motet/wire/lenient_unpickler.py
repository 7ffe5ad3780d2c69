"""Values with exceptions in them that plain pickle cannot read, since their classes want other arguments than `args`."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

from motet.wire.exceptions import attributes_of, put_together

_Unpickler: Any = pickle._Unpickler


class LenientUnpickler(_Unpickler):  # type: ignore[misc]
    """Makes exceptions whose classes refuse their `args` without calling these. In Python, and slow: for a second try."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Unpickler.dispatch)

    def __init__(self, data: bytes | memoryview) -> None:
        super().__init__(io.BytesIO(data))

    def load_reduce(self) -> None:
        """`REDUCE`: call what is on the stack."""
        args = self.stack.pop()
        make = self.stack[-1]
        try:
            self.stack[-1] = make(*args)
        except Exception:
            if not (isinstance(make, type) and issubclass(make, BaseException)):
                raise
            self.stack[-1] = put_together(make, {"args": args})

    def load_build(self) -> None:
        """`BUILD`: give what is on the stack its state."""
        state, made = self.stack[-1], self.stack[-2]
        if not isinstance(made, BaseException) or not isinstance(state, dict):
            super().load_build()
            return
        self.stack.pop()
        attributes_of(made).update(state)

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
