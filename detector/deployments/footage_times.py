"""When and by what files on cards were taken: from their heads alone."""

from __future__ import annotations

import av

from backbones.inference.images import open_header
from detector.base.files import open_regular
from detector.deployments.template import Taken
from detector.footage.metadata import Capture, capture_of_photo, capture_of_video, video_tags
from detector.types import MediaItem


def taken_of_file(item: MediaItem) -> Taken:
    """What a file's head says; a file that cannot be opened has what its name says, if anything."""
    try:
        capture = _capture(item)
    except Exception:  # whatever damaged files lead decoders to; `annotate` reports them
        capture = capture_of_video({}, item.file.name)
    return Taken(item.card, item.path, capture.captured_at, capture.camera_model)


def _capture(item: MediaItem) -> Capture:
    if item.media_type == "photo":
        with open_regular(item.file, what="photo") as file, open_header(file) as image:
            return capture_of_photo(image.getexif(), item.file.name)
    with av.open(str(item.file), options={"protocol_whitelist": "file"}) as container:
        return capture_of_video(video_tags(container, item.file), item.file.name)
