"""What all messages have in common."""

from __future__ import annotations

import msgspec


# Arrays, because names would be most of an outcome. Without the collector: a message has no cycles, and there are many.
class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all messages; encoded as an array that starts with the tag."""
