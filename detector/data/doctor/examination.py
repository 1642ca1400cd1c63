"""`examine`: everything that can be told about a data set before the first training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detector.data.coco.categories import CategoryMapping
from detector.data.coco.columns import ParsedCoco
from detector.data.coco.parsing import escapes, parse_coco
from detector.data.coco.reading import ReadingReport, pack
from detector.data.coco.records import record_name, split_file
from detector.data.conventions import Boxes
from detector.data.doctor.box_sizes import ANCHOR_SIZES, network_boxes_xywh, size_histogram, unmatched
from detector.data.doctor.duplicates import duplicate_boxes
from detector.data.doctor.folder_names import FolderNames
from detector.data.doctor.near_pictures import Scene, near_pictures
from detector.data.doctor.picture_scan import PictureScan, scan_pictures
from detector.data.findings import Finding, Severity, count_by_code
from detector.data.packed import CocoSource
from detector.data.resizing import SizeRule

UNMATCHED_SHARE = 0.25  # of boxes that no anchor matches: beyond it, doctor warns


@dataclass(frozen=True, eq=False)
class Examined:
    """One COCO file and its pictures, looked at.

    Args:
        source: The JSON and the image folder.
        parsed: Its records.
        pictures: What each image's file holds, in the order of `parsed.images`.
        report: What `read_coco` would do with it.
        findings: Every fault, those of the records first.
        convention: What the user said that the numbers of its boxes mean; None: nothing.
    """

    source: CocoSource
    parsed: ParsedCoco
    pictures: list[PictureScan]
    report: ReadingReport
    findings: list[Finding]
    convention: Boxes | None = None

    @property
    def has_errors(self) -> bool:
        """Whether training would refuse it, or lose a picture to it."""
        return any(finding.severity == Severity.ERROR for finding in self.findings)

    @property
    def scenes(self) -> list[Scene]:
        """Its pictures with their boxes, ignored regions among them; of a record without a size without."""
        images, boxes = self.parsed.images, self.parsed.boxes
        order = np.argsort(boxes.images, kind="stable")
        ends = np.searchsorted(boxes.images[order], np.arange(len(self.pictures) + 1))
        names = FolderNames(self.source.images)
        return [
            Scene(
                self.source.images / names.of(name),
                (int(width), int(height)),
                boxes.boxes_xywh[order[ends[row] : ends[row + 1]]] if width else np.zeros((0, 4)),
                self.pictures[row],
            )
            for row, (name, (width, height)) in enumerate(zip(images.file_names, images.sizes_wh, strict=True))
        ]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        boxes = self.parsed.boxes.boxes_xywh
        return {
            "annotations": str(self.source.annotations),
            "images": str(self.source.images),
            "summary": self.report.to_dict() | {"findings": count_by_code(self.findings)},
            "box_sizes": size_histogram(boxes),
            "unmatched_by_anchors": {
                name: unmatched(boxes_at_default_size(self.parsed), name).share for name in ANCHOR_SIZES
            },
            "findings": [finding.to_dict() for finding in self.findings],
        }


ScanPictures = Callable[[list[Path]], list[PictureScan]]


def examine(source: CocoSource, look: ScanPictures = scan_pictures, convention: Boxes | None = None) -> Examined:
    """Examine one COCO file and its pictures.

    Args:
        source: The JSON and the image folder.
        look: Looks at the pictures; another one can show progress, or hand back what has been seen before.
        convention: What the four numbers of a box mean, where the user says so.

    Raises:
        DataError: If the file as a whole is not COCO.
    """
    parsed = parse_coco(source.annotations, images=source.images, convention=convention)
    inside = [name for name in parsed.images.file_names if not escapes(name)]  # what lies outside is not even opened
    names = FolderNames(source.images)
    seen = dict(zip(inside, look([source.images / names.of(name) for name in inside]), strict=True))
    pictures = [seen.get(name, PictureScan()) for name in parsed.images.file_names]
    _, report = pack([source], [parsed], CategoryMapping())
    rules = (
        _picture_findings(parsed, pictures, names),
        _duplicate_findings(parsed, source.images),
        _summary_findings(parsed, report),
    )
    findings = [*parsed.findings, *(finding for rule in rules for finding in rule)]
    return Examined(source, parsed, pictures, report, findings, convention)


def compare_splits(train: Examined, validation: Examined) -> Iterator[Finding]:
    """What is wrong between a training and a validation set: pictures on both sides, categories on one."""
    for row, other in near_pictures(train.scenes, validation.scenes):
        message = f"'{train.parsed.images.file_names[row]}' looks like '{validation.parsed.images.file_names[other]}'"
        yield _image_finding(train.parsed, "leaked_image", row, f"{message} of {validation.source.annotations.name}")
    trained = set(train.parsed.categories.values())
    used = np.unique(validation.parsed.boxes.category_ids).tolist()
    for name in sorted({validation.parsed.categories[each] for each in used} - trained):
        message = f"'{name}' has boxes, but is not a category of {train.source.annotations.name}"
        yield Finding("category_not_trained", validation.source.annotations, None, message)


def _image_finding(parsed: ParsedCoco, code: str, row: int, message: str) -> Finding:
    place = int(parsed.images.places[row])
    return Finding(code, parsed.path, parsed.image_name(row), message, "images", place)


def _picture_findings(parsed: ParsedCoco, pictures: list[PictureScan], names: FolderNames) -> Iterator[Finding]:
    for row, (name, picture) in enumerate(zip(parsed.images.file_names, pictures, strict=True)):
        width, height = parsed.images.sizes_wh[row].tolist()
        stored, upright = picture.stored_wh, picture.upright_wh
        if picture.error:
            code = "file_missing" if picture.missing else "file_unreadable"
            like = names.like(name) if picture.missing else None
            there = f", '{like}' does" if like else ""
            yield _image_finding(parsed, code, row, f"'{name}': {picture.error}{there}")
            continue
        if stored and names.is_encoded(name):
            message = f"'{name}' is written as in an address: the file is '{names.of(name)}'"
            yield _image_finding(parsed, "file_misnamed", row, message)
        if picture.warning:
            yield _image_finding(parsed, "file_in_part", row, f"'{name}': {picture.warning}")
        if stored is None or upright is None or width == 0:  # not opened, or the record states no size
            continue
        elif (width, height) not in (stored, upright):
            message = f"'{name}' is {upright[0]} x {upright[1]}, its record says {width} x {height}"
            yield _image_finding(parsed, "size_wrong", row, message)
        elif picture.orientation != 1 and stored == upright:
            message = f"'{name}' has EXIF orientation {picture.orientation}, and its size fits with and without it"
            yield _image_finding(parsed, "exif_ambiguous", row, message)
        elif picture.orientation != 1:
            how = "upright" if (width, height) == upright else "as stored"
            message = f"'{name}' has EXIF orientation {picture.orientation}; its record describes it {how}"
            yield _image_finding(parsed, "exif_rotated", row, message)


def _duplicate_findings(parsed: ParsedCoco, folder: Path) -> Iterator[Finding]:
    boxes = parsed.boxes
    _, categories = np.unique(boxes.category_ids, return_inverse=True)
    groups = 2 * categories.reshape(-1) + boxes.is_crowd  # an ignored region is no repetition of a bird
    pairs = list(duplicate_boxes(boxes.boxes_xywh, boxes.images, groups))
    raws = split_file(parsed.path, folder).annotations if pairs else []
    for row, earlier in pairs:
        place, earlier_place = int(boxes.places[row]), int(boxes.places[earlier])
        message = f"repeats the box of {record_name('annotations', raws, earlier_place)}"
        name = record_name("annotations", raws, place)
        yield Finding("duplicate_box", parsed.path, name, message, "annotations", place)


def _summary_findings(parsed: ParsedCoco, report: ReadingReport) -> Iterator[Finding]:
    def whole_file(code: str, message: str) -> Finding:
        return Finding(code, parsed.path, None, message)

    ids = sorted(parsed.categories)
    if ids and ids != list(range(ids[0], ids[0] + len(ids))):
        yield whole_file("categories_sparse", f"{len(ids)} category ids between {ids[0]} and {ids[-1]}")
    used = {parsed.categories[each] for each in np.unique(parsed.boxes.category_ids).tolist()}
    unused = [parsed.categories[each] for each in ids if parsed.categories[each] not in used]
    if unused and report.boxes:
        names = [f"'{name}'" for name in unused[:5]] + ["..."] * (len(unused) > 5)
        yield whole_file("category_unused", f"{len(unused)} categories have no box: {', '.join(names)}")
    by_folded: dict[str, set[str]] = {}
    for name in parsed.categories.values():
        by_folded.setdefault(" ".join(name.casefold().split()), set()).add(name)
    for twins in by_folded.values():
        if len(twins) > 1:
            message = " and ".join(f"'{name}'" for name in sorted(twins))
            yield whole_file("category_twins", f"{message} differ in blanks or capitals only")
    if report.boxes == 0:
        yield whole_file("no_boxes", f"{report.images} images and not one usable box")
    elif report.unlabelled:
        yield whole_file("images_empty", f"{report.unlabelled} of {report.images} images have no box")
    if report.crowds and report.crowds == report.boxes:
        yield whole_file("only_crowds", f"all {report.crowds} boxes are crowds")
    elif report.crowds:
        yield whole_file("crowd", f"{report.crowds} of {report.boxes} boxes are crowds")
    boxes = boxes_at_default_size(parsed)
    for detector, sizes in ANCHOR_SIZES.items():
        missed = unmatched(boxes, detector)
        where = f"as {detector} sees them by default (short side {SizeRule().min_size})"
        if missed.small > UNMATCHED_SHARE:
            message = f"{missed.small:.0%} of the boxes, {where}, are too small for its anchors"
            yield whole_file("small_boxes", f"{message} (from {min(sizes):.0f} pixels)")
        if missed.large > UNMATCHED_SHARE:
            message = f"{missed.large:.0%} of the boxes, {where}, are too large for its anchors"
            yield whole_file("large_boxes", f"{message} (up to {max(sizes):.0f} pixels)")
        if missed.shape > UNMATCHED_SHARE:
            message = f"{missed.shape:.0%} of the boxes, {where}, are longer or higher than its anchors"
            yield whole_file("long_boxes", f"{message} (height to width 1:2 to 2:1)")


def boxes_at_default_size(parsed: ParsedCoco) -> np.ndarray:
    """All boxes but crowds (N, 4), in pixels of the size that pictures have in the network by default."""
    kept = ~parsed.boxes.is_crowd
    sizes_wh = np.maximum(parsed.images.sizes_wh[parsed.boxes.images[kept]], 1)
    return network_boxes_xywh(parsed.boxes.boxes_xywh[kept], sizes_wh, SizeRule())
