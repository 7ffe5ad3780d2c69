"""What a function takes and returns, read from its annotations and docstring: as a JSON schema, and to fit arguments to.

A caller in another language sends numbers, text, lists and objects. Where a parameter says by its annotation that it is a
dataclass, a moment, bytes ..., it gets one. Annotations that say nothing about plain values are left alone.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from motet.errors import ArgumentError

_NATIVE = (bytes, bytearray)
"""What CBOR has beyond JSON."""
_REFERENCE = "#/$defs/{name}"
_SCALARS = (str, int, float, bool, type(None))
MAX_DESCRIPTION = 4000

Schema = dict[str, Any]


class Signature:
    """Of one function or method, without `self`. `batched`: it takes lists of what each caller gives, and returns a list."""

    def __init__(self, function: Callable[..., Any], *, batched: bool = False) -> None:
        raw = getattr(function, "func", function)  # a method comes with its object
        self._called = getattr(raw, "__name__", "the function")
        self._signature = inspect.signature(function)
        self._documentation = inspect.getdoc(raw) or ""
        hints = _hints(raw)
        if batched:
            hints = {name: _element(hint) for name, hint in hints.items()}
        parameters = self._signature.parameters.values()
        self._types = {it.name: _type_of(it, hints) for it in parameters}
        self._returns = hints.get("return", Any)

    # --- arguments ----------------------------------------------------------------------------------------------------

    def fitted(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], *, has_bytes: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as the annotations want them. `has_bytes`: byte strings come as such, not as base64. Raises
        `ArgumentError`, which names what does not fit."""
        args, kwargs = self._in_place(args, kwargs)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{self._called}() {error} (its parameters: {self._signature})") from None
        for name, value in bound.arguments.items():
            parameter = self._signature.parameters[name]
            read = _reader(self._types[name], has_bytes)
            if parameter.kind is parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(self._read(read, name, it) for it in value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: self._read(read, key, it) for key, it in value.items()}
            else:
                bound.arguments[name] = self._read(read, name, value)
        return bound.args, bound.kwargs

    def _in_place(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional-only parameters may be given by name: callers who know a schema know nothing else of them."""
        placed, named = list(args), dict(kwargs)
        for it in list(self._signature.parameters.values())[len(placed) :]:
            if it.kind is not it.POSITIONAL_ONLY or it.name not in named:
                break
            placed.append(named.pop(it.name))
        return placed, named

    def _read(self, read: Callable[[Any], Any], name: str, value: Any) -> Any:
        try:
            return read(value)
        except Exception as error:
            raise ArgumentError(f"{self._called}() argument {name!r}: {error}") from None

    # --- what is told of it -------------------------------------------------------------------------------------------

    @property
    def description(self) -> str:
        """What the docstring says, without its list of parameters."""
        return _LISTS.split(self._documentation, maxsplit=1)[0].strip()[:MAX_DESCRIPTION]

    def parameters(self) -> Schema:
        """A JSON schema of its arguments by name, an object."""
        described = _described(self._documentation)
        properties: dict[str, Schema] = {}
        definitions: dict[str, Schema] = {}
        required: list[str] = []
        found: Schema = {"type": "object", "properties": properties}
        more = False
        for it in self._signature.parameters.values():
            if it.kind is it.VAR_KEYWORD:
                more = True
            elif it.kind is not it.VAR_POSITIONAL:
                properties[it.name] = _schema(self._types[it.name], definitions)
                if it.name in described:
                    properties[it.name].setdefault("description", described[it.name])
                if it.default is it.empty:
                    required.append(it.name)
                elif type(it.default) in _SCALARS and it.default == it.default:  # no NaN
                    properties[it.name]["default"] = it.default
        if required:
            found["required"] = required
        if not more:
            found["additionalProperties"] = False
        if definitions:
            found["$defs"] = definitions
        return found

    def result(self) -> Schema:
        """A JSON schema of what it returns, or of each item that it yields; empty if its annotation says nothing."""
        definitions: dict[str, Schema] = {}
        found = _schema(_item(self._returns), definitions)
        return {**found, "$defs": definitions} if definitions else found


@functools.lru_cache(maxsize=512)
def signature_of(function: Callable[..., Any], *, batched: bool = False) -> Signature:
    """The same, remembered. Raises `ValueError` for what has no signature."""
    return Signature(function, batched=batched)


# --- types ------------------------------------------------------------------------------------------------------------


def _hints(raw: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(raw, include_extras=True)
    except Exception:  # names that are there for type checkers only
        return {}


def _type_of(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    hint = hints.get(parameter.name, Any)
    return hint if parameter.default is not None or hint is Any else hint | None if _is_type(hint) else hint


def _is_type(hint: Any) -> bool:
    try:
        hint | None
    except TypeError:
        return False
    return True


def _element(hint: Any) -> Any:
    """Of a list's type, that of its elements."""
    arguments = typing.get_args(hint)
    return arguments[0] if arguments and typing.get_origin(hint) in (list, Sequence, typing.List) else Any  # noqa: UP006


def _item(hint: Any) -> Any:
    """Of what a generator returns, the type of its items."""
    origin = typing.get_origin(hint)
    name = getattr(origin, "__name__", "")
    if name in ("Generator", "Iterator", "Iterable", "AsyncGenerator", "AsyncIterator", "AsyncIterable"):
        arguments = typing.get_args(hint)
        return arguments[0] if arguments else Any
    return hint


def _plain_schema(hint: Any) -> tuple[Schema, dict[str, Schema]] | None:
    """The schema, and definitions that it refers to; None if msgspec does not know the type."""
    try:
        (found,), definitions = msgspec.json.schema_components([hint], ref_template=_REFERENCE)
    except Exception:
        return None
    return found, definitions


def _adapter(hint: Any) -> Any:
    """What pydantic makes of it, where the program has pydantic; None if that knows nothing of it."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return None
    try:
        return pydantic.TypeAdapter(hint)
    except Exception:
        return None


def _schema(hint: Any, definitions: dict[str, Schema]) -> Schema:
    if hint is Any or hint is inspect.Parameter.empty:
        return {}
    if (plain := _plain_schema(hint)) is not None:
        definitions.update(plain[1])
        return dict(plain[0])
    if (adapter := _adapter(hint)) is None:
        return {}
    try:
        found: Schema = adapter.json_schema(ref_template=_REFERENCE.replace("name", "model"))
    except Exception:
        return {}
    definitions.update(found.pop("$defs", {}))
    return found


def _reader(hint: Any, has_bytes: bool) -> Callable[[Any], Any]:
    """Makes a value of this type of a plain one."""
    try:
        return _remembered_reader(hint, has_bytes)
    except TypeError:  # unhashable: a `Literal` or `Annotated` with a list in it
        return _new_reader(hint, has_bytes)


def _new_reader(hint: Any, has_bytes: bool) -> Callable[[Any], Any]:
    if hint is Any:
        return _as_it_is
    if _plain_schema(hint) is not None:
        return functools.partial(msgspec.convert, type=hint, builtin_types=_NATIVE if has_bytes else ())
    adapter = _adapter(hint)
    return _as_it_is if adapter is None else adapter.validate_python


_remembered_reader = functools.lru_cache(maxsize=1024)(_new_reader)


def _as_it_is(value: Any) -> Any:
    return value


# --- docstrings -------------------------------------------------------------------------------------------------------

_LISTS = re.compile(
    r"^\s*(?:(?:Args|Arguments|Parameters|Returns|Yields|Raises)\s*:?\s*$|:(?:param|returns?|raises)\b)", re.MULTILINE
)
_SPHINX = re.compile(r"^\s*:param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.+(?:\n(?!\s*:).+)*)", re.MULTILINE)
_GOOGLE = re.compile(r"^\s*(?:Args|Arguments|Parameters)\s*:\s*\n((?:[ \t]+.*\n?|\n)+)", re.MULTILINE)
_GOOGLE_ITEM = re.compile(r"^([ \t]+)\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.+(?:\n\1[ \t]+.+)*)", re.MULTILINE)


def _described(documentation: str) -> dict[str, str]:
    """What a docstring says of parameters, in the styles of Google and Sphinx."""
    found = {name: _joined(text) for name, text in _SPHINX.findall(documentation)}
    if block := _GOOGLE.search(documentation):
        found |= {name: _joined(text) for _, name, text in _GOOGLE_ITEM.findall(block[1])}
    return found


def _joined(text: str) -> str:
    return " ".join(text.split())
