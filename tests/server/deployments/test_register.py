"""What is kept of versions, as the server's loop asks for it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from motet.errors import ServiceError
from motet.server.deployments.register import ANSWER_TIMEOUT, Register
from motet.testing.virtual_loop import VirtualLoop


def test_a_store_that_hangs_is_told_and_holds_nobody_up() -> None:
    nothing: Any = None
    register = Register(nothing, nothing, nothing, nothing)
    goes_on = threading.Event()

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        asking = loop.create_task(register.ask(lambda store: goes_on.wait(30)))
        await asyncio.sleep(0)  # it asks
        loop.skip(ANSWER_TIMEOUT)
        with pytest.raises(ServiceError, match=r"has not answered for 60 s: .* hangs. What serves goes on"):
            await asking
        goes_on.set()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene())
