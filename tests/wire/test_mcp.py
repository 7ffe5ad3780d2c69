"""The Model Context Protocol: functions as tools, and what messages are answered with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from motet.errors import ConnectionError, InvalidError
from motet.model.function import FunctionSpec, MethodSpec, SerializedDefinition
from motet.model.interface import InterfaceSpec
from motet.model.parameters import ParameterSpec
from motet.model.web import WebSpec
from motet.wire import report
from motet.wire.mcp import FunctionRaised, FunctionTool, Json, McpConversation, Progress, tools_of
from motet.wire.parameters import decoded_parameters

TOLD = InterfaceSpec(
    description="Prices it.", arguments='{"properties": {"item": {"type": "string"}}, "required": ["item"]}'
)


def spec(name: str, *methods: MethodSpec, **more: Any) -> FunctionSpec:
    definition = SerializedDefinition(pickled=b"", qualname=name)
    return FunctionSpec(name=name, app_name="shop", definition=definition, methods=methods, **more)


SHOP = [
    ("fu-1", spec("price", MethodSpec(interface=TOLD))),
    ("fu-2", spec("count", MethodSpec(is_generator=True))),
    ("fu-3", spec("page", MethodSpec(web=WebSpec(kind="asgi")))),
    (
        "fu-4",
        spec(
            "Model",
            MethodSpec(name="run", interface=TOLD),
            is_class=True,
            parameters=(ParameterSpec(name="size", type_name="int"),),
        ),
    ),
]


class Shop:
    """A toolbox whose functions answer `answers`, or raise it."""

    def __init__(self, answers: Any = (b"1",)) -> None:
        self.answers = answers
        self.called: list[tuple[str, bytes | None, bytes]] = []

    async def tools(self) -> dict[str, FunctionTool]:
        return tools_of(SHOP)

    async def call(self, tool: FunctionTool, arguments: Json, progress: Progress) -> list[bytes]:
        self.called.append((tool.function_id, *tool.taken_apart(arguments)))
        if isinstance(self.answers, Exception):
            raise self.answers
        for number, each in enumerate(self.answers):
            progress(number + 1, each.decode())
        return list(self.answers)


def ask(method: str, params: Any = None, shop: Shop | None = None, told: list[Json] | None = None) -> Any:
    conversation = McpConversation(shop or Shop(), "shop", [].append if told is None else told.append)
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer = asyncio.run(conversation.answer(message))
    assert answer is not None
    assert answer["id"] == 7
    return answer.get("result", answer.get("error"))


@pytest.mark.parametrize(
    ("asked", "agreed"), [("2025-06-18", "2025-06-18"), ("2099-01-01", "2025-11-25"), (None, "2025-11-25")]
)
def test_a_version_that_is_known_is_agreed_to_and_else_the_newest(asked: Any, agreed: str) -> None:
    found = ask("initialize", {"protocolVersion": asked})
    assert (found["protocolVersion"], "tools" in found["capabilities"]) == (agreed, True)


def test_functions_are_tools_with_what_their_annotations_and_docstrings_say() -> None:
    tools = {tool["name"]: tool for tool in ask("tools/list")["tools"]}
    assert list(tools) == ["price", "count", "Model_run"]
    assert tools["price"]["description"] == "Prices it."
    assert tools["price"]["inputSchema"] == {
        "type": "object",
        "properties": {"item": {"type": "string"}},
        "required": ["item"],
    }
    assert tools["count"]["inputSchema"] == {"type": "object"}


def test_parameters_of_a_class_are_an_argument() -> None:
    schema = tools_of(SHOP)["Model_run"].told()["inputSchema"]
    assert schema["required"] == ["parameters", "item"]
    assert schema["properties"]["parameters"]["properties"] == {"size": {"type": "integer"}}
    shop = Shop()
    ask("tools/call", {"name": "Model_run", "arguments": {"parameters": {"size": 3}, "item": "pen"}}, shop)
    ((function_id, given, body),) = shop.called
    assert given is not None
    assert (function_id, decoded_parameters(given), body) == ("fu-4", {"size": 3}, b'{"kwargs":{"item":"pen"}}')
    wrong = ask("tools/call", {"name": "Model_run", "arguments": {"parameters": {"size": "x"}}})
    assert (wrong["isError"], "must be int" in wrong["content"][0]["text"]) == (True, True)


def test_only_those_that_are_wanted() -> None:
    assert list(tools_of(SHOP, ["count", "Model.run"])) == ["count", "Model_run"]


def test_names_that_clients_take_for_one_are_told_apart() -> None:
    functions = [(f"fu-{n}", spec(name, MethodSpec())) for n, name in enumerate(["a.b", "a b", "x" * 100, "x" * 101])]
    names = list(tools_of(functions))
    assert (names[:2], len(set(names)), max(map(len, names)) <= 64) == (["a_b", "a_b_2"], 4, True)


@pytest.mark.parametrize(
    ("answer", "text", "structured"),
    [
        (b'{"total":2.5}', '{"total":2.5}', {"total": 2.5}),
        (b'"done"', "done", None),
        (b"[1,2]", "[1,2]", None),
    ],
)
def test_a_result_is_text_and_an_object_is_that_too(answer: bytes, text: str, structured: Any) -> None:
    found = ask("tools/call", {"name": "price", "arguments": {"item": "pen"}}, Shop([answer]))
    assert found["content"] == [{"type": "text", "text": text}]
    assert found.get("structuredContent") == structured


def test_items_are_told_as_progress_to_who_wants_it() -> None:
    told: list[Json] = []
    params = {"name": "count", "_meta": {"progressToken": "t"}}
    found = ask("tools/call", params, Shop([b"1", b"2"]), told)
    assert found["content"][0]["text"] == "[1,2]"
    assert [(each["params"]["progress"], each["params"]["message"]) for each in told] == [(1, "1"), (2, "2")]
    told.clear()
    ask("tools/call", {"name": "count"}, Shop([b"1"]), told)
    assert told == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FunctionRaised(report.of(InvalidError("no pens"))), "motet.errors.InvalidError: no pens"),
        (ConnectionError("gone"), "ConnectionError: gone"),
    ],
)
def test_a_failure_is_for_the_model_to_read(error: Exception, text: str) -> None:
    found = ask("tools/call", {"name": "price"}, Shop(error))
    assert (found["isError"], found["content"][0]["text"]) == (True, text)


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("resources/list", {}, -32601, "there is no method 'resources/list'"),
        ("tools/call", {"name": "nobody"}, -32602, "there is no tool 'nobody'; there are: price, count, Model_run"),
        ("tools/call", {"name": ["x"]}, -32602, "there is no tool"),
        ("tools/call", {"name": "price", "arguments": [1]}, -32602, "arguments must be an object"),
        ("tools/list", [1], -32602, "params must be an object"),
    ],
)
def test_what_makes_no_sense_is_an_error_of_the_protocol(method: str, params: Any, code: int, text: str) -> None:
    error = ask(method, params)
    assert (error["code"], text in error["message"]) == (code, True)


@pytest.mark.parametrize(
    "message", [{"jsonrpc": "2.0", "method": "notifications/initialized"}, {"jsonrpc": "2.0", "id": 1, "result": {}}]
)
def test_what_is_no_question_has_no_answer(message: Any) -> None:
    assert asyncio.run(McpConversation(Shop(), "shop", print).answer(message)) is None


@pytest.mark.parametrize("message", [1, [], {}, {"jsonrpc": "1.0", "id": 1, "method": "ping"}, None])
def test_what_is_no_message_is_told_so(message: Any) -> None:
    answer = asyncio.run(McpConversation(Shop(), "shop", print).answer(message))
    assert answer is not None
    assert answer["error"]["code"] == -32600
