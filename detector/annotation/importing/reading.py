"""Which reader a file of boxes is for, and several files of one tool as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.annotation.importing.coco import CocoDetections
from detector.annotation.importing.formats import ImportedDetections, ImportedFile, ImportedFrame
from detector.annotation.importing.megadetector import IMAGES, MegaDetectorFile
from detector.base.json_stream import members
from detector.base.json_text import JsonError, nan_as_null, read_json_bytes
from detector.base.objects.address import Place
from detector.base.objects.fetching import local_copy, open_place


def read_detections(paths: Sequence[Place]) -> ImportedDetections:
    """Read boxes that another tool found.

    Args:
        paths: Files of MegaDetector's format, of any size, or COCO files; or one or more COCO files with a list of
            results, whose boxes then count instead of those of the COCO files.

    Raises:
        DataError: A file is not there, not JSON, or of none of the formats.
    """
    kinds = [_format_of(path) for path in paths]
    if set(kinds) == {"megadetector"}:
        return _Joined([MegaDetectorFile(path) for path in paths])
    if "megadetector" in kinds:
        where = paths[kinds.index("megadetector")]
        raise DataError("MegaDetector and COCO files cannot be mixed", where=where, hint="give them in two runs")
    contents = [(path, nan_as_null(_content(path))) for path in paths]
    return CocoDetections(
        [content for content, kind in zip(contents, kinds, strict=True) if kind == "coco"],
        [content for content, kind in zip(contents, kinds, strict=True) if kind == "results"],
    )


def _content(path: Place) -> bytes:
    with local_copy(path) as file:
        return read_json_bytes(file, "file of boxes")


def _format_of(path: Place) -> str:
    """What a file is, by the names of its members: it is read up to where they tell."""
    names: set[str] = set()
    try:
        with open_place(path, "file of boxes") as file:
            if _begins_list(file):
                return "results"
        with open_place(path, "file of boxes") as file:
            for member in members(file, (IMAGES,)):
                names.add(member.name)
                for other, kind in (("detection_categories", "megadetector"), ("categories", "coco")):
                    if {IMAGES, other} <= names:
                        return kind
    except JsonError as error:
        raise DataError(f"not JSON: {error}", where=path, hint="is the file whole? Export or copy it again") from error
    raise DataError(
        "the file holds neither MegaDetector's results nor COCO boxes",
        where=path,
        hint="it needs `images` with `detection_categories` (MegaDetector), or with `categories` (COCO)",
    )


def _begins_list(file: BinaryIO) -> bool:
    return file.read(64).lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"[")


class _Joined:
    """Several files of one tool as one: categories are joined by name."""

    def __init__(self, parts: Sequence[ImportedDetections]) -> None:
        self.parts = parts
        self.detector = parts[0].detector
        self.categories = tuple(dict.fromkeys(name for part in parts for name in part.categories))

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[ImportedFile]:
        for part in self.parts:
            own = np.array([self.categories.index(name) for name in part.categories], np.int64)
            for file in part:
                yield replace(file, frames=_relabelled(file.frames, own))


def _relabelled(frames: Iterable[ImportedFrame], labels: NDArray[np.int64]) -> tuple[ImportedFrame, ...]:
    return tuple(ImportedFrame(frame.number, frame.boxes_xywh, frame.scores, labels[frame.labels]) for frame in frames)
