"""Asynchronous exceptions, and what is left of one that was taken back."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from motet.runtime.cpython.interruption import set_asynchronous


def test_functions_can_be_traced_after_an_asynchronous_exception_was_taken_back() -> None:
    over = threading.Event()
    waiting = threading.Thread(target=over.wait)
    waiting.start()
    assert waiting.ident is not None
    set_asynchronous(waiting.ident, KeyboardInterrupt)
    set_asynchronous(waiting.ident, None)
    over.set()
    waiting.join()

    opcodes = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal opcodes
        frame.f_trace_opcodes = True
        opcodes += event == "opcode"
        return count

    def one() -> int:
        return 1

    def traced() -> None:
        sys._getframe().f_trace_opcodes = True  # Python 3.12 traces opcodes only if a frame wants it by now
        sys.settrace(count)
        one()
        sys.settrace(None)

    thread = threading.Thread(target=traced, daemon=True)  # which would not end
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()
    assert opcodes > 0
