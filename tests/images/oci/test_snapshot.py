"""Which OCI container a process is in, as its control groups say."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.errors import ServiceError
from motet.images.oci.snapshot import container_of

ONE, OTHER = "a1" * 32, "b2" * 32


@pytest.mark.parametrize(
    "groups",
    [
        f"0::/machine.slice/libpod-{ONE}.scope/container\n",
        f"11:memory:/libpod_parent/libpod-{ONE}\n1:name=systemd:/libpod_parent/libpod-{ONE}\n0::/\n",
        f"0::/system.slice/docker-{ONE}.scope\n",
        f"3:cpu:/docker/{ONE}\n",
    ],
)
def test_the_control_groups_of_each_engine_name_the_container(groups: str, tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(groups)
    assert container_of(7, tmp_path) == ONE


@pytest.mark.parametrize("groups", ["0::/user.slice\n", f"1:cpu:/docker/{ONE}\n2:memory:/docker/{OTHER}\n"])
def test_one_that_cannot_be_told_is_an_error(groups: str, tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(groups)
    for process in (7, 8):
        with pytest.raises(ServiceError, match="do not say which OCI container"):
            container_of(process, tmp_path)
