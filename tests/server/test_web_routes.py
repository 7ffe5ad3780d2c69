"""Labels of web functions, and which function a request is for."""

from __future__ import annotations

import pytest

from motet.errors import InvalidError
from motet.model.function import FunctionSpec, MethodSpec, SerializedDefinition
from motet.model.web import WebSpec
from motet.server.apps.web_owner import WebOwner
from motet.server.http.routes import Route, Routes, label_for


def function(name: str, *methods: str, **web: object) -> FunctionSpec:
    spec = WebSpec(kind="asgi", **web)  # type: ignore[arg-type]
    return FunctionSpec(
        name=name,
        app_name="app",
        definition=SerializedDefinition(pickled=b"", qualname=name),
        methods=tuple(MethodSpec(name=method, web=spec) for method in methods or ("",)),
    )


def label(app: str, name: str, method: str = "", **web: object) -> str:
    it = function(name, method, **web)
    web_spec = it.methods[0].web
    assert web_spec is not None
    return label_for(app, it, it.methods[0], web_spec)


@pytest.mark.parametrize(
    ("made_of", "expected"),
    [
        (("My App", "serve_it"), "my-app-serve-it"),
        (("app", "Site", "page"), "app-site-page"),
        (("été.py", "f"), "t-py-f"),
        (("__", "__"), "app"),
    ],
)
def test_label_is_made_of_names(made_of: tuple[str, ...], expected: str) -> None:
    assert label(*made_of) == expected


def test_long_label_is_cut_and_stays_unique() -> None:
    first, second = label("a" * 50, "f" * 50), label("a" * 50, "f" * 51)
    assert len(first) == len(second) == 63
    assert first[:57] == second[:57]
    assert first != second


def test_own_label_is_taken_as_it_is() -> None:
    assert label("app", "f", label="shop") == "shop"


@pytest.mark.parametrize(
    ("host", "path", "root_path"),
    [
        ("127.0.0.1:80", "/app-f", "/app-f"),
        ("127.0.0.1", "/app-f/x/y", "/app-f"),
        ("app-f.localhost", "/x", ""),
        ("APP-F.localhost:8000", "/app-g", ""),
        ("shop.example.com:443", "/app-g", ""),
        ("[::1]:80", "/app-f/", "/app-f"),
        ("", "/app-f", "/app-f"),
    ],
)
def test_request_is_for_the_function_of_its_host_or_else_its_path(host: str, path: str, root_path: str) -> None:
    routes = Routes()
    routes.add("ap-1", "app", {"fu-f": function("f", custom_domains=("Shop.example.com",)), "fu-g": function("g")})
    place = routes.find(host, path)
    assert place is not None
    assert (place.route.function_id, place.root_path) == ("fu-f", root_path)


@pytest.mark.parametrize(("host", "path"), [("x", "/"), ("x", "/app-ff"), ("nobody.localhost", "/app-f"), ("x", "")])
def test_anything_else_is_for_nobody(host: str, path: str) -> None:
    routes = Routes()
    routes.add("ap-1", "app", {"fu-f": function("f")})
    assert routes.find(host, path) is None


def test_newer_app_has_a_label_until_it_stops() -> None:
    routes = Routes()
    for number in (1, 2):
        routes.add(f"ap-{number}", "app", {f"fu-{number}": function("f")})

    def owner() -> str | None:
        place = routes.find("", "/app-f")
        return place and place.route.app_id

    assert owner() == "ap-2"
    routes.remove("ap-2")
    assert owner() == "ap-1"
    routes.remove("ap-1")
    assert owner() is None


def test_two_functions_of_an_app_cannot_have_one_label() -> None:
    routes = Routes()
    with pytest.raises(InvalidError, match="have the same web label 'app-f'"):
        routes.add("ap-1", "app", {"fu-1": function("f"), "fu-2": function("g", label="app-f")})
    assert routes.find("", "/app-f") is None


