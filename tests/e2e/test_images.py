"""Images on this machine: their environment is set, and what they ask for and the machine lacks is said once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os
import motet

image = motet.Image.debian_slim().pip_install("no-such-thing==1.0", "msgspec>=0.1").env({"FLAVOUR": "plum"})
image = image.add_local_file(__file__, "/no-such-place/").add_local_dir(os.path.dirname(__file__), os.path.dirname(__file__))
app = motet.App("images", image=image)

@app.function()
def flavour() -> str:
    return os.environ["FLAVOUR"]

@app.function()
def other() -> None: ...

if __name__ == "__main__":
    with app.run():
        print([flavour.remote() for _ in range(3)])
"""


def test_what_images_ask_for_and_the_machine_lacks_is_said_once_and_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "['plum', 'plum', 'plum']\n")
    assert done.stderr.splitlines() == [
        "Containers run in this Python environment, which is not what the images ask for:",
        "  no-such-thing is not installed (for flavour, other)",
        "  To have environments built for them: motet run --build, or MOTET_BUILD_IMAGES=always.",
        "Containers are processes of this machine, which lacks what the images ask for:",
        f"  /no-such-place/program.py is not on this machine, {tmp_path / 'program.py'} is (for flavour, other)",
    ]
