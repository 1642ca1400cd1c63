"""The values that cross the boundaries between the packages of Hoopoe."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.base.names import name_key


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one image, checked at birth.

    Anything that numpy can turn into the stated arrays is accepted and converted.

    Args:
        boxes_xyxy: float32 (N, 4), pixels of the original image, x1 <= x2 and y1 <= y2.
        scores: float32 (N,), finite.
        labels: int64 (N,), 0-based indices into the detector's category names.

    Raises:
        ValueError: If shapes or lengths disagree, or a value is not finite, negative (label) or turned round (box).
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes_xyxy, dtype=np.float32)
        scores = np.asarray(self.scores, dtype=np.float32)
        labels = np.asarray(self.labels)
        if boxes.size == 0:
            boxes = boxes.reshape(-1, 4)  # an empty list has no second dimension
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes_xyxy must be (N, 4), not {boxes.shape}")
        if scores.shape != (len(boxes),) or labels.shape != (len(boxes),):
            raise ValueError(f"{len(boxes)} boxes with scores {scores.shape} and labels {labels.shape}")
        if labels.size and not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels must be integers, not {labels.dtype}")
        if not np.isfinite(boxes).all() or not np.isfinite(scores).all():
            raise ValueError("boxes_xyxy and scores must be finite")
        if (boxes[:, 2:] < boxes[:, :2]).any():
            raise ValueError("boxes_xyxy must have x1 <= x2 and y1 <= y2")
        if (labels < 0).any():
            raise ValueError("labels must be >= 0")
        object.__setattr__(self, "boxes_xyxy", boxes)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "labels", labels.astype(np.int64))

    @classmethod
    def empty(cls) -> Detections:
        """No detections: an image in which nothing was found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: slice | NDArray[np.bool_] | NDArray[np.integer]) -> Detections:
        """The detections at a slice, a mask (N,) or an array of indices."""
        return Detections(self.boxes_xyxy[index], self.scores[index], self.labels[index])

    def above(self, score: float) -> Detections:
        """The detections with at least this score, in the same order."""
        return self[self.scores >= score]


MediaType = Literal["photo", "video"]


@dataclass(frozen=True)
class MediaItem:
    """One photo or video on a card.

    Attributes:
        card: Id of the card (an input folder) that it belongs to.
        path: Where it is under the card's root, with forward slashes on every system.
        media_type: What it is, by its file name's extension.
        size_bytes: Size of the file.
        file: Where it can be read now; may change when a disk moves, while card and path do not.
        modified_at: When the file was last changed, as this computer's clock shows it; None: unknown.
    """

    card: str
    path: str
    media_type: MediaType
    size_bytes: int
    file: Path
    modified_at: datetime | None = field(default=None, compare=False)

    @property
    def media_id(self) -> str:
        """What identifies the item in tables; see `media_id`."""
        return media_id(self.card, self.path)


def media_id(card: str, path: str) -> str:
    """The id of a media item in every table: `m` and 16 hexadecimal digits, a hash of its card and its path there.

    Card and path count in one Unicode form. The letter keeps spreadsheets from taking an id for a number.
    """
    digest = hashlib.blake2b(name_key(f"{card}\0{path}").encode(), digest_size=8).hexdigest()
    return f"m{digest}"


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded picture: a photo, or one moment of a video.

    Attributes:
        image: RGB (H, W, 3) of uint8, upright; may be smaller than the original (same aspect ratio, to the pixel).
        size_wh: Width and height of the upright original in pixels.
        frame_number: Position in the video, counted from 0 over all frames, also those that were skipped; 0 in photos.
        time_s: Seconds from the start of the video; 0.0 in photos.
    """

    image: NDArray[np.uint8]
    size_wh: tuple[int, int]
    frame_number: int = 0
    time_s: float = 0.0


class Kind(StrEnum):
    """What is in a box, by a label, by the models, or by a person's word; in tables of numbers, its place here."""

    BIRD = "bird"
    ANIMAL = "animal"
    """Not a bird."""

    UNCERTAIN = "uncertain"
    """An animal, and maybe a bird: MegaDetector's "animal"."""

    PERSON = "person"
    VEHICLE = "vehicle"
    BLANK = "blank"
    """Nothing that counts: background, a misfire, a leaf."""

    UNDECIDED = "undecided"
    """The label is not known."""

    @property
    def code(self) -> int:
        """Its place among the kinds, as arrays hold it."""
        return KINDS.index(self)


KINDS = tuple(Kind)


@dataclass(frozen=True)
class TaxonName:
    """What something is called; the fields are columns of `store.schema.DETECTIONS`.

    Attributes:
        name: Scientific name of the taxon, or a class name where no crosswalk knows the class; None for what has no
            taxon, such as a person.
        rank: species, genus, family, order or class; None where no list knows the class.
        english_name: English name, of a higher taxon the word that its members share: "wheatear".
        hebrew_name: Hebrew name.
        ebird_code: eBird's species code.
        display_name: What people read: "Northern Wheatear", "unidentified wheatear (Oenanthe sp.)", "person".
    """

    name: str | None
    rank: str | None
    english_name: str | None
    hebrew_name: str | None
    ebird_code: str | None
    display_name: str

    @classmethod
    def plain(cls, text: str) -> TaxonName:
        """What is said of something that has no taxon."""
        return cls(None, None, None, None, None, text)
