"""Times are as the camera wrote them, or none."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detector.footage.discovery import find_media
from detector.footage.metadata import Capture, capture_of_photo, capture_of_video, parse_time, time_in_name
from detector.footage.photos import read_photo

TAKEN = datetime(2021, 5, 17, 6, 30, 15)


@pytest.mark.parametrize(
    "name",
    [
        "20210517_063015.jpg",
        "20210517063015-RCNX0031.JPG",
        "2021-05-17 06-30-15.mp4",
        "2021-05-17T06:30:15.mp4",
        "StationA__2021-05-17__06-30-15(3).JPG",
        "IMG_20210517_063015.JPG",
        "cam10a_20210517_063015_rcnx1035.jpg",
        "VID-2021_05_17_06_30_15.avi",
        "2021.05.17 06.30.15.mov",
        "PXL_20210517_063015.dng.jpg",
    ],
)
def test_times_in_file_names(name: str) -> None:
    assert time_in_name(name) == TAKEN


def test_milliseconds_in_file_names() -> None:
    assert time_in_name("PXL_20210517_063015042.mp4") == TAKEN.replace(microsecond=42_000)


@pytest.mark.parametrize(
    "name",
    ["", "IMG_0001.JPG", "20210517.jpg", "20211332_063015.jpg", "20210517_256015.jpg", "1120210517063015999977.jpg"]
    + ["2021-0517 063015.jpg", "0245_1477.jpg", "19000101_000000.jpg"],
)
def test_what_looks_like_a_time_and_is_none(name: str) -> None:
    assert time_in_name(name) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021:05:17 06:30:15", TAKEN),
        ("2021:05:17 06:30:15\0", TAKEN),
        ("2021-05-17T06:30:15.000000Z", TAKEN),
        ("2021-05-17T06:30:15+0300", TAKEN),
        ("2021-05-17 06:30:15.25", TAKEN.replace(microsecond=250_000)),
        ("2021:05:17 06:30", TAKEN.replace(second=0)),
        ("2021: 5:17  6:30:15", None),
        ("2121:05:17 06:30:15", TAKEN.replace(year=2121)),
        ("0000:00:00 00:00:00", None),
        ("1904-01-01T00:00:00.000000Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("2021:02:30 06:30:15", None),
        ("2021:05:17", None),
        ("    :  :     :  :  ", None),
        ("", None),
        (None, None),
    ],
)
def test_written_times(text: str | None, expected: datetime | None) -> None:
    assert parse_time(text) == expected


@given(st.text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    for found in (parse_time(text, text), time_in_name(text)):
        assert found is None or isinstance(found, datetime)


def test_of_several_exif_times_the_shutter_counts() -> None:
    image = Image.new("RGB", (8, 8))
    exif = image.getexif()
    exif[0x0132] = "2023:01:01 00:00:00"
    assert capture_of_photo(image.getexif(), "a.jpg") == Capture(datetime(2023, 1, 1), "exif", None)
    exif.get_ifd(0x8769)[0x9004] = "2022:01:01 00:00:00"
    assert capture_of_photo(image.getexif(), "a.jpg").captured_at == datetime(2022, 1, 1)
    exif.get_ifd(0x8769)[0x9003] = "2021:05:17 06:30:15"
    assert capture_of_photo(image.getexif(), "a.jpg").captured_at == TAKEN
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    assert capture_of_photo(image.getexif(), "20210517_063015.jpg").captured_at == datetime(2022, 1, 1)


def test_local_time_of_a_phone_goes_before_utc() -> None:
    tags = {
        "creation_time": "2021-05-17T03:30:15.000000Z",
        "com.apple.quicktime.creationdate": "2021-05-17T06:30:15+0300",
        "com.apple.quicktime.model": "iPhone 12",
    }
    assert capture_of_video(tags, "a.mov") == Capture(TAKEN, "container", "iPhone 12")
    assert capture_of_video({}, "a.mov") == Capture()


def test_no_time_is_ever_the_disks(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    assert read_photo(tmp_path / "a.jpg").capture == Capture()


def test_real_photos_agree_with_the_times_in_their_names(footage: Path) -> None:
    items = list(find_media(footage / "camtrapR_stations/sample_images_species_tag", "card"))
    agreeing = 0
    for item in items[::5]:
        capture = read_photo(item.file).capture
        assert capture.captured_from == "exif"
        assert capture.camera_model == "CUDDEBACK"
        agreeing += capture.captured_at == time_in_name(item.path)
    assert agreeing == len(items[::5])
