"""The boundary where photos come in."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.fuzz.harness import Boundary

MOST_PIXELS = 10_000_000  # a claim below the usual limit takes its memory, by design
WAYS: tuple[tuple[str, str, dict[str, object]], ...] = (
    *(("JPEG", mode, options) for mode in ("L", "RGB", "CMYK") for options in ({}, {"progressive": True})),
    ("JPEG", "RGB", {"restart_marker_blocks": 2}),
    *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("TIFF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F")),
    *(("TIFF", "RGB", {"compression": each}) for each in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
    *(("WEBP", "RGBA", {"lossless": lossless}) for lossless in (False, True)),
    *((kind, "RGB", {}) for kind in ("BMP", "JPEG2000", "PPM", "MPO")),
    *(("GIF", "P", {"save_all": True, "append": frames}) for frames in (0, 2)),
)


def make_pictures(folder: Path) -> Sequence[bytes]:
    return list(_pictures())


def _pictures() -> Iterator[bytes]:
    from PIL import ExifTags, Image

    scene = np.random.default_rng(3).integers(0, 256, (24, 40, 3), np.uint8)
    grey, exif = scene[..., 0], Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:03 06:00:00"
    wide = {"I;16": grey.astype(np.uint16) * 257, "I": grey.astype(np.int32) * 300, "F": grey.astype(np.float32)}
    for kind, mode, given in WAYS:
        image = Image.fromarray(wide[mode]) if mode in wide else Image.fromarray(scene).convert(mode)
        options = dict(given)
        options |= {"append_images": [image.rotate(90)] * int(str(options.pop("append", 0)))}
        options |= {"exif": exif} if kind in ("JPEG", "PNG", "TIFF", "WEBP", "MPO") else {}
        image.save(buffer := io.BytesIO(), kind, **options)
        yield buffer.getvalue()


def read_picture(folder: Path) -> None:
    from detector.base.pictures import decode_picture

    whole = decode_picture(folder / "photo.jpg", max_pixels=MOST_PIXELS)
    assert whole.image.dtype == np.uint8
    assert whole.image.shape == (*whole.size_wh[::-1], 3)
    again = decode_picture((folder / "photo.jpg").read_bytes(), max_pixels=MOST_PIXELS)
    assert np.array_equal(whole.image, again.image)
    assert whole.warning == again.warning
    small = decode_picture(folder / "photo.jpg", min_side=6, max_pixels=MOST_PIXELS)
    assert small.size_wh == whole.size_wh


PICTURES = (Boundary("photo", "photo.jpg", make_pictures, read_picture, (b"Exif\0\0", b"\xff\xd9", b"\xff\xda")),)
