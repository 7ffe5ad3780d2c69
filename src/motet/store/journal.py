"""The journal: what a server that stays keeps of spawned calls, so that the server after it goes on with them.

Memory is the queue, and the journal is its log. It is written in the order in which things happened, and read when a server
starts, when somebody asks for a result that is not in memory any more, and when arguments are needed that were left on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import msgspec

from motet.errors import ServiceError
from motet.model.function import AppSpec
from motet.model.hidden import hides_secrets
from motet.model.outcome import InputEnd, NewInput


class JournalFenced(ServiceError):
    """Another server has opened this journal since: this one cannot keep anything any more, and must end."""


class JournalUnclear(ServiceError):
    """The connection broke while a commit was under way, and what has become of that is not known yet: all of it is kept, or
    nothing."""


class KeptCall(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A spawned call. `app`: as whose it is kept, the name of a deployed app or the id of any other. `function_id`: the
    function that it went to; `called_as`: the alias that its caller used, if it did. `principal`: whose it is, as all servers
    number them. `made_at` is of the wall clock. `key`: its idempotency key, with what it is unique in; `digest`: of what was
    asked with that key. `variant`: what makes its function of the one called `variant_of`, encoded; empty if it is declared."""

    call_id: str
    app: str
    function_id: str
    method: str
    principal: int
    made_at: float
    called_as: str = ""
    parent_input_id: str = ""
    trace: str = ""
    at_most_once: bool = False
    key: bytes = b""
    digest: bytes = b""
    variant_of: str = ""
    variant: bytes = b""


@hides_secrets
class KeptApp(msgspec.Struct, frozen=True):
    """An app whose program may have left it (`detached`), as its containers are told of it. `functions`: the ids of its
    functions, by the key of the app that each was declared on and its own key. `rights`: of code in its containers."""

    app_id: str
    spec: AppSpec
    functions: tuple[tuple[str, str, str], ...]
    principal: int
    rights: tuple[str, ...] = ()
    bundle: str = ""


# --- what happened ----------------------------------------------------------------------------------------------------


class CallMade(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A call exists from now on, without inputs. One that is there already, and is the same principal's, is left as it is."""

    call: KeptCall


class InputsAdded(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A call has these inputs, too. Those that it has already are left as they are, with the outcomes that they may have."""

    call_id: str
    inputs: list[NewInput]
    at: float


class InputTried(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an unfinished input has been through: attempts that have begun, how many of them its function's policy was charged
    with, and how often its container died while it ran there alone. `due_at`: not to be tried again before this moment of the
    wall clock. `last_attempt`: the number of the latest of these attempts; a container that comes back may still have its end.
    The latest word counts; one about an input that has ended says nothing."""

    call_id: str
    index: int
    attempts: int
    retries: int = 0
    lone_losses: int = 0
    due_at: float = 0.0
    last_attempt: int = 0


class InputsEnded(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Inputs have these outcomes, and their arguments are not needed any more. The first outcome of an input counts; what is
    said of inputs or calls that are not here is ignored."""

    call_id: str
    ended: list[InputEnd]
    at: float


class CallsForgotten(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Nothing of these calls is to be left: arguments, outcomes, keys."""

    call_ids: list[str]


class AppKept(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A detached app is to be there again when a server starts. Said again, it counts as it was said last."""

    app: KeptApp


class AppGone(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """It has been stopped. Its calls stay, with their outcomes."""

    app_id: str


Entry = CallMade | InputsAdded | InputTried | InputsEnded | CallsForgotten | AppKept | AppGone


# --- what is found ----------------------------------------------------------------------------------------------------


class UnfinishedInput(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An input without an outcome, but for its arguments: how long these are, when it was submitted, and what it has been
    through (see `InputTried`). `reference`: what stands in the journal for them, if they are kept as a blob."""

    index: int
    size: int
    submitted_at: float
    attempts: int = 0
    retries: int = 0
    lone_losses: int = 0
    due_at: float = 0.0
    last_attempt: int = 0
    reference: bytes = b""


class UnfinishedPart(msgspec.Struct, array_like=True, frozen=True):
    """A call and some of its unfinished inputs."""

    call: KeptCall
    inputs: list[UnfinishedInput]


class Journal(Protocol):
    """A journal that this process has opened, which fences all that had it open before: `term` is higher each time, and every
    write is on condition that no other opening has a higher one.

    One thread calls `keep`, `expire` and `close`; the questions may be asked on any other thread at the same time, and see what
    has been kept. All raise `ServiceError` where the disk or the database is the matter.
    """

    @property
    def term(self) -> int:
        """Which opening of this journal this is; the first is 1."""
        ...

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep all of this, or nothing. When it returns it would survive a crash of the process, and of the machine.

        Without entries something is written all the same: whether something can be kept is known then.

        The entries have happened in this order. An implementation may carry them out by kind, in the order of `Entry`: calls,
        then inputs, and so on. It has the same effect: a call that was forgotten never comes back under the same id.

        Raises `JournalFenced` if another server has opened this journal since, `AlreadyExistsError` if a new call has the key
        of another one, or is here as another principal's, and `ServiceError` if it cannot be written now. Nothing has changed
        then.
        """
        ...

    def unfinished(self, most: int = 1000) -> Iterator[UnfinishedPart]:
        """Every call that has inputs without an outcome, with at most so many of these, by index; what follows comes as the
        same call again. In the order in which calls were made. It looks at nothing that has ended, however much there is."""
        ...

    def payloads(self, inputs: Sequence[tuple[str, int]]) -> list[bytes]:
        """The arguments of these unfinished inputs, each named by its call and index, in this order. Of inputs that have
        ended, or are not here, b"". It is one question, however many they are."""
        ...

    def kept(self, call_id: str) -> KeptCall:
        """A call. It takes as long however many inputs it has. Raises `NotFoundError`."""
        ...

    def call(self, call_id: str) -> tuple[KeptCall, int]:
        """A call, and how many inputs it has, which may be counted now. Raises `NotFoundError`."""
        ...

    def known(self, call_id: str, indices: Collection[int]) -> dict[int, bool]:
        """Which of these inputs are here, and whether each has ended."""
        ...

    def outcomes(self, call_id: str, index: int, limit: int) -> list[InputEnd]:
        """The outcome of input `index`, and those of the following inputs up to the first without one; at most `limit`.

        Empty if the input has not ended. Raises `NotFoundError` for a call that is not kept or has no such input.
        """
        ...

    def by_key(self, key: bytes) -> KeptCall | None:
        """The call that has this idempotency key."""
        ...

    def apps(self) -> list[KeptApp]:
        """The detached apps, in the order in which they began."""
        ...

    def expire(self, before: float, most: int = 1000) -> int:
        """Let go of calls of which all inputs had ended before this moment, with all that there is of them; of about so many
        inputs, so that what waits to be kept does not wait long. How many went, or were looked at: it is to be asked again
        until that is 0. Calls without inputs go when they were made before it. Raises `JournalFenced`, too."""
        ...

    def check(self) -> list[str]:
        """What is wrong with it, in words; nothing if all is well. It looks at everything."""
        ...

    def close(self) -> None:
        """No more is kept or asked. Idempotent."""
        ...
