"""Objects that files of boxes name: nothing is listed, and only those with boxes to classify are ever asked for."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from backbones.errors import DataError, MediaError
from detector.annotation.importing.formats import ImportedDetections, path_under
from detector.annotation.listing.media_list import HINT
from detector.base.objects.address import Address, Place, lies_in, path_inside
from detector.base.objects.errors import AccessError, ObjectMissingError
from detector.base.objects.listing import list_objects
from detector.base.objects.service import find, read_object
from detector.footage.cards import Card, name_cards
from detector.footage.discovery import media_type
from detector.store.run_json import read_run
from detector.types import MediaItem

SAMPLED = 32  # objects that are asked for before a run begins: whether the address is the right one
_PATTERN = re.compile(r"[*?\[]")
HEAD_BYTES = 256 << 10  # in which a photo's header is


@dataclass(frozen=True)
class ObjectFolder:
    """The address under which the objects are that files of boxes name; what `MediaFolder` is on a disk.

    Attributes:
        folder: The address.
        card: The card that it is, or lies in.
        prefix: What paths under the card begin with; empty, or ends with a slash.
        notes: What a person should know of the card.
    """

    folder: Address
    card: Card
    prefix: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Address, output: Path) -> ObjectFolder:
        """The address as part of a store's cards.

        Raises:
            MediaError: No object is under it.
        """
        run = read_run(output)
        cards = name_cards([folder], {} if run is None else {card: entry.root for card, entry in run.cards.items()})
        card = next(card for card in cards if lies_in(str(folder), str(card.root)))
        inside = path_inside(str(folder), str(card.root))
        return cls(folder, card, f"{inside}/" if inside else "")

    def item(self, path: str) -> MediaItem:
        """The media item of this path, whose size nobody knows yet; it may not be there, or lead out of the folder."""
        inside = path_under(self.folder, path)
        if inside is None:
            return MediaItem(self.card.id, path, media_type(path) or "photo", 0, self.folder / path)
        return MediaItem(self.card.id, self.prefix + inside, media_type(inside) or "photo", 0, self.folder / inside)

    def holds(self, item: MediaItem) -> bool:
        """Whether the path of an item lies under the address."""
        return path_under(self.folder, item.path.removeprefix(self.prefix)) is not None

    def unnamed(self, _: Collection[str]) -> int:
        """Objects of which no record is: nobody counts them, as that would list all."""
        return 0

    def check_there(self, path: str) -> None:
        """Refuse to go on where objects may not be had: it says nothing about them. One that is gone is missing.

        Raises:
            AccessError, ServiceError: See `asking`.
        """
        inside = path_under(self.folder, path.removeprefix(self.prefix))
        if inside is not None:
            with suppress(ObjectMissingError):
                read_object(self.folder / inside, 0, 1)  # it may be listed, and yet not be read

    def check_some(self, imported: ImportedDetections, where: Path | Address) -> None:
        """Look whether the first objects that records name are there.

        Raises:
            MediaError: Most are not: it is the wrong address.
        """
        asked = 0
        lost: list[str] = []
        for file in imported:
            if file.failure is None and self.holds(item := self.item(file.path)):
                asked += 1
                assert isinstance(item.file, Address)
                lost += [] if self._is_there(item.file) else [file.path]
            if asked == SAMPLED:
                break
        if 2 * len(lost) > asked:
            problem = f"{len(lost)} of the first {asked} files that {where.name} names are not there, such as {lost[0]}"
            hint = "give the address under which the paths of the file of boxes begin"
            raise MediaError(problem, where=self.folder, hint=hint)

    @staticmethod
    def _is_there(address: Address) -> bool:
        try:
            return find(address) is not None
        except AccessError as error:
            raise MediaError(error.problem, where=address, hint=f"{error.hint}; {HINT}") from error


def head_of(file: Address) -> BytesIO:
    """The beginning of an object, in which the header of a photo is."""
    return BytesIO(read_object(file, 0, HEAD_BYTES))


def files_among(detections: Sequence[Place]) -> list[Place]:
    """The files of boxes that are given, with those that an address with `*` or `?` stands for, or that lie under it.

    Raises:
        DataError: There is none there.
    """
    found: list[Place] = []
    for place in detections:
        if not isinstance(place, Address) or (not _PATTERN.search(place.key) and place.is_file()):
            found.append(place)
            continue
        pattern = place.key if _PATTERN.search(place.key) else f"{place.key}/*.json*"
        under = Address(place.protocol, place.bucket, _PATTERN.split(pattern)[0].rpartition("/")[0])
        keys = [info.key for info in list_objects(under) if fnmatch.fnmatchcase(info.key, pattern)]
        if not keys:
            raise DataError("there is no file of boxes there", where=place, hint="check the address")
        found += [Address(place.protocol, place.bucket, key) for key in sorted(keys)]
    return found
