"""Who is let in to the dashboard."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from motet.errors import ConnectionError
from motet.server.access.door import Principal
from motet.server.access.rights import CALL, LOOK, OPERATE
from motet.server.dashboard import security
from motet.server.dashboard.logins import CODE_SECONDS, MOST_CODES, Logins
from motet.server.dashboard.security import Guard
from motet.server.http.own_names import OwnNames


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
        self._transport = httpx.ASGITransport(app=Guard(page, OwnNames(), logins))  # type: ignore[arg-type]
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


# --- by token ---------------------------------------------------------------------------------------------------------


class Doorman:
    """Knows two tokens, and what time it is."""

    def __init__(self, clock: Clock) -> None:
        self.wall = 0.0
        self.logins = Logins(clock, self.admit, lambda: self.wall)

    def admit(self, token: str) -> Principal:
        if token == "motet_ops":
            return Principal("ops", OPERATE | LOOK, 100.0)
        if token == "motet_eve":
            return Principal("eve", LOOK)
        if token == "motet_calls":
            return Principal("calls", CALL)
        raise ConnectionError("the token is none here")

    def log_in(self, token: str, **headers: str) -> tuple[Browser, httpx.Response]:
        browser = Browser(self.logins)
        return browser, browser.get("/login", method="POST", data={"token": token}, headers=headers)


@pytest.fixture
def doorman(clock: Clock) -> Doorman:
    return Doorman(clock)


COMMAND = {"method": "POST", "headers": {"x-motet-dashboard": "1", "content-type": "application/json"}, "content": "{}"}


def test_a_token_that_is_posted_lets_a_browser_in_with_its_rights(doorman: Doorman) -> None:
    ops, answer = doorman.log_in("motet_ops")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly; SameSite=Strict; Path=/" in answer.headers["set-cookie"]
    assert "motet_ops" not in str(answer.headers)
    assert ops.get("/apps").status_code == 200
    assert ops.get("/api/calls/fc-1/cancel", **COMMAND).status_code == 200
    eve, _ = doorman.log_in("motet_eve")
    assert eve.get("/apps").status_code == 200
    refused = eve.get("/api/calls/fc-1/cancel", **COMMAND)
    assert (refused.status_code, refused.text) == (403, "this needs the right to operate; eve may: look\n")
    calls, _ = doorman.log_in("motet_calls")
    assert calls.get("/apps").text == "the dashboard needs the right to look; calls may: call\n"


def test_a_wrong_token_is_told_so_and_asked_again(doorman: Doorman) -> None:
    browser, answer = doorman.log_in("motet_<b>")
    assert answer.status_code == 401
    assert "the token is none here" in answer.text
    assert "motet_" not in answer.text
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert browser.get("/apps").status_code == 401
    assert browser.get("/login", method="POST", data={"token": "x" * 5000}).status_code == 401


def test_a_browser_that_is_not_logged_in_is_shown_a_form_where_tokens_are_taken(
    doorman: Doorman, logins: Logins
) -> None:
    page = {"accept": "text/html,*/*"}
    assert "<form method=post action=/login>" in Browser(doorman.logins).get("/apps", headers=page).text
    assert "<form" not in Browser(doorman.logins).get("/apps").text
    assert "<form" not in Browser(logins).get("/apps", headers=page).text
    assert "takes no tokens" in Browser(logins).get("/login", method="POST", data={"token": "motet_x"}).text


@pytest.mark.parametrize("query", ["token=motet_ops", "code=motet_ops", "a=b&key=motet_ops"])
def test_a_token_in_a_url_is_refused_with_what_to_do(doorman: Doorman, query: str) -> None:
    for path in ("/", "/login", "/api/apps"):
        answer = Browser(doorman.logins).get(f"{path}?{query}")
        assert answer.status_code == 403
        assert "a token in a URL is refused" in answer.text
        assert "Revoke it" in answer.text
        assert "motet_ops" not in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_a_login_that_another_sites_form_sends_is_refused(doorman: Doorman, origin: str) -> None:
    browser, answer = doorman.log_in("motet_ops", origin=origin)
    assert answer.status_code == 403
    assert browser.get("/").status_code == 401
    assert doorman.log_in("motet_ops", origin="http://127.0.0.1:8420")[1].status_code == 303
    assert doorman.log_in("motet_ops", host="evil.example")[1].status_code == 403


def test_who_logs_out_is_out(doorman: Doorman) -> None:
    browser, _ = doorman.log_in("motet_ops")
    (cookie,) = browser.cookies.values()
    answer = browser.get("/logout", **COMMAND)
    assert answer.status_code == 303
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert Browser(doorman.logins).get("/", headers={"cookie": f"motet-dashboard-8420={cookie}"}).status_code == 401


def test_a_login_ends_with_its_token(doorman: Doorman) -> None:
    ops, _ = doorman.log_in("motet_ops")
    eve, _ = doorman.log_in("motet_eve")
    code = doorman.logins.new_code(Principal("eve", LOOK))
    doorman.wall = 99.0
    assert ops.get("/").status_code == 200
    doorman.wall = 100.0
    assert ops.get("/").status_code == 401
    doorman.logins.cut_off("eve")
    assert eve.get("/").status_code == 401
    assert Browser(doorman.logins).get(f"/?code={code}").status_code == 401


def test_what_is_being_answered_ends_when_the_token_is_revoked_or_expires(
    doorman: Doorman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "LOOK_INTERVAL", 0.001)

    async def main() -> None:
        sent: list[Any] = []
        streaming = asyncio.Event()

        async def stream(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            streaming.set()
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        for end in (lambda: doorman.logins.cut_off("ops"), lambda: setattr(doorman, "wall", 100.0)):
            token = doorman.logins.log_in("motet_ops")
            headers = [(b"host", b"localhost"), (b"cookie", f"motet-dashboard-8420={token}".encode())]
            scope = {
                "type": "http", "method": "GET", "path": "/api/events", "query_string": b"", "headers": headers,
                "server": ("127.0.0.1", 8420),
            }  # fmt: skip
            streaming.clear()
            answering = asyncio.ensure_future(Guard(stream, OwnNames(), doorman.logins)(scope, stream, send))
            await asyncio.wait_for(streaming.wait(), 5)
            end()
            await asyncio.wait_for(answering, 5)

    asyncio.run(main())


def test_over_https_the_cookie_goes_nowhere_else(doorman: Doorman) -> None:
    browser = Browser(doorman.logins)
    browser._base = "https://127.0.0.1:8420"
    answer = browser.get("/login", method="POST", data={"token": "motet_ops"})
    assert answer.headers["set-cookie"].endswith("; Secure")
