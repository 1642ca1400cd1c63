"""Media files and the frames in them, as values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.base.names import name_key
from detector.base.objects.address import Place

MediaType = Literal["photo", "video"]
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mts", ".m2ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".asf"}
)


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
    file: Place
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
