"""Whatever bytes come, reading them gives messages or a `ConnectionError`, and takes no more memory than came."""

from __future__ import annotations

import resource
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from motet.errors import ConnectionError
from motet.model.function import AppSpec
from motet.wire import codec
from motet.wire.client_messages import CreateApp, Request, ToClient
from motet.wire.codec import ToServer
from motet.wire.container_messages import ToControl, ToExecutor
from motet.wire.framing import LENGTH, MAX_FRAME_BYTES, FrameReader

from .test_codec import DECODERS, SPEC, examples

RECEIVERS = pytest.mark.parametrize("receiver", DECODERS, ids=["server", "client", "executor", "control", "sandbox"])
EVERYTHING = ToServer | ToClient | ToExecutor | ToControl
patient = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Bytes that a msgpack decoder may stumble over: the largest lengths of every kind, and what follows them.
HUGE_LENGTHS = [
    b"\xdd\xff\xff\xff\xff",  # an array
    b"\xdf\xff\xff\xff\xff",  # a map
    b"\xc6\xff\xff\xff\xff",  # bytes
    b"\xdb\xff\xff\xff\xff",  # text
    b"\xc9\xff\xff\xff\xff\x05",  # an extension
    b"\x92\xa6submit\xdd\x7f\xff\xff\xff",
    b"\xdd\x00\xff\xff\xff\x91\xa5ready",
]

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def read(receiver: Any, body: bytes) -> list[Any] | None:
    """The messages, or None if the frame was refused; anything else a decoder does fails the test."""
    try:
        decoded: list[Any] = DECODERS[receiver](memoryview(body))
    except ConnectionError as error:
        return None if "not Motet's" in str(error) else pytest.fail(str(error))
    return decoded


def peak_of_reading(receiver: Any, body: bytes) -> int:
    """The most bytes that reading a frame takes at once."""
    tracemalloc.start()
    try:
        read(receiver, body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@RECEIVERS
def test_any_message_of_anybody_is_read_or_refused(receiver: Any) -> None:
    """Messages of the wrong connection are as foreign as noise."""

    @patient
    @given(st.lists(examples(EVERYTHING), min_size=1, max_size=3))
    def offer(sent: list[Any]) -> None:
        got = read(receiver, codec.frames(sent)[1])
        assert got is None or got == sent

    offer()


@st.composite
def disfigured(draw: Any) -> bytes:
    """A message with values of any type in any of its places: what a broken, or a hostile, encoder would send."""
    tree: Any = msgspec.msgpack.decode(codec.frames([draw(examples(EVERYTHING))])[1])
    for _ in range(draw(st.integers(1, 3))):
        place: Any = tree
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], list | dict) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            place[key] = draw(plain)
            break
    return msgspec.msgpack.encode(tree)


@RECEIVERS
def test_a_message_with_anything_in_its_places_is_read_or_refused(receiver: Any) -> None:
    @patient
    @given(disfigured())
    def offer(body: bytes) -> None:
        read(receiver, body)

    offer()


@RECEIVERS
def test_any_values_that_are_no_messages_are_refused(receiver: Any) -> None:
    @patient
    @given(plain)
    def offer(value: Any) -> None:
        assert read(receiver, msgspec.msgpack.encode(value)) in (None, [])

    offer()


@RECEIVERS
@pytest.mark.parametrize("tag", ["", "hello ", "Hello", "refuse", "submi", "\0", "x" * 10_000, 0, 7, None, b"hello"])
def test_an_unknown_tag_is_refused(receiver: Any, tag: Any) -> None:
    assert read(receiver, msgspec.msgpack.encode([[tag, 1, 2, 3]])) is None


@pytest.mark.parametrize("cut", [1, 2, 10, -1, -5, -20])
def test_a_frame_cut_short_or_too_long_is_refused(cut: int) -> None:
    body = codec.frames([Request(1, CreateApp("ap-1", AppSpec(name="a", functions=(SPEC,))))])[1]
    assert read(ToServer, body) is not None
    assert read(ToServer, body[:cut]) is None
    assert read(ToServer, body + body[:cut]) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("concurrency", {"max_inputs": 0, "target_inputs": 0}),
        ("autoscaler", {"min_containers": 5, "max_containers": 1}),
        ("batching", {"max_batch_size": 0, "wait_ms": 1}),
        ("retries", {"max_retries": -1}),
    ],
)
def test_a_function_that_nobody_could_declare_is_refused(field: str, value: Any) -> None:
    """Values check themselves with errors of their own; to a connection these are malformed frames."""
    app = AppSpec(name="a", functions=(SPEC,))
    tree: Any = msgspec.msgpack.decode(codec.frames([Request(1, CreateApp("ap-1", app))])[1])
    tree[0][2][2]["functions"][0][field] = value
    assert read(ToServer, msgspec.msgpack.encode(tree)) is None


@RECEIVERS
@pytest.mark.parametrize("head", HUGE_LENGTHS)
@pytest.mark.parametrize("before", [b"", b"\x91", b"\x91\x92", b"\x91\xdc\xff\xff"])
def test_lengths_that_are_lies_take_no_memory(receiver: Any, head: bytes, before: bytes) -> None:
    assert peak_of_reading(receiver, before + head + b"x" * 100) < 1024 * 1024


@RECEIVERS
@pytest.mark.parametrize("level", [b"\x91", b"\x81\x01", b"\x81\xa1x", b"\xdd\x00\x00\x00\x01"])
def test_nesting_is_refused_at_any_depth(receiver: Any, level: bytes) -> None:
    for depth in (10, 1_000, 100_000):
        assert read(receiver, level * depth) is None
        assert read(receiver, b"\x91\x93\xa7request\x01" + level * depth + b"\x01") is None


@given(st.lists(st.binary(max_size=40), max_size=10), st.data())
def test_a_stream_with_damage_anywhere_ends_in_frames_or_a_connection_error(bodies: list[bytes], data: Any) -> None:
    stream = bytearray(b"".join(LENGTH.pack(len(body)) + body for body in bodies) or b"\0")
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    reader, at, cut = FrameReader(), 0, 0
    try:
        while at < len(stream):
            buffer = reader.buffer()
            assert buffer
            count = min(data.draw(st.integers(1, 60)), len(buffer), len(stream) - at)
            buffer[:count] = stream[at : at + count]
            at += count
            cut += sum(LENGTH.size + len(frame) for frame in reader.received(count))
    except ConnectionError as error:
        cut = 0 if "at most" in str(error) else pytest.fail(str(error))
    assert cut <= at


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("come", [0, 1024 * 1024, 20 * 1024 * 1024])
def test_a_large_frame_takes_memory_as_it_comes_and_not_as_it_is_announced(come: int) -> None:
    reader, at, before = FrameReader(), 0, resident_bytes()
    reader.buffer()[: LENGTH.size] = LENGTH.pack(MAX_FRAME_BYTES)
    assert reader.received(LENGTH.size) == []
    while at < come:
        piece = min(50_000, come - at)
        reader.buffer()[:piece] = b"x" * piece
        assert reader.received(piece) == []
        at += piece
    assert resident_bytes() - before < come + 16 * 1024 * 1024
