"""Which picture is asked for: of a file by its id, and of a box by its number, never by a path."""

from __future__ import annotations

from collections.abc import Mapping

from detector.exports.pictures.blurring import Blur, hidden_in
from detector.exports.pictures.hidden import Area, HiddenAreas
from detector.exports.pictures.media_files import locate
from detector.review.asked import AskedError
from detector.review.pictures import Crop, PictureTask
from detector.review.sight import Sight
from detector.store.records import DetectionRecord, MediaRecord


def crop_task(sight: Sight, roots: Mapping[str, str], blur: Blur, media: str, frame: int, box: int) -> PictureTask:
    """The crop of a box, with those of the others of its frame that are on the page.

    Raises:
        AskedError: There is no such box.
        HoopoeError: The store's path of the file leads out of its card.
    """
    record = _record(sight, media)
    boxes = sight.boxes
    rows = boxes.rows_of_media(media)
    listed = {int(boxes.box[row]) for row in rows if boxes.frame[row] == frame and boxes.listed[row]}
    crops = [found for found in record.detections if found.frame_number == frame and found.box in {*listed, box}]
    if not any(found.box == box for found in crops):
        raise AskedError("there is no such box", 404)
    return _task(record, roots, blur, frame, tuple(map(_crop, crops)))


def frame_task(
    sight: Sight, roots: Mapping[str, str], blur: Blur, media: str, frame: int, longest_px: int
) -> PictureTask:
    """A photo, or a frame of a video that the detector saw; raises as `crop_task`."""
    record = _record(sight, media)
    if record.failure is not None or frame not in {
        *record.frames,
        *(found.frame_number for found in record.detections),
    }:
        raise AskedError("there is no such frame", 404)
    return _task(record, roots, blur, frame, (), longest_px)


def _record(sight: Sight, media: str) -> MediaRecord:
    record = sight.boxes.record(media)
    if record is None:
        raise AskedError("there is no such file", 404)
    return record


def _task(
    record: MediaRecord,
    roots: Mapping[str, str],
    blur: Blur,
    frame: int,
    crops: tuple[Crop, ...],
    longest_px: int = 0,
) -> PictureTask:
    hidden = HiddenAreas(record.frames, hidden_in(record, blur)).at(frame)
    return PictureTask(
        file=locate(record, dict(roots)),
        video=record.media_type == "video",
        frame_number=frame,
        size_wh=(record.width or 0, record.height or 0),
        hidden=tuple(Area(part.x, part.y, part.w, part.h) for part in hidden),  # the same pictures are one task
        crops=crops,
        longest_px=longest_px,
    )


def _crop(found: DetectionRecord) -> Crop:
    return Crop(found.box, found.x, found.y, found.w, found.h)
