"""coco.json: pictures and boxes in COCO's format, with a score an annotation.

It serves for training as it is, and for evaluation: its annotations are COCO results, once the image ids are joined to
those of the ground truth by file_name. Videos are there as their sampled frames, VIDEO/frame000123.jpg. Categories are
the detector's, in its order and with ids from 1; where a classifier named birds, the taxa follow, and `score` is then
that of the taxon (species_score), else the detector's. What a person said wins over the detector's label. Blank
pictures are there without annotations; what could not be read is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from detector.base.version import __version__
from detector.exports.files import whole_text
from detector.exports.json_stream import Spool, write_object
from detector.exports.names import FileNames
from detector.exports.pictures.frames import AnnotatedImage, annotated_images, pixel_box
from detector.exports.source import ExportOptions, ExportSource
from detector.species.names.kinds import Kinds
from detector.store.records import DetectionRecord
from detector.store.reviews.review import DRAWN
from detector.types import Kind

SCORE_DIGITS = 6  # fewer would make ties, and change the order in evaluations
_UNSURE = (Kind.UNCERTAIN, Kind.UNDECIDED)


class Categories:
    """Numbers category names: the detector's from 1, then taxa as they come, where the run named species.

    Args:
        source: Of what they are the categories.
    """

    def __init__(self, source: ExportSource) -> None:
        self._source = source
        self._named = source.run.species is not None
        self._own = tuple(source.run.detector.categories) if source.run.detector else ()
        self._ids = {name: place for place, name in enumerate(self._own, 1)}

    def id_of(self, found: DetectionRecord) -> int:
        """The category of a detection: its taxon, else the detector's label, or what a person said in its place."""
        name = found.name if self._named and found.name else self._label_of(found)
        return self._ids.setdefault(name, len(self._ids) + 1)

    def _label_of(self, found: DetectionRecord) -> str:
        if found.reviewed_by is None:
            return found.label
        if found.name and found.named_by:
            return self._of_taxon.get(found.name, found.name)
        kind = Kind.ANIMAL if found.label == DRAWN and found.kind in _UNSURE else found.kind
        if kind in _UNSURE or self._kinds.of(found.label) == kind:
            return found.label
        return next((name for name in self._own if self._kinds.of(name) == kind), str(kind))

    @cached_property
    def _kinds(self) -> Kinds:
        given = self._source.run.decisions.get("kinds")
        return Kinds(self._source.crosswalk(), given if isinstance(given, dict) else None)

    @cached_property
    def _of_taxon(self) -> dict[str, str]:
        """Scientific name -> the detector's category that means it."""
        crosswalk = self._source.crosswalk()
        return {row.scientific_name: name for name in self._own if (row := crosswalk.find(name)) is not None}

    def score_of(self, found: DetectionRecord) -> float:
        """How sure the category is, 0..1."""
        score = found.species_score if self._named and found.name else None
        return round(float(found.score if score is None else score), SCORE_DIGITS)

    def as_coco(self) -> list[dict[str, object]]:
        """COCO's categories, by id."""
        return [{"id": number, "name": name, "supercategory": ""} for name, number in self._ids.items()]


def write_coco(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write coco.json."""
    path = folder / "coco.json"
    with Spool(folder) as annotations, whole_text(path) as out:
        write_object(out, _members(source, options, annotations))
    return [path]


def _members(source: ExportSource, options: ExportOptions, annotations: Spool) -> Iterator[tuple[str, object]]:
    categories = Categories(source)
    yield "info", {"description": "Detections by Hoopoe", "version": __version__}
    yield "licenses", []
    yield "images", _images(source, options, categories, annotations)
    yield "annotations", annotations.items()
    yield "categories", categories.as_coco()


def _images(
    source: ExportSource, options: ExportOptions, categories: Categories, annotations: Spool
) -> Iterator[dict[str, object]]:
    names = FileNames(source.run.cards)
    image_id = annotation_id = 0
    for record in source.media():
        for picture in annotated_images(record, options.score_threshold, names):
            image_id += 1
            for found in picture.found:
                annotation_id += 1
                annotations.add(_annotation(found, picture, annotation_id, image_id, categories))
            yield _image(picture, image_id)


def _image(picture: AnnotatedImage, image_id: int) -> dict[str, object]:
    record = picture.record
    image: dict[str, object] = {"id": image_id, "file_name": picture.name}
    image["width"], image["height"] = picture.size_wh
    if record.timestamp is not None:
        image["date_captured"] = record.timestamp.isoformat(" ", "seconds")
    if record.media_type == "video":
        image |= {"video": record.path, "frame_number": picture.frame_number}
    return image


def _annotation(
    found: DetectionRecord, picture: AnnotatedImage, number: int, image_id: int, categories: Categories
) -> dict[str, object]:
    box = pixel_box(found, picture.size_wh)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": categories.id_of(found),
        "bbox": box,
        "area": round(box[2] * box[3], 3),
        "iscrowd": 0,
        "score": categories.score_of(found),
        "detector_score": round(float(found.score), SCORE_DIGITS),
    }
