"""Addresses of objects, such as s3://bucket/2024/hide/IMG_0001.JPG: what a path is on a disk.

A key is kept to the letter: unlike a path it may hold `//`, `.` and `..`. `Address` answers what `pathlib.Path` is
asked of media and cards, so that what only names, joins and compares places need not know which of the two it has.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from backbones.errors import ConfigError
from detector.base.objects.errors import without_secrets

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)  # two letters at least: C:// is a drive
_COLLAPSED = re.compile(r"(s3|gs|az|memory):/(?=[^/])")  # what pathlib makes of an address
_SAME = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
_WITHOUT_FOLDERS = ("s3", "gs", "az", "memory")


@dataclass(frozen=True, order=True)
class Address:
    """Where an object, or all objects with the beginning of a key in common, are.

    Attributes:
        protocol: s3, gs, az, or memory.
        bucket: Or container.
        key: Of the object; without a slash at its end; empty: the whole bucket.
    """

    protocol: str
    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.protocol}://{self.bucket}/{self.key}" if self.key else f"{self.protocol}://{self.bucket}"

    def __truediv__(self, path: object) -> Address:
        return Address(self.protocol, self.bucket, f"{self.key}/{path}" if self.key else str(path))

    @property
    def name(self) -> str:
        """The last part of the key, or the bucket."""
        return self.key.rpartition("/")[2] or self.bucket

    @property
    def suffix(self) -> str:
        """Of the name, with its dot; empty where there is none."""
        return os.path.splitext(self.name)[1]

    @property
    def parent(self) -> Address:
        """Where the last part of the key is left out; a bucket is its own parent."""
        return Address(self.protocol, self.bucket, self.key.rpartition("/")[0])

    @property
    def parents(self) -> tuple[Address, ...]:
        """The parent, its parent, up to the bucket."""
        return () if not self.key else (self.parent, *self.parent.parents)

    @property
    def drive(self) -> str:
        """Of a path on Windows; here none."""
        return ""

    def as_posix(self) -> str:
        """With forward slashes, which it has."""
        return str(self)

    def resolve(self) -> Address:
        """Where it leads: there are no links."""
        return self

    def exists(self) -> bool:
        """Whether there is an object, or one whose key begins so; asks the service."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether there is such an object; asks the service."""
        from detector.base.objects.listing import is_object

        return is_object(self)

    def is_dir(self) -> bool:
        """Whether there are objects under it; asks the service."""
        from detector.base.objects.listing import is_prefix

        return is_prefix(self)


Place: TypeAlias = Path | Address


def is_address(word: object) -> bool:
    """Whether a word is an address rather than a path."""
    return isinstance(word, Address) or bool(_SCHEME.match(str(word)) or _COLLAPSED.match(str(word)))


def place_of(word: str | os.PathLike[str] | Address) -> Place:
    """The path or the address that a word is; `file://` is a path.

    Raises:
        ConfigError: It is an address of a kind that is not supported, without a bucket, or with credentials in it.
    """
    if isinstance(word, Address):
        return word
    text = os.fspath(word)
    if _COLLAPSED.match(text):
        text = text.replace(":/", "://", 1)
    match = _SCHEME.match(text)
    if match is None:
        return Path(word)
    scheme, rest = match[1].lower(), match[2]
    if scheme == "file":
        return Path(rest.removeprefix("localhost") or "/")
    protocol = _SAME.get(scheme, scheme)
    if protocol not in _WITHOUT_FOLDERS:
        hint = "give a path, or an address that begins with s3://, gs://, az:// or file://"
        raise ConfigError(f"addresses of {scheme}:// are not read", where=without_secrets(text), hint=hint)
    bucket, _, key = rest.partition("/")
    if without_secrets(text) != text or ":" in bucket:
        hint = "leave them out: the environment, files like ~/.aws, or the machine's role give them"
        raise ConfigError("there are credentials in this address", where=without_secrets(text), hint=hint)
    if not bucket:
        raise ConfigError("there is no bucket in this address", where=text, hint=f"such as {protocol}://bucket/folder")
    return Address(protocol, bucket, key.rstrip("/"))


def on_disk(place: Place) -> Path:
    """The path of a file of which it is known that it is on a disk."""
    assert isinstance(place, Path)
    return place


def real_place(place: str | os.PathLike[str] | Address) -> str:
    """The one text for a place by which places are compared: a path with its links followed, or an address."""
    found = place_of(place)
    return str(found) if isinstance(found, Address) else os.path.realpath(found)


def absolute_place(place: str | os.PathLike[str] | Address) -> str:
    """A place as a store keeps it: an absolute path, or an address."""
    found = place_of(place)
    return str(found) if isinstance(found, Address) else os.path.abspath(found)


def lies_in(place: str, folder: str) -> bool:
    """Whether a place is a folder or lies inside it; both as `real_place` gives them."""
    return place == folder or place.startswith(f"{folder}/" if is_address(folder) else os.path.join(folder, ""))


def path_inside(place: str, folder: str) -> str:
    """The path of a place under a folder, with forward slashes; empty: it is the folder itself."""
    if is_address(folder):
        return place[len(folder) + 1 :]
    relative = os.path.relpath(place, folder)
    return "" if relative == os.curdir else Path(relative).as_posix()
