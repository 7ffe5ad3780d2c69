"""What runs on the server's own machine alone, because no host that joins has what it needs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from motet.model.image import ImageSpec
from motet.model.local_files import LocalFiles
from motet.server.apps.catalogue import is_of_own_host
from tests.server.stage import app, function

FILES = (LocalFiles(kind="file", source="/data", target="data"),)


@pytest.mark.parametrize(
    ("of_app", "of_function", "stays"),
    [
        ({}, {}, False),
        ({}, {"isolation": "process"}, False),
        ({"bundle": "/home/of/the/server/bundles/1"}, {}, False),
        ({"bundle": "/home/of/the/server/bundles/1"}, {"image": ImageSpec(files=FILES)}, False),
        ({}, {"image": ImageSpec(files=FILES)}, True),
        ({}, {"isolation": "bubblewrap"}, True),
        ({}, {"isolation": "oci"}, True),
        ({}, {"image": ImageSpec(python="/home/of/the/server/images/1/bin/python")}, True),
    ],
)
def test_files_that_do_not_travel_environments_and_walls_stay_there(
    of_app: dict[str, Any], of_function: dict[str, Any], stays: bool
) -> None:
    spec = replace(function(), **of_function)
    assert is_of_own_host(replace(app(spec), **of_app), spec) is stays
