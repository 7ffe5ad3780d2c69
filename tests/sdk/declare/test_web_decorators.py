"""What web decorators accept, what they make, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

import motet
from motet.errors import ExecutionError, InvalidError
from motet.model.function import MethodSpec

DECORATORS = {
    "asgi_app": motet.asgi_app,
    "wsgi_app": motet.wsgi_app,
    "fastapi_endpoint": motet.fastapi_endpoint,
    "web_server": lambda: motet.web_server(8000),
}
NO_ARGUMENTS = ["asgi_app", "wsgi_app", "web_server"]


def handler() -> None: ...


async def async_handler() -> None: ...


def generator() -> Any:
    yield


def with_parameter(name: str) -> None: ...


def declared(decorated: Any, **options: Any) -> Any:
    return motet.App("app").function(serialized=True, **options)(decorated)


@pytest.mark.parametrize("name", DECORATORS)
def test_function_is_a_web_function(name: str) -> None:
    function = declared(DECORATORS[name]()(handler))
    assert function.method.web.kind == {"fastapi_endpoint": "fastapi"}.get(name, name.partition("_")[0]).replace(
        "web", "server"
    )
    assert function.local() is None


@pytest.mark.parametrize("name", DECORATORS)
def test_order_with_concurrent_does_not_matter(name: str) -> None:
    concurrent = motet.concurrent(max_inputs=7, target_inputs=5)
    above, below = concurrent(DECORATORS[name]()(handler)), DECORATORS[name]()(concurrent(handler))
    first, second = declared(above), declared(below)
    assert first.method == second.method
    assert first.target.spec.concurrency == second.target.spec.concurrency
    assert first.target.spec.concurrency.max_inputs == 7


@pytest.mark.parametrize("name", NO_ARGUMENTS)
def test_function_that_makes_an_app_is_plain(name: str) -> None:
    decorate = DECORATORS[name]()
    with pytest.raises(InvalidError, match=rf"The `@motet.{name}` decorator can't be applied to an async function\."):
        decorate(async_handler)
    with pytest.raises(InvalidError, match=rf"Functions decorated by `@motet.{name}` can't have parameters\."):
        decorate(with_parameter)


@pytest.mark.parametrize("name", DECORATORS)
def test_generator_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match=r"Webhooks cannot be generators\. If you want a streaming response"):
        DECORATORS[name]()(generator)


@pytest.mark.parametrize("name", DECORATORS)
def test_retries_are_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="Web Functions do not support retries"):
        declared(DECORATORS[name]()(handler), retries=2)


@pytest.mark.parametrize("name", ["asgi_app", "wsgi_app", "fastapi_endpoint"])
def test_forgotten_parentheses_are_named(name: str) -> None:
    decorator: Any = getattr(motet, name)
    with pytest.raises(InvalidError, match=rf"Suggestion: `@motet.{name}\(\)`"):
        decorator(handler)


@pytest.mark.parametrize("port", ["8000", 0, 70000, True, None, handler])
def test_web_server_needs_a_port(port: Any) -> None:
    with pytest.raises(InvalidError, match=r"First argument of `@web_server` must be a local port"):
        motet.web_server(port)


@pytest.mark.parametrize("timeout", [0, -1, "5"])
def test_web_server_needs_a_positive_startup_timeout(timeout: Any) -> None:
    with pytest.raises(InvalidError, match="The `startup_timeout` argument of `@web_server` must be positive"):
        motet.web_server(8000, startup_timeout=timeout)


@pytest.mark.parametrize("label", ["Shop", "a_b", "", "-a", "a" * 64, 3, "ü"])
def test_label_must_be_a_part_of_a_host_name(label: Any) -> None:
    with pytest.raises(InvalidError, match="`label` becomes a part of a host name"):
        motet.asgi_app(label=label)


@pytest.mark.parametrize(
    "options",
    [
        {"custom_domains": "example.com"},
        {"custom_domains": [1]},
        {"method": "FETCH"},
        {"docs": "yes"},
        {"requires_proxy_auth": "yes"},
    ],
)
def test_option_of_the_wrong_kind_is_refused(options: Any) -> None:
    with pytest.raises(InvalidError):
        motet.fastapi_endpoint(**options)


def test_decorators_that_do_not_go_together() -> None:
    web = motet.asgi_app()
    callable_and_web = "Callable decorators cannot be combined with web interface decorators"
    for decorate in (motet.method(), motet.batched(max_batch_size=2, wait_ms=1)):
        with pytest.raises(InvalidError, match=callable_and_web):
            decorate(web(handler))
        with pytest.raises(InvalidError, match=callable_and_web):
            web(decorate(handler))
    with pytest.raises(InvalidError, match="Interface decorators cannot be combined with lifecycle decorators"):
        motet.enter()(web(handler))
    with pytest.raises(InvalidError, match="Interface decorators cannot be combined with lifecycle decorators"):
        web(motet.enter()(lambda self: None))
    with pytest.raises(InvalidError, match="one web interface decorator only"):
        web(motet.wsgi_app()(handler))
    with pytest.raises(InvalidError, match="Hint: swap the order"):
        web(declared(handler))
    with pytest.raises(InvalidError, match="to a class"):
        web(type("C", (), {}))


def test_methods_of_a_class_can_be_web_functions() -> None:
    class Site:
        @motet.asgi_app(label="page")
        def page(self) -> None: ...

        @motet.fastapi_endpoint()
        async def find(self, name: str) -> str:
            return name

        @motet.method()
        def plain(self) -> None: ...

    site: Any = motet.App("app").cls(serialized=True)(Site)()
    assert site.page.method.web.label == "page"
    assert site.find.method.web.kind == "fastapi"
    assert site.plain.method == MethodSpec(name="plain")
    assert site.plain.get_web_url() is None


def test_concurrent_on_a_web_method_is_refused_with_its_class() -> None:
    class Site:
        @motet.concurrent(max_inputs=3)
        @motet.asgi_app()
        def page(self) -> None: ...

    with pytest.raises(InvalidError, match="decorate the class instead"):
        motet.App("app").cls(serialized=True)(Site)


def test_url_is_there_while_the_app_runs() -> None:
    with pytest.raises(ExecutionError, match="its app is not running"):
        declared(motet.asgi_app()(handler)).get_web_url()
    assert declared(handler).get_web_url() is None


@pytest.mark.parametrize("name", DECORATORS)
def test_proxy_auth_is_a_part_of_the_declaration(name: str) -> None:
    options: dict[str, Any] = {"requires_proxy_auth": True}
    decorate: Any = motet.web_server(8000, **options) if name == "web_server" else getattr(motet, name)(**options)
    assert declared(decorate(handler)).method.web.requires_proxy_auth is True
    assert declared(DECORATORS[name]()(handler)).method.web.requires_proxy_auth is False


@pytest.mark.parametrize("name", DECORATORS)
def test_requests_with_effects_are_sent_again_only_where_the_function_says_so(name: str) -> None:
    decorate = {"web_server": lambda **options: motet.web_server(8000, **options)}.get(name, DECORATORS[name])
    assert declared(decorate()(handler)).method.web.redeliver_non_idempotent is False
    assert declared(decorate(redeliver_non_idempotent=True)(handler)).method.web.redeliver_non_idempotent is True
    with pytest.raises(InvalidError, match="`redeliver_non_idempotent` must be True or False"):
        decorate(redeliver_non_idempotent="yes")
