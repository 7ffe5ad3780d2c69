"""What there is to know of a keyword, as one row, and how keywords are read by such rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from motet.context.notices import warn_user
from motet.errors import DeprecationError, InvalidError, UnimplementedError

Check = Callable[[str, Any], Any]
"""Gets a keyword and its value, and gives what the field gets. Raises `InvalidError` that names both."""


class Setting(msgspec.Struct, frozen=True):
    """A keyword whose value becomes a field. `means` and `default` say what it is for, as the guide and the command line do.

    `field` is given where it has another name than the keyword, and `part` where it is one of a part of the specification.
    `takes_none`: None is as if it were not given. `deprecated`: what is said to those who use it.
    """

    check: Check
    means: str = ""
    default: str = ""
    field: str = ""
    part: str = ""
    takes_none: bool = True
    deprecated: str = ""


class Renamed(msgspec.Struct, frozen=True):
    """An old name, which works."""

    to: str


class WithoutEffect(msgspec.Struct, frozen=True):
    """Accepted for Modal's sake. `plain`: the values that ask for nothing special."""

    plain: tuple[object, ...] = (None,)


class Unavailable(msgspec.Struct, frozen=True):
    """Cannot be honoured yet. `instead` says what to do."""

    instead: str


Keyword = Setting | Renamed | WithoutEffect | Unavailable

REQUIRED = "required"
"""The `default` of a keyword that has none."""

_told: set[str] = set()
"""Keywords without effect of which the user was told: of each once per process."""


class Given:
    """What keywords said, checked, by the field it is for. Its `repr` shows nothing: there are secrets in it."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, Any]] = {}

    def put(self, field: str, value: Any, part: str = "") -> None:
        """A later value takes the place of an earlier one; in dictionaries, each entry does."""
        fields = self._parts.setdefault(part, {})
        fields[field] = fields[field] | value if isinstance(fields.get(field), dict) else value

    def put_below(self, field: str, value: Any) -> None:
        """A value that holds for what was not said."""
        said = self.of().get(field)
        self.put(field, value)
        if said is not None:
            self.put(field, said)

    def of(self, part: str = "") -> dict[str, Any]:
        """The fields of a part, or those of no part."""
        return dict(self._parts.get(part, {}))


def rows(options: Any) -> dict[str, Keyword]:
    """The rows of a class that lists keywords: a type checker reads their types there, and we the rest."""
    return {name: annotation.__metadata__[0] for name, annotation in options.__annotations__.items()}


def read(where: str, options: Mapping[str, Any], table: Mapping[str, Keyword]) -> Given:
    """What was given to `where`. Of keywords for one field, those that come later in the table win.

    Raises `TypeError` for a keyword that is not in the table, as Python does, `InvalidError` for a value that cannot be, and
    `UnimplementedError` for what this version cannot do.
    """
    refuse_unknown(where, options, table)
    said = _under_new_names(options, table)
    _refuse_missing(where, said, table)
    given = Given()
    # In the order of the table, not of the call: which of two keywords for one field wins is written in one place.
    for name, row in table.items():
        if name not in said:
            continue
        value = said[name]
        match row:
            case Setting():
                if value is not None or not row.takes_none:
                    given.put(row.field or name, row.check(name, value), row.part)
                    if row.deprecated:
                        warn_user(DeprecationError(row.deprecated))
            case Unavailable(instead):
                if value:
                    raise UnimplementedError(f"`{name}` is not available in this version of Motet. {instead}")
            case WithoutEffect(plain):
                if value not in plain and name not in _told:
                    _told.add(name)
                    warn_user(
                        UserWarning(f"`{name}={value!r}` has no effect: containers run on this machine, as processes.")
                    )
    return given


def refuse_unknown(where: str, options: Mapping[str, Any], table: Mapping[str, Keyword]) -> None:
    """Raises `TypeError`, as Python does, for a keyword that is not in the table."""
    for name in options:
        if name not in table:
            raise TypeError(f"{where}() got an unexpected keyword argument {name!r}")


def _refuse_missing(where: str, said: Mapping[str, Any], table: Mapping[str, Keyword]) -> None:
    required = (name for name, row in table.items() if isinstance(row, Setting) and row.default == REQUIRED)
    if missing := [repr(name) for name in required if name not in said]:
        arguments = "argument" if len(missing) == 1 else "arguments"
        raise TypeError(f"{where}() missing {len(missing)} required keyword-only {arguments}: {' and '.join(missing)}")


def _under_new_names(options: Mapping[str, Any], table: Mapping[str, Keyword]) -> dict[str, Any]:
    said = dict(options)
    for old, row in table.items():
        if not isinstance(row, Renamed) or (value := said.pop(old, None)) is None:
            continue
        if said.get(row.to) is not None:
            raise InvalidError(f"`{old}` is the old name of `{row.to}`; both were given. Keep `{row.to}`.")
        warn_user(DeprecationError(f"The '{old}' parameter has been renamed to '{row.to}'."))
        said[row.to] = value
    return said
