"""`.env` files: where the nearest one is, and what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from motet.errors import InvalidError

_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*")
_BLANK = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)+|[ \t]*#[^\n]*\Z|\s+\Z")
_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r"[^\n]*")
_AFTER = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "$": "$"}


def find_dotenv(start: Path, filename: str) -> Path | None:
    """The nearest file of that name in the directory `start`, or that of the file `start`, or above; None if none is."""
    directory = start.resolve()
    if directory.is_file():
        directory = directory.parent
    candidates = (parent / filename for parent in (directory, *directory.parents))
    return next((file for file in candidates if file.is_file()), None)


def parse_dotenv(file: Path) -> dict[str, str]:
    """The variables of a file: `NAME=value` lines, with `export`, quotes (which may span lines), and `#` comments.

    A name without `=` is left out. Raises `InvalidError` with the line of what is none of these.
    """
    text = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    return dict(_pairs(text, file))


def _pairs(text: str, file: Path) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        name = _NAME.match(text, position)
        if name is None:
            raise _malformed(text, position, file)
        position = name.end()
        if not text.startswith("=", position):
            if (after := _AFTER.match(text, position)) is None:
                raise _malformed(text, position, file)
            position = after.end()
            continue
        value, position = _value(text, position + 1, file)
        yield name.group(1), value


def _value(text: str, position: int, file: Path) -> tuple[str, int]:
    while text[position : position + 1] in (" ", "\t"):
        position += 1
    for quote, pattern in (("'", _SINGLE), ('"', _DOUBLE)):
        if text.startswith(quote, position):
            quoted = pattern.match(text, position)
            after = _AFTER.match(text, quoted.end()) if quoted else None
            if quoted is None or after is None:
                raise _malformed(text, position, file)
            return _unescaped(quoted.group(1), quote), after.end()
    bare = _BARE.match(text, position)
    assert bare is not None
    # A comment starts at a "#" after white space; one inside a word (a colour, an URL fragment) belongs to the value.
    return re.split(r"(?:^|\s)#", bare.group(), maxsplit=1)[0].strip(), bare.end() + 1


def _unescaped(text: str, quote: str) -> str:
    known = _ESCAPES if quote == '"' else {"'": "'", "\\": "\\"}
    return re.sub(r"\\(.)", lambda match: known.get(match.group(1), match.group()), text, flags=re.DOTALL)


def _malformed(text: str, position: int, file: Path) -> InvalidError:
    number = text.count("\n", 0, position) + 1
    return InvalidError(f"{file}, line {number}: this is not NAME=value, a comment, or a closed quotation")
