"""What is written down of a run that is checked afterwards: events, each by a witness who saw it, on one clock."""

from __future__ import annotations

import msgspec

from motet.model.outcome import OutcomeKind


class BoundsDeclared(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A function may have so many containers, with so many inputs at once in each, or batches. `outlives`: spawned inputs of
    it are to end whatever becomes of the program that has spawned them."""

    at: float
    function: str
    max_containers: int
    max_inputs: int
    max_batch: int = 1
    retries: int = 0
    at_most_once: bool = False
    outlives: bool = False
    timeout: float = 300.0


class ScheduleDeclared(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A function runs by itself from now on. `runs_late`: once for all moments that were missed. `overlaps`: a run may begin
    while the one before goes on."""

    at: float
    function: str
    runs_late: bool
    overlaps: bool


class MomentCame(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A moment of a schedule has come, and has this input."""

    at: float
    key: str
    function: str


class InputSubmitted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A client hands in an input. `spawned`: it counts as accepted only once that is acknowledged. `streams`: its client wants
    items of it, before its outcome."""

    at: float
    key: str
    client: str
    function: str
    spawned: bool = False
    streams: bool = False


class SpawnAcknowledged(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The server has told the client that a spawned input was taken."""

    at: float
    key: str


class CancelAsked(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Somebody asks for an input to be cancelled."""

    at: float
    key: str


class AttemptBegan(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """An attempt begins in a container: what the code of the input would have seen. `batch`: the same for all that begin
    together, in one call; 0: it begins by itself."""

    at: float
    key: str
    attempt: int
    container: str
    batch: int = 0


class ItemsMade(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """An attempt has yielded so many items, from the one with this number on; the very first has 0."""

    at: float
    key: str
    attempt: int
    first: int
    count: int


class ItemsSeen(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """These items of an attempt are there for the client that has asked for them."""

    at: float
    key: str
    attempt: int
    first: int
    count: int


class OutcomeOffered(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """An attempt ends in a container, which has an outcome to offer."""

    at: float
    key: str
    attempt: int
    container: str
    kind: OutcomeKind


class OutcomeSeen(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A client has the outcome of an input. `attempt`: whose outcome it is; None: the server made it. `reader`: who saw it."""

    at: float
    key: str
    reader: str
    kind: OutcomeKind
    attempt: int | None = None
    text: str = ""


class OutcomeDenied(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A client was told that it will not get the outcome of an input from here, and why."""

    at: float
    key: str
    reader: str
    error: str


class ClientTurnedAway(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A client was told that nothing more will come of what it has said to the server, and why."""

    at: float
    client: str
    error: str


class ContainerBegan(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The process of a container begins."""

    at: float
    container: str
    function: str


class ContainerVanished(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The process of a container has ended."""

    at: float
    container: str
    reason: str


class Fault(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Something is done to a part of the platform: to a container, a client, a host or the server, by name."""

    at: float
    kind: str
    target: str


class ServerBegan(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A server takes clients."""

    at: float
    server: str


class Broke(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The platform itself says that something went wrong in it that never may."""

    at: float
    what: str


class Settled(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """All faults are over, and there was time for everything to end. `asked_at`: what was there by then has been asked for."""

    at: float
    asked_at: float = 0.0


Event = (
    BoundsDeclared
    | ScheduleDeclared
    | MomentCame
    | InputSubmitted
    | SpawnAcknowledged
    | CancelAsked
    | AttemptBegan
    | ItemsMade
    | ItemsSeen
    | OutcomeOffered
    | OutcomeSeen
    | OutcomeDenied
    | ClientTurnedAway
    | ContainerBegan
    | ContainerVanished
    | Fault
    | ServerBegan
    | Broke
    | Settled
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def dumped(events: list[Event]) -> bytes:
    """A history as JSON, an event a line."""
    return b"".join(_encoder.encode(event) + b"\n" for event in events)


def loaded(data: bytes) -> list[Event]:
    """A history that was `dumped`."""
    return [_decoder.decode(line) for line in data.splitlines()]


def described(event: Event) -> str:
    """An event on one line."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "at"}
    words = [f"{name}={_short(value)}" for name, value in fields.items() if value not in (None, "", False)]
    return f"{event.at:10.4f}  {type(event).__name__:17}  {'  '.join(words)}"


def _short(value: object) -> str:
    text = value.name if isinstance(value, OutcomeKind) else str(value)
    text = text.replace("\n", " / ")
    return text if len(text) <= 200 else f"{text[:160]} ... {text[-30:]}"
