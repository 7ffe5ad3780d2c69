"""The app as a web function of Motet: one container, up to 1,000 requests at once."""

from __future__ import annotations

from typing import Any

from ready import say_ready, wait_for_the_end

import motet

app = motet.App("web-benchmark")


@app.function(max_containers=1)
@motet.concurrent(max_inputs=1000)
@motet.asgi_app()
def site() -> Any:
    from pages import pages

    return pages


@app.function(max_containers=1)
@motet.concurrent(max_inputs=1000)
@motet.asgi_app()
def another() -> Any:
    """Has no container until it is asked."""
    from pages import pages

    return pages


if __name__ == "__main__":
    with app.run():
        say_ready("motet", "uvicorn", "fastapi", url=site.get_web_url(), without_container=another.get_web_url())
        wait_for_the_end()
