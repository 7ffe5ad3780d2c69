"""Whether a container went over its memory, as its control group says while it is there. Podman itself does not know it."""

from __future__ import annotations

from pathlib import Path


class MemoryGroup:
    """The control group that counts a process's memory, of version 1 or 2. `root`: where they are."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @staticmethod
    def of(pid: int, root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> MemoryGroup | None:
        """That of this process; None if there is none that can be read."""
        try:
            lines = (proc / str(pid) / "cgroup").read_text().splitlines()
        except OSError:
            return None
        places = {kind: path.lstrip("/") for _, kind, path in (line.split(":", 2) for line in lines)}
        for kind, above in (("memory", root / "memory"), ("", root), ("", root / "unified")):
            directory = above / places.get(kind, "nowhere")
            if (directory / "memory.oom_control").exists() or (directory / "memory.events").exists():
                return MemoryGroup(directory)
        return None

    @property
    def ran_out(self) -> bool:
        """Whether the kernel has ended a process of it for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            try:
                lines = (self._directory / name).read_text().splitlines()
            except OSError:
                continue
            if any(words[0] == "oom_kill" and words[1] != "0" for words in map(str.split, lines)):
                return True
        return False
