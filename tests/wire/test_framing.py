"""Frames: however the stream is cut, the same ones come out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.errors import ConnectionError
from motet.wire.framing import BUFFER_BYTES, FIRST_BUFFER_BYTES, LENGTH, MAX_FRAME_BYTES, FrameReader


def framed(bodies: list[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(body)) + body for body in bodies)


def read(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Feed a stream in pieces of these sizes (the last one for all the rest)."""
    reader, frames, at = FrameReader(), list[bytes](), 0
    pieces = iter(sizes)
    size = BUFFER_BYTES
    while at < len(stream):
        size = next(pieces, size)
        buffer = reader.buffer()
        assert len(buffer) > 0
        count = min(size, len(buffer), len(stream) - at)
        buffer[:count] = stream[at : at + count]
        at += count
        frames += [bytes(frame) for frame in reader.received(count)]
    return frames


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(1, 400), max_size=60))
def test_any_split_of_the_stream_gives_the_same_frames(bodies: list[bytes], sizes: list[int]) -> None:
    assert read(framed(bodies), sizes) == bodies


BIG = st.sampled_from([0, 1, BUFFER_BYTES - 5, BUFFER_BYTES - 4, BUFFER_BYTES - 3, BUFFER_BYTES, 3 * BUFFER_BYTES + 7])


@settings(max_examples=60, deadline=None)
@given(st.lists(BIG, max_size=5), st.lists(st.integers(1, BUFFER_BYTES), max_size=40))
def test_frames_around_and_above_the_size_of_the_buffer_come_whole(lengths: list[int], sizes: list[int]) -> None:
    bodies = [bytes([number + 1]) * length for number, length in enumerate(lengths)]
    assert read(framed(bodies), sizes) == bodies


def test_a_frame_stays_valid_until_the_next_buffer_is_asked_for() -> None:
    reader = FrameReader()
    stream = framed([b"first", b"second"]) + LENGTH.pack(5) + b"th"
    reader.buffer()[: len(stream)] = stream
    frames = reader.received(len(stream))
    assert [bytes(frame) for frame in frames] == [b"first", b"second"]
    reader.buffer()[:3] = b"ird"
    assert [bytes(frame) for frame in reader.received(3)] == [b"third"]


def test_a_length_that_no_peer_of_ours_sends_is_refused_before_memory_is_taken() -> None:
    reader = FrameReader()
    header = LENGTH.pack(MAX_FRAME_BYTES + 1)
    reader.buffer()[:4] = header
    with pytest.raises(ConnectionError, match=rf"{MAX_FRAME_BYTES + 1} bytes; at most {MAX_FRAME_BYTES}"):
        reader.received(4)


@pytest.mark.parametrize("announced", [100, BUFFER_BYTES - 4, BUFFER_BYTES, MAX_FRAME_BYTES])
def test_whoever_announces_much_and_says_little_costs_little(announced: int) -> None:
    reader = FrameReader()
    reader.buffer()[:10] = LENGTH.pack(announced) + b"silent"
    assert reader.received(10) == []
    reader.buffer()
    assert len(reader._buffer) == FIRST_BUFFER_BYTES


def test_a_buffer_is_as_large_as_what_comes_needs() -> None:
    assert 256 * 1024 == BUFFER_BYTES == FIRST_BUFFER_BYTES * 2**6, "it is doubled"
    reader = FrameReader()
    sizes = []
    stream = framed([bytes(1000)] * 600)
    while stream:
        buffer = reader.buffer()
        sizes.append(len(reader._buffer))
        piece, stream = stream[: len(buffer)], stream[len(buffer) :]
        buffer[: len(piece)] = piece
        assert all(bytes(frame) == bytes(1000) for frame in reader.received(len(piece)))
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (FIRST_BUFFER_BYTES, BUFFER_BYTES)
