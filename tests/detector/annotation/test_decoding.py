"""What the reading processes tell of files that cannot be read: still when they were taken."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from backbones.errors import HoopoeError
from detector.annotation.decoding import CropTask, DecodeOptions, DecodeTask, perform
from detector.annotation.values import ItemFacts
from detector.data.resizing import SizeRule
from detector.types import MediaItem

LOOKING = DecodeOptions(SizeRule(32, 64))


def item(path: Path) -> MediaItem:
    kind = "video" if path.suffix == ".mp4" else "photo"
    return MediaItem("card", path.name, kind, path.stat().st_size, path)  # type: ignore[arg-type]


def torn_photo(path: Path) -> MediaItem:
    """A photo whose end is missing."""
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "HF2"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:01 06:30:15"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return item(path)


def facts_of(task: DecodeTask | CropTask) -> ItemFacts:
    facts = None
    with pytest.raises(HoopoeError):
        for facts in perform(task):  # noqa: B007 the last one counts
            pass
    assert isinstance(facts, ItemFacts)
    return facts


def test_torn_photo_keeps_its_time_and_camera(tmp_path: Path) -> None:
    photo = torn_photo(tmp_path / "IMG_0001.jpg")
    for task in (DecodeTask(photo, LOOKING), CropTask(photo, {}, {}, (32, 32))):
        facts = facts_of(task)
        assert (facts.captured_at, facts.captured_from) == (datetime(2024, 5, 1, 6, 30, 15), "exif")
        assert (facts.camera_model, len(facts.content_hash or "") > 0) == ("HF2", True)


@pytest.mark.parametrize("name", ["20240501_063015.jpg", "20240501_063015.mp4"])
def test_file_without_a_head_has_the_time_of_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no picture at all")
    facts = facts_of(DecodeTask(item(tmp_path / name), LOOKING))
    assert (facts.captured_at, facts.captured_from) == (datetime(2024, 5, 1, 6, 30, 15), "filename")


def test_empty_file_without_a_telling_name_has_no_time(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001.jpg").write_bytes(b"")
    assert facts_of(DecodeTask(item(tmp_path / "IMG_0001.jpg"), LOOKING)).captured_at is None
