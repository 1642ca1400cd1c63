"""The media that files of boxes name: where they are, which are missing, and how they are turned."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from backbones.errors import DataError, MediaError
from detector.annotation.cards import find_cards
from detector.annotation.importing.formats import (
    IN_PIXELS,
    ImportedDetections,
    ImportedFile,
    imported_frame,
    path_under,
)
from detector.annotation.importing.object_folder import ObjectFolder, head_of
from detector.annotation.listing.media_list import HINT, MediaList
from detector.base.names import Spelling
from detector.base.objects.address import Address, Place, lies_in, path_inside, real_place
from detector.base.objects.errors import ObjectMissingError
from detector.base.orientation import orient_boxes, upright_size
from detector.base.pictures import stored_size
from detector.base.times import time_of_disk
from detector.footage.cards import Card
from detector.footage.discovery import media_type
from detector.store.media_ids import MediaIds
from detector.store.presence import is_there
from detector.types import MediaItem

CROP_CATEGORY = "animal"  # of pictures that are crops: the classifier says whether it is a bird's
SAME_SHAPE = 0.02  # by which the sides' ratios may differ: tools round the sizes of what they shrink
TURNED = "its size is that of the picture as stored, before EXIF turns it: its boxes were turned too"


@dataclass(frozen=True)
class MediaFolder:
    """The folder that files of boxes name files of: a card, or a folder within one.

    Attributes:
        folder: Where it is.
        card: The card.
        media: The photos and videos of the card.
        prefix: What paths under the card begin with, forward slashes; empty, or ends with one.
        notes: What a person should know of the card.
    """

    folder: Path
    card: Card
    media: MediaList
    prefix: str
    notes: tuple[str, ...] = ()

    @cached_property
    def spelling(self) -> Spelling:
        """How the disk spells what other tools name in another Unicode form."""
        return Spelling(self.folder)

    @classmethod
    def of(cls, folder: Path, output: Path) -> MediaFolder:
        """The folder as part of a store's cards."""
        real = os.path.realpath(folder)
        found = find_cards([folder], output, {})
        card = next(card for card in found.cards if lies_in(real, real_place(card.root)))
        inside = path_inside(real, real_place(card.root))
        return cls(folder, card, found.media, f"{inside}/" if inside else "", tuple(found.notes))

    def item(self, path: str) -> MediaItem:
        """The media item of this path, which may not be there, or lead out of the folder; then its size is 0."""
        inside = path_under(self.folder, path)
        if inside is None:
            return MediaItem(self.card.id, path, media_type(path) or "photo", 0, Path(path))
        inside = self.spelling.of(inside) or inside
        file = self.folder / inside
        status = file.stat() if is_there(file) else None
        size, modified = (0, None) if status is None else (status.st_size, time_of_disk(status.st_mtime))
        return MediaItem(self.card.id, self.prefix + inside, media_type(inside) or "photo", size, file, modified)

    def near(self, path: str) -> str | None:
        """A file of the card whose path differs in capitals only."""
        wanted = (self.prefix + path.replace("\\", "/")).casefold()
        return next((item.path for item in self._media() if item.path.casefold() == wanted), None)

    def unnamed(self, named: Collection[str]) -> int:
        """How many photos and videos lie in the folder of which no record is; `named` are ids."""
        media = (item for item in self._media() if item.path.startswith(self.prefix))
        return sum(item.media_id not in named for item in media)

    def photos(self) -> list[str]:
        """Paths in the folder of all photos."""
        photos = (item.path for item in self._media() if item.media_type == "photo")
        return [path.removeprefix(self.prefix) for path in photos if path.startswith(self.prefix)]

    def _media(self) -> Iterator[MediaItem]:
        return (item for item in self.media if item.card == self.card.id)

    def holds(self, item: MediaItem) -> bool:
        """Whether the path of an item lies in the folder."""
        return path_under(self.folder, item.path.removeprefix(self.prefix)) is not None

    def check_there(self, path: str) -> None:
        """Refuse to go on when a file has gone away.

        Raises:
            MediaError: It has.
        """
        file = self.card.root / path
        if not is_there(file):
            hint = f"{HINT}; nothing was recorded of this file"
            raise MediaError("a file that was there when the run began is gone", where=file, hint=hint)


