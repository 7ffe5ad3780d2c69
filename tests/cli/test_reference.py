from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from motet.cli.main import motet
from motet.cli.reference import Runnable, load, parse, resolve

ONE_FUNCTION = """
import motet

app = motet.App("demo")

@app.function()
def fetch(x: int): ...
"""

ONE_ENTRYPOINT = (
    ONE_FUNCTION
    + """
@app.local_entrypoint()
def main(): ...
"""
)

EVERYTHING = (
    ONE_ENTRYPOINT
    + """
@app.local_entrypoint()
def other(): ...

@app.function(name="renamed")
def original(): ...

@app.cls()
class Model:
    @motet.method()
    def ask(self, prompt: str): ...

    @motet.method()
    def embed(self): ...

@app.cls()
class Single:
    @motet.method()
    def only(self): ...
"""
)

TWO_APPS = """
import motet

first = motet.App("first")
second = motet.App("second")
alias = second

@first.function()
def fetch(): ...

@second.function(name="fetch")
def fetch_again(): ...

@second.function()
def alone(): ...
"""


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves `sys.path` and `sys.modules` as they were."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - set(before):
        if name.startswith("program"):
            del sys.modules[name]


def write(directory: Path, text: str, name: str = "program.py") -> Path:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def resolved(directory: Path, text: str, name: str = "") -> Runnable:
    path = write(directory, text)
    reference = parse(f"{path}::{name}" if name else str(path))
    return resolve(load(reference), reference)


def refused(directory: Path, text: str, name: str = "") -> str:
    with pytest.raises(click.UsageError) as error:
        resolved(directory, text, name)
    return error.value.message.replace(str(directory) + "/", "")


def test_only_function_is_run_without_a_name(tmp_path: Path) -> None:
    runnable = resolved(tmp_path, ONE_FUNCTION)
    assert (runnable.name, runnable.is_entrypoint, runnable.raw.__name__) == ("fetch", False, "fetch")


def test_only_entrypoint_goes_before_functions(tmp_path: Path) -> None:
    runnable = resolved(tmp_path, ONE_ENTRYPOINT)
    assert (runnable.name, runnable.is_entrypoint) == ("main", True)


@pytest.mark.parametrize(
    ("name", "expected", "method"),
    [
        ("fetch", "fetch", None),
        ("app.fetch", "fetch", None),
        ("main", "main", None),
        ("renamed", "renamed", None),
        ("original", "renamed", None),
        ("Model.ask", "Model.ask", "ask"),
        ("app.Model.embed", "Model.embed", "embed"),
        ("Single", "Single.only", "only"),
        ("Single.only", "Single.only", "only"),
    ],
)
def test_named_thing_is_found(tmp_path: Path, name: str, expected: str, method: str | None) -> None:
    runnable = resolved(tmp_path, EVERYTHING, name)
    assert (runnable.name, runnable.method) == (expected, method)


VARIANTS = (
    EVERYTHING
    + """
wide_fetch = fetch.with_options(timeout=5)
Wide = Model.with_options(timeout=5)
WideSingle = Single.with_concurrency(max_inputs=4)
alias = other
"""
)


@pytest.mark.parametrize(
    ("name", "variable", "method"),
    [
        ("wide_fetch", "wide_fetch", None),
        ("Wide.ask", "Wide", "ask"),
        ("WideSingle", "WideSingle", "only"),
        ("WideSingle.only", "WideSingle", "only"),
        ("alias", "other", None),
    ],
)
def test_variants_are_found_by_their_variables(tmp_path: Path, name: str, variable: str, method: str | None) -> None:
    runnable = resolved(tmp_path, VARIANTS, name)
    assert runnable.handle is getattr(sys.modules["program"], variable)
    assert runnable.method == method
    assert runnable.app is sys.modules["program"].app


@pytest.mark.parametrize("name", ["Wide", "Wide.nothing", "wide_fetch.nothing"])
def test_variants_without_such_a_method_are_no_runnables(tmp_path: Path, name: str) -> None:
    assert f"There is no {name!r} to run in program.py" in refused(tmp_path, VARIANTS, name)


def test_a_function_of_an_app_elsewhere_runs_in_the_app_that_includes_it(tmp_path: Path) -> None:
    write(tmp_path, ONE_FUNCTION, "program_lib.py")
    alone = "import motet\nfrom program_lib import fetch\napp = motet.App('mine')\n"
    runnable = resolved(tmp_path, alone, "fetch")
    assert runnable.app is sys.modules["program_lib"].app
    del sys.modules["program"]
    including = "from program_lib import app as lib\napp.include(lib)\ndel lib\n"
    runnable = resolved(tmp_path, alone + including, "fetch")
    assert runnable.app is sys.modules["program"].app


def test_the_entrypoint_that_the_module_itself_declares_goes_before_others_of_its_app(tmp_path: Path) -> None:
    write(tmp_path, ONE_ENTRYPOINT, "program_base.py")
    more = "from program_base import app\n\n@app.local_entrypoint()\ndef more(): ...\n"
    assert resolved(tmp_path, more).name == "more"
    del sys.modules["program"], sys.modules["program_base"]
    assert resolved(tmp_path, more, "main").name == "main"
    del sys.modules["program"], sys.modules["program_base"]
    assert "several local entrypoints" in refused(tmp_path, f"{more}\n@app.local_entrypoint()\ndef again(): ...\n")


