"""A program that stands for podman, and does what a test says."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from motet.images.oci.built import OciImages
from motet.images.oci.runtime_files import own_python

_PODMAN = r"""
import json, os, pathlib, signal, sys

store = pathlib.Path(os.environ["FAKE"])
words = sys.argv[1:]
if words[0] == "--runtime":
    words = words[2:]
if words[:2] == ["image", "inspect"]:
    if os.environ.get("SICK"):
        sys.exit(f"Error: {os.environ['SICK']}")
    if not (store / words[2].replace("/", "_")).exists():
        sys.exit(f"Error: {words[2]}: image not known")
    print(json.dumps([{"Config": {"Env": ["PATH=/usr/bin", "A=b=c"]}, "Size": 2048}]))
elif words[:2] == ["image", "ls"]:
    if os.environ.get("SICK"):
        sys.exit(f"Error: {os.environ['SICK']}")
    repository = words[-1].removeprefix("reference=").replace("/", "_")
    for each in sorted(store.iterdir()):
        if each.name.startswith(f"{repository}:"):
            print(each.name.rpartition(":")[2])
elif words[:2] == ["image", "rm"]:
    (store / words[2].replace("/", "_")).unlink()
elif words[0] == "run":
    code = int(os.environ.get("ANSWERS", 0))
    if code == 0:
        print(json.dumps({"executable": "/usr/bin/python3", "version": json.loads(os.environ.get("VERSION", "[3, 11]")),
            "tag": os.environ["TAG"], "machine": os.environ["MACHINE"], "libc": os.environ["LIBC"]}))
    sys.exit(code)
else:
    with open(store / "builds", "a") as file:
        file.write("built\n")
    given = {words[n]: words[n + 1] for n in range(len(words) - 1)}
    context = pathlib.Path(words[-1])
    seen = sorted(str(it.relative_to(context)) for it in context.rglob("*") if it.is_file())
    secrets = [word.partition("src=")[2] for word in words if word.startswith("id=")]
    (store / "seen").write_text(json.dumps([seen, {os.path.basename(it): open(it).read() for it in secrets}]))
    for number, line in enumerate(open(given["--file"]).read().splitlines(), 1):
        print(f"STEP {number}/9: {line}", flush=True)
        if "hang" in line:
            signal.pause()
        if "fail" in line:
            print("what went wrong", flush=True)
            print(os.environ.get("SAYS", ""), flush=True)
            if os.environ.get("DIES"):
                os.kill(os.getpid(), 9)
            sys.exit(7)
    (store / given["--tag"].replace("/", "_")).touch()
"""


class Machine:
    """A machine whose podman is the program above."""

    def __init__(self, directory: Path) -> None:
        self.store = directory / "store"
        self.store.mkdir()
        self.home = directory / "home"
        bin_directory = directory / "bin"
        bin_directory.mkdir()
        program = bin_directory / "podman"
        program.write_text(f"#!{sys.executable} -SE\n{_PODMAN}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.uv = directory / "uv"
        self.uv.write_text("uv")
        own = own_python()
        self.env = {
            "PATH": f"{bin_directory}:{os.environ['PATH']}",
            "FAKE": str(self.store),
            "TAG": own.tag,
            "MACHINE": own.machine,
            "LIBC": own.libc,
        }

    def images(self, **env: str) -> OciImages:
        return OciImages(self.home / "oci", {**self.env, **env}, lambda: self.uv)

    @property
    def builds(self) -> int:
        file = self.store / "builds"
        return len(file.read_text().splitlines()) if file.exists() else 0
