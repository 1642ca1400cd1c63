"""Times are as the camera wrote them, or none."""

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detector.footage.avi import avi_dates
from detector.footage.discovery import find_media
from detector.footage.metadata import Capture, capture_of_photo, capture_of_video
from detector.footage.photos import read_photo
from detector.footage.written_times import is_ambiguous, is_local, parse_time, time_in_name

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
        "Screenshot 2021-05-17 at 06.30.15.png",
        "2021-05-17 06-30-15 AM.jpg",
        "2021-05-17T06_30_15Z.jpg",
        "motion/2021-05-17/06-30-15.mp4",
        "20210517/06.30.15-01.jpg",
        "2020-01-01/20210517_063015.jpg",
    ],
)
def test_times_in_file_names(name: str) -> None:
    assert time_in_name(name) == TAKEN


def test_milliseconds_in_file_names() -> None:
    assert time_in_name("PXL_20210517_063015042.mp4") == TAKEN.replace(microsecond=42_000)


@pytest.mark.parametrize(
    ("name", "hour", "minute"),
    [
        ("2021-05-17 06-30-00 PM.jpg", 18, 30),
        ("2021-05-17_12-15-00_am.avi", 0, 15),
        ("CAM1_2021-05-17_18-05.jpg", 18, 5),
    ],
)
def test_hours_in_file_names(name: str, hour: int, minute: int) -> None:
    assert time_in_name(name) == datetime(2021, 5, 17, hour, minute)


