"""What the reading processes tell of files that cannot be read: still when they were taken."""

from __future__ import annotations

import io
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from backbones.errors import HoopoeError
from detector.annotation.decoding import CropTask, DecodedFrame, DecodeOptions, DecodeTask, perform
from detector.annotation.values import ItemFacts
from detector.base.objects import fetching
from detector.base.objects.address import Address
from detector.base.objects.errors import ObjectMissingError, ServiceError
from detector.base.objects.service import put_object
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


@pytest.mark.parametrize("there", [True, False])
def test_while_an_object_is_on_its_way_signs_of_life_come(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    address = Address("memory", f"of-readers-{there}", "20240501_063015.jpg")
    data = io.BytesIO()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(data, "jpeg")
    if there:
        put_object(address, data.getvalue())
    may_come, fetch = threading.Event(), fetching.fetch

    def slow(*given: object) -> None:
        assert may_come.wait(30)
        fetch(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(fetching, "fetch", slow)
    monkeypatch.setattr(fetching, "SIGN_OF_LIFE_S", 0.001)
    task = DecodeTask(MediaItem("card", address.name, "photo", 5 * (not there), address), LOOKING)
    coming = perform(task)
    assert [next(coming) for _ in range(3)] == [ItemFacts()] * 3
    may_come.set()
    if there:
        assert isinstance(list(coming)[-1], DecodedFrame)
        return
    last = None
    with pytest.raises(ObjectMissingError):
        for last in coming:  # noqa: B007 the last one counts
            pass
    assert isinstance(last, ItemFacts)
    assert last.captured_from == "filename"


def test_an_object_that_never_comes_is_a_sick_service(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(fetching, "fetch", lambda *_: ended.wait(30))
    monkeypatch.setattr(fetching, "SIGN_OF_LIFE_S", 0.001)
    monkeypatch.setattr(fetching, "LONGEST_FETCH_S", 0.0)
    address = Address("memory", "of-readers", "x.jpg")
    with pytest.raises(ServiceError, match="has not come"):
        list(perform(DecodeTask(MediaItem("card", "x.jpg", "photo", 5, address), LOOKING)))
    ended.set()
