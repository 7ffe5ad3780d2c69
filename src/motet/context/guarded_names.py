"""Which classes and functions a program has only where it is the main one."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator


@functools.cache
def guarded_names(file: str) -> frozenset[str]:
    """The names of classes and functions that a file defines under `if __name__ == "__main__":` or `if motet.is_local():`
    alone."""
    try:
        with open(file, "rb") as source:
            tree = ast.parse(source.read(), file)
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    guarded: set[str] = set()
    free: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.If) and _is_guard(statement.test):
            guarded.update(_defined(statement.body))
            free.update(_bound(statement.orelse))
        else:
            free.update(_bound([statement]))
    return frozenset(guarded - free)


def _is_guard(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=one, ops=[ast.Eq() | ast.In()], comparators=[other]):
            return any(isinstance(it, ast.Name) and it.id == "__name__" for it in (one, other))
        case ast.Call(func=ast.Name(id="is_local") | ast.Attribute(attr="is_local")):
            return True
        case ast.BoolOp(op=ast.And(), values=parts):
            return any(map(_is_guard, parts))
    return False


_MAKERS = frozenset(
    [
        "Enum",
        "Flag",
        "IntEnum",
        "IntFlag",
        "NamedTuple",
        "NewType",
        "StrEnum",
        "TypedDict",
        "create_model",
        "make_dataclass",
        "namedtuple",
        "new_class",
        "type",
    ]
)


def _defined(statements: list[ast.stmt]) -> Iterator[str]:
    """Of the names that statements bind, those of functions and classes."""
    for node in _outside_of_functions(statements):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=maker) | ast.Attribute(attr=maker))
            ):
                if maker in _MAKERS:
                    yield name


def _bound(statements: list[ast.stmt]) -> Iterator[str]:
    """The names that statements bind in their module."""
    for node in _outside_of_functions(statements):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]


def _outside_of_functions(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(statements)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
