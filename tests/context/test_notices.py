from __future__ import annotations

import functools
import subprocess
import sys
import warnings

import pytest

from motet.context.notices import warn_user, without_place

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


def test_a_place_in_a_package_of_commands_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    without_place("/lib/click")
    shown = functools.partial(warnings.formatwarning, "look here", UserWarning, lineno=9, line="f()")
    assert shown(filename="/lib/click/core.py") == "Warning: look here\n"
    assert shown(filename="/lib/clicks.py") == "/lib/clicks.py:9: UserWarning: look here\n  f()\n"
