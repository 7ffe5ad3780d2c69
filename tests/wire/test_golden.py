"""What is sent stays what it was, byte by byte: peers of another version have to read it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from motet.wire.parameters import encoded_parameters

from .golden import AGAIN, kinds, sent, written

CHANGED = (
    "{name} is not sent as it was:\n  before {before}\n  now    {now}\nPeers that were built before cannot read it, unless a "
    "field was added last, with a default (see motet/wire/hello.py). If that is meant: raise WIRE_VERSIONS, once a release "
    "speaks it. " + AGAIN
)


@pytest.mark.parametrize(("name", "made", "data"), [pytest.param(*it, id=it[0]) for it in sent()])
def test_the_bytes_of_a_message_are_those_that_are_written_down(name: str, made: Any, data: bytes) -> None:
    before = written().get(name)
    assert before is not None, f"the bytes of {name} are not written down yet. {AGAIN}"
    assert before == data, CHANGED.format(name=name, before=before.hex(), now=data.hex())
    assert msgspec.msgpack.decode(before, type=type(made)) == made


def test_the_bytes_of_class_parameters_are_what_they_were() -> None:
    """They say which pool an instance has, and travel as a part of its spec."""
    data = encoded_parameters({"number": 7, "text": "x", "data": b"y", "flag": True}, "Model")
    assert data.hex() == "84a66e756d62657207a474657874a178a464617461c40179a4666c6167c3"


def test_no_message_that_was_sent_is_gone() -> None:
    gone = sorted(written().keys() - {kind.__name__ for kind in kinds()})
    assert gone == [], f"peers that were built before send or expect {gone}. If nobody does, {AGAIN}"
