"""`repair`: a mended copy of a COCO document, with everything that was done to it.

The rule is to take out what would teach something wrong, and to guess nothing: a picture whose size contradicts its
record goes, since nobody can tell which of the two its boxes fit, and so does a picture with a box that cannot be used,
since its bird would pass for background. What is kept stays as it is, with keys that Hoopoe does not read; what is said
in another way than COCO's and has one meaning (`plain_values`) is written as COCO has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import DataError
from detector.data.box_faults import CODES, OVERHANGS, SOUND, check_boxes
from detector.data.coco.parsing import NO_ANIMAL
from detector.data.conventions import Boxes, to_xywh
from detector.data.doctor.duplicates import duplicate_boxes
from detector.data.doctor.examination import Examined
from detector.data.doctor.folder_names import FolderNames
from detector.data.doctor.plain_values import plain_annotation, plain_category, plain_image
from detector.data.findings import Finding

DROPPED_WITH_IMAGE = "image_dropped"
STRAY = "names_no_image"  # the reason of a faulty annotation that names no image: whose bird it was, nobody can tell
NO_ANIMAL_THERE = "no_animal"  # the reason of one without a box, which says that there is nothing to draw one around

# Findings whose record is taken out, an annotation with its image. Boxes are judged afresh, because a record may have
# got its size only now.
_DROP_IMAGE = frozenset(
    ("bad_record", "path_escapes", "file_missing", "file_unreadable", "size_wrong", "leaked_image", "image_unlabelled")
)
_DROP_ANNOTATION = {"bad_record", "unknown_image", "unknown_category"}


@dataclass(frozen=True)
class Repair:
    """One thing that was done.

    Args:
        action: `dropped`, `clipped`, `converted`, `renumbered`, `renamed`, `merged` or `resized`.
        table: `images` or `annotations`.
        record: `image 7`, `annotation 4711`, or its place where it has no id.
        reason: The code of the finding, or `image_dropped`, `names_no_image`, `no_animal`, `plain_value`.
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
    gone: set[Any] = field(default_factory=set)  # ids of images that were dropped

    def drop(self, table: str, place: int, reason: str) -> None:
        records = self.images if table == "images" else self.annotations
        if place in records:
            self.note("dropped", table, place, reason)
            record = records.pop(place)
            if table == "images" and isinstance(record, dict) and isinstance(record.get("id"), int | float | str):
                self.gone.add(record["id"])

    def drop_with_images(self, reasons: dict[int, str]) -> None:
        """Drop annotations, by their place, and with them the images that show what they meant."""
        at_id: dict[Any, list[int]] = defaultdict(list)
        for place, image in self.images.items():
            at_id[image["id"]].append(place)
        for place, reason in reasons.items():
            if place in self.annotations:
                record = self.annotations[place]
                image_id = record.get("image_id") if isinstance(record, dict) else None
                if not isinstance(image_id, int | float | str) or isinstance(image_id, bool):  # True equals 1
                    image_id = None
                meant = at_id.get(image_id, [])
                known = bool(meant) or image_id in self.gone
                self.drop("annotations", place, reason if known else STRAY)
                for at in meant:
                    self.drop("images", at, reason)
        self.drop_orphans()

    def drop_orphans(self) -> None:
        known = {record["id"] for record in self.images.values()}
        for place, annotation in list(self.annotations.items()):
            if isinstance(annotation, dict) and annotation.get("image_id") not in known:
                self.drop("annotations", place, DROPPED_WITH_IMAGE)

    def change(self, table: str, place: int, values: dict[str, Any], action: str, reason: str) -> None:
        if values:
            (self.images if table == "images" else self.annotations)[place].update(values)
            self.note(action, table, place, reason)

    def note(self, action: str, table: str, place: int, reason: str) -> None:
        record = (self.images if table == "images" else self.annotations)[place]
        has_id = isinstance(record, dict) and "id" in record
        name = f"{table.removesuffix('s')} {record['id']}" if has_id else f"{table}[{place}]"
        self.repairs.append(Repair(action, table, name, reason))


