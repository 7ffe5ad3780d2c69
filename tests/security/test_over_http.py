"""Strangers, pages of other sites and names that were made to lead here, at all that a server answers over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from motet.server.access.audit import Audit
from motet.server.access.door import HomeDoor
from motet.server.access.tokens import Tokens
from motet.server.config import ServerConfig
from motet.server.dashboard.config import DashboardConfig
from motet.server.metrics.config import MetricsConfig
from motet.server.port.config import PortConfig
from motet.server.server import Server
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from tests.server.access.test_audit import Kept as Entries
from tests.server.access.test_tokens import Kept

COMMAND = {"x-motet-dashboard": "1", "content-type": "application/json"}


class Site:
    """A server that answers the HTTP API, a dashboard and metrics; and a client."""

    def __init__(self, server: Server, tokens: Tokens, client: httpx.AsyncClient, told: Entries) -> None:
        assert server.port is not None
        assert server.metrics_url is not None
        self.server = server
        self.tokens = tokens
        self.client = client
        self.told = told
        self.api = f"http://{server.port.address.removeprefix('tcp:')}/v1/apps"
        self.dashboard = server.dashboard.open()
        self.metrics = server.metrics_url

    @property
    def all(self) -> tuple[str, ...]:
        return self.api, f"{self.dashboard}/api/apps", f"{self.dashboard}/login", self.metrics

    async def log_in(self, token: str, **headers: str) -> httpx.Response:
        return await self.client.post(f"{self.dashboard}/login", data={"token": token}, headers=headers)


def play(scene: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        tokens = Tokens(Kept(), lambda: 0.0)
        config = ServerConfig(
            port=PortConfig(port=0), metrics=MetricsConfig(port=0), dashboard=DashboardConfig(port=0), stop_grace=0.1
        )
        entries = Entries()
        audit = Audit(entries, lambda: 0.0, lambda work: work())
        server = Server(config, FakeBackend(), MemoryCallStore(), door=HomeDoor(tokens), audit=audit)
        await server.start()
        try:
            async with httpx.AsyncClient(timeout=30) as client:
                await scene(Site(server, tokens, client, entries))
        finally:
            await server.stop()

    asyncio.run(main())


def test_without_a_token_with_a_wrong_or_a_revoked_one_nothing_is_answered() -> None:
    async def scene(on: Site) -> None:
        revoked = on.tokens.new("gone", ("administer",))
        on.tokens.revoke("gone")
        for headers in ({}, {"authorization": "Bearer motet_x"}, {"authorization": f"Bearer {revoked}"}):
            for url in (on.api, f"{on.dashboard}/api/apps", f"{on.dashboard}/metrics"):
                assert (await on.client.get(url, headers=headers)).status_code == 401
        assert (await on.log_in(revoked)).status_code == 401
        assert {(each.what, each.outcome) for each in on.told.entries} == {("hello", "refused")}

    play(scene)


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "evil.example:80", ""])
def test_by_a_name_that_others_pointed_here_nothing_is_answered(name: str) -> None:
    async def scene(on: Site) -> None:
        token = on.tokens.new("ops", ("operate",))
        headers = {"host": name, "authorization": f"Bearer {token}"}
        for url in on.all:
            assert (await on.client.get(url, headers=headers)).status_code in (400, 403, 421), url
        assert (await on.log_in(token, host=name)).status_code in (400, 403)

    play(scene)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_what_a_page_of_another_site_posts_is_refused(origin: str) -> None:
    async def scene(on: Site) -> None:
        token = on.tokens.new("ops", ("operate", "call"))
        headers = {"origin": origin, "authorization": f"Bearer {token}"}
        for path in ("/functions/f/call", "/functions/f/spawn"):
            assert (await on.client.post(f"{on.api}/shop{path}", headers=headers, json={})).status_code == 403
        assert (await on.log_in(token, origin=origin)).status_code == 403
        assert (await on.log_in(token)).status_code == 303
        command = f"{on.dashboard}/api/calls/fc-1/cancel"
        own = {**COMMAND, "origin": on.dashboard}
        assert (await on.client.post(command, headers={**COMMAND, "origin": origin}, json={})).status_code == 403
        assert (await on.client.post(command, headers=own, json={})).status_code == 404
        form = await on.client.post(command, data={"a": "b"}, headers={"origin": on.dashboard})
        assert form.status_code == 403

    play(scene)


@pytest.mark.parametrize("query", ["token={}", "access_token={}", "TOKEN={}"])
def test_a_token_in_a_url_is_refused_with_a_sentence(query: str) -> None:
    async def scene(on: Site) -> None:
        token = on.tokens.new("ops", ("operate",))
        for url in (on.api, f"{on.dashboard}/", f"{on.dashboard}/login"):
            answer = await on.client.get(f"{url}?{query.format(token)}", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code in (400, 403)
            assert "revoke" in answer.text
            assert token not in answer.text

    play(scene)


def test_who_is_logged_in_is_out_when_the_token_is_revoked_also_from_what_it_watches() -> None:
    async def scene(on: Site) -> None:
        token = on.tokens.new("ops", ("operate",))
        await on.log_in(token)
        assert (await on.client.get(f"{on.dashboard}/api/apps")).status_code == 200
        async with on.client.stream("GET", f"{on.dashboard}/api/events") as events:
            assert events.status_code == 200
            on.server._cut_off("ops", "the token was revoked")
            with contextlib.suppress(httpx.RemoteProtocolError):  # it ends in the middle, however that looks
                async with asyncio.timeout(30):
                    async for _ in events.aiter_bytes():
                        pass
        assert (await on.client.get(f"{on.dashboard}/api/apps")).status_code == 401

    play(scene)


@pytest.mark.parametrize(
    ("rights", "read", "command"), [(("call",), 403, 403), (("look",), 200, 403), (("operate",), 200, 404)]
)
def test_the_dashboard_does_what_its_users_rights_allow(rights: tuple[str, ...], read: int, command: int) -> None:
    async def scene(on: Site) -> None:
        await on.log_in(on.tokens.new("somebody", rights))
        assert (await on.client.get(f"{on.dashboard}/api/apps")).status_code == read
        asked = await on.client.post(f"{on.dashboard}/api/calls/fc-1/cancel", headers=COMMAND, json={})
        assert asked.status_code == command
        told = [(each.who, each.where, each.what, each.outcome, each.about) for each in on.told.entries]
        ended = ("somebody", "the dashboard", "end_call", "failed", {"id": "fc-1"})
        assert told == [
            ("somebody", "the dashboard", "log_in", "done", {}),
            *([ended] if command == 404 else []),
        ]

    play(scene)


def test_bodies_and_heads_that_are_too_large_are_sent_away() -> None:
    async def scene(on: Site) -> None:
        token = on.tokens.new("ops", ("operate",))
        assert (await on.client.get(on.api, headers={"x": "y" * 200_000})).status_code in (400, 431)
        assert (await on.log_in("x" * 100_000)).status_code == 401
        await on.log_in(token)
        large = await on.client.post(
            f"{on.dashboard}/api/calls/fc-1/cancel", headers=COMMAND, content=b"{" + b" " * 100_000
        )
        assert large.status_code in (400, 413)

    play(scene)
