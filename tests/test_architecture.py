"""The rules of docs/architecture.md that a machine can check, so that pytest alone shows a break."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from collections.abc import Container, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import motet

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "motet").rglob("*.py"))
MAX_LINES = 400

SERVERS = {
    "motet.server",
    "motet.core",
    "motet.simulation",
    "motet.store",
    "motet.backends",
    "motet.agent",
    "motet.cli",
    "motet.testing",
}
HEAVY = {"uvloop", "rich", "typer", "click", "motet.runtime"}
LATE = {
    "asyncio",
    "cloudpickle",
    "concurrent.futures",
    "dataclasses",
    "json",
    "logging",
    "motet.batching",
    "motet.wire.exception_payload",
    "motet.wire.pickler",
    "random",
    "shutil",
    "ssl",
}
"""What takes long to import, and most programs do without: the function that needs it imports it. Of `dataclasses`, each class
takes as long as fifty structs."""
MAX_MODULES = 276
"""Loaded by `import motet`, and by nothing else: those of Python and msgspec are counted, too, of which there are three more on
3.13. Sandboxes and images brought eight: what each step and message is; hosts that join three, of which clients say nothing;
dicts two, and keywords of placing one."""
MAX_MODULES_TO_DEPLOY = 332


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_go_the_ways_they_may() -> None:
    """See [tool.importlinter] in pyproject.toml."""
    check = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout[done.stdout.find("Broken contracts") :] + done.stderr


def test_no_module_imports_itself_by_any_way() -> None:
    """An import inside a function, or for the type checker alone, is one as well: readers follow all of them."""
    modules = {_module(path): ast.parse(path.read_text()) for path in SOURCES}
    arrows = {name: set(_imported(tree, modules.keys())) for name, tree in modules.items()}
    assert "motet.server.embedded" in arrows["motet.client.reach"]  # inside a function
    assert "motet.model.gpu" in arrows["motet.model.function"]
    TopologicalSorter(arrows).prepare()  # raises `CycleError`, which names the modules


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.Module, modules: Container[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names):
                inner = [f"{module}.{each.name}" for each in names]
                yield from (each if each in modules else module for each in inner)


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import motet", SERVERS | HEAVY | LATE),
        ("from motet import App, concurrent, enter, method, functions, queue, experimental", SERVERS | HEAVY),
        ("import motet.runtime.container", SERVERS | {"rich", "typer", "click"}),
    ],
)
def test_what_users_and_containers_import_loads_nothing_it_does_not_need(statement: str, unwanted: set[str]) -> None:
    loaded = _loaded_by(statement)
    assert "motet.sdk" in loaded
    assert sorted(loaded & unwanted) == []


def _loaded_by(statement: str) -> set[str]:
    """All modules that are loaded then."""
    # Without the environment's own start-up files, which differ from machine to machine.
    program = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "most"),
    [
        ("import motet", MAX_MODULES),
        ("import motet.cli.main, motet.cli.deploy_command", MAX_MODULES_TO_DEPLOY),
    ],
)
def test_a_program_and_a_command_start_with_few_modules(statement: str, most: int) -> None:
    """Whoever needs more than this moves an import to the function that needs it, or raises the number and says why."""
    loaded = _loaded_by(statement)
    assert len(loaded) <= most, sorted(loaded)
    assert sorted(loaded & (LATE - {"random"})) == []


def test_modules_that_are_imported_late_are_there_all_the_same() -> None:
    program = """
import motet
names = ["batching", "experimental", "functions", "queue"]
assert set(names) <= set(dir(motet)) & set(motet.__all__)
print(*(getattr(motet, name).__name__ for name in names), motet.batching.BatchLimits.__name__)
try:
    motet.nothing
except AttributeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [
        "motet.batching motet.experimental motet.functions motet.queue BatchLimits",
        "module 'motet' has no attribute 'nothing'",
    ]


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_file_is_too_long_to_be_about_one_thing(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", [path for path in SOURCES if path.read_text()], ids=named)
def test_every_module_says_what_it_is_about(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring is not None
    assert docstring.strip().splitlines()[0].endswith((".", ":", "?")) or len(docstring.splitlines()) > 1


def test_no_two_classes_share_a_name() -> None:
    """An underscore makes no other name: whoever reads `Container` or `_Container` in a log, or looks for it, finds one."""
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(f"{named(path)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_package_shows_what_it_lists() -> None:
    """An editor offers all names without an underscore, after `motet.`; packages of ours are attributes once imported."""
    shown = {
        name for name, value in vars(motet).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert shown <= set(motet.__all__)


@pytest.mark.parametrize("name", [name for name in motet.__all__ if not name.startswith("__")])
def test_every_public_name_has_a_docstring(name: str) -> None:
    value = getattr(motet, name)
    assert (value.__doc__ or "").strip(), f"motet.{name} has no docstring"


@pytest.mark.parametrize("name", [name for name in motet.__all__ if isinstance(getattr(motet, name), type)])
def test_every_public_method_has_a_docstring(name: str) -> None:
    value = getattr(motet, name)
    public = {key: member for key, member in vars(value).items() if not key.startswith("_")}
    silent = [key for key, member in public.items() if _is_code(member) and not (_doc(member) or "").strip()]
    assert silent == [], f"motet.{name}: {silent} have no docstring"


def _is_code(member: object) -> bool:
    if isinstance(member, types.MemberDescriptorType):  # a field, which the class's own docstring describes
        return False
    return callable(member) or isinstance(member, property | classmethod | staticmethod) or hasattr(member, "__get__")


def _doc(member: object) -> str | None:
    inner = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    return inner.__doc__


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.parent.name == "cli" and path.name not in ("terminal.py", "safe_console.py")],
    ids=named,
)
def test_what_commands_print_goes_through_what_keeps_terminals_from_harm(path: Path) -> None:
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    assert not calls & {"click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write"}
    assert "Console" not in calls or path.name == "tables.py"  # which only measures with it


@pytest.mark.parametrize("path", [path for path in SOURCES if path.relative_to(ROOT).parts[2] == "core"], ids=named)
def test_what_an_object_of_the_engine_holds_is_set_by_itself_alone(path: Path) -> None:
    targets: list[ast.expr] = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Assign() | ast.Delete():
                targets += node.targets
            case ast.AugAssign() | ast.AnnAssign():
                targets.append(node.target)
    single = [each for target in targets for each in (target.elts if isinstance(target, ast.Tuple) else [target])]
    assert [ast.unparse(target) for target in single if _is_of_another(target)] == []


def _is_of_another(target: ast.expr) -> bool:
    while isinstance(target, ast.Subscript):
        target = target.value
    return isinstance(target, ast.Attribute) and not (
        isinstance(target.value, ast.Name) and target.value.id in ("self", "cls")
    )