@pytest.mark.parametrize(
    "name",
    ["", "IMG_0001.JPG", "20210517.jpg", "20211332_063015.jpg", "20210517_256015.jpg", "1120210517063015999977.jpg"]
    + ["2021-0517 063015.jpg", "0245_1477.jpg", "19000101_000000.jpg", "20210517_0630.jpg", "21-05-17_0630.mp4"]
    + ["2021-05-17/063015.jpg", "2021-05-17/06-30.jpg", "2021-05-17/a/06-30-15.jpg", "100RECNX/06-30-15.jpg"]
    + ["2021-05-17_12-34-567.jpg", "IMG-20210517-WA0001.jpg", "1621233015.jpg", "IMG_05-06-2021_063015.jpg"],
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
        ("2021: 5:17  6:30:15", TAKEN),
        ("2021/05/17 06:30:15", TAKEN),
        ("2021/ 5/17  6:30AM", TAKEN.replace(second=0)),
        ("2021/05/17/ 06:30", TAKEN.replace(second=0)),
        ("2021:05:17 06:30:15 PM", TAKEN.replace(hour=18)),
        ("2021:05:17 12:30:15 a.m.", TAKEN.replace(hour=0)),
        ("2021:05:17 18:30:15 PM", TAKEN.replace(hour=18)),
        ("2021:05:17 18:30:15 AM", None),
        ("2021-05-17T06:30+03:00", TAKEN.replace(second=0)),
        ("2021-05-17T06:30:15+99:99", TAKEN),
        ("20210517T063015", TAKEN),
        ("2021:05:17 24:00:00", datetime(2021, 5, 18)),
        ("2021:05:17 24:30:15", None),
        ("2021:05:17 06:29:60", TAKEN.replace(second=0)),
        ("9999:12:31 24:00:00", None),
        ("Mon May 17 06:30:15 2021", TAKEN),
        ("MON MAY 17 06:30:15 2021\n\0", TAKEN),
        ("MAY 17 06:30:15 2021", TAKEN),
        ("Mon May 17 06:30:15 IDT 2021", TAKEN),
        ("Mon, 17 May 2021 06:30:15 +0300", TAKEN),
        ("May 17, 2021 6:30:15 AM", TAKEN),
        ("Mon Foo 17 06:30:15 2021", None),
        ("17.05.2021 06:30:15", TAKEN),
        ("05.06.2021 06:30:15", datetime(2021, 6, 5, 6, 30, 15)),
        ("05/17/2021 06:30 AM", TAKEN.replace(second=0)),
        ("17/05/2021 06:30:15", TAKEN),
        ("05/06/2021 06:30:15", None),
        ("05/05/2021 06:30:15", TAKEN.replace(day=5)),
        ("21:05:17 06:30:15", None),
        ("1970-01-01T00:00:13Z", datetime(1970, 1, 1, 0, 0, 13)),
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


def test_a_date_that_may_begin_with_day_or_month_is_told() -> None:
    assert is_ambiguous("05/06/2021 06:30:15")
    assert not any(
        map(is_ambiguous, (None, "", "17/05/2021 06:30", "05/05/2021 06:30", "05.06.2021 06:30", "05/06/2021"))
    )
    capture = capture_of_video({"date": "05/06/2021 06:30:15"}, "a.avi")
    assert capture.captured_at is None
    assert capture.doubt == "its time '05/06/2021 06:30:15' begins with the day or the month: it counts as none"
    assert capture_of_video({"date": "05/06/2021 06:30:15"}, "20210517_063015.avi") == Capture(TAKEN, "filename")


@pytest.mark.parametrize(
    "text", ["2021-05-17T06:30:15+0300", "2021-05-17 06:30-03:00", "2021-05-17T06:30:15.25 +03:00"]
)
def test_an_offset_makes_a_time_local(text: str) -> None:
    assert is_local(text)
    assert not is_local(text.rstrip("0123456789+-: "))
    assert not is_local("2021-05-17T03:30:15Z")


@given(st.text(st.sampled_from("0123456789:/-. TZapmMAYfri+\0"), max_size=32))
def test_what_looks_like_a_time_is_one_or_none(text: str) -> None:
    for found in (parse_time(text, text), time_in_name(text)):
        assert found is None or found > datetime(1970, 1, 1)


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


@pytest.mark.parametrize("key", ["date", "DATE_RECORDED", "creation_time"])
def test_a_date_with_its_zone_goes_before_utc(key: str) -> None:
    tags = {"creation_time": "2021-05-17T03:30:15.000000Z", key: "2021-05-17T06:30:15+0300"}
    assert capture_of_video(tags, "a.mp4").captured_at == TAKEN


def test_a_date_without_zone_or_clock_does_not(tmp_path: Path) -> None:
    tags = {"creation_time": "2021-05-17T06:30:15.000000Z", "date": "2021-05-18 01:00:00"}
    assert capture_of_video(tags, "a.mp4").captured_at == TAKEN
    assert capture_of_video({"date": "2021"}, "a.mp4") == Capture()


@pytest.mark.parametrize("unset", ["1970:01:01 00:00:13", "2106:02:07 06:28:15", "9999:12:31 23:59:59"])
def test_a_clock_that_cannot_be_right_is_read_only_where_nothing_else_is(unset: str) -> None:
    exif = Image.Exif()
    exif[0x0132] = unset
    assert capture_of_photo(exif, "20210517_063015.jpg") == Capture(TAKEN, "filename")
    assert capture_of_photo(exif, "a.jpg") == Capture(parse_time(unset), "exif")


def test_a_damaged_exif_block_keeps_what_stands_before_it() -> None:
    class Damaged(Image.Exif):
        def get_ifd(self, tag: int) -> dict[int, object]:
            raise ValueError("beyond the block")

    exif = Damaged()
    exif[0x0132] = "2021:05:17 06:30:15"
    assert capture_of_photo(exif, "a.jpg").captured_at == TAKEN


def _riff(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


@pytest.mark.parametrize("text", [b"MAY 17 06:30:15 2021\n\0", b"2021:05:17 06:30:15", b"2021/ 5/17/  6:30:15"])
@pytest.mark.parametrize("place", ["IDIT", "ICRD"])
def test_dates_of_avi_in_every_form(tmp_path: Path, text: bytes, place: str) -> None:
    date = _riff(place.encode(), text)
    header = _riff(b"LIST", b"hdrl" + _riff(b"avih", bytes(56)) + (date if place == "IDIT" else b""))
    frames = _riff(b"LIST", b"movi" + _riff(b"00dc", b"IDIT" + bytes(99)))
    info = b"" if place == "IDIT" else _riff(b"LIST", b"INFO" + _riff(b"ISFT", b"odd") + date)
    (tmp_path / "a.avi").write_bytes(_riff(b"RIFF", b"AVI " + header + frames + info))
    assert capture_of_video(avi_dates(tmp_path / "a.avi"), "a.avi").captured_at == TAKEN


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"RIFF\xff\xff\xff\xffAVI IDIT\xff\xff\xff\xff", b"RIFF\0\0\0\0AVI " + b"LIST\0\0\0\0hdrl" * 9999],
)
def test_dates_of_damaged_avi_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.avi").write_bytes(content)
    assert set(avi_dates(tmp_path / "a.avi").values()) <= {""}
    assert avi_dates(tmp_path / "none.avi") == {}


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
