"""Who is let in to the dashboard."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from motet.server.dashboard.logins import CODE_SECONDS, MOST_CODES, Logins
from motet.server.dashboard.security import Guard


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def page(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


class Browser:
    """One that keeps cookies, or several that share a dashboard."""

    def __init__(self, logins: Logins, port: int = 8420) -> None:
        self._transport = httpx.ASGITransport(app=Guard(page, "127.0.0.1", logins))  # type: ignore[arg-type]
        self._base = f"http://127.0.0.1:{port}"
        self.cookies = httpx.Cookies()

    def get(self, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url=self._base, cookies=self.cookies
            ) as client:
                answer = await client.request(options.pop("method", "GET"), path, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(ask())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> Logins:
    return Logins(clock)


def test_code_lets_a_browser_in_which_has_a_cookie_from_then_on_and_no_code_in_its_url(logins: Logins) -> None:
    browser = Browser(logins)
    answer = browser.get(f"/apps/ap-1?code={logins.new_code()}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps/ap-1")
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("motet-dashboard-8420=")
    assert cookie.endswith("; HttpOnly; SameSite=Strict; Path=/")
    assert (browser.get("/apps/ap-1").text, browser.get("/static/main.js").status_code) == ("/apps/ap-1", 200)


def test_code_is_good_once(logins: Logins) -> None:
    code = logins.new_code()
    first, second = Browser(logins), Browser(logins)
    assert first.get(f"/?code={code}").status_code == 303
    assert second.get(f"/?code={code}").status_code == 401
    assert first.get(f"/apps?code={code}").headers["location"] == "/apps"  # who is in already may come by an old URL
    assert second.get("/").status_code == 401


@pytest.mark.parametrize(("after", "status"), [(CODE_SECONDS - 1, 303), (CODE_SECONDS + 1, 401)])
def test_code_is_good_for_a_minute(logins: Logins, clock: Clock, after: float, status: int) -> None:
    code = logins.new_code()
    clock.now += after
    assert Browser(logins).get(f"/?code={code}").status_code == status


def test_cookie_is_good_until_the_server_ends(logins: Logins, clock: Clock) -> None:
    browser = Browser(logins)
    browser.get(f"/?code={logins.new_code()}")
    clock.now += 30 * 24 * 3600
    assert browser.get("/").status_code == 200
    other = Browser(Logins(clock))
    other.cookies = browser.cookies
    assert other.get("/").status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/apps", "/api/apps", "/api/events", "/metrics", "/static/main.js", "/?code=", "/?code=x"]
)
def test_without_a_cookie_nothing_is_answered_but_how_to_get_in(logins: Logins, path: str) -> None:
    answer = Browser(logins).get(path)
    assert answer.status_code == 401
    assert "`motet dashboard` prints a new URL" in answer.text


def test_token_is_taken_from_a_cookie_and_from_nowhere_else(logins: Logins) -> None:
    browser = Browser(logins)
    browser.get(f"/?code={logins.new_code()}")
    (token,) = browser.cookies.values()
    for path in (f"/?code={token}", f"/?motet-dashboard-8420={token}", f"/{token}"):
        assert Browser(logins).get(path).status_code == 401
    headers = {"authorization": f"Bearer {token}", "x-motet-dashboard": token, "cookie": f"other={token}"}
    assert Browser(logins).get("/", headers=headers).status_code == 401
    both = {"cookie": f"a=b; motet-dashboard-8420=x; motet-dashboard-8420={token}"}
    assert Browser(logins).get("/", headers=both).status_code == 200


def test_commands_need_a_login_and_do_not_take_codes(logins: Logins) -> None:
    headers = {"x-motet-dashboard": "1", "content-type": "application/json"}
    code = logins.new_code()
    how = {"method": "POST", "headers": headers, "content": "{}"}
    assert Browser(logins).get(f"/api/calls/fc-1/cancel?code={code}", **how).status_code == 401
    browser = Browser(logins)
    browser.get(f"/?code={code}")
    assert browser.get("/api/calls/fc-1/cancel", **how).status_code == 200


def test_page_of_another_name_gets_nothing_for_a_code(logins: Logins) -> None:
    code = logins.new_code()
    assert Browser(logins).get(f"/?code={code}", headers={"host": "evil.example"}).status_code == 403
    assert Browser(logins).get(f"/?code={code}").status_code == 303


def test_browser_is_never_sent_to_another_host(logins: Logins) -> None:
    answer = Browser(logins).get(f"http://127.0.0.1:8420//evil.example/x?code={logins.new_code()}")
    assert answer.headers["location"] == "/evil.example/x"


def test_oldest_codes_go_when_there_are_very_many(logins: Logins) -> None:
    codes = [logins.new_code() for _ in range(MOST_CODES + 1)]
    assert logins.exchange(codes[0]) is None
    assert logins.exchange(codes[-1]) is not None
