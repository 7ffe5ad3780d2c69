"""Containers that have ended before what they said on coming back is heard."""

from __future__ import annotations

from typing import Any, cast

from motet.server.containers.come_back import Returning
from motet.wire.container_messages import Held


class Known:
    """A container as the server knows it, or its session: nothing is asked of either here."""

    function_id = "fu-1"


def test_what_one_says_that_is_gone_by_then_means_nothing() -> None:
    nobody: Any = cast(Any, None)
    returning = Returning(nobody, nobody, nobody, None)
    returning.await_container("ta-1", cast(Any, Known()))
    session = returning.begins("ta-1", cast(Any, Known()))
    returning.is_gone("ta-1")
    session.receive([Held([], [])])
    assert "ta-1" not in returning
