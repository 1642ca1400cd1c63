"""MegaDetector's results as labels, in COCO: sure boxes are taught, unsure ones ignored.

The format: https://lila.science/megadetector-output-format.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from backbones.errors import ConfigError, DataError
from detector.base.json_text import parse_json
from detector.base.pictures import PHOTO_SUFFIXES
from detector.data.convert.building import LabelledBox, Problem, Size
from detector.data.convert.listed import ListedPictures
from detector.data.doctor.picture_scan import PictureScan

_NO_BOX = "empty"  # a category that some tools write for pictures without anything


@dataclass(frozen=True)
class Thresholds:
    """From which score on a box is what.

    Args:
        taught: From here on, a box is an animal to learn from.
        ignored: From here on, something may be there: neither taught nor background. Below, there is nothing.

    Raises:
        ConfigError: They are not in order within 0 and 1.
    """

    taught: float = 0.5
    ignored: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.ignored <= self.taught <= 1:
            problem = f"boxes are ignored from {self.ignored:g} and taught from {self.taught:g}"
            raise ConfigError(problem, hint="give 0 <= --ignore-from <= --score-threshold <= 1")


def megadetector_to_coco(
    images: Path, results: Path, thresholds: Thresholds = Thresholds()
) -> tuple[dict[str, Any], list[Problem]]:
    """Convert MegaDetector's batch output for photos; videos are passed over.

    Args:
        images: Folder of the pictures, searched with all its folders.
        results: The JSON file.
        thresholds: Which boxes are taught, and which ignored.

    Returns:
        The COCO document (categories in the order of the file), and what was left out.

    Raises:
        ConfigError: If the folder is missing, or there is no picture.
        DataError: If the file is not of this format.
    """
    hint = "see https://lila.science/megadetector-output-format"
    content = parse_json(results, what="file of MegaDetector's results", hint=hint)
    try:
        categories, records = dict(content["detection_categories"]), list(content["images"])
        files = [str(record["file"]) for record in records]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"this is no file of MegaDetector's results: {error}", where=results, hint=hint) from error
    pictures = ListedPictures(images)
    for file, record in zip(files, records, strict=True):
        if Path(file.replace("\\", "/")).suffix.lower() in PHOTO_SUFFIXES:
            label = partial(_size_and_boxes, record, categories, thresholds)
            pictures.add(f"{results}: '{file}'", [file], label)
    kinds = list(dict.fromkeys(str(name) for name in categories.values() if str(name).lower() != _NO_BOX))
    return pictures.builder.document(kinds), pictures.builder.problems


def _size_and_boxes(
    record: dict[str, Any], categories: dict[str, str], thresholds: Thresholds, scan: PictureScan
) -> tuple[Size, list[LabelledBox]]:
    if record.get("failure") or record.get("detections") is None:
        raise ValueError(f"MegaDetector could not read it: {record.get('failure')}")
    width, height = scan.upright_wh or (0, 0)
    boxes = []
    for found in record["detections"]:
        name, score = str(categories[str(found["category"])]), float(found["conf"])
        x, y, w, h = map(float, found["bbox"])
        if not 0 <= score <= 1.2 or not all(map(math.isfinite, (x, y, w, h))):
            raise ValueError(f"a box of '{name}' has the score {score:g} and the bbox {found['bbox']}")
        if score < thresholds.ignored or name.lower() == _NO_BOX:
            continue
        if max(x + w, y + h) > 1.1 or min(x, y) < -0.1 or min(w, h) <= 0:
            raise ValueError(f"a box of '{name}', {found['bbox']}, is not within the picture")
        corners = (max(x, 0) * width, max(y, 0) * height, min(x + w, 1) * width, min(y + h, 1) * height)
        boxes.append(LabelledBox(name, corners, ignored=score < thresholds.taught))
    return (width, height), boxes
