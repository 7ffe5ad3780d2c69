"""Parameters of a class in the query string of a request."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from motet.model.function import MethodSpec
from motet.model.parameters import ParameterSpec
from motet.model.web import WebSpec
from motet.wire import codec
from motet.wire.client_messages import CreateApp, Request
from motet.wire.hello import Hello
from tests.server.stage import app, function, stage


class Writes:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("path", ["", "/?p=99999999999999999999999", "/?p=x"])
def test_the_default_that_a_container_declares_is_read_and_never_run(tmp_path: Path, path: str) -> None:
    """Any client may declare an app, code in a container too."""
    file = tmp_path / "written"
    spec = replace(
        function(),
        is_class=True,
        methods=(MethodSpec(name="m", web=WebSpec(kind="fastapi", label="evil")),),
        parameters=(ParameterSpec(name="p", type_name="int", default=pickle.dumps(Writes(file))),),
    )

    async def main() -> int:
        async with stage() as on:
            owner = on.client()
            (function_id,) = await owner.create(function())
            owner.call(function_id)
            await on.container()
            wire = await on.connect()
            wire.say(Hello("client", on.server.token), Request(1, CreateApp("ap-2", app(spec))))
            (reply,) = await wire.hear(codec.decode_to_client)
            ((_, _, url),) = reply.body.web_urls
            async with httpx.AsyncClient(timeout=30) as http:
                return (await http.get(url + path)).status_code

    assert asyncio.run(main()) == 400
    assert not file.exists()
