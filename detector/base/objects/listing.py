"""Listing objects by the beginning of their keys, in flat memory; pages are asked for again from a sick service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from detector.base.objects.address import Address
from detector.base.objects.errors import ObjectMissingError
from detector.base.objects.service import ObjectInfo, asking, filesystem, find, fs_path, info_of

PAGE = 1000  # keys, the most that S3 gives at once


def list_objects(under: Address) -> Iterator[ObjectInfo]:
    """All objects whose keys lie under an address, folders' markers too; S3's in the order of their bytes.

    S3 is asked page by page; of other services one level of keys at a time is held.

    Raises:
        AccessError, ServiceError: See `asking`.
    """
    if under.protocol == "s3":
        for page in _s3_pages(under, PAGE):
            for entry in page.get("Contents", ()):
                yield info_of(under.bucket, {**entry, "name": f"{under.bucket}/{entry['Key']}", "size": entry["Size"]})
    else:
        yield from _by_levels(under)


def is_object(address: Address) -> bool:
    """Whether there is an object of just this key."""
    return bool(address.key) and find(address) is not None


def is_prefix(under: Address) -> bool:
    """Whether any object lies under an address."""
    if under.protocol == "s3":
        return bool(next(_s3_pages(under, 1)).get("Contents"))
    return next(_by_levels(under), None) is not None


def list_level(under: Address) -> list[ObjectInfo]:
    """The objects right under an address, without those of deeper levels."""
    files = filesystem(under.protocol)
    try:
        entries = asking(under, lambda: files.ls(fs_path(under), detail=True, refresh=True))
    except ObjectMissingError:
        return []
    return [info_of(under.bucket, entry) for entry in entries if entry["type"] == "file"]


def _s3_pages(under: Address, size: int) -> Iterator[dict[str, Any]]:
    files = filesystem("s3")
    wanted: dict[str, Any] = {
        "Bucket": under.bucket,
        "Prefix": f"{under.key}/" if under.key else "",
        "MaxKeys": size,
    }
    while True:
        page: dict[str, Any] = asking(under, lambda: files.call_s3("list_objects_v2", **wanted))
        yield page
        if not page.get("IsTruncated"):
            return
        wanted["ContinuationToken"] = page["NextContinuationToken"]


def _by_levels(under: Address) -> Iterator[ObjectInfo]:
    files = filesystem(under.protocol)
    try:
        entries = asking(under, lambda: files.ls(fs_path(under), detail=True))
    except ObjectMissingError:
        return
    for entry in sorted(entries, key=lambda entry: str(entry["name"])):
        info = info_of(under.bucket, entry)
        if entry["type"] == "file":
            if info.key != under.key:  # asked for a file, fsspec lists that file
                yield info
        else:
            inner = Address(under.protocol, under.bucket, info.key.rstrip("/"))
            if inner != under:  # of keys such as a//b.jpg, a level that leads to itself
                yield from _by_levels(inner)