@pytest.mark.parametrize(
    ("host", "path", "label"),
    [
        ("app-f.apps.example.com", "/app-g", "app-f"),
        ("APP-G.apps.example.com:443", "/", "app-g"),
        ("app-g.localhost", "/", "app-g"),
        ("x", "/app-g/x", "app-g"),
        (".apps.example.com", "/app-g", "app-g"),
        ("nobody.apps.example.com", "/app-g", None),
        ("app-f.apps.example.com.evil.example", "/", None),
    ],
)
def test_url_with_a_label_in_its_host_finds_functions_by_that(host: str, path: str, label: str | None) -> None:
    routes = Routes("https://{label}.apps.example.com:8443/")
    routes.add("ap-1", "app", {"fu-f": function("f"), "fu-g": function("g")})
    place = routes.find(host, path)
    assert (place and place.route.label) == label


def test_what_names_nobody_is_for_who_gets_the_rest() -> None:
    routes = Routes()
    routes.add("ap-1", "app", {"fu-f": function("f"), "fu-g": function("g")})
    found = [routes.find("x", path, "app-f") for path in ("/", "/page", "/app-g/page", "/app-f/page")]
    assert [(it.route.label, it.root_path) for it in found if it] == [
        ("app-f", ""),
        ("app-f", ""),
        ("app-g", "/app-g"),
        ("app-f", "/app-f"),
    ]
    assert routes.find("nobody.localhost", "/", "app-f") is None


def test_a_label_or_domain_of_anothers_app_is_not_taken_over() -> None:
    routes = Routes()
    mine, other = WebOwner(1), WebOwner(2)
    functions = {"fu-f": function("f", custom_domains=("shop.example.com",))}
    routes.add("ap-1", "app", functions, mine)
    routes.add("ap-2", "app", functions, mine)  # one's own newer app
    with pytest.raises(InvalidError, match="the web label 'app-f' of f is that of f, which is another principal's"):
        routes.add("ap-3", "app", {"fu-f": function("f")}, other)
    with pytest.raises(InvalidError, match=r"the web domain 'SHOP.example.com' .* another principal's"):
        routes.add("ap-3", "app", {"fu-g": function("g", custom_domains=("SHOP.example.com",))}, other)
    routes.remove("ap-1")
    routes.remove("ap-2")
    routes.add("ap-3", "app", functions, WebOwner(2, "app"))
    routes.add("ap-4", "app", functions, WebOwner(1, "app"))  # the next version, deployed by somebody else


# --- deployed apps ----------------------------------------------------------------------------------------------------


def of(routes: Routes, name: str, *functions: FunctionSpec, prefix: str = "fu-@") -> list[Route]:
    return routes.made(name, name, {f"{prefix}{name}/{it.name}": it for it in functions}, WebOwner(0, name))


def found(routes: Routes, label: str) -> str | None:
    match = routes.labelled(label)
    return None if match is None else match.route.function_id


def test_all_labels_of_a_deployed_app_move_together() -> None:
    routes = Routes()
    routes.replace("shop", of(routes, "shop", function("a"), function("b")))
    assert found(routes, "shop-a") == "fu-@shop/a"
    routes.replace("shop", of(routes, "shop", function("b"), function("c")))
    assert [found(routes, f"shop-{name}") for name in "abc"] == [None, "fu-@shop/b", "fu-@shop/c"]


def test_a_label_belongs_to_one_deployed_app() -> None:
    routes = Routes()
    routes.replace("shop", of(routes, "shop", function("a", label="front")))
    routes.check("shop", of(routes, "shop", function("other", label="front")))
    says = "b has the web label 'front', which a of the deployed app 'shop' has: give one of them a `label=` of its own"
    with pytest.raises(InvalidError, match=says):
        routes.check("cart", of(routes, "cart", function("b", label="front")))


def test_a_program_has_another_label_where_a_deployed_app_has_its_own() -> None:
    routes = Routes()
    (before,) = routes.add("ap-0", "shop", {"fu-0": function("a")})
    assert (before.label, found(routes, "shop-a")) == ("shop-a", "fu-0")
    routes.replace("shop", of(routes, "shop", function("a"), function("long", label="x" * 63)))
    assert found(routes, "shop-a") == "fu-@shop/a"
    beside = routes.add("ap-1", "shop", {"fu-1": function("a"), "fu-2": function("long", label="x" * 63)})
    assert [route.label for route in beside] == ["shop-a-dev", "x" * 59 + "-dev"]
    assert found(routes, "shop-a-dev") == "fu-1"
    routes.remove("shop")
    assert found(routes, "shop-a") == "fu-0"
