"""`repair`: a mended copy of a COCO document, with everything that was done to it.

The rule is to take out what would teach something wrong, and to guess nothing: a picture whose size contradicts its
record goes, since nobody can tell which of the two its boxes fit. What is kept stays as it is, with keys that Hoopoe
does not read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import ConfigError, DataError
from detector.base.files import write_bytes
from detector.base.json_text import JsonError, decode_json, nan_as_null, read_json_bytes
from detector.data.box_faults import CODES, OVERHANGS, SOUND, check_boxes
from detector.data.doctor.duplicates import duplicate_boxes
from detector.data.doctor.examination import Examined
from detector.data.findings import Finding

DROPPED_WITH_IMAGE = "image_dropped"

# Findings whose record is taken out. Boxes are judged afresh, because a record may have got its size only now.
_DROP_IMAGE = {"bad_record", "path_escapes", "file_missing", "file_unreadable", "size_wrong", "leaked_image"}
_DROP_ANNOTATION = {"bad_record", "unknown_image", "unknown_category"}


@dataclass(frozen=True)
class Repair:
    """One thing that was done.

    Args:
        action: `dropped`, `clipped`, `renumbered`, `merged` or `resized`.
        table: `images` or `annotations`.
        record: `image 7`, `annotation 4711`, or its place where it has no id.
        reason: The code of the finding, or `image_dropped` for an annotation that went with its image.
    """

    action: str
    table: str
    record: str
    reason: str


@dataclass
class _Work:
    """The document while it is mended; records are known by their place in the original lists."""

    images: dict[int, dict[str, Any]]
    annotations: dict[int, dict[str, Any]]
    repairs: list[Repair] = field(default_factory=list)

    def drop(self, table: str, place: int, reason: str) -> None:
        records = self.images if table == "images" else self.annotations
        if place in records:
            self.note("dropped", table, place, reason)
            del records[place]

    def note(self, action: str, table: str, place: int, reason: str) -> None:
        record = (self.images if table == "images" else self.annotations)[place]
        has_id = isinstance(record, dict) and "id" in record
        name = f"{table.removesuffix('s')} {record['id']}" if has_id else f"{table}[{place}]"
        self.repairs.append(Repair(action, table, name, reason))


def read_document(path: Path) -> dict[str, Any]:
    """A COCO JSON as a dictionary, every key kept; `NaN` and its like become None.

    Bytes that are not UTF-8 become question marks: records that had them where it counts are among the findings.

    Raises:
        DataError: It is not JSON.
    """
    data = nan_as_null(read_json_bytes(path, "COCO JSON")).decode("utf-8", "replace").encode()
    try:
        return decode_json(data, dict[str, Any])
    except JsonError as error:
        raise DataError(f"not JSON: {error}", where=path, hint="export or copy it again") from error


def repair(document: dict[str, Any], examined: Examined, findings: Iterable[Finding]) -> tuple[dict, list[Repair]]:
    """Mend what can be mended.

    Args:
        document: The COCO dictionary; it is left alone.
        examined: What was found in its file.
        findings: Those of `examined`, and of the comparison with a validation set.

    Returns:
        A mended copy, and what was done.
    """
    by_code: dict[tuple[str, str], list[int]] = defaultdict(list)
    for finding in findings:
        if finding.file == examined.source.annotations and finding.table and finding.index is not None:
            by_code[finding.table, finding.code].append(finding.index)

    work = _Work(
        {place: _copy(record) for place, record in enumerate(document["images"])},
        {place: _copy(record) for place, record in enumerate(document["annotations"])},
    )
    for table, codes in (("annotations", _DROP_ANNOTATION), ("images", _DROP_IMAGE)):
        for code in sorted(codes):
            for place in by_code[table, code]:
                work.drop(table, place, code)
    _mend_images(work, by_code, examined)
    _drop_orphans(work)
    _mend_boxes(work)
    _number_annotations(work)
    categories = [
        record
        for place, record in enumerate(document["categories"])
        if place not in by_code["categories", "bad_record"]
    ]
    mended = document | {
        "images": list(work.images.values()),
        "annotations": list(work.annotations.values()),
        "categories": categories,
    }
    return mended, work.repairs


def refuse_original(path: Path, original: Path) -> None:
    """Raises: ConfigError: If writing to `path` would overwrite the file that is mended."""
    if path.exists() and original.exists() and path.samefile(original):
        raise ConfigError("--fix would overwrite the file it mends", where=path, hint="give another name")


def write_document(document: dict[str, Any], path: Path) -> None:
    """Write a COCO JSON whole or not at all."""
    # lone surrogates, of names that are no Unicode, stay as \\udc80
    write_bytes(path, json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def _copy(record: Any) -> Any:
    return dict(record) if isinstance(record, dict) else record


def _mend_images(work: _Work, by_code: dict[tuple[str, str], list[int]], examined: Examined) -> None:
    images = examined.parsed.images
    row_of_place = {place: row for row, place in enumerate(images.places.tolist())}
    for place in by_code["images", "size_missing"]:
        size = examined.pictures[row_of_place[place]].upright_wh
        if place in work.images and size:
            work.images[place] |= {"width": size[0], "height": size[1]}
            work.note("resized", "images", place, "size_missing")

    first_of_id = dict(zip(images.record_ids, images.places.tolist(), strict=True))
    for place in by_code["images", "duplicate_image_id"]:
        record = work.images[place]
        first = first_of_id[record["id"]]
        if first in work.images and work.images[first]["file_name"] != record["file_name"]:
            work.drop("images", first, "duplicate_image_id")  # whose the boxes are, nobody can tell
        work.drop("images", place, "duplicate_image_id")

    first_of_name: dict[str, int] = {}
    new_id: dict[Any, Any] = {}
    for place, record in list(work.images.items()):
        name = record["file_name"].replace("\\", "/")
        first = first_of_name.setdefault(name, place)
        if first != place:
            new_id[record["id"]] = work.images[first]["id"]
            work.note("merged", "images", place, "duplicate_file")
            del work.images[place]
    for annotation in work.annotations.values():
        annotation["image_id"] = new_id.get(annotation["image_id"], annotation["image_id"])


def _drop_orphans(work: _Work) -> None:
    known = {record["id"] for record in work.images.values()}
    for place, annotation in list(work.annotations.items()):
        if annotation["image_id"] not in known:
            work.drop("annotations", place, DROPPED_WITH_IMAGE)


def _mend_boxes(work: _Work) -> None:
    """Drop, clip and thin out boxes, all records being in order by now."""
    places = np.array(list(work.annotations), np.int64)
    records = list(work.annotations.values())
    row_of_id = {image["id"]: row for row, image in enumerate(work.images.values())}
    images = np.array([row_of_id[record["image_id"]] for record in records], np.int64)
    sizes = np.array([(image["width"], image["height"]) for image in work.images.values()], np.int64).reshape(-1, 2)
    boxes = np.array([_four_numbers(record.get("bbox")) for record in records], np.float64).reshape(-1, 4)

    mended, faults = check_boxes(boxes, sizes, images)
    for row in np.flatnonzero(faults != SOUND).tolist():
        place, record = int(places[row]), records[row]
        if faults[row] != OVERHANGS:
            work.drop("annotations", place, CODES[faults[row]] if record.get("bbox") else "box_missing")
            continue
        record["bbox"] = mended[row].tolist()
        if isinstance(record.get("area"), int | float):
            record["area"] = min(record["area"], float(mended[row, 2] * mended[row, 3]))
        work.note("clipped", "annotations", place, "box_overhangs")

    usable = np.flatnonzero((faults == SOUND) | (faults == OVERHANGS))
    categories = np.array([record["category_id"] for record in records], np.int64)[usable]
    for row, _ in duplicate_boxes(mended[usable], images[usable], categories):
        work.drop("annotations", int(places[usable[row]]), "duplicate_box")


def _four_numbers(bbox: Any) -> tuple[float, ...]:
    return tuple(bbox) if isinstance(bbox, list) and len(bbox) == 4 and None not in bbox else (np.nan,) * 4


def _number_annotations(work: _Work) -> None:
    taken: set[Any] = set()
    free = max((each["id"] for each in work.annotations.values() if not isinstance(each["id"], str)), default=0)
    for place, record in work.annotations.items():
        if record["id"] in taken:
            work.note("renumbered", "annotations", place, "duplicate_annotation_id")
            free = int(free) + 1
            record["id"] = free
        taken.add(record["id"])
