"""Make docs/images/dashboard-*.png: the dashboard's pages in a browser, while the app below really runs.

Run it: python docs/make_dashboard_pictures.py

It needs Chromium, and the packages of `motet[dashboard]` and playwright. It takes about a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import shutil
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import motet

TARGET = Path(__file__).parent / "images"
SIZE = {"width": 1280, "height": 800}
LOAD_SECONDS = 40.0
SETTLING = 1500
"""Milliseconds from a page's first picture to one with what came meanwhile."""

app = motet.App("shop")


@app.function(max_containers=12)
@motet.concurrent(max_inputs=24, target_inputs=20)
async def fetch(number: int) -> int:
    await asyncio.sleep(0.3 + random.random() * 0.9)
    if number % 211 == 97:
        raise LookupError(f"product {number} is not in the catalogue")
    if number % 9 == 0:
        print(f"fetched product {number}")
    return number


@app.function(max_containers=3)
@motet.concurrent(max_inputs=5)
def price(number: int) -> int:
    time.sleep(0.15 + random.random() / 4)
    print(f"price of product {number}")
    return fetch.remote(number * 9) + fetch.remote(number * 9 + 9)


@app.function(max_containers=2)
def basket(products: int) -> int:
    print(f"a basket of {products} products")
    return sum(price.map(range(products)))


def submit(numbers: range) -> None:
    """One call of `fetch` for all of these, which another thread waits for."""

    def call() -> None:
        with contextlib.suppress(motet.Error):
            fetch.for_each(numbers, ignore_exceptions=True)

    threading.Thread(target=call, daemon=True).start()


def load(until: float) -> None:
    """Inputs that come in waves until then."""
    began, number = time.monotonic(), 1
    while (now := time.monotonic()) < until:
        wave = 18 + 16 * math.sin((now - began) / 4)
        submit(range(number, number + round(wave)))
        number += round(wave)
        if number % 5 == 0:
            basket.spawn(3)
        time.sleep(0.15)


def login(browser: Any, url: str) -> Any:
    """The cookies of a browser that has used this URL: the code in it is good once, and for a minute."""
    context = browser.new_context()
    context.new_page().goto(url)
    cookies = context.storage_state()
    context.close()
    return cookies


def take_pictures(browser: Any, url: str, cookies: Any, first_basket: motet.FunctionCall[Any]) -> None:
    """One picture of each kind of page, in either colours."""
    origin = url.partition("/apps")[0]
    input_id = f"in-{first_basket.object_id.removeprefix('fc-')}-0"
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport=SIZE, color_scheme=scheme, storage_state=cookies)
        page = context.new_page()

        def save(name: str, page: Any = page, scheme: str = scheme) -> None:
            page.mouse.move(1278, 400)  # so that nothing lights up under it
            page.wait_for_timeout(SETTLING)
            page.screenshot(path=TARGET / f"dashboard-{name}-{scheme}.png")

        page.goto(url)
        page.locator("table.functions a").first.wait_for()
        if scheme == "light":
            save("app")
        page.get_by_role("link", name="fetch", exact=True).first.click()
        page.locator(".chart path.line").first.wait_for()
        save("function")
        if scheme == "light":
            page.get_by_role("region", name="Why this many containers").evaluate("it => it.scrollIntoView()")
            save("why")
        page.goto(f"{origin}/inputs/{input_id}")
        page.get_by_role("table", name="Tree of calls").wait_for()
        save("input")
        if scheme == "light":
            page.goto(f"{origin}/calls?function=fetch&kind=failure")
            page.locator("main td [data-row]").last.click()
            page.get_by_role("table", name="Inputs").wait_for()
            save("call")
        else:
            page.goto(f"{origin}/logs?search=product&function=fetch")
            page.locator(".line mark").first.wait_for()
            page.set_viewport_size({"width": 1280, "height": 640})
            save("logs")
        context.close()


def main() -> None:
    from playwright.sync_api import sync_playwright

    # Playwright has a loop of its own on this thread, and nothing of ours is on it.
    warnings.simplefilter("ignore", motet.errors.AsyncUsageWarning)
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as exits:
        os.environ["MOTET_HOME"] = home
        running = exits.enter_context(sync_playwright())
        options = {"executable_path": shutil.which("chromium"), "args": ["--no-sandbox", "--disable-dev-shm-usage"]}
        browser = running.chromium.launch(**options)
        exits.callback(browser.close)
        exits.enter_context(app.run(dashboard=True))
        assert app.running is not None
        assert app.running.dashboard_url is not None
        url = app.running.dashboard_url
        cookies = login(browser, url)
        first_basket = basket.spawn(4)
        submit(range(1000))
        loading = threading.Thread(target=load, args=(time.monotonic() + LOAD_SECONDS,), daemon=True)
        loading.start()
        first_basket.get()
        time.sleep(LOAD_SECONDS / 2)
        take_pictures(browser, url.partition("?")[0], cookies, first_basket)
        loading.join()
        print(
            *sorted(f"{path.name}: {path.stat().st_size // 1024} KiB" for path in TARGET.glob("dashboard-*")), sep="\n"
        )


if __name__ == "__main__":
    main()
