"""Finding photos and videos among objects, by the rules by which they are found on disks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from backbones.errors import MediaError
from detector.base.names import name_key
from detector.base.objects.address import Address
from detector.base.objects.listing import list_objects
from detector.base.objects.service import ObjectInfo, find
from detector.footage.discovery import SYSTEM_FOLDERS, PassOver, Report, media_type
from detector.types import MediaItem

RENAME = "rename the object"


@dataclass
class ObjectWalk:
    """Says of one object after the other whether it is a photo or a video of a card.

    Attributes:
        root: Of the card.
        card: Its id.
        report: Called with each object that would be one, and cannot be.
        pass_over: Called with the suffix of each that is neither.
    """

    root: Address
    card: str
    report: Report
    pass_over: PassOver
    unusual: set[str] = field(default_factory=set)  # names that have several Unicode forms, in the one compared

    def items(self, objects: Iterable[ObjectInfo], excluded: Collection[str] = ()) -> Iterator[MediaItem]:
        """The photos and videos among objects."""
        prefix = f"{self.root.key}/" if self.root.key else ""
        left_out = tuple(f"{path}/" for path in excluded)
        for found in objects:
            path = found.key.removeprefix(prefix)
            if not found.key.endswith("/") and not path.startswith(left_out or ("\0",)):  # markers stand for folders
                yield from self.item(path, found)

    def item(self, path: str, found: ObjectInfo) -> Iterator[MediaItem]:
        """The item that an object is, if it is one."""
        parts = path.split("/")
        if any((part.startswith(".") and part.strip(".")) or part.lower() in SYSTEM_FOLDERS for part in parts):
            return
        kind = media_type(path)
        if kind is None:
            self.pass_over(os.path.splitext(path)[1].lower() or "without a suffix")
        elif problem := self.problem(path, parts):
            self.report(MediaError(problem, where=ascii(str(self.root / path)), hint=RENAME))
        else:
            yield MediaItem(self.card, path, kind, found.size_bytes, self.root / path)

    def problem(self, path: str, parts: list[str]) -> str | None:
        """Why a key cannot be a path in tables, pictures and other programs; None: it can."""
        if any(part in ("", ".", "..") for part in parts):
            return "its key would be another file's, or lead out of the folder, as a path"
        if "\0" in path or "\\" in path:
            return "its key holds a character that no path can hold everywhere"
        if not path.isascii():
            key = name_key(path)
            if key in self.unusual or key.isascii():
                return "another object has the same name in another Unicode form"
            self.unusual.add(key)
        return None


def find_objects(walk: ObjectWalk, inputs: Collection[str] = (), excluded: Collection[str] = ()) -> Iterator[MediaItem]:
    """List the photos and videos under an address, S3's in the order of the bytes of their keys.

    Args:
        walk: Over a card.
        inputs: Objects, or beginnings of keys up to a slash, under its root; empty: all.
        excluded: Beginnings of keys to leave out.
    """
    for under in inputs or ("",):
        place = walk.root / under if under else walk.root
        if media_type(place.name) is not None and (found := find(place)) is not None:
            yield from walk.items([found])
        else:
            yield from walk.items(list_objects(place), excluded)
