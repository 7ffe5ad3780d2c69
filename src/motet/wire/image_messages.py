"""Messages about images that a server is to build: a request, and its reply."""

from __future__ import annotations

from motet.model.hidden import hides_secrets
from motet.model.image import BuildPlace, ImageSpec
from motet.model.limits import Index, Name
from motet.wire.message import Message


@hides_secrets
class BuildImages(Message, tag="build_images", frozen=True):
    """Have the environments of these images built, unless they are there; answered by `ImagesBuilt` when there is something new
    to tell, until they are: who waits asks again. `seen`: how many lines it has been told already. `bundle`: as in `CreateApp`.
    `oci`: OCI images are to be built of them; None: as the server's own isolation level has it. `snapshots`:
    with `oci=None`, the names of functions that ask for memory snapshots, which that level may not have.
    """

    app_name: Name
    images: tuple[ImageSpec, ...]
    place: BuildPlace
    bundle: Name = ""
    seen: Index = 0
    oci: bool | None = False
    snapshots: tuple[Name, ...] = ()


class ImagesBuilt(Message, tag="images_built", frozen=True):
    """What builds have told since. `is_over`: all images are there."""

    lines: list[str]
    is_over: bool
