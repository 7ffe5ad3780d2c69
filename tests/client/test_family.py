"""Processes as the kernel lists them."""

from __future__ import annotations

import os
import subprocess

from motet.client import family


def test_children_are_found_where_the_kernel_keeps_no_list_of_them() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert child.pid in family._children_by_scan()
            assert os.getpid() not in family._children_by_scan()
        finally:
            child.kill()


def test_descendants_have_their_names_and_parents() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60; true"], stdout=subprocess.PIPE) as child:
        try:
            while not (below := [it for it in family.descendants() if it.parent == child.pid and it.name == "sleep"]):
                assert child.poll() is None
            assert child.pid in [it.pid for it in family.descendants() if it.parent == os.getpid()]
            family.kill(below[0].pid)
        finally:
            child.wait(10)
