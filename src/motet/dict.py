"""Dicts, under the name that older Modal programs import them from."""

from motet.sdk.call.dict import Dict

__all__ = ["Dict"]
