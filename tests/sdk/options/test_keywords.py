"""The tables of keywords agree with the specifications, whose fields and defaults they name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import motet
from motet.errors import InvalidError
from motet.model.function import FunctionSpec, FunctionVariant, Resources
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Batching, Concurrency
from motet.model.web import WebSpec
from motet.sdk.options import keywords
from motet.sdk.options.checks import check_bool
from motet.sdk.options.keyword import REQUIRED, Given, Keyword, Renamed, Setting, read

PARTS = {"": FunctionSpec, "autoscaler": AutoscalerSettings, "resources": Resources}
VARIANTS = {"": FunctionVariant, "autoscaler": AutoscalerUpdate, "resources": Resources}
TABLES: list[tuple[dict[str, Keyword], dict[str, Any]]] = [
    (keywords.FUNCTION, PARTS),
    (keywords.VARIANT, VARIANTS),
    (keywords.CONCURRENCY, {"": Concurrency}),
    (keywords.BATCHING, {"": Batching}),
    (keywords.ENDPOINT, {"": WebSpec}),
    (keywords.WEB_SERVER, {"": WebSpec}),
]


def fields_of(table: dict[str, Keyword]) -> list[tuple[str, str, Setting]]:
    settings = {name: row for name, row in table.items() if isinstance(row, Setting)}
    return [(row.part, row.field or name, row) for name, row in settings.items() if row.part != "declared"]


@pytest.mark.parametrize(("table", "parts"), TABLES)
def test_each_setting_is_a_field(table: dict[str, Keyword], parts: dict[str, Any]) -> None:
    for part, field, _ in fields_of(table):
        assert field in parts[part].__struct_fields__


@pytest.mark.parametrize(("table", "parts"), TABLES)
def test_defaults_that_are_told_are_those_of_the_fields(table: dict[str, Keyword], parts: dict[str, Any]) -> None:
    for part, field, row in fields_of(table):
        default = next(each.default for each in msgspec.structs.fields(parts[part]) if each.name == field)
        told = row.default.strip('`"')
        if parts is VARIANTS:
            assert default in (None, ()), field
        elif field == "retries":
            assert (told, default.max_retries) == ("0", 0)
        elif isinstance(default, int | float | str) and told not in (REQUIRED, "as `timeout", "as `max_inputs", ""):
            assert told == (f"{default:g}" if type(default) is float else str(default)), field


def test_old_names_lead_to_keywords_of_the_same_table() -> None:
    for table, _ in TABLES:
        assert {row.to for row in table.values() if isinstance(row, Renamed)} <= table.keys()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: motet.concurrent(max_inputs=1, most=2), r"^concurrent\(\) got an unexpected keyword argument 'most'$"),
        (lambda: motet.batched(max_batch_size=1), r"^batched\(\) missing 1 required keyword-only argument: 'wait_ms'$"),
        (lambda: motet.asgi_app(docs=True), r"^asgi_app\(\) got an unexpected keyword argument 'docs'$"),
        (lambda: motet.web_server(80, method="GET"), r"^web_server\(\) got an unexpected keyword argument 'method'$"),
    ],
)
def test_what_a_decorator_does_not_take_is_a_type_error_as_pythons_own(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_later_rows_win_and_dictionaries_are_merged() -> None:
    table: dict[str, Keyword] = {
        "first": Setting(lambda _, value: value, field="env"),
        "second": Setting(lambda _, value: value, field="env"),
        "third": Setting(check_bool, part="part", takes_none=False),
    }
    given = read("f", {"second": {"a": 2, "b": 2}, "first": {"a": 1, "c": 1}, "third": True}, table)
    given.put_below("env", {"c": 0, "d": 0})
    assert given.of() == {"env": {"a": 2, "b": 2, "c": 1, "d": 0}}
    assert given.of("part") == {"third": True}
    with pytest.raises(InvalidError, match="`third` must be True or False, got None"):
        read("f", {"third": None}, table)


def test_what_was_given_is_not_shown() -> None:
    given = Given()
    given.put("env", {"TOKEN": "hidden"})
    assert "hidden" not in repr(given)