class FolderOfCrops:
    """Pictures each of which is one crop; see `ImportedDetections`."""

    detector = "crops"

    def __init__(self, place: MediaFolder) -> None:
        self.categories: tuple[str, ...] = (CROP_CATEGORY,)
        self.paths = place.photos()

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[ImportedFile]:
        for path in self.paths:
            yield ImportedFile(path, (imported_frame(0, [[0, 0, 1, 1]], [1.0], [0]),))


@dataclass(frozen=True)
class Survey:
    """The files that records name, before a run begins.

    Attributes:
        missing: Ids of the items whose files are not there, of those that the store does not hold.
        to_do: How many files the store does not hold.
    """

    missing: Collection[str]
    to_do: int


def survey_media(
    imported: ImportedDetections, place: MediaFolder | ObjectFolder, finished: Collection[str], where: Place
) -> Survey:
    """Which of the files that records name are there; objects are asked for when their turn comes, but for the first.

    Args:
        imported: The records.
        place: Where the files should be.
        finished: Ids of the items that the store holds.
        where: The file of boxes, for the message.

    Raises:
        MediaError: Most of all files are not there: it is the wrong folder, or its disk is away.
        DataError: Most boxes are in pixels where shares belong.
    """
    missing: set[str] = set()
    to_do = MediaIds()
    if isinstance(place, ObjectFolder):
        place.check_some(imported, where)
    lost: list[str] = []  # missing, and analysed by the tool that made the boxes
    named = with_boxes = in_pixels = 0
    for file in imported:
        item = place.item(file.path)
        named += file.failure is None
        in_pixels += IN_PIXELS in file.left_out
        with_boxes += IN_PIXELS in file.left_out or any(len(frame.scores) for frame in file.frames)
        if item.media_id in finished:
            continue
        to_do.add(item.media_id)
        if isinstance(place, MediaFolder) and not is_there(item.file):
            missing.add(item.media_id)
            lost += [file.path] if file.failure is None else []
    if isinstance(place, MediaFolder) and 2 * len(lost) > named:
        problem = f"{len(lost)} of the {named} files that {where.name} names are not there, such as {lost[0]}"
        raise MediaError(problem, where=place.folder, hint=_hint(place, lost[0]))
    if 2 * in_pixels > with_boxes:
        problem = f"in {in_pixels} of the {with_boxes} files with boxes, {IN_PIXELS}"
        raise DataError(problem, where=where, hint="divide them by the pictures' sizes, or give them as a COCO file")
    return Survey(missing, len(to_do))


def _hint(place: MediaFolder, path: str) -> str:
    """Where a path that is not in the folder could be meant to lead."""
    folder = place.folder.resolve()
    if is_there(folder.parent / path):
        return f"give --media {folder.parent}"
    if (near := place.near(path)) is not None:
        return f"the folder spells it {near}: capitals count on this disk"
    levels = path.replace("\\", "/").split("/")
    for number in range(1, len(levels)):
        rest = "/".join(levels[number:])
        if place.spelling.of(rest) is not None:
            beginning = "/".join(levels[:number])
            return (
                f"the folder has {rest}: remove '{beginning}/' from the paths in the file of boxes, or move the folder"
            )
    return "give the folder in which the paths of the file of boxes begin; is the disk in?"


def as_upright(file: ImportedFile, item: MediaItem) -> tuple[ImportedFile, str | None]:
    """A record with its boxes as shares of the upright picture, and in words what was odd about its size.

    Annotation tools that do not know EXIF state boxes and size of the picture as it is stored.
    """
    if file.size_wh is None or item.media_type != "photo" or (found := _stored_size(item)) is None:
        return file, None
    stored_wh, orientation = found
    upright_wh = upright_size(stored_wh, orientation)
    if _same_shape(file.size_wh, upright_wh):
        return file, None
    if not _same_shape(file.size_wh, stored_wh):
        return file, "its size has another shape than the picture: its boxes may lie elsewhere"
    frames = tuple(
        imported_frame(frame.number, orient_boxes(frame.boxes_xywh, orientation), frame.scores, frame.labels)
        for frame in file.frames
    )
    return replace(file, frames=frames), TURNED


def _stored_size(item: MediaItem) -> tuple[tuple[int, int], int] | None:
    if not isinstance(item.file, Address):
        return stored_size(item.file)
    try:
        return stored_size(head_of(item.file))
    except ObjectMissingError:  # which is said of it when its turn comes
        return None


def _same_shape(one_wh: tuple[float, float], other_wh: tuple[int, int]) -> bool:
    return abs(np.log(one_wh[0] / one_wh[1]) - np.log(other_wh[0] / other_wh[1])) < SAME_SHAPE
