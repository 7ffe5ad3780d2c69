"""What may come over a connection at most: types of fields, which the decoder checks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MAX_PAYLOAD_BYTES = 100 * 1024 * 1024
"""Of one set of arguments, one result, one item; the rest of a frame's room is for what goes with it."""
MAX_ITEM_BYTES = 1024 * 1024
"""Of one item of a queue."""
MAX_KEY_BYTES = 256 * 1024
"""Of one key of a dict."""
MAX_ENTRIES = 10_000
"""That go into a dict together."""
MAX_STATE_ID = 256
"""Characters of the id of a dict."""
MAX_MOMENT = 1e12

Payload = Annotated[bytes, Meta(max_length=MAX_PAYLOAD_BYTES)]
QueueItem = Annotated[bytes, Meta(max_length=MAX_ITEM_BYTES)]
DictKey = Annotated[bytes, Meta(max_length=MAX_KEY_BYTES)]
StateId = Annotated[str, Meta(max_length=MAX_STATE_ID)]
Index = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What a store takes."""
Name = Annotated[str, Meta(max_length=4096)]
"""An id, or the name of a method."""
Moment = Annotated[float, Meta(ge=-MAX_MOMENT, le=MAX_MOMENT)]
"""Seconds of some clock; neither NaN nor endless."""
