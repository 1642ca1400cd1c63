"""MegaDetector's batch output, of every version since 1.0, and the dialects of tools that write it too.

The format: https://lila.science/megadetector-output-format. Records are read and decoded one at a time, so that a file
of tens of gigabytes takes no more memory than one of a kilobyte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

import msgspec

from backbones.errors import DataError
from detector.annotation.importing.formats import IN_PIXELS, NO_CATEGORY, ImportedFile, ImportedFrame, imported_frame
from detector.base.json_stream import EMPTY_LIST, Member, members
from detector.base.json_text import JSON_FAULTS, JsonError, decode_json, nan_as_null
from detector.base.objects.address import Place
from detector.base.objects.fetching import open_place

MOST_FRAMES = 500_000  # of a video that a record may name: two days at three a second; each takes memory
Number = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
FrameNumber = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
IMAGES = "images"
NO_BOX = "empty"  # a category that some tools write for pictures without anything


class _Info(msgspec.Struct):
    detector: str | None = None


class _ResultBox(msgspec.Struct, gc=False):
    category: str | int
    conf: float
    bbox: tuple[float, float, float, float]
    frame_number: Number | None = None
    frame: Number | None = None  # animl's name for it


class _ResultImage(msgspec.Struct):
    file: str
    detections: list[_ResultBox] | None = None
    failure: str | None = None
    frames_processed: Annotated[list[FrameNumber], msgspec.Meta(max_length=MOST_FRAMES)] | None = None


class _Name(msgspec.Struct):
    file: str


class MegaDetectorFile:
    """A file of MegaDetector's format; see `ImportedDetections`. It is read anew each time that it is iterated over.

    Args:
        path: Where it is.

    Raises:
        DataError: It is not of this format, or cut off.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        info: _Info | None = None
        categories: dict[str, str] | None = None
        self.count = 0
        for member in self._members():
            if member.index is not None:
                self.count += 1
            elif member.name == "detection_categories":
                categories = self._decoded(member, dict[str, str])
            elif member.name == "info":
                info = self._decoded(member, _Info | None)
            elif member.name == IMAGES and member.value != EMPTY_LIST:
                raise self._other_format("`images` is no list")
        self.detector = (info and info.detector) or path.name
        self.categories = tuple(dict.fromkeys((categories or {}).values()))
        self.keys = frozenset(categories or {})  # with those that mean that nothing is there
        self.label_of = {
            key: self.categories.index(name) for key, name in (categories or {}).items() if name.lower() != NO_BOX
        }
        self.decoder = msgspec.json.Decoder(_ResultImage)

    def _members(self) -> Iterator[Member]:
        try:
            with open_place(self.path, "file of boxes") as file:
                yield from members(file, (IMAGES,))
        except JsonError as error:
            hint = "is the file whole? Export or copy it again"
            raise DataError(f"not JSON: {error}", where=self.path, hint=hint) from error

    def _decoded(self, member: Member, kind: Any) -> Any:
        try:
            return decode_json(nan_as_null(member.value), kind)
        except JsonError as error:
            raise self._other_format(f"{error}, in `{member.name}`") from error

    def _other_format(self, problem: str) -> DataError:
        hint = "see https://lila.science/megadetector-output-format"
        return DataError(f"not MegaDetector's format: {problem}", where=self.path, hint=hint)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[ImportedFile]:
        for member in self._members():
            if member.index is None:
                continue
            record = nan_as_null(member.value)
            try:
                image = self.decoder.decode(record)
            except JSON_FAULTS as error:
                failure = f"its record in {self.path.name} cannot be used: {error}"
                yield ImportedFile(self._name(member.index, record), (), failure)
            else:
                yield _imported(image, self.label_of, self.keys)

    def _name(self, index: int, record: bytes) -> str:
        try:
            return decode_json(record, _Name).file.replace("\\", "/")
        except JsonError as error:
            where = f"{self.path}: images[{index}]"
            raise DataError(f"the record names no file: {error}", where=where, hint="correct the record") from error


def _imported(image: _ResultImage, label_of: Mapping[str, int], categories: Collection[str]) -> ImportedFile:
    path = image.file.replace("\\", "/")
    if image.failure is not None or image.detections is None:
        return ImportedFile(path, (), image.failure or "the file of boxes says nothing about it")
    known = [box for box in image.detections if str(box.category) in label_of]
    left_out = Counter({NO_CATEGORY: sum(str(box.category) not in categories for box in image.detections)})
    by_frame: dict[int, list[_ResultBox]] = {number: [] for number in image.frames_processed or ()}
    for box in known:
        by_frame.setdefault(_frame_number(box), []).append(box)
    numbered = sorted((by_frame or {0: []}).items())
    frames = tuple(_frame(number, boxes, label_of, left_out) for number, boxes in numbered)
    failure = IN_PIXELS if left_out[IN_PIXELS] else None  # without them it would look blank
    return ImportedFile(path, () if failure else frames, failure, +left_out)


def _frame_number(box: _ResultBox) -> int:
    number = box.frame if box.frame_number is None else box.frame_number
    return max(number or 0, 0)


def _frame(number: int, boxes: list[_ResultBox], label_of: Mapping[str, int], left_out: Counter[str]) -> ImportedFrame:
    return imported_frame(
        number,
        [box.bbox for box in boxes],
        [box.conf for box in boxes],
        [label_of[str(box.category)] for box in boxes],
        left_out,
    )
