"""Deployed functions and classes, called by their names from other programs, and from containers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import motet
from motet.client import standing
from motet.errors import ConnectionError, InvalidError, NotFoundError
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

SHOP = """
import motet

app = motet.App("shop")


@app.function()
@motet.concurrent(max_inputs=10)
def price(pieces: int, each: int = 10) -> int:
    return pieces * each


@app.function()
def pieces(upto: int):
    yield from range(upto)


@app.function()
@motet.concurrent(max_inputs=10)
@motet.fastapi_endpoint()
def page(what: str = "shop") -> str:
    return f"page of {what}"


@app.function(memory=512)
def container() -> str:
    import os

    return os.environ["MOTET_CONTAINER_ID"]


@app.function()
def called_by_name(name: str, pieces: int) -> int:
    return motet.Function.from_name(name, "price").remote(pieces)


@app.function()
def described(value: object) -> str:
    return str(value)


@app.cls()
@motet.concurrent(max_inputs=10)
class Till:
    currency: str = motet.parameter(default="EUR")
    rate: int = motet.parameter()

    @motet.method()
    def total(self, price: int) -> str:
        return f"{price * self.rate} {self.currency}"

    @motet.method()
    def coins(self, upto: int):
        yield from range(upto)


@app.cls()
class Plain:
    @motet.method()
    def ping(self) -> str:
        return "pong"
"""


class Point:
    """Of this module, which no container of the shop can import."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    where = tmp_path_factory.mktemp("shop")
    (where / "shop.py").write_text(SHOP)
    with standing_server(where / "home") as server:
        code = "import shop; shop.app.deploy(); shop.app.deploy(name='again')"
        subprocess.run([sys.executable, "-c", code], env=server.client_env, cwd=where, check=True, timeout=PATIENCE)
        yield server


