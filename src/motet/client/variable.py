"""A variable of the environment: who reads it, what it means, and what holds without it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReadBy(Enum):
    """Who reads a variable, and with that what has to be started again for a change to be seen."""

    PROGRAM = "programs and commands"
    SERVER = "the server"
    CONTAINER = "containers"
    NOBODY = "code in containers"


@dataclass(frozen=True, slots=True)
class Variable:
    """What is said of one. `unit` is empty for what is no number; `profile`: the key of a profile that says the same.
    `is_withheld`: containers do not inherit it, because it is a secret or says where one lies."""

    name: str
    read_by: ReadBy
    means: str
    default: str
    unit: str = ""
    profile: str = ""
    is_withheld: bool = False