def repair(document: dict[str, Any], examined: Examined, findings: Iterable[Finding]) -> tuple[dict, list[Repair]]:
    """Mend what can be mended.

    Args:
        document: The COCO dictionary; it is left alone.
        examined: What was found in its file.
        findings: Those of `examined`, and of the comparison with a validation set.

    Returns:
        A mended copy, and what was done. Ask `Losses` whether it may be used.

    Raises:
        DataError: The boxes of the whole file follow another convention, and nobody said which.
    """
    by_code: dict[tuple[str, str], list[int]] = defaultdict(list)
    for finding in findings:
        if finding.code == "boxes_convention" and finding.file == examined.source.annotations:
            raise DataError(finding.message, where=finding.where, hint=finding.hint)
        if finding.file == examined.source.annotations and finding.table and finding.index is not None:
            by_code[finding.table, finding.code].append(finding.index)

    categories = [
        record | plain_category(record)
        for place, record in enumerate(document["categories"])
        if place not in set(by_code["categories", "bad_record"])
    ]
    work = _Work(
        {place: _copy(record) for place, record in enumerate(document["images"])},
        {place: _copy(record) for place, record in enumerate(document["annotations"])},
    )
    for code in sorted(_DROP_IMAGE):
        for place in by_code["images", code]:
            work.drop("images", place, code)
    _write_plainly(work, examined.source.images)
    faulty = {place: code for code in sorted(_DROP_ANNOTATION) for place in by_code["annotations", code]}
    _drop_no_animals(work, faulty, {each["id"] for each in categories if each["name"].lower() in NO_ANIMAL})
    work.drop_with_images(faulty)
    _mend_images(work, by_code, examined)
    work.drop_orphans()
    _mend_boxes(work, examined.convention)
    _number_annotations(work)
    mended = document | {
        "images": list(work.images.values()),
        "annotations": list(work.annotations.values()),
        "categories": categories,
    }
    return mended, work.repairs


def _write_plainly(work: _Work, folder: Path) -> None:
    names = FolderNames(folder)
    for place, record in work.images.items():
        work.change("images", place, plain_image(record), "converted", "plain_value")
        name = record["file_name"].replace("\\", "/")
        if (spelled := names.of(name)) != name:
            work.change("images", place, {"file_name": spelled}, "renamed", "plain_value")
    ids = {record["id"] for record in work.images.values()}
    for place, record in work.annotations.items():
        work.change("annotations", place, plain_annotation(record, ids), "converted", "plain_value")


def _drop_no_animals(work: _Work, faulty: Container[int], categories: Container[int]) -> None:
    for place, record in list(work.annotations.items()):
        if place not in faulty and record["category_id"] in categories and not record.get("bbox"):
            work.drop("annotations", place, NO_ANIMAL_THERE)


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
        name = record["file_name"].replace("\\", "/").removeprefix("./")
        first = first_of_name.setdefault(name, place)
        if first != place:
            new_id[record["id"]] = work.images[first]["id"]
            work.note("merged", "images", place, "duplicate_file")
            del work.images[place]
    for annotation in work.annotations.values():
        annotation["image_id"] = new_id.get(annotation["image_id"], annotation["image_id"])


def _mend_boxes(work: _Work, convention: Boxes | None) -> None:
    """Convert, clip and thin out boxes, and drop pictures with unusable ones, all records being in order by now."""
    places = np.array(list(work.annotations), np.int64)
    records = list(work.annotations.values())
    row_of_id = {image["id"]: row for row, image in enumerate(work.images.values())}
    images = np.array([row_of_id[record["image_id"]] for record in records], np.int64)
    sizes = np.array([(image["width"], image["height"]) for image in work.images.values()], np.int64).reshape(-1, 2)
    boxes = np.array([_four_numbers(record.get("bbox")) for record in records], np.float64).reshape(-1, 4)

    converted = boxes if convention is None else to_xywh(boxes, sizes[images], convention)
    mended, faults = check_boxes(converted, sizes, images)
    unusable: dict[int, str] = {}
    for row in np.flatnonzero((faults != SOUND) | (converted != boxes).any(axis=1)).tolist():
        place, record = int(places[row]), records[row]
        if faults[row] not in (SOUND, OVERHANGS):
            unusable[place] = CODES[faults[row]] if record.get("bbox") else "box_missing"
            continue
        values: dict[str, Any] = {"bbox": mended[row].tolist()}
        if isinstance(record.get("area"), int | float):
            box_area = float(mended[row, 2] * mended[row, 3])
            values["area"] = min(record["area"], box_area) if convention is None else box_area
        clipped = faults[row] == OVERHANGS
        reason = "box_overhangs" if clipped else "boxes_convention"
        work.change("annotations", place, values, "clipped" if clipped else "converted", reason)
    work.drop_with_images(unusable)

    left = np.flatnonzero(np.isin(places, list(work.annotations)))
    # an ignored region is no repetition of a bird
    keys = [(records[row]["category_id"], bool(records[row].get("iscrowd"))) for row in left.tolist()]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    groups = np.array([numbers[key] for key in keys], np.int64)
    for row, _ in duplicate_boxes(mended[left], images[left], groups):
        work.drop("annotations", int(places[left[row]]), "duplicate_box")


def _four_numbers(bbox: Any) -> tuple[float, ...]:
    return tuple(bbox) if isinstance(bbox, list) and len(bbox) == 4 and None not in bbox else (np.nan,) * 4


def _number_annotations(work: _Work) -> None:
    taken: set[Any] = set()
    ids = [each.get("id") for each in work.annotations.values()]
    free = max((each for each in ids if isinstance(each, int | float)), default=0)
    for place, record in work.annotations.items():
        if record.get("id") is None or record["id"] in taken:
            reason = "ids_missing" if record.get("id") is None else "duplicate_annotation_id"
            work.note("renumbered", "annotations", place, reason)
            free = int(free) + 1
            record["id"] = free
        taken.add(record["id"])
