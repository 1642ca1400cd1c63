"""Which reader a file of boxes is for, and several files of one tool as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.annotation.importing.coco import CocoDetections
from detector.annotation.importing.formats import ImportedDetections, ImportedFile, ImportedFrame
from detector.annotation.importing.megadetector import MegaDetectorFile
from detector.base.json_text import JsonError, decode_json, nan_as_null, read_json_bytes


class _Lists(msgspec.Struct):
    """What tells the formats apart; empty where it is missing."""

    images: msgspec.Raw = msgspec.Raw()
    detection_categories: msgspec.Raw = msgspec.Raw()
    categories: msgspec.Raw = msgspec.Raw()


def read_detections(paths: Sequence[Path]) -> ImportedDetections:
    """Read boxes that another tool found.

    Args:
        paths: Files of MegaDetector's format, or COCO files; or one or more COCO files with a list of results, whose
            boxes then count instead of those of the COCO files.

    Raises:
        DataError: A file is not there, not JSON, or of none of the formats.
    """
    contents = [(path, nan_as_null(read_json_bytes(path, "file of boxes"))) for path in paths]
    kinds = [_format_of(path, data) for path, data in contents]
    if set(kinds) == {"megadetector"}:
        return _Joined([MegaDetectorFile(path, data) for path, data in contents])
    if "megadetector" in kinds:
        where = paths[kinds.index("megadetector")]
        raise DataError("MegaDetector and COCO files cannot be mixed", where=where, hint="give them in two runs")
    return CocoDetections(
        [content for content, kind in zip(contents, kinds, strict=True) if kind == "coco"],
        [content for content, kind in zip(contents, kinds, strict=True) if kind == "results"],
    )


def _format_of(path: Path, data: bytes) -> str:
    if data.lstrip()[:1] == b"[":
        return "results"
    try:
        lists = decode_json(data, _Lists)
    except JsonError as error:
        raise DataError(f"not JSON: {error}", where=path, hint="is the file whole? Export or copy it again") from error
    if bytes(lists.images) and bytes(lists.detection_categories):
        return "megadetector"
    if bytes(lists.images) and bytes(lists.categories):
        return "coco"
    raise DataError(
        "the file holds neither MegaDetector's results nor COCO boxes",
        where=path,
        hint="it needs `images` with `detection_categories` (MegaDetector), or with `categories` (COCO)",
    )


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
