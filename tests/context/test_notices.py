from __future__ import annotations

import subprocess
import sys

import pytest

from motet.context.notices import warn_user

IN_CONTAINER = """
import motet
from motet.context.container import enter_container
enter_container("ta-1")
app = motet.App()
def f(): pass
assert app.function(keep_warm=2, cloud="aws")(f).target.spec.autoscaler.min_containers == 2
assert motet.Secret.from_local_environ(["MOTET_NOT_SET"]).env == {}
assert motet.Secret.from_dotenv("/", filename=".env.nowhere").env == {}
try:
    with motet.Image.debian_slim().imports():
        import module_that_is_nowhere
except ImportError:
    print("import error")
"""


def test_a_warning_points_at_the_line_outside_motet() -> None:
    with pytest.warns(UserWarning, match="look here") as caught:
        warn_user(UserWarning("look here"))
    assert caught[0].filename == __file__


def test_in_containers_declarations_are_silent_and_imports_are_not() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_CONTAINER], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "import error\n", "")
