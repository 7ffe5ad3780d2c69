"""The module that programs for Modal import `StreamType` from."""

from motet.sdk.sandbox.stream_type import StreamType

__all__ = ["StreamType"]
