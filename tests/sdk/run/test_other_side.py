"""Containers of another Python, cloudpickle or Motet: what is said before anything is sent."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from motet.client.connection import Connection
from motet.errors import VersionError
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition, SerializedDefinition
from motet.sdk.run.other_side import as_seen_from, refuse_other_python, refuse_unloadable
from motet.wire.by_value import NOTHING
from motet.wire.hello import PYTHON, Agreed

IMPORTED = FunctionSpec(name="fetch", app_name="shop", definition=ImportedDefinition(module="shop", qualname="fetch"))
SERIALIZED = replace(IMPORTED, name="made", definition=SerializedDefinition(pickled=b"", qualname="made"))


def connected(*agreed: Agreed) -> Connection:
    connection = Connection()
    connection.receive(agreed)
    return connection


def test_a_run_needs_the_python_that_its_search_path_is_for() -> None:
    refuse_other_python(connected())
    refuse_other_python(connected(Agreed(1)))
    refuse_other_python(connected(Agreed(1, PYTHON)))
    with pytest.raises(
        VersionError, match=rf"runs containers on Python 3\.9\.1, and this program is on {PYTHON}: run it on"
    ):
        refuse_other_python(connected(Agreed(1, "3.9.1")))


def test_an_app_whose_functions_travel_by_value_is_refused_where_they_cannot_be_loaded() -> None:
    there = connected(Agreed(1, PYTHON, "1.6.0"))
    refuse_unloadable(there, AppSpec(name="shop", functions=(IMPORTED,)))
    refuse_unloadable(connected(Agreed(1, PYTHON)), AppSpec(name="shop", functions=(IMPORTED, SERIALIZED)))
    with pytest.raises(
        VersionError, match=r"^the function made would travel by value, and .* have cloudpickle 1\.6\.0"
    ):
        refuse_unloadable(there, AppSpec(name="shop", functions=(IMPORTED, SERIALIZED)))


def test_calls_know_what_cannot_travel() -> None:
    assert as_seen_from(connected(), NOTHING) is NOTHING
    assert "Python 3.9.1" in as_seen_from(connected(Agreed(1, "3.9.1")), NOTHING).refusal
