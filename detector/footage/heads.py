"""When and by what a file was taken, from its head alone: no pixel is read."""

from __future__ import annotations

import av

from backbones.inference.images import open_header
from detector.base.files import open_regular
from detector.base.objects.address import on_disk
from detector.footage.metadata import Capture, capture_of_photo, capture_of_video, video_tags
from detector.types import MediaItem


def capture_of_head(item: MediaItem) -> Capture:
    """What a file's head says; a file that cannot be opened has what its name says, if anything."""
    try:
        return _capture(item)
    except Exception:  # whatever damaged files lead decoders to; `annotate` reports them
        return capture_of_name(item)


def capture_of_name(item: MediaItem) -> Capture:
    """What a file's name says, if anything; the file need not be there."""
    return capture_of_video({}, str(item.file))


def _capture(item: MediaItem) -> Capture:
    if item.media_type == "photo":
        with open_regular(on_disk(item.file), what="photo") as file, open_header(file) as image:
            return capture_of_photo(image.getexif(), str(item.file))
    with av.open(str(item.file), options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
        return capture_of_video(video_tags(container, on_disk(item.file)), str(item.file))
