"""Whatever is sent, and in whichever direction: no frame is larger than its receiver takes."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from motet.errors import ConnectionError, RequestSizeError
from motet.model.outcome import AttemptEnd, CallKind, Delivery, InputEnd, NewInput, OutcomeKind
from motet.wire import client_messages as m
from motet.wire import codec, portions
from motet.wire import deployment_messages as d
from motet.wire.access_messages import TokensListed
from motet.wire.bundle_messages import BundleOffered, OfferBundle, PutPieces
from motet.wire.container_messages import (
    AckOutcomes,
    Blocked,
    Cancel,
    Configure,
    Deliver,
    DeliverBatched,
    FeedItems,
    Finished,
    Held,
    Items,
    Ready,
)
from motet.wire.image_messages import ImagesBuilt
from motet.wire.message import Message
from motet.wire.operator_messages import HostsViewed, InputFound
from motet.wire.output_messages import Output, Stalled, Written
from motet.wire.queue_messages import ItemsGot, PutItems
from motet.wire.sandbox_messages import FilesChanged
from motet.wire.state_messages import PutEntries

SPLIT, MOST, ALLOWED = 300, 2_000, 1_000
"""As a payload may be 100 MiB, and a frame 256."""

SMALL = {
    (Configure, "functions"),
    (FilesChanged, "changes"),
    (PutEntries, "entries"),
    (Configure, "web_urls"),
    (m.AppCreated, "functions"),
    (m.AppCreated, "web_urls"),
    (d.AppDeployed, "functions"),
    (d.AppDeployed, "web_urls"),
    (d.AppFound, "functions"),
    (d.AppFound, "web_urls"),
    (d.AppFound, "specs"),
    (d.FunctionFound, "web_urls"),
    (d.VersionsViewed, "found"),
    (InputFound, "containers"),
    (InputFound, "stalls"),
    (PutItems, "items"),
    (Blocked, "not_begun"),
    (Held, "running"),
    (Held, "ended"),
    (AckOutcomes, "attempts"),
    (TokensListed, "found"),
    (OfferBundle, "files"),
    (BundleOffered, "lacking"),
    (PutPieces, "pieces"),
    (ImagesBuilt, "lines"),
    (HostsViewed, "found"),
}
"""Lists that are not cut here: of names, of tokens, of which there are few, of what became of one input, of items and pieces
that their sender puts in portions, of numbers of attempts that one container holds, of a bundle's files, of hosts, and
of lines that are told some at a time."""

payloads = st.integers(0, ALLOWED).map(bytes)
many_payloads = st.lists(payloads, max_size=12)
indices = st.integers(0, 2**63 - 1)
ends = st.lists(st.builds(AttemptEnd, indices, st.just(OutcomeKind.SUCCESS), payloads), max_size=12)
ended = st.lists(st.builds(InputEnd, indices, st.just(OutcomeKind.SUCCESS), payloads), max_size=12)
inputs = st.lists(st.builds(NewInput, indices, payloads), max_size=12)
deliveries = st.lists(st.builds(Delivery, indices, st.just("fc-1"), indices, st.just("f"), payloads), max_size=12)
lines = st.lists(st.integers(0, ALLOWED).map("x".__mul__), max_size=12)
written = st.builds(Written, st.just(1.0), st.just("fc-1"), indices, st.just("stdout"), lines)

TO_SERVER = st.one_of(
    st.builds(m.SubmitInputs, st.just("fc-1"), st.just("fu-1"), st.sampled_from(CallKind), st.just(""), inputs),
    st.builds(m.FeedCall, st.just("fc-1"), indices, many_payloads),
    st.builds(Finished, ends),
    st.builds(Items, indices, many_payloads),
    st.builds(Output, st.lists(written, max_size=4)),
    st.builds(m.CancelCall, st.just("fc-1")),
)
TO_EXECUTOR = st.one_of(
    st.builds(Deliver, deliveries),
    st.builds(DeliverBatched, deliveries),
    st.builds(FeedItems, indices, many_payloads),
)
TO_CONTROL = st.builds(Cancel, st.lists(indices, max_size=500))
TO_CLIENT = st.one_of(
    st.builds(m.Outcomes, st.just("fc-1"), ended),
    st.builds(m.CallItems, st.just("fc-1"), indices, many_payloads),
    st.builds(m.OutputLines, st.just("ap-1"), st.just("f"), st.just("ta-1"), st.just("stdout"), lines),
    st.builds(m.Reply, st.integers(1, 3), st.builds(m.Outcomes, st.just("fc-1"), ended)),
    st.builds(m.Reply, st.integers(1, 3), st.builds(ItemsGot, many_payloads)),
    st.builds(m.Reply, st.integers(1, 3), st.builds(m.RequestFailed, payloads)),
)
DIRECTIONS = {
    "server": (TO_SERVER, codec.decode_to_server),
    "executor": (TO_EXECUTOR, codec.decode_to_executor),
    "control": (TO_CONTROL, codec.decode_to_control),
    "client": (TO_CLIENT, codec.decode_to_client),
}


def told(messages: list[Any]) -> list[Any]:
    """What messages say, element by element, however they were cut."""
    found: list[Any] = []
    for message in messages:
        body = message.body if isinstance(message, m.Reply) else message
        about = message.request_id if isinstance(message, m.Reply) else None
        name = portions._LISTS.get(type(body))
        if name is None:
            found.append(message)
            continue
        rest = [getattr(body, field) for field in body.__struct_fields__ if field not in (name, "more")]
        for element in getattr(body, name):
            parts = element.lines if isinstance(element, Written) else [element]
            found += [(type(body), about, rest, part) for part in parts]
    return found


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_no_mix_of_allowed_payloads_makes_a_frame_beyond_the_limit(direction: str) -> None:
    messages, decode = DIRECTIONS[direction]

    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.lists(messages, max_size=6))
    def cut(sent: list[Any]) -> None:
        written = codec.frames(sent, SPLIT, MOST)
        assert max(map(len, written)) <= MOST
        got = [message for body in written[1::2] for message in decode(memoryview(body))]
        assert told(got) == told(sent)

    cut()


@given(deliveries, deliveries)
def test_a_batch_that_is_cut_is_one_batch_at_the_other_end(first: list[Delivery], second: list[Delivery]) -> None:
    written = codec.frames([DeliverBatched(first), DeliverBatched(second)], SPLIT, MOST)
    batches: list[list[Delivery]] = [[]]
    for body in written[1::2]:
        for message in codec.decode_to_executor(memoryview(body)):
            assert isinstance(message, DeliverBatched)
            batches[-1] += message.attempts
            if not message.more:
                batches.append([])
    assert batches == [first, second, []]


@given(ended)
def test_a_reply_that_is_cut_is_one_reply_at_the_other_end(outcomes: list[InputEnd]) -> None:
    sent = m.Reply(7, m.Outcomes("fc-1", outcomes))
    parts = [p for body in codec.frames([sent], SPLIT, MOST)[1::2] for p in codec.decode_to_client(memoryview(body))]
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    whole: Any = None
    for part in parts:
        whole = portions.joined(whole, part.body)
    assert whole == sent.body


@pytest.mark.parametrize("size", [MOST, MOST + 1])
def test_what_alone_is_too_large_is_refused_before_anything_is_written(size: int) -> None:
    with pytest.raises(RequestSizeError, match=r"a message \(FeedCall\) is .* MiB; it may have"):
        codec.frames([m.CancelCall("fc-1"), m.FeedCall("fc-1", 0, [bytes(size)])], SPLIT, MOST)


def test_every_list_of_every_message_is_cut_or_known_to_be_small() -> None:
    seen = set()
    for kind in [*Message.__subclasses__(), Written]:
        hints = typing.get_type_hints(kind)
        for name in kind.__struct_fields__:
            if typing.get_origin(hints[name]) is list:
                seen.add((kind, name))
    cut = {(kind, name) for kind, name in portions._LISTS.items()}
    assert seen == cut | SMALL
    assert not cut & SMALL


def test_the_room_in_a_frame_is_enough_for_the_largest_payload_and_all_that_goes_with_it() -> None:
    """Names that come over a connection are short, so that what one peer may send fits into what another is sent."""
    name, payload = "x" * 4096, bytes(100 * 2**20)
    delivery = Delivery(2**63 - 1, name, 2**63 - 1, name, payload, name)
    assert len(codec.frames([Deliver([delivery])])) == 2


@pytest.mark.parametrize(
    "message",
    [
        m.SubmitInputs("fc-1", "fu-1", CallKind.ATTACHED, "", [NewInput(2**63, b"")]),
        m.SubmitInputs("x" * 5000, "fu-1", CallKind.ATTACHED, "", []),
        m.SubmitInputs("fc-1", "fu-1", CallKind.ATTACHED, "x" * 5000, []),
        m.FeedCall("fc-1", 2**63, []),
        m.AckCallItems("fc-1", 0, 2**63),
        Finished([AttemptEnd(1, OutcomeKind.SUCCESS, b"", float("nan"))]),
        Finished([AttemptEnd(1, OutcomeKind.SUCCESS, b"", 0.0, float("inf"))]),
        Ready(float("nan")),
        Stalled("", 2**63, 0.0, 0.0, ""),
        Stalled("", 0, float("-inf"), 0.0, ""),
        Output([Written(float("nan"), "", -1, "stdout", [])]),
        m.Request(1, PutItems("qu-1", "", [bytes(2**20 + 1)], False)),
    ],
    ids=lambda message: type(message).__name__,  # their values have up to a megabyte
)
def test_what_no_store_takes_is_refused_at_the_door(message: Any) -> None:
    with pytest.raises(ConnectionError, match="Expected"):
        codec.decode_to_server(memoryview(msgspec.msgpack.encode([message])))