def test_signature_of_a_method_is_the_users(tmp_path: Path) -> None:
    assert resolved(tmp_path, EVERYTHING, "Model.ask").raw.__annotations__ == {"prompt": str}


def test_several_entrypoints_are_listed_as_commands(tmp_path: Path) -> None:
    message = refused(tmp_path, EVERYTHING)
    assert message.startswith("program.py has several local entrypoints. What can be run there:")
    assert "\n  motet run program.py::other\n" in message
    assert "\n  motet run program.py::Model.ask\n" in message


def test_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    message = refused(tmp_path, ONE_FUNCTION, "nothing")
    assert message == (
        "There is no 'nothing' to run in program.py. What can be run there:\n\n  motet run program.py::fetch"
    )


def test_class_with_several_methods_needs_the_methods_name(tmp_path: Path) -> None:
    assert "motet run program.py::Model.embed" in refused(tmp_path, EVERYTHING, "Model")


def test_several_apps_are_listed(tmp_path: Path) -> None:
    message = refused(tmp_path, TWO_APPS)
    assert message.startswith("program.py has several apps (first, second).")
    assert "motet run program.py::second.alone" in message


def test_name_is_looked_up_in_all_apps_and_must_be_unique(tmp_path: Path) -> None:
    assert resolved(tmp_path, TWO_APPS, "alone").name == "alone"


def test_name_in_two_apps_needs_the_apps_variable(tmp_path: Path) -> None:
    message = refused(tmp_path, TWO_APPS, "fetch")
    assert "motet run program.py::first.fetch" in message
    assert "motet run program.py::second.fetch" in message


def test_file_without_app_says_how_to_make_one(tmp_path: Path) -> None:
    assert refused(tmp_path, "x = 1").startswith("No motet.App in program.py. Write `app = motet.App()`")


def test_app_without_functions_says_how_to_declare_one(tmp_path: Path) -> None:
    assert "has nothing to run" in refused(tmp_path, "import motet\napp = motet.App()")


def test_module_is_importable_by_its_stem_with_its_directory_first(tmp_path: Path) -> None:
    write(tmp_path, "X = 3", "program_part.py")
    path = write(tmp_path, "from program_part import X")
    module = load(parse(str(path)))
    assert module.__name__ == "program"
    assert sys.modules["program"] is module
    assert sys.path[0] == str(tmp_path)


def test_module_reference_is_imported_as_part_of_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "", "program_package/__init__.py")
    write(tmp_path, "X = 3", "program_package/part.py")
    write(tmp_path, "from .part import X", "program_package/main.py")
    monkeypatch.chdir(tmp_path)
    module: ModuleType = load(parse("program_package.main", is_module=True))
    assert module.__name__ == "program_package.main"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("missing.py", r"There is no file 'missing.py'\.$"),
        ("missing.module", r"There is no file 'missing.module'\. To run a module by its name, use: motet run -m"),
        ("here", r"Did you mean here\.py\?"),
        ("notes.txt", r"its name must end in \.py"),
        ("json.py", r"that is the name of another module in use\. Rename the file"),
        ("here.py::", r"is no reference"),
        ("::main", r"is no reference"),
    ],
)
def test_bad_reference_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("here.py", "notes.txt", "json.py"):
        write(tmp_path, "", name)
    with pytest.raises(click.UsageError, match=message):
        load(parse(reference))


def test_missing_module_is_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match=r"There is no module 'no_such.thing'"):
        load(parse("no_such.thing", is_module=True))


def test_error_in_the_file_is_shown_with_the_users_frames_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "def broken():\n    import no_such_module\n\nbroken()\n")
    with pytest.raises(SystemExit) as status:
        load(parse(str(path)))
    assert status.value.code == 1
    text = capsys.readouterr().err
    assert text.count("  File ") == 2
    assert text.endswith("ModuleNotFoundError: No module named 'no_such_module'\n")
    assert "program" not in sys.modules


def test_relative_import_gets_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "from . import part\n")
    with pytest.raises(SystemExit):
        load(parse(str(path)))
    assert "motet run -m package.module" in capsys.readouterr().err


def test_relative_import_is_told_by_which_name_the_module_is_found(tmp_path: Path) -> None:
    package = tmp_path / "goods" / "parts"
    package.mkdir(parents=True)
    for directory in (package, package.parent):
        (directory / "__init__.py").touch()
    path = write(package, "from . import part\n")
    done = CliRunner().invoke(motet, ["deploy", str(path)])
    assert done.exit_code == 1
    assert f"from {tmp_path}: motet deploy -m goods.parts.{path.stem}\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_module", "-m"], "There is no module 'no_such_module'. Modules are looked for from "),
        (["json.no_such", "-m"], "There is no module 'json.no_such'"),
        (
            ["PROGRAM"],
            "has no app that could be deployed: an app is a variable of the module, such as app = motet.App(",
        ),
    ],
)
def test_what_cannot_be_deployed_is_told(tmp_path: Path, arguments: list[str], message: str) -> None:
    path = write(tmp_path, "import motet\n")
    done = CliRunner().invoke(motet, ["deploy", *(str(path) if it == "PROGRAM" else it for it in arguments)])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
