"""Queues, under the name that older Modal programs import them from."""

from motet.sdk.call.queue import Queue

__all__ = ["Queue"]
