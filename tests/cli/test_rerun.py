"""`motet call rerun` on the records of a run that has ended, and the results that it shows."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.made_home import made_home

from motet.cli import plain_values
from motet.cli.main import motet
from motet.wire import payload


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("home")
    made_home(directory)
    return directory


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["in-2-1"],
            1,
            "fetch (fu-1), which ran in-2-1, is not served any more; run it here: motet call rerun in-2-1 --local",
        ),
        (["in-2-1", "--local"], 1, "the program cannot be run here: its file /gone/shop.py is gone"),
        (["in-2-1", "--pdb"], 2, "--pdb needs --local"),
        (["in-2-0"], 2, "in-2-0 ended with success; only inputs that failed are kept"),
        (["in-2-7"], 1, "no input 'in-2-7' is known"),
        (
            ["fc-2"],
            2,
            "fc-2 is a function call, and its inputs are run again one by one, such as in-2-0",
        ),
        ([], 2, "give either the id of an input (in-...), or --failed"),
        (["in-2-1", "--failed"], 2, "give either the id of an input (in-...), or --failed"),
        (["in-2-1", "--app", "shop"], 2, "--app, --function, --since and --until go with --failed"),
        (["--failed", "--local"], 2, "--local is for one input"),
        (["--failed", "--app", "shop"], 1, "Run 1 failed input again? Nobody can answer that here: add --yes."),
        (["--failed", "--app", "shop", "--since", "2999-01-01T00:00"], 0, "No failed input is to be run again."),
        (["--failed", "--app", "kiosk"], 1, "no app 'kiosk' is known under"),
        (["--failed", "--yes"], 1, "in-2-1 does not: fetch (fu-1), which ran in-2-1, is not served any more"),
    ],
)
def test_what_cannot_be_run_again_is_told_why(home: Path, arguments: list[str], status: int, message: str) -> None:
    done = CliRunner().invoke(motet, ["call", "rerun", *arguments], env={"MOTET_HOME": str(home)})
    assert message in " ".join(done.output.split())
    assert done.exit_code == status


class Loaded:
    """Nothing of this may be made by who looks."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('code of a pickle ran')",)


@pytest.mark.parametrize("value", [3, "text", None, [1, {"a": (2.5, b"x")}], {True, 1 << 80}])
def test_plain_results_are_shown(value: object) -> None:
    assert plain_values.shown(payload.dumps(value, "the result")) == repr(value)


@pytest.mark.parametrize("data", [pickle.dumps(Loaded()), pickle.dumps([Path()]), b"\x80\x05no pickle", b""])
def test_other_results_are_not_even_read(data: bytes) -> None:
    assert plain_values.shown(data) is None
