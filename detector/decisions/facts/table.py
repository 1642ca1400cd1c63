"""The facts without their large vectors, as columns that fit into memory: some 400 bytes a photo with one box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.store.reviews.review import DRAWN_FROM
from detector.store.schema import FIRST_PASS, MOTION_GATE

PASSED_OVER = (None, MOTION_GATE, FIRST_PASS)  # it was not; by falling worth of what is known


@dataclass(frozen=True, eq=False)
class FactsTable:
    """Media items by card and path, their frames by number, their boxes by index; M items, F frames, B boxes.

    Attributes:
        media: M rows: the columns of `schema.FACTS` that belong to an item.
        folder: int32 (M,), index into `folders`.
        folders: (card, folder under its root) of items.
        frame_media: int32 (F,), the row of each frame's item, rising.
        frame_number: int32 (F,).
        time_s: float64 (F,), seconds from the start of the video; 0 where the file claims what cannot be.
        brightness: float32 (F,), NaN: unknown.
        night: float32 (F,), 1, 0 or NaN.
        passed_over: uint8 (F,), why the detector did not see it: an index into `PASSED_OVER`.
        box_frame: int32 (B,), the row of each box's frame, rising.
        box: int32 (B,), index in the frame's detections.
        xywh: float32 (B, 4), shares of the picture.
        score: float32 (B,), of the label with the highest score.
        label: int32 (B,), index of that label.
        track: int32 (B,), within its video; -1: none.
        appearance: uint8 (B, 64).
        has_appearance: bool (B,).
        position: int64 (B,), where the box is in the order of the facts.
        parts: The parts of the facts that were read, each with a mask of those of its boxes that are here; None: all.
    """

    media: pa.Table
    folder: NDArray[np.int32]
    folders: list[tuple[str, str]]
    frame_media: NDArray[np.int32]
    frame_number: NDArray[np.int32]
    time_s: NDArray[np.float64]
    brightness: NDArray[np.float32]
    night: NDArray[np.float32]
    passed_over: NDArray[np.uint8]
    box_frame: NDArray[np.int32]
    box: NDArray[np.int32]
    xywh: NDArray[np.float32]
    score: NDArray[np.float32]
    label: NDArray[np.int32]
    track: NDArray[np.int32]
    appearance: NDArray[np.uint8]
    has_appearance: NDArray[np.bool_]
    position: NDArray[np.int64]
    parts: list[tuple[Path, NDArray[np.bool_] | None]]

    @cached_property
    def box_media(self) -> NDArray[np.int32]:
        """int32 (B,): the row of each box's item."""
        return self.frame_media[self.box_frame]

    @cached_property
    def item_passed_over(self) -> NDArray[np.uint8]:
        """uint8 (M,): the same of items; one of which the detector saw a frame was not passed over."""
        reasons = np.full(len(self.media), 0, np.uint8)
        np.maximum.at(reasons, self.frame_media, self.passed_over)
        reasons[self.frame_media[self.passed_over == 0]] = 0
        return reasons

    @cached_property
    def rows_by_facts(self) -> NDArray[np.int64]:
        """int64 (B,): rows of boxes in the order of the facts."""
        rows = np.empty(len(self.position), np.int64)
        rows[self.position] = np.arange(len(self.position))
        return rows

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """bool (B,): boxes that people drew."""
        return self.box >= DRAWN_FROM

    @property
    def sizes_wh(self) -> NDArray[np.float64]:
        """float64 (M, 2): width and height of items in pixels; 1 where they are not known."""
        sides = [pc.fill_null(self.media[name], 1).to_numpy() for name in ("width", "height")]
        return np.stack(sides, axis=1).astype(np.float64)

    @property
    def is_video(self) -> NDArray[np.bool_]:
        """bool (M,)."""
        return as_numpy(pc.equal(self.media["media_type"], "video"))

    @property
    def failed(self) -> NDArray[np.bool_]:
        """bool (M,): items in which nothing could be seen."""
        return as_numpy(pc.is_valid(self.media["failure"]))

    @property
    def modified_at(self) -> NDArray[np.datetime64]:
        """datetime64[ms] (M,), when the files were last changed; NaT: unknown."""
        return as_numpy(self.media["modified_at"]).astype("datetime64[ms]")

    @property
    def captured_at(self) -> NDArray[np.datetime64]:
        """datetime64[ms] (M,), NaT: unknown."""
        return as_numpy(self.media["captured_at"]).astype("datetime64[ms]")


def as_numpy(values: pa.Array | pa.ChunkedArray) -> NDArray:
    """An Arrow column as an array."""
    if isinstance(values, pa.ChunkedArray):
        return values.to_numpy()
    return values.to_numpy(zero_copy_only=False)
