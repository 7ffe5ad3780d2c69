"""The dashboard in a real browser, while an app runs."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import motet
from tests.e2e.standing import PATIENCE, standing_server

from .conftest import Gate, container_states, wait_until
from .programs.dashboard_demo import app, basket, fetch, hostile
from .programs.dashboard_demo import (
    talkative_with_a_name_so_long_that_a_table_of_functions_would_have_no_room_for_anything_else as talkative,
)

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser tests need playwright: pip install -e '.[dev]'"
)
expect = playwright.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need chromium: apt-get install chromium"),
    pytest.mark.timeout(180),
    # Playwright has a loop of its own on this thread, and nothing of ours is on it.
    pytest.mark.filterwarnings("ignore::motet.errors.AsyncUsageWarning"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    expect.set_options(timeout=30_000)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()
    # Playwright's loop was this thread's; tests that come later make their own.
    asyncio.set_event_loop(None)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page of an app that runs."""
    monkeypatch.setenv("MOTET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOTET_DASHBOARD_PORT", "0")
    with app.run(dashboard=True):
        assert app.running is not None
        assert app.running.dashboard_url is not None
        yield app.running.dashboard_url


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """A browser's page that shows the app. Whatever a script of the pages complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.faults = faults
    page.goto(url)
    yield page
    context.close()
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []


def origin(page: Any) -> str:
    return "/".join(page.url.split("/")[:3])


def test_app_leads_to_its_function_its_call_and_its_input(page: Any, gate: Gate) -> None:
    call = fetch.spawn(gate.path, "violin")
    gate.wait_held(1)
    page.get_by_role("link", name="fetch", exact=True).first.click()
    expect(page.get_by_role("heading", name="function fetch")).to_be_visible()
    expect(page.locator(".strip.ready")).to_contain_text("1 / 5 / 10")
    why = page.get_by_role("region", name="Why this many containers")
    expect(why.get_by_role("row").filter(has_text="0 → 1")).to_contain_text("1 input at 5 each wants 1")

    page.locator(f"a[href='/calls/{call.object_id}']").click()
    expect(page.get_by_role("heading", name="call fetch")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="#0")
    expect(row).to_contain_text("running")

    gate.open()
    expect(row).to_contain_text("succeeded")
    row.get_by_role("link", name="#0").click()
    expect(page.get_by_role("heading", name="input #0 of fetch")).to_be_visible()
    parts = page.get_by_role("table", name="Parts of its time")
    expect(parts).to_contain_text("starting")
    expect(parts).to_contain_text("the user's code ran")
    expect(page.get_by_role("log")).to_contain_text("violin is through")


def test_going_back_shows_the_page_before(page: Any) -> None:
    page.get_by_role("link", name="Logs", exact=True).first.click()
    expect(page.get_by_role("heading", name="Logs")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="app shop")).to_be_visible()


def test_log_is_followed_live(page: Any, gate: Gate) -> None:
    page.goto(f"{origin(page)}/logs?function=fetch")
    log = page.get_by_role("log")
    expect(log).to_contain_text("No lines.")
    fetch.spawn(gate.path, "cello")
    expect(log).to_contain_text("cello is at the gate")
    expect(log).not_to_contain_text("cello is through")
    gate.open()
    expect(log).to_contain_text("cello is through")


def test_log_is_filtered_by_call_and_by_input_in_the_address(page: Any) -> None:
    call = hostile.spawn(1)
    other = hostile.spawn(2)
    assert (call.get(), other.get()) == (1, 2)
    log = page.get_by_role("log")

    page.goto(f"{origin(page)}/logs")
    expect(log.locator(".line.stdout")).to_have_count(2)
    page.get_by_label("Call").fill(call.object_id)
    expect(log.locator(".line.stdout")).to_have_count(1)
    expect(log).to_contain_text("window.hacked = 1")
    expect(page).to_have_url(re.compile(rf"call={call.object_id}"))

    of_other = f"in-{other.object_id.removeprefix('fc-')}-0"
    page.goto(f"{origin(page)}/logs?input={of_other}")
    expect(log.locator(".line.stdout")).to_have_count(1)
    expect(log).to_contain_text("window.hacked = 2")
    log.get_by_role("link", name=re.compile("^in-")).first.click()
    expect(page).to_have_url(re.compile(rf"/inputs/{of_other}$"))


def test_log_is_searched_as_one_types(page: Any, gate: Gate) -> None:
    for name in ("violin", "viola", "drum"):
        fetch.spawn(gate.path, name)
    gate.wait_held(3)
    page.goto(f"{origin(page)}/logs")
    log = page.get_by_role("log")
    expect(log.locator(".line.stdout")).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("viol")
    expect(log.locator(".line.stdout")).to_have_count(2)
    page.keyboard.type("in")
    expect(log.locator(".line.stdout")).to_have_count(1)
    expect(log.locator("mark")).to_have_text("violin")
    expect(page).to_have_url(re.compile("search=violin"))
    page.reload()
    expect(log.locator(".line.stdout")).to_have_count(1)
    gate.open()


def test_lines_that_look_like_scripts_are_text(page: Any) -> None:
    assert hostile.remote(1) == 1
    page.goto(f"{origin(page)}/logs")
    expect(page.get_by_role("log")).to_contain_text("<script>window.hacked = 1</script>")
    with pytest.raises(ValueError, match="price"):
        hostile.remote(3)
    page.goto(f"{origin(page)}/calls?kind=failure")
    page.locator("main [data-row]").first.click()
    page.get_by_role("link", name="#0").click()
    expect(page.locator(".failure-text")).to_have_text("ValueError: <b>price</b> is not a number")
    assert page.evaluate("window.hacked") is None


def test_call_is_cancelled_by_its_button(page: Any, gate: Gate) -> None:
    call = fetch.spawn(gate.path, "oboe")
    gate.wait_held(1)
    page.goto(f"{origin(page)}/calls/{call.object_id}")
    page.get_by_role("button", name="Cancel call…").click()
    page.get_by_role("button", name="Leave it").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("row").filter(has_text="#0")).to_contain_text("running")
    page.get_by_role("button", name="Cancel call…").click()
    page.get_by_role("button", name="Cancel the call").click()
    expect(page.get_by_role("row").filter(has_text="#0")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Cancel call…")).to_be_hidden()
    with pytest.raises(motet.Error):
        call.get(timeout=60)


def test_container_is_stopped_by_its_button(page: Any, gate: Gate) -> None:
    call = fetch.spawn(gate.path, "flute")
    gate.wait_held(1)
    page.get_by_role("link", name="fetch", exact=True).first.click()
    page.locator(".strip.ready a").click()
    expect(page.get_by_role("heading", name="container of fetch")).to_be_visible()
    page.get_by_role("button", name="Stop container…").click()
    page.get_by_role("button", name="Stop the container").click()
    expect(page.locator(".heading .badge")).to_have_text(re.compile("draining|stopping"))
    gate.open()
    assert call.get(timeout=60) == "flute"
    expect(page.locator(".heading .badge")).to_have_text("ended")
    expect(page.locator(".reasons")).to_contain_text("Ended: drained; exited with status 0")


def test_autoscaler_is_changed_by_its_form(page: Any) -> None:
    page.get_by_role("link", name="fetch", exact=True).first.click()
    page.get_by_label("Min containers").fill("1")
    page.get_by_label("Max containers").fill("4")
    page.get_by_role("button", name="Change…").click()
    expect(page.get_by_role("dialog")).to_contain_text("min_containers: 0 → 1")
    expect(page.get_by_role("dialog")).to_contain_text("max_containers: 2 → 4")
    page.get_by_role("button", name="Change", exact=True).click()
    wait_until(lambda: "ready" in container_states(app), "a container that is kept")
    expect(page.locator(".strip.ready")).to_be_visible()
    page.get_by_label("Min containers").fill("9")
    page.get_by_role("button", name="Change…").click()
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(
        "`min_containers` (9) cannot be greater than `max_containers` (4)"
    )


def test_log_of_a_call_that_has_ended_begins_at_its_end(page: Any) -> None:
    call = talkative.spawn(600)
    call.get(timeout=60)
    page.goto(f"{origin(page)}/calls/{call.object_id}")
    log = page.get_by_role("log")
    expect(log.get_by_text("the last")).to_be_in_viewport()
    expect(log.get_by_text("line 599")).to_be_visible()
    # Lines of 65,536 characters scroll by themselves.
    assert max(log.locator(".line").evaluate_all("lines => lines.map(line => line.offsetHeight)")) < 400


def test_function_with_a_long_name_leaves_room_for_its_numbers(page: Any) -> None:
    for width, last in ((1280, "Last decision"), (800, "Succeeded"), (390, "Failed")):
        page.set_viewport_size({"width": width, "height": 800})
        expect(page.get_by_role("columnheader", name=last)).to_be_in_viewport(ratio=1)
    name = page.get_by_role("link", name=re.compile("talkative_with"))
    assert name.get_attribute("title").endswith("anything_else")


def test_tree_of_calls_leads_from_an_input_to_those_that_it_made(page: Any) -> None:
    call = basket.spawn(3)
    assert call.get(timeout=60) == 33
    page.goto(f"{origin(page)}/inputs/in-{call.object_id.removeprefix('fc-')}-0")
    tree = page.get_by_role("table", name="Tree of calls")
    expect(tree).to_contain_text("hostile 3 inputs")
    tree.get_by_role("link", name="#2").click()
    expect(page.get_by_role("heading", name="input #2 of hostile")).to_be_visible()
    expect(tree.locator("tr.current")).to_contain_text("#2")
    page.get_by_role("link", name=re.compile("in-.*-0")).first.click()
    expect(page.get_by_role("heading", name="input #0 of basket")).to_be_visible()


def test_inputs_of_a_call_are_found_by_outcome_and_index(page: Any) -> None:
    results = list(hostile.map(range(40), return_exceptions=True))
    assert len(results) == 40
    page.get_by_role("link", name="Calls", exact=True).click()
    page.locator("main [data-row]").first.click()
    table = page.get_by_role("table", name="Inputs")
    page.get_by_role("button", name="failed").click()
    expect(table.get_by_role("link", name="#")).to_have_text(["#3"])
    expect(page).to_have_url(re.compile("kind=failure"))
    page.get_by_role("button", name="failed").click()
    page.get_by_label("From this index or input id on").fill("38")
    expect(table.get_by_role("link", name="#")).to_have_text(["#38", "#39"])


def test_call_with_many_inputs_has_only_those_in_sight_in_the_page(page: Any) -> None:
    assert len(list(hostile.map(range(1500), return_exceptions=True))) == 1500
    page.get_by_role("link", name="Calls", exact=True).click()
    page.locator("main [data-row]").first.click()
    rows = page.get_by_role("table", name="Inputs").locator("tbody [data-row]")
    expect(rows.first).to_have_text("#0")
    assert rows.count() < 60
    page.locator(".window").evaluate("it => (it.scrollTop = 300 * 33)")
    expect(rows.filter(has_text=re.compile("^#305$"))).to_be_visible()
    assert rows.count() < 60


def test_all_can_be_reached_by_keyboard(page: Any) -> None:
    assert hostile.remote(5) == 5
    page.goto(f"{origin(page)}/apps")
    expect(page.get_by_role("heading", name="Apps")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="shop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="app shop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Apps")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.get_by_role("heading", name="Logs")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next and previous row")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/calls/fc-none", "no call fc-none is known here"),
        ("/inputs/in-5", "'in-5' is not an input id"),
        ("/logs?since=5%20minutes", "since=5 minutes is not a time: say how long ago (30s, 5m, 2h, 1d)"),
        ("/logs?input=violin", "'violin' is not an input id; they look like 'in-01hq3v8k2m-0'"),
        ("/calls?kind=broken", "kind=broken is not known; it can be: success, failure"),
    ],
)
def test_address_that_leads_nowhere_says_why(page: Any, path: str, said: str) -> None:
    page.goto(f"{origin(page)}{path}")
    expect(page.get_by_role("alert")).to_contain_text(said)


def test_page_says_when_the_server_is_gone(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOTET_DASHBOARD_PORT", "0")
    page = browser.new_page()
    with app.run(dashboard=True):
        assert app.running is not None
        page.goto(app.running.dashboard_url)
        expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#connection")).to_have_text("not connected")
    expect(page.get_by_role("heading", name="app shop")).to_be_visible()
    page.close()


def test_a_deployed_app_leads_to_its_versions_and_how_they_do(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import motet\napp = motet.App('shop')\n@app.function()\ndef price(pieces: int) -> int:\n    return 10 // pieces\n"
        "@app.function(schedule=motet.Cron('0 6 * * *'))\ndef report(): ...\n"
    )

    def run(*command: str) -> str:
        env = server.client_env
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        ).stdout

    with standing_server(tmp_path / "home", env={"MOTET_DASHBOARD_PORT": "0"}) as server:
        run("-m", "motet", "deploy", "shop.py", "--tag", "first")
        run("-m", "motet", "deploy", "shop.py", "--tag", "second")
        code = "import motet; f = motet.Function.from_name('shop', 'price')"
        run("-c", f"{code}; print(list(f.map([1, 0, 2, 5], return_exceptions=True)))")
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto(run("-m", "motet", "dashboard").split()[-1])
        page.get_by_role("link", name="shop", exact=True).click()
        expect(page.get_by_role("heading", name="deployed shop")).to_be_visible()
        serving = page.get_by_role("region", name="Serving")
        expect(serving.get_by_role("row", name="Error rate")).to_contain_text("25 %")
        expect(serving.get_by_role("row", name="Share of calls")).to_contain_text("100 %")
        versions = page.get_by_role("region", name="Versions").get_by_role("row")
        expect(versions.filter(has_text="second")).to_contain_text("live")
        expect(versions.filter(has_text="first")).to_contain_text("replaced")
        versions.get_by_role("link", name="v2").click()
        next_run = page.get_by_role("region", name="Next runs").get_by_role("row").filter(has_text="report")
        expect(next_run).to_contain_text("0 6 * * * (UTC)")
        page.close()
