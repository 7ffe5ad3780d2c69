"""Every message there is, said by somebody with every right but those that it takes."""

from __future__ import annotations

import asyncio
import typing
from typing import Any

import pytest

from motet.errors import ConnectionError, PermissionDeniedError
from motet.model.outcome import OutcomeKind
from motet.server.access.deeds import deed
from motet.server.access.door import Principal
from motet.server.access.rights import EVERYTHING, NEEDED, NOTHING, SERVE
from motet.wire import client_messages as m
from motet.wire import failure
from motet.wire.client_messages import RequestBody
from motet.wire.hello import Hello
from tests.server.stage import refusal, stage
from tests.wire.golden import example

BODIES = set(typing.get_args(RequestBody))
OF_REQUESTS = {kind for kind, needed in NEEDED.items() if needed == EVERYTHING}
"""Whoever may ask for anything may say these: they belong to its requests."""


def named(kind: Any) -> str:
    return str(kind.__name__)


@pytest.mark.parametrize("kind", [kind for kind in NEEDED if kind not in OF_REQUESTS], ids=named)
def test_without_its_right_a_message_is_refused(kind: Any) -> None:
    async def main() -> None:
        async with stage() as on:
            rights = EVERYTHING & ~NEEDED[kind]
            somebody = on.principal(Principal("eve", rights))
            message = example(kind)
            if kind in BODIES:
                problem = refusal(await somebody.answer(message))
                assert isinstance(problem, PermissionDeniedError)
                assert f"{deed(kind)} needs a right that this token does not give" in str(problem)
            if kind is m.SubmitInputs:
                somebody.say(message)
                (end,) = (await somebody.wait(m.Outcomes)).ended
                assert end.kind is OutcomeKind.REFUSED
                assert isinstance(failure.rebuild(end.payload), PermissionDeniedError)
            elif kind not in BODIES:
                with pytest.raises(ConnectionError, match=r"needs a right|only the first message"):
                    somebody.say(message)

    asyncio.run(main())


@pytest.mark.parametrize("kind", [m.Request, *sorted(OF_REQUESTS - {m.Request}, key=named)], ids=named)
def test_who_has_no_right_at_all_may_say_nothing(kind: Any) -> None:
    async def main() -> None:
        async with stage() as on:
            with pytest.raises(ConnectionError, match="it gives: none"):
                on.principal(Principal("eve", NOTHING)).say(example(kind))

    asyncio.run(main())


@pytest.mark.parametrize(
    "kind", [kind for kind, needed in NEEDED.items() if needed & SERVE or kind is Hello], ids=named
)
def test_nobody_outside_speaks_for_a_container_whatever_rights_it_has(kind: Any) -> None:
    async def main() -> None:
        async with stage() as on:
            with pytest.raises(ConnectionError):
                on.principal(Principal("root", EVERYTHING)).say(example(kind))

    asyncio.run(main())
