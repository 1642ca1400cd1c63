"""coco-camera-traps.json: COCO Camera Traps, COCO with sequences, places and times.

Source: lila.science/coco-camera-traps. Ids of images and annotations are texts; category 0 is "empty", and a blank
picture has one annotation of it, without a box; where the detector did not look at it, `remarks` says why. `location`
is the deployment, `seq_id` the burst or the video, and `datetime` the camera's local time after its clock's correction,
of a video's frame that of the video's start. Frames of videos are named VIDEO/frame000123.jpg.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detector.base.version import __version__
from detector.exports.coco import SCORE_DIGITS, Categories
from detector.exports.files import whole_text
from detector.exports.json_stream import Spool, write_object
from detector.exports.names import FileNames
from detector.exports.pictures.frames import AnnotatedImage, annotated_images, pixel_box
from detector.exports.sequences import SequencePlace, photo_places
from detector.exports.source import ExportOptions, ExportSource

EMPTY = {"id": 0, "name": "empty"}


def write_coco_camera_traps(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write coco-camera-traps.json."""
    path = folder / "coco-camera-traps.json"
    with Spool(folder) as annotations, whole_text(path) as out:
        write_object(out, _members(source, options, annotations))
    return [path]


def _members(source: ExportSource, options: ExportOptions, annotations: Spool) -> Iterator[tuple[str, object]]:
    categories = Categories(source)
    yield "info", {"version": __version__, "description": options.title, "contributor": options.contributor}
    yield "images", _images(source, options, categories, annotations)
    yield "annotations", annotations.items()
    yield "categories", [EMPTY, *({"id": one["id"], "name": one["name"]} for one in categories.as_coco())]


def _images(
    source: ExportSource, options: ExportOptions, categories: Categories, annotations: Spool
) -> Iterator[dict[str, object]]:
    names = FileNames(source.run.cards)
    photos = photo_places(source)
    for record in source.media():
        video = record.media_type == "video"
        place = next(photos) if not video and record.failure is None else None
        pictures = list(annotated_images(record, options.score_threshold, names))
        for index, picture in enumerate(pictures):
            for annotation in _annotations(picture, categories):
                annotations.add(annotation)
            yield _image(picture, place or SequencePlace(index, len(pictures)))


def _image(picture: AnnotatedImage, place: SequencePlace) -> dict[str, object]:
    record = picture.record
    image: dict[str, object] = {
        "id": picture.key,
        "file_name": picture.name,
        "width": picture.size_wh[0],
        "height": picture.size_wh[1],
        "location": record.deployment_id,
        "seq_id": record.sequence_id,
        "seq_num_frames": place.seq_num_frames,
        "frame_num": place.frame_num,
    }
    if record.timestamp is not None:
        image["datetime"] = record.timestamp.isoformat(" ", "seconds")
    return image


def _annotations(picture: AnnotatedImage, categories: Categories) -> Iterator[dict[str, object]]:
    if not picture.found:
        passed_over = None if picture.record.blank_by else picture.record.passed_over
        yield {
            "id": f"{picture.key}_empty",
            "image_id": picture.key,
            "category_id": 0,
            "sequence_level_annotation": False,
            **({"remarks": f"passed over: {passed_over}"} if passed_over else {}),
        }
    for number, found in enumerate(picture.found):
        box = {"bbox": pixel_box(found, picture.size_wh), "score": round(float(found.score), SCORE_DIGITS)}
        yield _annotation(picture, str(number), categories.id_of(found)) | box


def _annotation(picture: AnnotatedImage, number: str, category_id: int) -> dict[str, object]:
    return {
        "id": f"{picture.key}_{number}",
        "image_id": picture.key,
        "category_id": category_id,
        "sequence_level_annotation": False,
    }
