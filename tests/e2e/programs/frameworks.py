"""Programs of common frameworks, as their users write them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

import motet

app = motet.App("frameworks")
TOGETHER = 100


class Order(BaseModel):
    item: str
    count: int


@app.function(max_containers=1)
@motet.concurrent(max_inputs=TOGETHER)
@motet.asgi_app()
def fastapi() -> Any:
    api = FastAPI()
    everybody = threading.Barrier(TOGETHER)
    log: list[str] = []

    def connection(name: str = "main") -> Iterator[str]:
        log.append(f"open {name}")
        try:
            yield f"connection {name}"
        finally:
            log.append(f"close {name}")

    @api.get("/together")
    def together() -> str:
        everybody.wait(timeout=30)
        return str(motet.current_input_id())

    @api.get("/thread")
    def thread() -> int:
        return threading.get_native_id()

    @api.get("/rows")
    def rows(link: str = Depends(connection)) -> str:
        return link

    @api.get("/missing")
    def missing(link: str = Depends(connection)) -> str:
        raise HTTPException(404, "no such row")

    @api.get("/raises")
    def raises(link: str = Depends(connection)) -> str:
        raise ValueError("on purpose")

    @api.get("/log")
    async def read_log() -> list[str]:
        return log

    @api.post("/orders", status_code=201)
    async def order(order: Order) -> dict[str, Any]:
        return {"item": order.item, "total": 2 * order.count}

    return api


@app.function(max_containers=1)
@motet.concurrent(max_inputs=20)
@motet.fastapi_endpoint(method="POST")
def endpoint(order: Order) -> int:
    return order.count


SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "tests",
    "ALLOWED_HOSTS": ["*"],
    "ROOT_URLCONF": __name__,
    "MIDDLEWARE": ["django.middleware.common.CommonMiddleware"],
}
urlpatterns: list[Any] = []


@app.function(max_containers=1)
@motet.concurrent(max_inputs=20)
@motet.wsgi_app()
def django() -> Any:
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    settings.configure(**SETTINGS)
    django.setup()

    def where(request: HttpRequest, name: str) -> HttpResponse:
        answer = JsonResponse(
            {"name": name, "path": request.path, "query": request.GET.getlist("q"), "body": len(request.body)}
        )
        answer.set_cookie("seen", name)
        return answer

    def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(f"{number} {motet.current_input_id()}\n" for number in range(3))

    urlpatterns.extend([path("where/<name>/", where), path("stream/", stream)])
    return get_wsgi_application()


PAGE = """
import streamlit as st
name = st.text_input("name", "world")
st.title(f"hello {name}")
"""


@app.function(max_containers=1)
@motet.concurrent(max_inputs=20)
@motet.web_server(8501, startup_timeout=60)
def streamlit() -> None:
    page = Path(tempfile.mkdtemp(), "page.py")
    page.write_text(PAGE)
    options = {"server.port": os.environ["PORT"], "server.headless": "true", "browser.gatherUsageStats": "false"}
    flags = [f"--{name}={value}" for name, value in options.items()]
    subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(page), *flags])
