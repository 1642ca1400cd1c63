"""When a photo or video was taken, and by which camera, as the file itself says: never by the disk's times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from PIL import ExifTags, Image

EARLIEST_YEAR = 1980  # containers begin to count in 1904 or 1970, and FAT in 1980: what is earlier was never set

_EXIF_TIMES = (  # in the order of trust: the shutter, the scan, the last change of the file; each with its sub-seconds
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.SubsecTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.SubsecTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.SubsecTime),
)
_CONTAINER_TIMES = ("com.apple.quicktime.creationdate", "creation_time", "date")  # the first one is local time
_CONTAINER_MODELS = ("com.apple.quicktime.model", "com.android.model", "model")
_NUMERIC_TIME = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})\D(\d{1,2})\D(\d{1,2})(?:\D(\d{1,2})(?:[.,](\d{1,6}))?)?")
_NAMED_TIME = re.compile(  # 20210517_063015, 2021-05-17 06-30-15, 20210517063015, StationA__2009-04-28__17-48-00(3)
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)[-_ .T]{0,2}(\d\d)([-_.:h]?)(\d\d)\6(\d\d)(?:[._]?(\d{3}))?(?!\d)"
)


@dataclass(frozen=True)
class Capture:
    """When and by what a picture was taken.

    Attributes:
        captured_at: As the camera wrote it, without a zone, to the millisecond; of the start of a video; None: unknown.
        captured_from: exif, container or filename; None with captured_at.
        camera_model: As the camera wrote it.
    """

    captured_at: datetime | None = None
    captured_from: str | None = None
    camera_model: str | None = None


def capture_of_photo(exif: Image.Exif, name: str) -> Capture:
    """Read a photo's EXIF block, else its name.

    Args:
        exif: As Pillow reads it.
        name: The file's name.
    """
    try:
        tags: dict[int, object] = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # a damaged EXIF block raises whatever its bytes lead to, and must not cost the picture
        tags = {}
    model = _text(tags.get(ExifTags.Base.Model))
    for time_tag, fraction_tag in _EXIF_TIMES:
        if taken := parse_time(_text(tags.get(time_tag)), _text(tags.get(fraction_tag))):
            return Capture(taken, "exif", model)
    return _by_name(name, model)


def capture_of_video(metadata: Mapping[str, str], name: str) -> Capture:
    """Read a video container's tags, else the file's name.

    MP4 files should hold UTC and often hold local time: it is kept as written, its source says "container".

    Args:
        metadata: The tags of the container, and of the video stream where the container lacks them.
        name: The file's name.
    """
    tags = {key.lower(): value for key, value in metadata.items()}
    model = next((text for key in _CONTAINER_MODELS if (text := _text(tags.get(key)))), None)
    for key in _CONTAINER_TIMES:
        if taken := parse_time(tags.get(key)):
            return Capture(taken, "container", model)
    return _by_name(name, model)


def time_in_name(name: str) -> datetime | None:
    """The date and time in a file's name, such as 20210517_063015 or 2021-05-17 06-30-15; None where there is none."""
    for match in _NAMED_TIME.finditer(PurePath(name).stem):
        year, _, month, day, hour, _, minute, second, millisecond = match.groups()
        if taken := _time(year, month, day, hour, minute, second, millisecond):
            return taken
    return None


def parse_time(text: str | None, fraction: str | None = None) -> datetime | None:
    """A written date and time, to the millisecond and as written: a zone that follows it is dropped.

    Args:
        text: Such as 2021:05:17 06:30:15 (EXIF) or 2021-05-17T06:30:15.000000Z (containers).
        fraction: The digits after the decimal point of the seconds, where a tag of its own holds them.

    Returns:
        None if it is no date and time, or one before `EARLIEST_YEAR`: a clock that was never set.
    """
    match = _NUMERIC_TIME.match((text or "").strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, decimals = match.groups()
    digits = re.match(r"\d+", (fraction or "").strip())
    return _time(year, month, day, hour, minute, second, digits[0] if digits else decimals)


def _time(
    year: str, month: str, day: str, hour: str, minute: str, second: str | None, fraction: str | None
) -> datetime | None:
    try:
        milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
        taken = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), milliseconds * 1000)
    except ValueError:  # the 31st of June, or 0000:00:00
        return None
    return taken if taken.year >= EARLIEST_YEAR else None


def _by_name(name: str, model: str | None) -> Capture:
    taken = time_in_name(name)
    return Capture(taken, "filename" if taken else None, model)


def _text(value: object) -> str | None:
    """A tag's value without the padding that cameras write around it; None where nothing is left."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str):
        return None
    return value.partition("\0")[0].strip() or None
