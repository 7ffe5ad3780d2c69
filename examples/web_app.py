"""A web app: pages, a stream of events and a WebSocket, with many requests at once in one container.

Run it: motet run examples/web_app.py
It needs the packages for web functions: pip install 'motet[web]'
"""

import asyncio
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

import motet

app = motet.App("shop")


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
@motet.asgi_app()
def site():
    api = FastAPI()

    @api.get("/price/{item}")
    async def price(item: str):
        await asyncio.sleep(0.5)  # a database is asked
        return {"item": item, "price": len(item), "input": motet.current_input_id()}

    @api.get("/countdown")
    async def countdown():
        async def events():
            for number in (3, 2, 1):
                yield f"data: {number}\n\n"
                await asyncio.sleep(0.1)

        return StreamingResponse(events(), media_type="text/event-stream")

    @api.websocket("/chat")
    async def chat(socket: WebSocket):
        await socket.accept()
        await socket.send_text((await socket.receive_text()).upper())

    return api


@app.function()
@motet.fastapi_endpoint(method="GET", docs=True)
def greet(name: str = "you") -> str:
    return f"hello {name}"


def read(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


@app.local_entrypoint()
def main(requests: int = 50, stay: bool = False):
    url = site.get_web_url()
    print(f"site: {url}\ngreet: {greet.get_web_url()} (try /docs)")
    print(read(f"{greet.get_web_url()}?name=Ada"))
    print(read(f"{url}/countdown").split())
    with ThreadPoolExecutor(requests) as threads:
        answers = list(threads.map(read, [f"{url}/price/item-{number}" for number in range(requests)]))
    print(f"{len(answers)} requests of 500 ms each; the last answer: {answers[-1]}")
    stats = site.get_current_stats()
    print(f"they shared {stats.num_total_runners} container")
    if stay:
        input("Enter ends it. ")
