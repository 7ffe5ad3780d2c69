"""The documentation names what there is, its code is Python, and its links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import motet
from motet.sdk.options.keyword import Setting
from motet.sdk.options.keywords import BATCHING, CONCURRENCY, ENDPOINT, FUNCTION, WEB_SERVER

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
ARCHITECTURE = ROOT / "docs/architecture.md"
GUIDE = sorted(ROOT.glob("docs/guide/*.md"))
FOR_USERS = "".join(page.read_text() for page in [ROOT / "README.md", *GUIDE])
WRAPPED = 100
"""Columns of prose, so that a diff shows the sentence that changed."""
PYTHON_BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("name", [name for name in motet.__all__ if not name.startswith("_")])
def test_public_name_is_documented(name: str) -> None:
    assert re.search(rf"\b{name}\b", FOR_USERS)


TABLES = {"functions": FUNCTION, "concurrency": CONCURRENCY, "batching": BATCHING, "web": ENDPOINT | WEB_SERVER}
"""Pages of the guide, and the keywords in their tables."""


@pytest.mark.parametrize("page", TABLES)
def test_the_guides_tables_of_keywords_say_what_the_code_does(page: str) -> None:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", (ROOT / f"docs/guide/{page}.md").read_text())
    lines = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    told = {name: (means, default) for names, means, default in lines for name in re.findall(r"\w+", names)}
    rows = {name: row for name, row in TABLES[page].items() if isinstance(row, Setting) and row.means}
    assert {name: told.get(name) for name in rows} == {name: (row.means, row.default) for name, row in rows.items()}


def test_the_guide_lists_its_pages() -> None:
    listed = re.findall(r"^\| \[[^\]]+\]\(([\w-]+\.md)\)", (ROOT / "docs/guide/README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [page.name for page in GUIDE if page.name != "README.md"]


@pytest.mark.parametrize("page", [*GUIDE, ARCHITECTURE, ROOT / "docs/glossary.md"], ids=lambda page: page.name)
def test_prose_is_wrapped(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL).splitlines()
    too_long = [line for line in prose if len(line) > WRAPPED and not line.startswith(("|", "    "))]
    assert too_long == []


def test_files_that_the_architecture_names_are_there() -> None:
    files = [f"/{path.relative_to(ROOT / 'src/motet')}" for path in (ROOT / "src/motet").rglob("*.py")]
    named = re.findall(r"`([\w/]+\.py)`", ARCHITECTURE.read_text())
    assert named
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in files)] == []


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_code_block_compiles(block: str) -> None:
    compile(block, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [target for target in targets if not re.match(r"\w+:", target)]
    assert [target for target in local if not _is_there(page, target)] == []


def _is_there(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = page if not path else (page.parent / path).resolve()
    return found.exists() and (not anchor or anchor in _anchors(found))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_names_every_example() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [path.name for path in (ROOT / "examples").glob("*.py") if f"(examples/{path.name})" not in readme]
    assert missing == []


def test_every_decision_is_listed() -> None:
    directory = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (directory / "README.md").read_text())
    assert listed == sorted(path.name for path in directory.glob("0*.md"))
