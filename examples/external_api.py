"""Making external API requests: a container waits for many responses at once.

Run it: motet run examples/external_api.py --requests 100
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import motet

app = motet.App("external-api")
LATENCY = 0.05


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def temperature(api: str, city: int) -> float:
    """Ask the API for one city. (A program of your own would use httpx or aiohttp here.)"""
    url = urlsplit(api)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"GET /cities/{city} HTTP/1.0\r\nHost: {url.netloc}\r\n\r\n".encode())
    response = await reader.read()
    writer.close()
    return float(json.loads(response.partition(b"\r\n\r\n")[2])["celsius"])


@app.local_entrypoint()
def main(requests: int = 100) -> None:
    """The same requests through one container: one at a time, then up to a hundred at once."""
    with weather_api() as api:
        arguments = [(api, city) for city in range(requests)]
        one_at_a_time = temperature.with_concurrency(max_inputs=1)
        for what, function in [("one at a time", one_at_a_time), ("concurrently", temperature)]:
            began = time.perf_counter()
            temperatures = list(function.starmap(arguments))
            took = time.perf_counter() - began
            mean = sum(temperatures) / len(temperatures)
            print(f"{requests} requests {what}: {took:.2f} s (they found {mean:.1f} degrees on average)")


@contextmanager
def weather_api() -> Iterator[str]:
    """Some API on the network; its URL."""
    server = SlowServer(("127.0.0.1", 0), Weather)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class SlowServer(ThreadingHTTPServer):
    request_queue_size = 200  # connections that may come at the same moment


class Weather(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(LATENCY)
        city = int(self.path.rpartition("/")[2])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"celsius": 10 + city % 20}).encode())

    def log_message(self, *_: object) -> None:
        """Not a line per request."""
