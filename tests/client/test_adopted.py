"""Orphans that a process has adopted do not stay zombies; its own children are left to whoever started them."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, subprocess, sys
from motet.client import family
from motet.client.adopted import Adopted

family.adopt_orphans()
own = subprocess.Popen([sys.executable, "-c", "pass"])
parent = os.fork()
if not parent:
    if os.fork():
        os._exit(0)
    os._exit(7)  # whose parent has ended, or is about to
os.waitpid(parent, 0)
for pid in family.all_children():
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
adopted = Adopted()
counts = [len(family.ended_children())]
adopted.look({own.pid})
counts.append(len(family.ended_children()))
adopted.look({own.pid})
counts.append(len(family.ended_children()))
print(counts, own.wait())
"""


def test_one_that_has_ended_by_the_last_look_is_let_go_of_at_the_next() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "[2, 2, 1] 0\n"
