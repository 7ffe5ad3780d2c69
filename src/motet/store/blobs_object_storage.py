"""Blobs as objects of a bucket: S3 and what speaks its protocol, Google Cloud Storage, Azure, by obstore."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from motet.errors import InvalidError, NotFoundError, ServiceError
from motet.store.blobs import BlobFound

SCHEMES = ("s3", "gs", "az")

CONNECT_SECONDS = 5
REQUEST_SECONDS = 30
"""Of one request; what is larger than a few MiB goes in several."""
RETRIES = 3
RETRY_SECONDS = 20
"""For so long a request that failed is made again."""
LISTED_AT_ONCE = 1000

_SAID = re.compile(r"<Code>(\w+)</Code>(?:\s*<Message>([^<]*)</Message>)?")
_PERFORMED = re.compile(r"Error performing \w+(?: request: Error performing \w+)? \S+ in \S+ ?(?:- )?")
_SECRET = re.compile("secret|password|token|key|credential|sas|signature")


class ObjectStorage:
    """See `BlobStore`. `url`: as in `s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=eu-central-1`; credentials come
    from the environment, by the names that the provider's own tools use. Nothing is asked before there is something to keep.
    Raises `InvalidError` for a URL that makes no sense, and `ImportError` without obstore."""

    def __init__(self, url: str) -> None:
        # Late: it is an extra.
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        self._obstore: Any = obstore
        opened: Any = from_url  # its types are for one provider each
        self._errors: tuple[type[Exception], ...] = (BaseError, OSError)
        parts = urlsplit(url)
        options = _options(parts.query)
        self._place = f"{parts.scheme}://{parts.netloc}{parts.path}"
        http = {
            "timeout": f"{REQUEST_SECONDS} seconds",
            "connect_timeout": f"{CONNECT_SECONDS} seconds",
            "allow_http": options.get("endpoint", "").startswith("http:"),
        }
        retries = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
        try:
            self._store = opened(self._place, config=options, client_options=http, retry_config=retries)
        except (BaseError, ValueError, OSError) as error:
            raise InvalidError(f"MOTET_BLOBS={self._place} cannot be used: {_first_line(error)}") from error

    def put(self, name: str, data: bytes) -> None:
        """See `BlobStore`."""
        with self._explained("write", name):
            self._obstore.put(self._store, name, data)

    def get(self, name: str) -> bytes:
        """See `BlobStore`."""
        with self._explained("read", name):
            try:
                return bytes(self._obstore.get(self._store, name).bytes())
            except FileNotFoundError:
                next(
                    iter(self._obstore.list(self._store, prefix=name, chunk_size=1)), None
                )  # raises where the bucket is gone
        raise NotFoundError(f"there is no object {self._place.rstrip('/')}/{name}")

    def delete(self, names: Iterable[str]) -> int:
        """See `BlobStore`. Nobody copies a bucket as a whole here."""
        self.erase(names)
        return 0

    def erase(self, names: Iterable[str]) -> None:
        """See `BlobStore`."""
        asked = list(names)
        for place in range(0, len(asked), LISTED_AT_ONCE):
            some = asked[place : place + LISTED_AT_ONCE]
            with self._explained("remove", some[0]), contextlib.suppress(FileNotFoundError):
                self._obstore.delete(self._store, some)

    def find(self, below: str = "") -> Iterator[BlobFound]:
        """See `BlobStore`."""
        with self._explained("list", below):
            for some in self._obstore.list(self._store, prefix=below or None, chunk_size=LISTED_AT_ONCE):
                for each in some:
                    yield BlobFound(each["path"], each["size"], each["last_modified"].timestamp())

    @contextlib.contextmanager
    def _explained(self, verb: str, name: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise ServiceError(
                f"cannot {verb} {self._place.rstrip('/')}/{name}, where large arguments and results are kept (MOTET_BLOBS): "
                f"{_first_line(error)}. See that the bucket is there, can be reached, and takes the server's credentials"
            ) from error

    def close(self) -> None:
        """See `BlobStore`."""


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query))
    for name in options:
        if _SECRET.search(name.lower()):
            raise InvalidError(
                f"MOTET_BLOBS has {name} in its URL, which logs and other users may see: give credentials in the environment, "
                "by the names that the provider's own tools use (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY ...)"
            )
    return options


def _first_line(error: Exception) -> str:
    """What happened, without the insides of a library and what is said beside it."""
    text = " ".join(str(error).partition("\n\nDebug source:")[0].split())
    if said := _SAID.search(text):
        return ": ".join(filter(None, said.groups()))[:500]
    return _PERFORMED.sub("", text)[:500]
