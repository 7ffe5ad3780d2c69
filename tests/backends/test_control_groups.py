"""Limits that the kernel keeps, in trees of control groups that are only files: both versions, and none."""

from __future__ import annotations

import os
from pathlib import Path

from motet.backends.walls.cgroups import LEFT_AFTER, ControlGroups
from motet.model.isolation import Limits

LIMITS = Limits(cpu=1.5, memory=64 * 2**20, pids=100)


def version_1(root: Path) -> ControlGroups:
    for kind in ("memory", "cpu", "pids"):
        (root / kind).mkdir()
        (root / kind / "tasks").touch()
    return ControlGroups(root, own="")


def version_2(root: Path) -> ControlGroups:
    own = root / ("" if os.geteuid() == 0 else "user.slice/session.scope")
    own.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text("cpuset cpu io memory pids")
    return ControlGroups(root, own="0::/user.slice/session.scope\n")


def test_version_1_has_a_group_for_each_kind_of_limit(tmp_path: Path) -> None:
    groups = version_1(tmp_path)
    assert groups.kept == {"memory", "cpu", "pids"}
    group = groups.make("ta-1", LIMITS)
    assert group is not None
    assert (tmp_path / "memory/motet/ta-1/memory.limit_in_bytes").read_text() == str(64 * 2**20)
    assert (tmp_path / "memory/motet/ta-1/memory.memsw.limit_in_bytes").read_text() == str(64 * 2**20)
    assert (tmp_path / "cpu/motet/ta-1/cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "pids/motet/ta-1/pids.max").read_text() == "100"
    assert len(group.joins) == 3
    assert not group.ran_out_of_memory
    (tmp_path / "memory/motet/ta-1/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert group.ran_out_of_memory


def test_version_2_has_one_group_for_all(tmp_path: Path) -> None:
    groups = version_2(tmp_path)
    assert groups.kept == {"memory", "cpu", "pids"}
    group = groups.make("ta-1", LIMITS)
    assert group is not None
    [directory] = group.directories
    assert group.joins == (f"{directory}/cgroup.procs",)
    written = {path.name: path.read_text() for path in directory.iterdir()}
    assert written == {
        "memory.max": str(64 * 2**20),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "150000 100000",
        "pids.max": "100",
    }
    (directory / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 0\n")
    assert not group.ran_out_of_memory
    (directory / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n")
    assert group.ran_out_of_memory


def test_group_has_only_the_limits_that_were_asked_for(tmp_path: Path) -> None:
    groups = version_2(tmp_path)
    group = groups.make("ta-1", Limits(memory=2**30))
    assert group is not None
    assert list(group.by_kind) == ["memory"]
    assert groups.make("ta-2", Limits(disk=2**30)) is None


def test_machine_without_control_groups_keeps_nothing(tmp_path: Path) -> None:
    groups = ControlGroups(tmp_path, own="")
    assert groups.kept == frozenset()
    assert groups.make("ta-1", LIMITS) is None


def test_groups_that_a_killed_backend_has_left_go_and_those_that_are_used_or_new_stay(tmp_path: Path) -> None:
    groups = version_1(tmp_path)
    for name in ("left", "used", "new"):
        assert groups.make(name, Limits(pids=5)) is not None
    place = tmp_path / "pids/motet"
    for name in ("left", "new"):
        (place / name / "pids.max").unlink()  # the kernel's files do not count
    at = (place / "new").stat().st_mtime
    groups.remove_left(at + LEFT_AFTER - 1)
    assert sorted(each.name for each in place.iterdir()) == ["left", "new", "used"]
    os.utime(place / "new", (at + 60, at + 60))
    groups.remove_left(at + LEFT_AFTER + 1)
    assert sorted(each.name for each in place.iterdir()) == ["new", "used"]
