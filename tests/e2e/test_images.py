"""Images on this machine: their environment is set, and what they ask for and the machine lacks is said once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os
import sys
import motet

here = os.path.dirname(os.path.abspath(__file__))
image = motet.Image.debian_slim().pip_install("no-such-thing==1.0", "msgspec>=0.1").env({"FLAVOUR": "plum"})
image = image.add_local_file(__file__, "/usr/no-such-place/").add_local_dir(here, here)
image = image.add_local_dir("data", f"{here}/elsewhere/data").workdir(f"{here}/elsewhere/data").entrypoint(["tini"])
app = motet.App("images", image=image)

@app.function()
def flavour() -> str:
    return os.environ["FLAVOUR"] + open("fruit").read()

@app.function()
def other() -> None: ...

if __name__ == "__main__":
    with app.run():
        print([flavour.remote() for _ in range(3)])
"""
WALLED = """
import os
import motet

image = motet.Image.debian_slim().add_local_dir("data", "/root/data", copy=True).add_local_file("data/fruit", "/usr/no/fruit")
app = motet.App("walled", image=image.workdir("/root").workdir("data"))

@app.function(isolation="bubblewrap")
def fruit() -> tuple[str, str, bool]:
    return os.getcwd(), open("fruit").read(), os.path.exists("/usr/no/fruit")

if __name__ == "__main__":
    with app.run():
        print(fruit.remote())
"""


def ran(program: str, directory: Path) -> subprocess.CompletedProcess[str]:
    directory.mkdir()
    (directory / "program.py").write_text(program)
    (directory / "data").mkdir()
    (directory / "data" / "fruit").write_text("s")
    return subprocess.run(
        [sys.executable, "program.py"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "MOTET_HOME": str(directory.parent / "home")},
    )


def test_what_images_ask_for_and_the_machine_lacks_is_said_once_and_the_program_runs(tmp_path: Path) -> None:
    done = ran(PROGRAM, tmp_path / "shop")
    assert (done.returncode, done.stdout) == (0, "['plums', 'plums', 'plums']\n"), done.stderr
    assert done.stderr.splitlines() == [
        "Containers run in this Python environment, which is not what the images ask for:",
        "  no-such-thing is not installed (for flavour, other)",
        "  To have environments built for them: motet run --build, or MOTET_BUILD_IMAGES=always.",
        "Containers are processes of this machine, which lacks what the images ask for:",
        (
            "  /usr/no-such-place/program.py is not on this machine, and is not made among the system's files; "
            f"{tmp_path / 'shop' / 'program.py'} is on this machine (for flavour, other)"
        ),
        (
            "  Image.entrypoint tini is not carried out: containers begin with Motet, and with this under "
            'isolation="oci" alone (for flavour, other)'
        ),
    ]
    assert not (tmp_path / "shop" / "elsewhere").exists()


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed: apt-get install bubblewrap")
def test_within_walls_files_of_images_are_where_they_are_to_be_and_nowhere_else(tmp_path: Path) -> None:
    done = ran(WALLED, tmp_path / "shop")
    assert (done.returncode, done.stdout) == (0, "('/root/data', 's', False)\n"), done.stderr
    assert done.stderr.splitlines() == [
        "Containers are processes of this machine, which lacks what the images ask for:",
        "  /usr/no/fruit cannot be made, because what is around it is read-only (for fruit)",
    ]
    assert not Path("/root/data").exists()
