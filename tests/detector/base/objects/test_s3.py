"""S3 itself, as a server on this machine plays it, sick in three of ten requests."""

from __future__ import annotations

import pytest

from detector.base.objects import listing, service
from detector.base.objects.address import Address
from detector.base.objects.errors import ObjectMissingError, ServiceError
from detector.base.objects.fetching import local_copy
from detector.base.objects.listing import is_prefix, list_objects
from detector.base.objects.service import find, put_object, read_object
from detector.store.copies import working_copy
from detector.store.presence import can_be_judged
from tests.detector.base.objects.object_server import BUCKET, serving

ROOT = Address("s3", BUCKET, "a b/é")
KEYS = ("1.jpg", "2 #?%41+.jpg", "folder/", "sub/../3.jpg", "sub/é.jpg", "zero.jpg")
CONTENTS = [b"" if key in ("folder/", "zero.jpg") else key.encode() * 100 for key in KEYS]


def test_all_is_as_it_was_put_although_the_service_is_sick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(listing, "PAGE", 2)
    with serving(monkeypatch, share=0.3) as server:
        for key, content in zip(KEYS, CONTENTS, strict=True):
            put_object(ROOT / key, content)
        assert [info.key for info in list_objects(ROOT)] == [f"{ROOT.key}/{key}" for key in KEYS]
        assert [info.size_bytes for info in list_objects(ROOT)] == [len(content) for content in CONTENTS]
        assert is_prefix(ROOT)
        assert not is_prefix(Address("s3", BUCKET, "a b/e"))
        for key, content in zip(KEYS[:2], CONTENTS, strict=False):
            with local_copy(ROOT / key, len(content)) as path:
                assert path.read_bytes() == content
        found = find(ROOT / "1.jpg")
        assert found is not None
        assert found.version
        with pytest.raises(ObjectMissingError):
            read_object(ROOT / "none.jpg")
        with pytest.raises(ServiceError, match="no such bucket"):
            read_object(Address("s3", "nowhere", "x"))
        store = Address("s3", BUCKET, "OUT")
        with working_copy(store) as folder:
            (folder / "facts").mkdir()
            (folder / "facts" / "part-000000.parquet").write_bytes(b"part")
            with pytest.raises(Exception, match="is writing to this store"), working_copy(store):
                pass
        assert [info.key for info in list_objects(store)] == ["OUT/facts/part-000000.parquet"]
        assert min(server.seen[kind] for kind in ("fails", "throttles", "cuts")) > 0


def test_an_archived_object_is_told_from_one_that_may_not_be_had_and_an_empty_one_has_a_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import boto3

    with serving(monkeypatch):
        boto3.client("s3").put_object(Bucket=BUCKET, Key="cold.jpg", Body=b"x", StorageClass="GLACIER")
        put_object(Address("s3", BUCKET, "empty.jpg"), b"")
        with pytest.raises(ObjectMissingError, match="archive"):
            read_object(Address("s3", BUCKET, "cold.jpg"))
        assert read_object(Address("s3", BUCKET, "empty.jpg"), 0, 10) == b""
        assert can_be_judged(Address("s3", BUCKET, "cold.jpg"))
        assert can_be_judged(Address("s3", BUCKET, "none.jpg"))
