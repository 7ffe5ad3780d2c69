"""Messages: each survives the wire, and what is not one is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from motet.errors import ConnectionError
from motet.model.bundle import BundleFile
from motet.model.function import AppSpec, FunctionSpec, FunctionVariant, ImportedDefinition, SerializedDefinition
from motet.model.outcome import AttemptEnd, CallKind, InputEnd, NewInput, OutcomeKind
from motet.model.retries import RetryPolicy
from motet.model.sandbox import SandboxSpec
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Concurrency
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.wire import codec
from motet.wire.bundle_messages import Piece
from motet.wire.client_messages import CreateApp, Outcomes, Request, SubmitInputs, ToClient
from motet.wire.codec import ToServer
from motet.wire.container_messages import Finished, ToControl, ToExecutor
from motet.wire.framing import LENGTH
from motet.wire.host_messages import HostWillNeed, WantBundle, WantPieces
from motet.wire.sandbox_messages import ToSandbox

DECODERS = {
    ToServer: codec.decode_to_server,
    ToClient: codec.decode_to_client,
    ToExecutor: codec.decode_to_executor,
    ToControl: codec.decode_to_control,
    ToSandbox: codec.decode_to_sandbox,
}


def examples(of: Any) -> st.SearchStrategy[Any]:
    """Any message of a union. Built from the types of the fields, so that a new message is tested from its first day."""
    return st.one_of([_message(kind) for kind in typing.get_args(of)])


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    float: st.floats(allow_nan=False),
    int: st.integers(-(2**63), 2**63 - 1),
    Any: st.text(),
}


def _message(kind: Any) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: _value(hints[name]) for name in kind.__struct_fields__})


def _value(hint: Any) -> st.SearchStrategy[Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _bounded(*args)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is list:
        return st.lists(_value(args[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(_value(args[0]), _value(args[1]), max_size=3)
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(_value(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(_value, args))
    if origin is typing.Literal:
        return st.sampled_from(args)
    if args:
        return st.one_of([_value(arg) for arg in args])
    if hint in BY_TYPE:
        return st.just(BY_TYPE[hint])
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.deferred(lambda: _message(hint))
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.deferred(lambda: st.builds(hint, **{name: _value(field) for name, field in hints.items()}))
    return st.from_type(hint)


def _bounded(of: Any, bounds: msgspec.Meta) -> st.SearchStrategy[Any]:
    if of is int:
        return st.integers(int(bounds.ge or 0), int(bounds.le or 0))
    if of is float:
        return st.floats(bounds.ge, bounds.le)
    if of is str and bounds.pattern:  # that of digests
        return st.just("0f" * 32)
    return _value(of)  # nothing that is drawn here is too long


SPEC = FunctionSpec(
    name="f",
    app_name="app",
    definition=SerializedDefinition(pickled=b"\x80\x05", qualname="f"),
    concurrency=Concurrency(max_inputs=3, target_inputs=2),
    retries=RetryPolicy(max_retries=2),
    env={"A": "1"},
)

BY_TYPE: dict[Any, Any] = {
    FunctionSpec: SPEC,
    AppSpec: AppSpec(name="app", functions=(SPEC,)),
    FunctionVariant: FunctionVariant(autoscaler_changes=AutoscalerUpdate(min_containers=1), env={"A": "b"}),
    AutoscalerSettings: AutoscalerSettings(max_containers=3),
    AutoscalerUpdate: AutoscalerUpdate(scaledown_window=2.5),
    SandboxSpec: SandboxSpec(command=("sh", "-c", "exit 3"), timeout=2.5, tags={"a": "b"}, unencrypted_ports=(8000,)),
    LogQuery: LogQuery(call_id="fc-1", search="a word", sources=("stderr",), since=1.0, after=7),
    BundleFile: BundleFile("work/shop.py", "0f" * 32, 5, True),
    Piece: Piece("0f" * 32, b"abc", True),
    WantBundle: WantBundle("0f" * 32),
    WantPieces: WantPieces("0f" * 32, ("1f" * 32,)),
    HostWillNeed: HostWillNeed(("0f" * 32,)),
    CallQuery: CallQuery(app="shop", kinds=(OutcomeKind.FAILURE,), until=2.0),
    InputQuery: InputQuery(function="fetch", app="shop", kinds=(OutcomeKind.FAILURE,), since=1.0, limit=5),
}
"""One example each of the values that refuse most of what could be drawn for them."""


@pytest.mark.parametrize("receiver", DECODERS, ids=["server", "client", "executor", "control", "sandbox"])
def test_every_message_round_trips(receiver: Any) -> None:
    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.lists(examples(receiver), max_size=3))
    def round_trip(sent: list[Any]) -> None:
        header, body = codec.frames(sent)
        assert LENGTH.unpack(header) == (len(body),)
        assert DECODERS[receiver](memoryview(body)) == sent

    round_trip()


def test_functions_keep_their_kind_of_definition() -> None:
    by_name = msgspec.structs.replace(SPEC, definition=ImportedDefinition(module="m", qualname="f", is_main=True))
    sent = [CreateApp("ap-1", AppSpec(name="app", functions=(SPEC, by_name)))]
    request = [Request(1, sent[0])]
    assert codec.decode_to_server(memoryview(codec.frames(request)[1])) == request


@pytest.mark.parametrize("receiver", DECODERS, ids=["server", "client", "executor", "control", "sandbox"])
def test_bytes_that_are_no_message_are_a_connection_error_and_nothing_else(receiver: Any) -> None:
    @given(st.binary(max_size=200))
    def decode(data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            DECODERS[receiver](memoryview(data))

    decode()


@given(st.lists(examples(ToServer), min_size=1, max_size=3), st.data())
def test_a_damaged_message_is_read_or_refused_and_never_crashes(sent: list[Any], data: st.DataObject) -> None:
    body = bytearray(codec.frames(sent)[1])
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ConnectionError):
        codec.decode_to_server(memoryview(body))


def test_a_deeply_nested_frame_is_refused() -> None:
    with pytest.raises(ConnectionError):
        codec.decode_to_server(memoryview(b"\x91" * 100_000))


def test_messages_too_many_for_one_frame_go_in_several_in_order() -> None:
    payload = bytes(5 * 1024 * 1024)
    sent = [SubmitInputs(f"fc-{n}", "fu-1", CallKind.ATTACHED, "", [NewInput(0, payload)]) for n in range(8)]
    written = codec.frames(sent)
    bodies = written[1::2]
    assert len(bodies) > 1
    got = [message for body in bodies for message in codec.decode_to_server(memoryview(body))]
    assert [message.call_id for message in got] == [message.call_id for message in sent]


def test_outcomes_are_small_on_the_wire() -> None:
    """An attempt's end is on the path of every input: its envelope must not outgrow its payload."""
    ends = [AttemptEnd(10**6, OutcomeKind.SUCCESS, b"")] * 100
    assert len(codec.frames([Finished(ends)])[1]) < 30 * 100  # 18 of them say when the code ran
    outcomes = [InputEnd(5, OutcomeKind.SUCCESS, b"")] * 100
    assert len(codec.frames([Outcomes("fc-" + "0" * 26, outcomes)])[1]) < 8 * 100


_AT_ONCE = """
import sys, threading
import msgspec
from motet.errors import ConnectionError
from motet.wire import codec
from tests.wire.golden import sent

sys.setswitchinterval(1e-6)
frames = [msgspec.msgpack.encode([msgspec.Raw(data)]) for _, _, data in sent()]
there = threading.Barrier(4)

def use(decode):
    there.wait()
    for frame in frames:
        try:
            decode(memoryview(frame))
        except ConnectionError:
            pass  # of another direction

decoders = (codec.decode_to_server, codec.decode_to_client, codec.decode_to_executor, codec.decode_to_control)
threads = [threading.Thread(target=use, args=(decode,)) for decode in decoders]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_read_their_first_messages_at_once_do_not_read_by_half_a_decoder() -> None:
    """In a process of its own: it would crash."""
    done = subprocess.run(
        [sys.executable, "-c", _AT_ONCE], cwd=Path(__file__).parents[2], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
