"""Many small pictures on one sheet, each with its caption and a frame that says right or wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

RIGHT, WRONG, PAPER, INK = (46, 140, 70), (200, 40, 40), (250, 250, 248), (30, 30, 30)
FRAME, CAPTION_HEIGHT, FONT_SIZE = 4, 34, 12  # pixels


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet.

    Attributes:
        picture: RGB (H, W, 3), uint8.
        caption: One or two short lines.
        right: Whether the caption is right, which gives the frame its colour.
    """

    picture: NDArray[np.uint8]
    caption: str
    right: bool


def contact_sheet(tiles: Sequence[Tile], columns: int, side: int = 176) -> Image.Image:
    """Draw the tiles row by row, each picture fitted into a square.

    Args:
        tiles: What to show; none gives an empty row.
        columns: Tiles a row.
        side: Side of each square in pixels.

    Returns:
        An RGB image.
    """
    cell_width, cell_height = side + 2 * FRAME, side + 2 * FRAME + CAPTION_HEIGHT
    rows = max(1, -(-len(tiles) // columns))
    sheet = Image.new("RGB", (columns * cell_width, rows * cell_height), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)
    for index, tile in enumerate(tiles):
        left, top = index % columns * cell_width, index // columns * cell_height
        picture = Image.fromarray(tile.picture)
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        corner = (left + (cell_width - picture.width) // 2, top + FRAME + (side - picture.height) // 2)
        sheet.paste(picture, corner)
        frame = (left + 1, top + 1, left + cell_width - 2, top + side + 2 * FRAME - 2)
        draw.rectangle(frame, outline=RIGHT if tile.right else WRONG, width=FRAME - 1)
        draw.multiline_text((left + FRAME, top + side + 2 * FRAME), tile.caption, fill=INK, font=font, spacing=2)
    return sheet
