"""Lines that containers wrote."""

from __future__ import annotations

from typing import Literal

import msgspec

LogSource = Literal["stdout", "stderr", "system"]


class LogBatch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Lines that came together. `call_id` is empty (and `index` -1) where no one input can have written them."""

    at: float
    function_id: str
    container_id: str
    call_id: str
    index: int
    source: LogSource
    lines: list[str]


class LogLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line somebody wrote, as it is found again. `position` orders lines of a server; it is what `after` takes."""

    position: int
    at: float
    app_id: str
    function_id: str
    function_name: str
    container_id: str
    call_id: str
    index: int
    source: LogSource
    text: str
