"""People and vehicles made unrecognisable in pictures of exports; originals are never written to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.exports.privacy import may_be_a_person
from detector.store.records import DetectionRecord, MediaRecord, reaches
from detector.types import Kind

Blur = Literal["people", "none"]
PEOPLE: Blur = "people"
NONE: Blur = "none"

LOWEST_SCORE = 0.1  # below what counts: a bush that is blurred costs less than a face that is not
MARGIN = 0.1  # of the box's size, on each side
CELLS = 8  # along the long side of a box: of a person nothing is left but colours


class Region(Protocol):
    """A part of a picture: left, top, width and height as shares of it."""

    @property
    def x(self) -> float: ...

    @property
    def y(self) -> float: ...

    @property
    def w(self) -> float: ...

    @property
    def h(self) -> float: ...


def hidden_in(record: MediaRecord, blur: Blur) -> tuple[DetectionRecord, ...]:
    """The boxes of a file that nobody may recognise, whether or not they count; none that a person called nothing.

    People, vehicles, and what may be a person by its label, unless a person said what it is.
    """
    if blur == NONE:
        return ()
    return tuple(
        found
        for found in record.detections
        if _is_private(found)
        and (found.reviewed_by is not None or reaches(found.score, LOWEST_SCORE))
        and not (found.suppressed and found.reviewed_by is not None)
    )


def _is_private(found: DetectionRecord) -> bool:
    return found.kind in (Kind.PERSON, Kind.VEHICLE) or (may_be_a_person(found) and found.reviewed_by is None)


def hide(image: NDArray[np.uint8], hidden: Iterable[Region]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) with these boxes blurred beyond recognition; a copy where there are any."""
    boxes = list(hidden)
    blurred = image.copy() if boxes else image
    height, width = image.shape[:2]
    for box in boxes:
        rows, columns = _span(box.y, box.h, height), _span(box.x, box.w, width)
        part = blurred[rows, columns]
        if part.size:
            blurred[rows, columns] = _blur(part)
    return blurred


def _span(start: float, size: float, pixels: int) -> slice:
    first = int(np.clip(np.floor((start - MARGIN * size) * pixels), 0, pixels))
    return slice(first, int(np.clip(np.ceil((start + (1 + MARGIN) * size) * pixels), first, pixels)))


def _blur(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # averaged into a few cells first: a blurred edge alone can be sharpened again, a mean cannot
    height, width = part.shape[:2]
    scale = CELLS / max(height, width, CELLS)
    cells = cv2.resize(
        part, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