@pytest.fixture(autouse=True)
def on_server(server: StandingServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process's own connection to it: nothing is named, it runs under the home."""
    monkeypatch.setenv("MOTET_HOME", str(server.home))
    yield
    standing.disconnect()


def test_a_function_is_called_in_every_way_as_if_it_had_been_declared_here() -> None:
    price = motet.Function.from_name("shop", "price")
    assert price.remote(2) == 20
    assert list(price.map([1, 2], kwargs={"each": 5})) == [5, 10]
    assert list(price.starmap([(1, 2), (3, 4)])) == [2, 12]
    call = price.spawn(3)
    assert call.get() == 30
    assert motet.FunctionCall.from_id(call.object_id).get() == 30
    assert list(motet.Function.from_name("shop", "pieces").remote_gen(3)) == [0, 1, 2]
    assert price.get_current_stats().num_total_runners == 1
    assert price.update_autoscaler(max_containers=7).max_containers == 7

    async def asynchronously() -> tuple[int, list[int]]:
        again = motet.Function.from_name("shop", "price")
        return await again.remote.aio(4), [each async for each in again.map.aio([1])]

    assert asyncio.run(asynchronously()) == (40, [10])


def test_nothing_is_asked_before_it_is_needed() -> None:
    lazy = motet.Function.from_name("not there", "at all")
    assert not lazy.is_hydrated
    with pytest.raises(
        NotFoundError, match=r"^Lookup failed for Function 'at all' from the 'not there' app: .*deployed"
    ):
        lazy.hydrate()
    price = motet.Function.from_name("shop", "price")
    assert not price.is_hydrated
    assert price.hydrate() is price
    assert price.is_hydrated


def test_a_class_is_called_with_parameters_which_are_the_servers_to_check() -> None:
    till = motet.Cls.from_name("shop", "Till")
    assert till(rate=2).total.remote(5) == "10 EUR"
    assert till(rate=2, currency="USD").total.remote(5) == "10 USD"
    assert list(till(rate=1).coins.remote_gen(2)) == [0, 1]
    assert motet.Cls.from_name("shop", "Plain")().ping.remote() == "pong"
    assert till(rate=2).update_autoscaler(max_containers=3).max_containers == 3
    fresh = motet.Cls.from_name("shop", "Till")
    with pytest.raises(TypeError, match="missing the required parameter 'rate'"):
        fresh().total.remote(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        motet.Cls.from_name("shop", "Till")(rate=1, colour="red").total.remote(1)
    with pytest.raises(
        NotFoundError, match=r"Cls 'Till' from the 'shop' app has no method 'sum' \(it has: total, coins\)"
    ):
        motet.Cls.from_name("shop", "Till")(rate=1).sum.remote(1)
    with pytest.raises(AttributeError, match="You can't access methods on a Cls directly"):
        till.total.remote(1)


def test_variants_have_pools_of_their_own_and_keep_what_they_do_not_change() -> None:
    container = motet.Function.from_name("shop", "container")
    varied = container.with_options(cpu=1.0)
    here, there = container.remote(), varied.remote()
    assert here != there
    assert varied.remote() == there
    fast = motet.Cls.from_name("shop", "Till").with_concurrency(max_inputs=3)(rate=3)
    assert fast.total.remote(1) == "3 EUR"


def test_a_version_can_be_pinned() -> None:
    assert motet.Function.from_name("shop", "price", version=1).remote(1) == 10
    with pytest.raises(NotFoundError, match="has no version 9"):
        motet.Function.from_name("shop", "price", version=9).remote(1)


def test_a_web_functions_url_leads_there() -> None:
    url = motet.Function.from_name("shop", "page").get_web_url()
    assert url is not None
    assert httpx.get(url, params={"what": "tills"}, timeout=PATIENCE).json() == "page of tills"
    assert motet.Function.from_name("shop", "price").get_web_url() is None
    assert asyncio.run(motet.Function.from_name("shop", "page").get_web_url.aio()) == url


def test_a_container_calls_by_name_too() -> None:
    assert motet.Function.from_name("shop", "called_by_name").remote("again", 3) == 30


def test_code_of_the_callers_main_module_travels_by_value(server: StandingServer, tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(
        "import motet\n"
        "class Sum:\n"
        "    def __str__(self): return 'a sum'\n"
        "print(motet.Function.from_name('shop', 'described').remote(Sum()))\n"
    )
    command = [sys.executable, str(tmp_path / "caller.py")]
    done = subprocess.run(command, env=server.client_env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.stdout, done.stderr) == ("a sum\n", "")


def test_an_app_that_is_looked_up_has_what_is_deployed() -> None:
    app = motet.App.lookup("shop")
    assert {"price", "page", "pieces"} <= set(app.registered_functions)
    assert set(app.registered_classes) == {"Till", "Plain"}
    assert app.registered_functions["price"].remote(2) == motet.Function.from_name("shop", "price").remote(2)
    assert app.registered_classes["Till"](rate=2).total.remote(1) == "2 EUR"
    assert app.registered_web_endpoints == ["page"]


def test_an_app_is_looked_up_and_made_if_that_is_asked_for() -> None:
    app = motet.App.lookup("shop")
    assert app.app_id is not None
    assert app.app_id.startswith("ap-")
    with pytest.raises(NotFoundError, match="App 'warehouse' is not deployed on this server"):
        motet.App.lookup("warehouse")
    assert motet.App.lookup("warehouse", create_if_missing=True).name == "warehouse"
    assert motet.App.lookup("warehouse").app_id is not None


@pytest.mark.parametrize(
    ("look_up", "kind", "message"),
    [
        (
            lambda: motet.Function.from_name("shop", "Till").remote(),
            NotFoundError,
            r"Function 'Till' from the 'shop' app is a motet\.Cls\. Use `motet\.Cls\.from_name` instead\.",
        ),
        (
            motet.Cls.from_name("shop", "price")().anything.remote,
            NotFoundError,
            r"Cls 'price' from the 'shop' app is a motet\.Function\. Use `motet\.Function\.from_name` instead\.",
        ),
        (
            lambda: motet.Function.from_name("shop", "prize").remote(),
            NotFoundError,
            r"Lookup failed for Function 'prize' from the 'shop' app: .*no function 'prize' \(it has: .*price",
        ),
        (
            lambda: motet.Function.from_name("shop", "Till.total"),
            InvalidError,
            r"Invalid Function name: 'Till\.total'\. If you are trying to look up a class method, use `motet\.Cls\.from_name`",
        ),
        (
            lambda: motet.Function.from_name("shop", "price", version=0),
            InvalidError,
            "`version` must be a positive number",
        ),
        (
            lambda: motet.Function.from_name("", "price"),
            InvalidError,
            "the name of the app must be a string, and not empty",
        ),
        (
            lambda: motet.Function.from_name("shop", "pieces").remote(1),
            InvalidError,
            r"A generator function cannot be called with `\.remote",
        ),
        (
            lambda: motet.Function.from_name("shop", "page").remote(),
            InvalidError,
            "A webhook function cannot be invoked for remote execution",
        ),
        (lambda: motet.App.lookup(3), InvalidError, "Invalid value for `name`: Must be string"),
    ],
)
def test_what_is_not_there_or_is_something_else_is_told(
    look_up: Callable[[], object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        look_up()


def test_without_a_server_the_two_commands_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_HOME", str(tmp_path))
    with pytest.raises(ConnectionError) as raised:
        motet.Function.from_name("shop", "price").remote(1)
    assert f"needs a server that stays, and none runs under {tmp_path}. Start one, and use it:" in str(raised.value)
    assert str(raised.value).endswith("Start one, and use it:\n  motet server\n  motet deploy FILE")
    monkeypatch.setenv("MOTET_SERVER", f"unix:{tmp_path}/s")
    with pytest.raises(
        ConnectionError, match=r"and the one that is named is not there: no connection to the server at unix:"
    ):
        motet.App.lookup("shop")


HOLDS = """
import motet

price = motet.Function.from_name("shop", "price")
varied = price.with_options(timeout=77)
till = motet.Cls.from_name("shop", "Till")(rate=2)
print(price.remote(1), varied.remote(2), till.total.remote(3), flush=True)
input()
print(price.remote(4), varied.remote(5), till.total.remote(6))
"""


def test_handles_go_on_when_the_server_was_away(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    with standing_server(tmp_path / "home") as server:
        code = "import shop; shop.app.deploy()"
        subprocess.run([sys.executable, "-c", code], env=server.client_env, cwd=tmp_path, check=True, timeout=PATIENCE)
        pipe = subprocess.PIPE
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDS], env=server.client_env, stdin=pipe, stdout=pipe, text=True
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == "10 20 6 EUR\n"
        assert server.end()[0] == 0
        with standing_server(tmp_path / "home"):
            assert holder.communicate("\n", timeout=PATIENCE)[0] == "40 50 12 EUR\n"
