"""What all messages have in common."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of all messages; encoded as an array that starts with the tag."""
