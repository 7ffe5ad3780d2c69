"""Which blob store a place is, as `MOTET_BLOBS` has it."""

from __future__ import annotations

from pathlib import Path

from motet.errors import InvalidError
from motet.store.blob_area import area_of_home, has_area
from motet.store.blob_places import BlobPlaces
from motet.store.blobs import BlobStore
from motet.store.blobs_directory import BlobDirectory
from motet.store.blobs_object_storage import ObjectStorage


def blobs_of_home(directory: Path, place: str) -> BlobPlaces:
    """Those of the server of this directory. New ones go elsewhere if `place` is given. Raises as `blobs_elsewhere` does, and
    `ServiceError`."""
    home = BlobDirectory(directory / "blobs")
    if place:
        return BlobPlaces(home, blobs_elsewhere(place), area_of_home(directory))
    return BlobPlaces(home, had_others=has_area(directory))


def blobs_elsewhere(place: str) -> BlobStore:
    """A directory, or object storage. Raises `InvalidError` for what is neither, or needs a package that is missing."""
    if "://" not in place:
        if not (directory := Path(place)).is_absolute():
            raise InvalidError(
                f"MOTET_BLOBS is to be an absolute path, or a URL such as s3://bucket/prefix; it is {place!r}"
            )
        return BlobDirectory(directory)
    try:
        return ObjectStorage(place)
    except ImportError as error:
        raise InvalidError(
            f"MOTET_BLOBS={place.partition('?')[0]} needs obstore: pip install 'motet[blobs]' ({error})"
        ) from error
