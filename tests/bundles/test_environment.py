"""What belongs to an interpreter and its packages, and what is source of the program."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path

import msgspec
import pytest

from motet.bundles.environment import in_directory, in_environment


def test_the_standard_library_is_of_the_environment() -> None:
    for path in (os.__file__, json.__file__, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")):
        assert in_environment(os.path.abspath(path)), path
    for path in sys.path:
        if "lib-dynload" in path or path.endswith(".zip"):
            assert in_environment(path), path


def test_installed_packages_are_of_the_environment() -> None:
    assert in_environment(msgspec.__file__)
    assert in_environment("/usr/lib/python3/dist-packages/debian.py")
    assert in_environment("C:\\Python\\Lib\\site-packages\\a.py")


@pytest.mark.parametrize("path", ["/home/ada/shop.py", "/home/ada/my-packages/a.py", "/home/site-packages.old/a.py"])
def test_source_is_not(path: str) -> None:
    assert not in_environment(path)
    assert not in_environment(str(Path(os.__file__).parent) + "-of-mine/a.py")


def test_what_lies_below_a_directory_does_and_its_namesakes_do_not() -> None:
    assert in_directory("/a/b", "/a")
    assert in_directory("/a", "/a")
    assert in_directory("/a", "/")
    assert not in_directory("/ab", "/a")
