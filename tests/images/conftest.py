from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.images.cache import EnvironmentCache
from motet.images.programs import uv_command

from .index import Index, serving


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Has `kite` 1.0 and 2.0, which needs `tail`, and `tail` 1.0 and 1.1."""
    if uv_command() is None:
        pytest.skip("uv is not installed: pip install 'motet[images]'")
    with serving(tmp_path_factory.mktemp("index") / "files") as index:
        for version in ("1.0", "1.1"):
            index.add("tail", version)
        for version in ("1.0", "2.0"):
            index.add("kite", version, needs=["tail"])
        yield index


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv")


@pytest.fixture
def cache(tmp_path: Path, index: Index, uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EnvironmentCache]:
    """Where environments are built, from the index alone."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    for name in ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    cache = EnvironmentCache(tmp_path / "images")
    yield cache
    cache.release()
