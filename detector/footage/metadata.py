"""When a photo or video was taken, and by which camera, as the file itself says: never by the disk's times.

Of several times the first in the order of trust counts whose year can be a camera's; where there is none such, what the
camera wrote is kept, so that a person can correct its clock.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from detector.footage.avi import avi_dates
from detector.footage.written_times import is_ambiguous, is_local, parse_time, time_in_name

CAMERA_YEARS = range(1980, 2100)  # clocks that were never set begin in 1904 or 1970, FAT's in 1980

_EXIF_TIMES = (  # in the order of trust: the shutter, the scan, the last change of the file; each with its sub-seconds
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.SubsecTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.SubsecTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.SubsecTime),
)
_LOCAL_TIMES = ("com.apple.quicktime.creationdate", "date", "date_recorded", "creation_time")  # where it tells its zone
_CONTAINER_TIMES = ("idit", "creation_time", "date", "date_recorded", "date_digitized", "icrd", "wm/encodingtime")
_CONTAINER_MODELS = ("com.apple.quicktime.model", "com.android.model", "model")


@dataclass(frozen=True)
class Capture:
    """When and by what a picture was taken.

    Attributes:
        captured_at: As the camera wrote it, without a zone, to the millisecond; of the start of a video; None: unknown.
        captured_from: exif, container or filename; None with captured_at.
        camera_model: As the camera wrote it.
        doubt: Why a time that is written counts as none; None: there is no such time.
    """

    captured_at: datetime | None = None
    captured_from: str | None = None
    camera_model: str | None = None
    doubt: str | None = None


def capture_of_photo(exif: Image.Exif, name: str) -> Capture:
    """Read a photo's EXIF block, else its name.

    Args:
        exif: As Pillow reads it.
        name: The file's name, after its folder's where that is known.
    """
    tags: dict[int, object] = {}
    readers: tuple[Callable[[], Mapping[int, object]], ...] = (lambda: exif, lambda: exif.get_ifd(ExifTags.IFD.Exif))
    for read in readers:
        # a damaged block raises whatever its bytes lead to, and must not cost the picture
        with suppress(Exception), warnings.catch_warnings(action="ignore"):
            tags.update(read())
    times = [(_text(tags.get(time)), _text(tags.get(fraction))) for time, fraction in _EXIF_TIMES]
    return _capture(times, "exif", name, _text(tags.get(ExifTags.Base.Model)))


def capture_of_video(metadata: Mapping[str, str], name: str) -> Capture:
    """Read a video container's tags, else the file's name.

    A time that tells its zone is local and goes before the others. MP4 files should hold UTC and often hold local time:
    it is kept as written, its source says "container".

    Args:
        metadata: See `video_tags`.
        name: The file's name, after its folder's where that is known.
    """
    tags = {key.lower(): _text(value) for key, value in metadata.items()}
    local = [tags.get(key) for key in _LOCAL_TIMES]
    times = [text for text in local if is_local(text)]
    times += [local[0], *(tags.get(key) for key in _CONTAINER_TIMES)]
    model = next((text for key in _CONTAINER_MODELS if (text := tags.get(key))), None)
    return _capture([(text, None) for text in times], "container", name, model)


def video_tags(container: Any, file: Path) -> dict[str, str]:
    """The tags of an open container of PyAV, else of its first video stream, and the dates of an AVI file."""
    streams = container.streams.video
    return {**(streams[0].metadata if streams else {}), **container.metadata, **avi_dates(file)}


def _capture(times: Sequence[tuple[str | None, str | None]], source: str, name: str, model: str | None) -> Capture:
    """The time that counts of written ones, each with its sub-seconds, and the one in the name."""
    found = [(taken, source) for text, fraction in times if (taken := parse_time(text, fraction))]
    if named := time_in_name(name):
        found.append((named, "filename"))
    for taken, origin in found:
        if taken.year in CAMERA_YEARS:
            return Capture(taken, origin, model)
    if found:
        return Capture(*found[0], model)
    for text, _ in times:
        if is_ambiguous(text):
            return Capture(None, None, model, f"its time '{text}' begins with the day or the month: it counts as none")
    return Capture(None, None, model)


def _text(value: object) -> str | None:
    """A tag's value without the padding that cameras write around it; None where nothing is left."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str):
        return None
    return value.partition("\0")[0].strip() or None
