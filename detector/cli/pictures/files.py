"""Files of what was found in pictures: JSON as MegaDetector's tools read it, and CSV with a row a box."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import ConfigError
from detector.exports.files import whole_text
from detector.exports.tables.cells import Cell, write_csv_table
from detector.types import Detections

SUFFIXES = (".json", ".csv")
MEGADETECTOR_FORMAT = "1.4"
BOX_COLUMNS = ("picture", "category", "score", "x1", "y1", "x2", "y2", "width", "height", "failure")
NAME_COLUMNS = ("picture", "rank", "species", "probability", "failure")


@dataclass(frozen=True)
class Found:
    """What was found in one picture.

    Args:
        name: Of the picture.
        size_wh: Pixels; None where it could not be read.
        detections: The best first; None where it could not be read.
        failure: Why it could not.
    """

    name: str
    size_wh: tuple[int, int] | None = None
    detections: Detections | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Named:
    """What one picture shows: species and their probabilities, the likeliest first; or why it could not be read."""

    name: str
    species: tuple[tuple[str, float], ...] = ()
    failure: str | None = None


def check_output(path: Path, others: str = "") -> None:
    """Refuse a file of results that is neither JSON nor CSV.

    Args:
        path: That was asked for.
        others: What else would do, in words.

    Raises:
        ConfigError: It is neither, or a folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError("results are .json or .csv", where=path, hint=f"such as {path.stem or 'found'}.csv{others}")
    if path.is_dir():
        raise ConfigError("this is a folder, not a file", where=path, hint="give another name to --output")


def write_boxes(path: Path, found: Sequence[Found], model: str, categories: Sequence[str], least: float) -> None:
    """Write detections, by the suffix as JSON or CSV.

    Args:
        path: `.json`: MegaDetector's batch format, which `classify-crops` reads too; `.csv`: a row a box, pixels.
        found: Of all pictures.
        model: The detector's name.
        categories: What it finds.
        least: The score from which boxes were kept.
    """
    if path.suffix.lower() == ".csv":
        write_csv_table(path, BOX_COLUMNS, _box_rows(found), bom=True)
        return
    numbers = {name: str(number) for number, name in enumerate(categories, start=1)}
    metadata = {"megadetector_version": "unknown", "conservative_detection_threshold": least}
    document = {
        "info": {"format_version": MEGADETECTOR_FORMAT, "detector": model, "detector_metadata": metadata},
        "detection_categories": {number: name for name, number in numbers.items()},
        "images": [_image(each, numbers) for each in found],
    }
    _write_json(path, document)


def write_names(path: Path, named: Sequence[Named], model: str) -> None:
    """Write species of whole pictures: `.csv`, a row a species and picture, or `.json`, an object a picture."""
    if path.suffix.lower() == ".csv":
        write_csv_table(path, NAME_COLUMNS, _name_rows(named), bom=True)
        return
    images = [
        {"file": each.name, "failure": each.failure}
        if each.failure is not None
        else {
            "file": each.name,
            "species": [{"name": name, "probability": round(value, 4)} for name, value in each.species],
        }
        for each in named
    ]
    _write_json(path, {"classifier": model, "images": images})


def _write_json(path: Path, document: object) -> None:
    with whole_text(path) as out:
        json.dump(document, out, indent=1)
        out.write("\n")


def _box_rows(found: Iterable[Found]) -> Iterator[tuple[Cell, ...]]:
    for each in found:
        size = each.size_wh or (None, None)
        if each.detections is None or not len(each.detections):
            yield (each.name, None, None, None, None, None, None, *size, each.failure)
            continue
        boxes = each.detections
        for name, score, box in zip(boxes.names, boxes.scores.tolist(), boxes.boxes_xyxy.tolist(), strict=True):
            yield (each.name, name, round(score, 4), *(round(corner, 1) for corner in box), *size, None)


def _name_rows(named: Iterable[Named]) -> Iterator[tuple[Cell, ...]]:
    for each in named:
        if each.failure is not None:
            yield (each.name, None, None, None, each.failure)
        for rank, (name, probability) in enumerate(each.species, start=1):
            yield (each.name, rank, name, round(probability, 4), None)


def _image(each: Found, numbers: dict[str, str]) -> dict[str, object]:
    if each.detections is None or each.size_wh is None:
        return {"file": each.name, "failure": each.failure, "detections": None}
    width, height = each.size_wh
    boxes = each.detections
    rows = []
    for name, score, (left, top, right, bottom) in zip(
        boxes.names, boxes.scores.tolist(), boxes.boxes_xyxy.tolist(), strict=True
    ):
        shares = (left / width, top / height, (right - left) / width, (bottom - top) / height)
        rows.append({"category": numbers[name], "conf": round(score, 4), "bbox": [round(share, 5) for share in shares]})
    return {"file": each.name, "width": width, "height": height, "detections": rows}
