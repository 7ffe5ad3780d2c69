"""Web functions that start a server of their own."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time

import motet
from tests.e2e.free_port import free_port

app = motet.App("web")

SERVER = """
import os, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

async def show(request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return JSONResponse({"path": request.url.path, "query": str(request.query_params), "size": size,
                         "headers": dict(request.headers), "pid": os.getpid()}, headers={"x-own": "yes"})

async def big(request):
    async def pieces():
        for _ in range(120):
            yield b"z" * 100_000
    return StreamingResponse(pieces())

async def leave(request):
    os._exit(0)

async def shout(socket):
    await socket.accept(headers=[(b"x-own", b"yes")])
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        if message.get("text") is not None:
            await socket.send_text(message["text"].upper())
        else:
            await socket.send_bytes(message["bytes"])

async def refuse(socket):
    await socket.send_denial_response(JSONResponse("no", 401, headers={"x-why": "no"}))

methods = ["GET", "POST"]
routes = [Route("/big", big), Route("/leave", leave), WebSocketRoute("/ws", shout), WebSocketRoute("/no", refuse),
          Route("/{p:path}", show, methods=methods)]
uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", ws="websockets-sansio")
"""


@app.function(min_containers=2, max_containers=2)
@motet.concurrent(max_inputs=2)
@motet.web_server(8000, startup_timeout=20)
def any_port() -> None:
    subprocess.Popen([sys.executable, "-c", SERVER, os.environ["PORT"]])


FIXED_PORT = int(os.environ.setdefault("FIXED_PORT", str(free_port())))
"""The same in the program and, by its environment, in its containers."""


@app.function(max_containers=1)
@motet.concurrent(max_inputs=50)
@motet.web_server(FIXED_PORT, startup_timeout=20)
def fixed_port() -> None:
    subprocess.Popen([sys.executable, "-c", SERVER, str(FIXED_PORT)])


@app.function(max_containers=1)
@motet.web_server(FIXED_PORT, startup_timeout=0.5)
def never_listens() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])


kept: list[subprocess.Popen[bytes]] = []
"""A `Popen` that is given up takes the status of a process that has ended with it."""


@app.function(max_containers=1)
@motet.web_server(FIXED_PORT, startup_timeout=300)
def ends() -> None:
    kept.append(subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]))


@app.function(max_containers=1)
@motet.web_server(FIXED_PORT, startup_timeout=300)
def starts_nothing() -> None: ...


OLD_SERVER = """
import http.server, os, socket
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        to = {"/login": None, "/nonsense": ""}.get(self.path, "/login")
        if to == "":
            self.wfile.write(b"nonsense\\r\\n\\r\\n")
            return
        self.send_response(302 if to else 200)
        self.send_header("Location", to or "-")
        self.end_headers()
        self.wfile.write(b"log in")
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
Server(("::1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
@motet.web_server(8000, startup_timeout=20)
def old() -> None:
    """A server that speaks HTTP/1.0, knows no WebSockets, and listens where the name localhost leads on many machines."""
    subprocess.Popen([sys.executable, "-c", OLD_SERVER])


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
@motet.web_server(8000, startup_timeout=20)
def in_a_thread() -> None:
    """A server in this process, which takes its time."""

    def serve() -> None:
        time.sleep(0.5)
        address = ("127.0.0.1", int(os.environ["PORT"]))
        http.server.ThreadingHTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()

    threading.Thread(target=serve, daemon=True).start()
