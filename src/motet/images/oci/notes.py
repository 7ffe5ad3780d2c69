"""What is known of OCI images that a home had built, beside what the engine knows: of which steps, for which apps, and when.

images/oci/built/NAME.json           what it says of itself
images/oci/logs/NAME.log             what builds of it wrote
images/oci/locks/, uses/             see `uses`
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec

from motet.images.uses import Uses


class OciBuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What is noted of an image. `stages`: the names of those that it was built in, itself the last one. `seconds`: how long
    its last build took; 0: the engine had all of it."""

    name: str
    python_version: str
    steps: tuple[str, ...]
    stages: tuple[str, ...]
    built_at: float
    seconds: float


class OciNotes:
    """Those of one home. Names are without the repository, which is the home's own: what one home lets go of, others keep."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.uses = Uses(directory)
        digest = hashlib.sha256(os.fsencode(os.path.realpath(directory))).hexdigest()[:8]
        self.repository = f"localhost/motet/image-{digest}"

    def log(self, name: str) -> Path:
        """What builds of an image have written."""
        return self.directory / "logs" / f"{name}.log"

    def write(self, built: OciBuilt) -> None:
        """Remember what an image is. Raises `OSError`."""
        place = self._place(built.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = place.with_suffix(f".{os.getpid()}")
        aside.write_bytes(msgspec.json.encode(built))
        aside.replace(place)

    def read(self, name: str) -> OciBuilt | None:
        """What is noted of it, if anything is."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(self._place(name).read_bytes(), type=OciBuilt)
        return None

    def all(self) -> list[OciBuilt]:
        """Of every image that was noted and not forgotten."""
        found = (self.read(each.stem) for each in (self.directory / "built").glob("*.json"))
        return [each for each in found if each is not None]

    def tag(self, name: str) -> str:
        """What the engine has an image by."""
        return f"{self.repository}:{name}"

    def made_of(self, name: str) -> list[str]:
        """The images that begin with this one, as with a snapshot: using one of them is using that."""
        reference = self.tag(name)
        return [each.name for each in self.all() if each.steps and reference in each.steps[0].split()]

    def forget(self, name: str) -> None:
        """It is gone."""
        for place in (self._place(name), self.log(name), self.directory / "pythons" / f"{name}.json"):
            place.unlink(missing_ok=True)
        self.uses.forget(name)

    def _place(self, name: str) -> Path:
        return self.directory / "built" / f"{name}.json"
