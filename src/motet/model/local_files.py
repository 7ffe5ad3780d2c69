"""Files that an image adds from the machine it is written on."""

from __future__ import annotations

from typing import Literal

import msgspec


class LocalFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What an image adds from the machine it is written on: a file or directory by its absolute path, with the one at which
    containers are to find it (`target`), or a module by its name. `ignore`: patterns of what stays at home."""

    kind: Literal["file", "directory", "module"]
    source: str
    target: str = ""
    ignore: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.source, *filter(None, (self.target,))))
