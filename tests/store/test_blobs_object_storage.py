"""Blobs in object storage: against a real server that speaks S3, on loopback."""

from __future__ import annotations

import http.server
import itertools
import threading
from collections.abc import Iterator

import pytest

from motet.errors import InvalidError, ServiceError
from tests.contracts.blob_store_contract import BlobStoreContract, names
from tests.moto_server import MotoServer, missing, moto_server

if reason := missing():
    pytest.skip(reason, allow_module_level=True)

from motet.store.blob_check import check_blobs
from motet.store.blob_places import BlobPlaces
from motet.store.blob_reference import BlobName, StoredPayload, digest_of
from motet.store.blobs_object_storage import ObjectStorage

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with moto_server() as server:
        yield server


@pytest.fixture
def bucket(server: MotoServer) -> str:
    name = f"bucket-{next(_numbers)}"
    server.make_bucket(name)
    return name


@pytest.fixture
def store(server: MotoServer, bucket: str) -> ObjectStorage:
    return ObjectStorage(server.url(bucket))


class TestObjectStorage(BlobStoreContract):
    pass


def test_objects_lie_below_the_prefix_and_others_are_left(server: MotoServer, bucket: str) -> None:
    first, second = ObjectStorage(server.url(bucket, "one")), ObjectStorage(server.url(bucket, "two"))
    first.put("home/fc-a/1", b"first")
    second.put("home/fc-a/1", b"second")
    first.erase(["home/fc-a/1"])
    assert names(first) == []
    assert second.get("home/fc-a/1") == b"second"


def test_more_than_one_page_of_objects_is_found_and_deleted(
    store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motet.store.blobs_object_storage.LISTED_AT_ONCE", 3)
    for number in range(8):
        store.put(f"home/fc-a/{number}", b"")
    assert len(names(store)) == 8
    assert store.delete(names(store)) == 0
    assert names(store) == []


def test_a_bucket_that_is_gone_is_another_thing_than_an_object_that_is(server: MotoServer, bucket: str) -> None:
    store = ObjectStorage(server.url(bucket))
    assert server.ask("DELETE", f"/{bucket}") == 204
    for work in (lambda: store.put("home/fc-a/1", b"1"), lambda: store.get("home/fc-a/1"), lambda: names(store)):
        with pytest.raises(ServiceError, match=rf"s3://{bucket}/motet.*MOTET_BLOBS.*NoSuchBucket.*See that the bucket"):
            work()


def test_a_server_that_is_away_is_given_up_after_a_few_tries() -> None:
    with moto_server() as server:
        server.make_bucket("bucket")
        store = ObjectStorage(server.url("bucket"))
        store.put("home/fc-a/1", b"1")
        server.stop()
        with pytest.raises(ServiceError, match="after 3 retries"):
            store.get("home/fc-a/1")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://bucket?secret_access_key=x", "secret_access_key in its URL.*credentials in the environment"),
        ("s3://bucket?aws_session_token=x", "aws_session_token in its URL"),
        ("s3://bucket?colour=red", "colour"),
        ("nope://bucket", "MOTET_BLOBS=nope://bucket cannot be used"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_with_what_is_wrong(url: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        ObjectStorage(url)


class Refusing(http.server.BaseHTTPRequestHandler):
    """Whatever is asked, it may not be."""

    def do_GET(self) -> None:
        """Also of what else is asked."""
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(403)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names that `http.server` has

    def log_message(self, *_: object) -> None:
        """It says nothing."""


def test_a_bucket_that_may_not_be_read_is_told_by_all_who_look(server: MotoServer) -> None:
    """There is another server because its credentials are in the environment."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as refusing:
        serving = threading.Thread(target=refusing.serve_forever, args=(0.01,))
        serving.start()
        url = f"s3://bucket/motet?endpoint=http://127.0.0.1:{refusing.server_port}&region=us-east-1"
        places = BlobPlaces(None, ObjectStorage(url), "a1")
        name = BlobName("a1", "fc-1", 1, 1, "a", 0, digest_of(b"x"))
        stored = StoredPayload.of(name, 1)
        try:
            for work in (lambda: places.get(stored), lambda: list(places.find()), lambda: places.delete(stored)):
                with pytest.raises(
                    ServiceError, match=r"MOTET_BLOBS\): AccessDenied: Access Denied. See that the bucket"
                ):
                    work()
            with pytest.raises(ServiceError, match="cannot write s3://bucket/motet/a1/probe"):
                places.probe()
            (found,) = check_blobs(lambda: [stored], places)
            assert "cannot read" in found
            assert "AccessDenied" in found
        finally:
            refusing.shutdown()
            serving.join()
