"""What a container tells of its output, and of code that keeps its inputs from running."""

from __future__ import annotations

from typing import Literal

import msgspec

from motet.model.limits import Index, Moment, Name
from motet.wire.message import Message

LinePart = Literal["", "begun", "wiped"]
"""What a line is that is not whole. "begun": as far as it is written, for whoever watches; it comes again, and is not kept.
"wiped": a state of a line that a carriage return has wiped out since (a progress bar); some of those are kept."""


class Written(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Lines that came together; `at` is of the container's clock. `call_id` is empty if no input wrote them. `part`: see
    `LinePart`."""

    at: Moment
    call_id: Name
    index: Index
    stream: Literal["stdout", "stderr", "system"]
    lines: list[str]
    part: LinePart = ""


class Output(Message, tag="output", frozen=True):
    """Lines that are known to be an input's, or the container's own. An input's come before its outcome."""

    entries: list[Written]


class OutputShared(Message, tag="output_shared", frozen=True):
    """Whether from now on others than its inputs may write to the container's stdout and stderr past Python."""

    shared: bool


class Stalled(Message, tag="stalled", frozen=True):
    """An input kept the others of its container from running (`call_id` empty: code of no input did). Moments are of
    the container's clock."""

    call_id: Name
    index: Index
    began: Moment
    ended: Moment
    what: str
