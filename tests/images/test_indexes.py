"""From which index the packages of a step come, where several know them; by the real uv."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import motet
from motet.errors import ImageBuildError
from motet.images.cache import EnvironmentCache

from .index import Index, serving
from .test_building import made, says

IMAGE = motet.Image.debian_slim()
SECRET = "import secretsauce; print(secretsauce.VERSION)"


@pytest.fixture
def private(tmp_path: Path, index: Index) -> Iterator[Index]:
    """An index of a company, some of whose packages a stranger has published elsewhere, too, in newer versions."""
    with serving(tmp_path / "private") as private:
        private.add("secretsauce", "1.0", needs=["secretbase"])
        private.add("secretbase", "1.0")
        for name in ("secretsauce", "secretbase"):
            if name not in index.pages:
                index.add(name, "99.0")
        if "saucer" not in index.pages:
            index.add("saucer", "1.0", needs=["secretsauce"])
        yield private


def test_what_a_step_takes_from_an_index_of_its_own_comes_from_there_whatever_later_steps_ask_for(
    cache: EnvironmentCache, private: Index
) -> None:
    image = IMAGE.pip_install("secretsauce", index_url=private.url)
    apart = made(cache, image.pip_install("kite==1.0"))
    assert says(apart, SECRET) == "1.0"
    assert says(apart, "import secretbase; print(secretbase.VERSION)") == "1.0"
    common = made(cache, image.pip_install("saucer", "secretsauce<50"))
    assert says(common, SECRET) == "1.0"
    assert "secretbase==1.0" in (Path(common.python).parents[1] / "lock.txt").read_text()


def test_with_an_extra_index_uv_takes_what_that_knows_and_pip_the_newest(
    cache: EnvironmentCache, private: Index
) -> None:
    of_uv = made(cache, IMAGE.uv_pip_install("secretsauce", extra_index_url=private.url))
    assert says(of_uv, SECRET) == "1.0"
    of_pip = made(cache, IMAGE.pip_install("secretsauce", extra_index_url=private.url))
    assert says(of_pip, SECRET) == "99.0"


def test_a_file_that_is_not_what_its_index_says_is_refused(cache: EnvironmentCache, private: Index) -> None:
    page = private.directory / "simple" / "secretbase" / "index.html"
    page.write_text(re.sub("sha256=[0-9a-f]{64}", "sha256=" + "0" * 64, page.read_text()))
    with pytest.raises(ImageBuildError, match=r"(?s)installing packages failed.*[Hh]ash mismatch"):
        made(cache, IMAGE.pip_install("secretsauce", index_url=private.url))
    assert list(cache.building.iterdir()) == []
