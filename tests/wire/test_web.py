"""Requests and responses survive the wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from motet.wire import web

headers = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=3)
text = st.text(max_size=9)

heads = st.builds(
    web.RequestHead,
    st.sampled_from(["http", "websocket"]),
    text,
    text,
    text,
    text,
    st.none() | st.binary(max_size=9),
    st.binary(max_size=9),
    text,
    headers,
    st.none() | st.tuples(text, st.integers(0, 65535)),
    st.none() | st.tuples(text, st.none() | st.integers(0, 65535)),
    st.lists(text, max_size=3),
    st.booleans(),
    st.binary(max_size=99),
    st.booleans(),
)
frames = st.one_of(
    st.builds(web.ResponseStart, st.integers(100, 599), headers, st.floats(0, 1e9)),
    st.builds(web.BodyPiece, st.binary(max_size=99), st.booleans()),
    st.builds(web.Accepted, st.none() | text, headers, st.floats(0, 1e9)),
    st.builds(web.Text, text),
    st.builds(web.Binary, st.binary(max_size=99)),
    st.builds(web.Closed, st.integers(1000, 4999), text),
)


@given(heads)
def test_request_survives(head: web.RequestHead) -> None:
    assert web.decode_head(web.encode(head)) == head


@given(frames)
def test_frame_survives(frame: web.AnyFrame) -> None:
    assert web.decode_frame(web.encode(frame)) == frame
