"""results.json: MegaDetector's batch output, format 1.6, for Timelapse and MegaDetector's tools.

Source: MegaDetector, megadetector-output-format.md (lila.science/megadetector-output-format). All detections of the
store are written, for these programs have thresholds of their own; only what a repeat or a person ruled out is not.
A bird is an "animal" that is classified: its name first if it has one, and the species that it may be. The descriptions
of the classes give every rank that is known, since Timelapse makes its tree of them and passes over empty ranks: a
family that is chosen there would miss its species. Detections are sorted by confidence. Each repeats its category and
first class as `as_exported`, which other programs pass over, so that what a person changes is told when the file comes
back; see `store.reviews.programs`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from detector.exports.files import whole_text
from detector.exports.json_stream import Encoded, write_items, write_object
from detector.exports.names import FileNames
from detector.exports.parted.parts import WrittenSlice
from detector.exports.source import ExportOptions, ExportSource
from detector.exports.taxa import candidates_of, lineage_of, taxon_of
from detector.species.names.crosswalk import Crosswalk
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.reviews.table import as_exported
from detector.store.run_file import RunFile
from detector.store.schema import LOWEST_SCORE
from detector.types import Kind, TaxonName

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
_CATEGORY_OF_KIND: dict[str, str] = {Kind.PERSON: "2", Kind.VEHICLE: "3"}
CONFIDENCE_DIGITS, COORDINATE_DIGITS = 3, 4  # MegaDetector's CONF_DIGITS and COORD_DIGITS
UNKNOWN_FRAME_RATE = -1.0  # what MegaDetector writes for a video that it could not open


def write_megadetector(source: ExportSource, folder: Path, options: ExportOptions) -> list[Path]:
    """Write results.json."""
    names = FileNames(source.run.cards)
    classes = _Classes()
    return _write(source, folder, options, (_image(record, names, classes) for record in source.media()), classes)


class MegaDetectorParts:
    """The same in slices, each of which numbers its classes anew, between marks that no text has."""

    texts = ("images",)

    def write(
        self, source: ExportSource, options: ExportOptions, out: Mapping[str, TextIO]
    ) -> tuple[str, list[TaxonName]]:
        """The images of a slice; returns the mark, and the classes."""
        names, classes = FileNames(source.run.cards), _Classes(secrets.token_hex(16))
        write_items(out["images"], (_image(record, names, classes) for record in source.media()))
        return classes.mark, classes.taxa

    def join(
        self, source: ExportSource, folder: Path, options: ExportOptions, written: Iterator[WrittenSlice]
    ) -> list[Path]:
        """The file, of the images of all slices."""
        classes = _Classes()
        return _write(source, folder, options, (_numbered(one, classes) for one in written), classes)


def _numbered(one: WrittenSlice, classes: _Classes) -> Encoded:
    """The images of a slice, with the classes as all slices number them."""
    mark, taxa = one.state
    ids = [classes.id_of(taxon) for taxon in taxa]
    marked = re.compile(f"{mark}([0-9]+){mark}")
    return Encoded("".join(marked.sub(lambda found: ids[int(found[1]) - 1], text) for text in one.pieces("images")))


def _write(
    source: ExportSource, folder: Path, options: ExportOptions, images: Iterator[object], classes: _Classes
) -> list[Path]:
    path = folder / "results.json"
    with whole_text(path) as out:
        write_object(out, _members(source, options, images, classes))
    return [path]


def _members(
    source: ExportSource, options: ExportOptions, images: Iterator[object], classes: _Classes
) -> Iterator[tuple[str, object]]:
    yield "info", _info(source.run, options)
    yield "detection_categories", CATEGORIES
    yield "images", images
    # known only when all images are written
    yield "classification_categories", classes.names
    yield "classification_category_descriptions", classes.descriptions(source.crosswalk())


def _info(run: RunFile, options: ExportOptions) -> dict[str, object]:
    info: dict[str, object] = {"format_version": "1.6"}
    if run.detector is not None:
        info["detector"] = run.detector.name
        info["detector_metadata"] = {
            "megadetector_version": "unknown",  # MegaDetector's word for other detectors
            "typical_detection_threshold": options.score_threshold,
            "conservative_detection_threshold": LOWEST_SCORE,
        }
    if run.species is not None:
        info["classifier"] = run.species.name
    return info


def _image(record: MediaRecord, names: FileNames, classes: _Classes) -> dict[str, object]:
    image: dict[str, object] = {"file": names.of(record)}
    video = record.media_type == "video"
    if record.failure is not None:
        image |= {"failure": record.failure, "detections": None}
    else:
        shown = sorted(record.shown(0), key=lambda found: -found.score)
        image["detections"] = [_detection(found, video, classes) for found in shown]
        if record.passed_over and not shown:
            image["passed_over"] = record.passed_over  # why there is nothing, which other programs pass over
    if video:
        known = record.frame_rate is not None and record.frame_rate > 0
        if not known and record.failure is None:
            image["frame_rate"] = 1.0  # the format refuses a video without one; frame numbers stay exact
        else:
            image["frame_rate"] = float(record.frame_rate or 0) if known else UNKNOWN_FRAME_RATE
        image["frames_processed"] = list(record.frames)
    return image


def _detection(found: DetectionRecord, video: bool, classes: _Classes) -> dict[str, object]:
    detection: dict[str, object] = {
        "category": _CATEGORY_OF_KIND.get(found.kind, "1"),
        "conf": _confidence(found.score),
        "bbox": [round(float(side), COORDINATE_DIGITS) for side in (found.x, found.y, found.w, found.h)],
    }
    if video:
        detection["frame_number"] = found.frame_number
    classifications = _classifications(found, classes)
    if classifications:
        detection["classifications"] = classifications
    first = classes.name_of(str(classifications[0][0])) if classifications else None
    detection["as_exported"] = as_exported([CATEGORIES[str(detection["category"])], first])
    return detection


def _classifications(found: DetectionRecord, classes: _Classes) -> list[list[object]]:
    taxon = taxon_of(found)
    scores: dict[str, float] = {}
    if taxon is not None:
        # a person's word is sure; an unnamed bird is as sure as its box
        sure = 1.0 if found.named_by else found.score
        scores[classes.id_of(taxon)] = sure if found.confidence is None or found.named_by else found.confidence
    if not found.named_by:
        for candidate in candidates_of(found):
            scores.setdefault(classes.id_of(TaxonName.unlisted(candidate.name)), candidate.confidence)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return [[key, _confidence(score)] for key, score in ranked]


def _confidence(value: float) -> float:
    return round(float(value), CONFIDENCE_DIGITS)


class _Classes:
    """Numbers the taxa as they come, between marks."""

    def __init__(self, mark: str = "") -> None:
        self.mark = mark
        self._ids: dict[str, str] = {}
        self._names: list[str] = []
        self._taxa: dict[str, TaxonName] = {}

    def id_of(self, taxon: TaxonName) -> str:
        name = taxon.name or taxon.display_name
        if name not in self._ids:
            self._names.append(name)
        key = self._ids.setdefault(name, f"{self.mark}{len(self._names)}{self.mark}")
        if key not in self._taxa or (taxon.rank and self._taxa[key].rank is None):
            self._taxa[key] = taxon
        return key

    def name_of(self, key: str) -> str:
        return self._names[int(key[len(self.mark) : len(key) - len(self.mark)]) - 1]

    @property
    def taxa(self) -> list[TaxonName]:
        return list(self._taxa.values())

    @property
    def names(self) -> dict[str, str]:
        return {key: name for name, key in self._ids.items()}

    def descriptions(self, crosswalk: Crosswalk) -> dict[str, str]:
        return {key: _description(taxon, crosswalk) for key, taxon in self._taxa.items()}


def _description(taxon: TaxonName, crosswalk: Crosswalk) -> str:
    """SpeciesNet's form, id;class;order;family;genus;species;common name, in small letters; unknown parts are empty."""
    line = lineage_of(taxon, crosswalk)
    epithet = line.species.partition(" ")[2]
    common = (taxon.english_name or taxon.name or taxon.display_name).replace(";", ",")
    return ";".join(["", line.class_name, line.order, line.family, line.genus, epithet, common]).lower()
