"""Many small pictures on one sheet, each with a line of text: the mistakes worth looking at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detector.plots.detections import load_font

PAPER, INK = (250, 250, 250), (40, 40, 40)
GAP_PX, CAPTION_PX = 8, 20


@dataclass(frozen=True, eq=False)
class Closeup:
    """A square cut out of a picture around a box, scaled.

    Args:
        image_rgb: uint8 (S, S, 3); black where the square leaves the picture.
        origin_xy: The square's top left corner in the picture, pixels.
        scale: Pixels of the closeup for one of the picture.
    """

    image_rgb: NDArray[np.uint8]
    origin_xy: NDArray[np.float64]
    scale: float

    def place(self, boxes_xyxy: ArrayLike) -> NDArray[np.float64]:
        """Boxes (N, 4) of the picture in pixels of the closeup."""
        boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
        return (boxes - np.tile(self.origin_xy, 2)) * self.scale


def closeup(image_rgb: NDArray[np.uint8], box_xyxy: ArrayLike, size_px: int, least_px: float = 96.0) -> Closeup:
    """Cut out the surroundings of a box, three times its longer side wide.

    Args:
        image_rgb: uint8 (H, W, 3).
        box_xyxy: (4,), pixels.
        size_px: Side of the closeup.
        least_px: Least side of the square in the picture: a bird of 5 pixels needs its sky to be recognised.
    """
    from PIL import Image

    left, top, right, bottom = np.asarray(box_xyxy, dtype=np.float64).tolist()
    height, width = image_rgb.shape[:2]
    side = min(max(3 * max(right - left, bottom - top), least_px), float(max(width, height)))
    # moved into the picture where it fits, so that a bird at the edge does not get half a black square
    x = float(np.clip((left + right - side) / 2, min(0.0, width - side), max(0.0, width - side)))
    y = float(np.clip((top + bottom - side) / 2, min(0.0, height - side), max(0.0, height - side)))
    square = Image.fromarray(image_rgb).transform(
        (size_px, size_px),
        Image.Transform.EXTENT,
        (x, y, x + side, y + side),
        resample=Image.Resampling.BICUBIC,
    )
    return Closeup(np.asarray(square), np.array([x, y]), size_px / side)


def contact_sheet(
    tiles: Sequence[NDArray[np.uint8] | None], captions: Sequence[str], tile_px: int = 240, columns: int = 4
) -> NDArray[np.uint8]:
    """Lay tiles out in rows.

    Args:
        tiles: uint8 (tile_px, tile_px, 3) each; None is an empty frame, for a picture that could not be read.
        captions: A line for each, cut off where it would leave its tile.
        tile_px: Side of a tile.
        columns: Tiles in a row.

    Returns:
        uint8 (H, W, 3); one line of text if there are no tiles.
    """
    from PIL import Image, ImageDraw

    font = load_font(12)
    rows = max(1, -(-len(tiles) // columns))
    step_x, step_y = tile_px + GAP_PX, tile_px + CAPTION_PX + GAP_PX
    height = rows * step_y + GAP_PX if tiles else 2 * CAPTION_PX
    sheet = Image.new("RGB", (columns * step_x + GAP_PX, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    if not tiles:
        pen.text((GAP_PX, GAP_PX), "none", font=font, fill=INK)
    for n, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = GAP_PX + n % columns * step_x, GAP_PX + n // columns * step_y
        pen.rectangle((x, y, x + tile_px - 1, y + tile_px - 1), fill=(225, 225, 225))
        if tile is None:
            pen.text((x + GAP_PX, y + GAP_PX), "picture cannot be read", font=font, fill=INK)
        else:
            sheet.paste(Image.fromarray(tile), (x, y))
        while caption and pen.textlength(caption, font=font) > tile_px:
            caption = caption.rstrip("…")[:-1] + "…" if len(caption) > 1 else ""
        pen.text((x, y + tile_px + 3), caption, font=font, fill=INK)
    return np.asarray(sheet)
