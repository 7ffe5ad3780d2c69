"""Shared state: dicts that programs and functions reach by name, in an environment, or by an id alone."""

from __future__ import annotations

import re

import msgspec

from motet.errors import InvalidError

MAIN_ENVIRONMENT = "main"
"""The environment of those who say none."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_APP_ID = re.compile(r"ap-[a-zA-Z0-9]{22,26}")

KINDS = {"di": "Dict"}
"""What is shared, by the prefix of its ids, as messages call it."""


class StateView(msgspec.Struct, frozen=True):
    """A named object, for people: `within` which environment it is, how many `entries` and bytes (`size`) it holds, and when it
    was made, by the wall clock."""

    name: str
    within: str
    made_at: float
    entries: int
    size: int


def checked_name(kind: str, name: object) -> str:
    """`name` if something of this kind can have it. Raises `InvalidError`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or _APP_ID.fullmatch(name):
        raise InvalidError(
            f"Invalid {kind} name: {name!r}. Names may contain only alphanumeric characters, dashes, periods, and underscores, "
            "must be 64 characters long at most, and cannot look like the ID of an app"
        )
    return str.__str__(name)


def named_id(prefix: str, name: str, environment: str | None = None) -> str:
    """The id of what has this name. Raises `InvalidError` for a name, or an environment, that none can have.

    >>> named_id("di", "scores"), named_id("di", "scores", "dev")
    ('di-name-scores', 'di-env-dev/scores')
    """
    checked_name(_kind(prefix, prefix), name)
    if environment in (None, "", MAIN_ENVIRONMENT):
        return f"{prefix}-name-{name}"
    return f"{prefix}-env-{checked_name('Environment', environment)}/{name}"


def name_of(state_id: str) -> tuple[str, str] | None:
    """The environment and the name that an id says; None: it has no name.

    >>> name_of("di-env-dev/scores"), name_of("di-name-scores"), name_of("di-01hq")
    (('dev', 'scores'), ('main', 'scores'), None)
    """
    said = state_id[3:]
    if said.startswith("name-"):
        return MAIN_ENVIRONMENT, said[5:]
    if said.startswith("env-"):
        environment, _, name = said[4:].partition("/")
        return environment, name
    return None


def checked_state_id(prefix: str, state_id: str) -> str:
    """An id as `named_id` makes it, or one without a name. Raises `InvalidError`."""
    kind, named = _kind(prefix, state_id), name_of(state_id)
    if named is not None and named_id(prefix, named[1], named[0]) == state_id:
        return state_id
    if named is None and re.fullmatch(prefix + r"-[a-z0-9]{20,60}", state_id):
        return state_id
    raise InvalidError(f"{state_id!r} is no id of a {kind}")


def _kind(prefix: str, said: str) -> str:
    if prefix not in KINDS:
        raise InvalidError(f"{said!r} is no id of anything that is shared: such begin with {', '.join(KINDS)}")
    return KINDS[prefix]


def described(state_id: str) -> str:
    """How messages call it.

    >>> described("di-env-dev/scores")
    "Dict 'scores' in environment 'dev'"
    """
    named = name_of(state_id)
    kind = KINDS.get(state_id[:2], "object")
    return f"{kind} {state_id}" if named is None else f"{kind} {named[1]!r} in environment {named[0]!r}"
