"""COCO files into packed annotations, by the data rules of Hoopoe.

Category ids may be sparse and in any order. Crowd boxes keep a flag. Images without boxes stay: they are negatives.
Boxes that cannot be used are mended or refused, counted and listed, never silently. Several files are joined by the
names of their categories.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from backbones.errors import ConfigError, DataError
from detector.data.coco.categories import DROPPED, CategoryMapping, join_categories, labels_by_id
from detector.data.coco.columns import ParsedCoco
from detector.data.coco.parsing import parse_coco
from detector.data.findings import BOX_FAULTS, RECORD_FAULTS, Finding, Severity, are_too_many, count_by_code
from detector.data.packed import Annotations, CocoSource, PackedText

Invalid = Literal["repair", "error"]


@dataclass(frozen=True)
class ReadingReport:
    """What reading found and did.

    Args:
        images: Images read.
        negatives: Images among them without a box that training would use (none, or crowds only).
        unlabelled: Images among these without any box.
        boxes: Boxes read, crowds included.
        crowds: Crowd boxes among them.
        boxes_clipped: Boxes cut off at the frame.
        boxes_dropped: Boxes left out because no detector can learn from them.
        images_dropped: Images left out because of these: what the boxes meant would pass for background.
        boxes_unmapped: Boxes left out because the category mapping says null.
        image_ids_renumbered: Whether images were numbered from 1, their ids not being distinct integers.
        findings: Every fault, record by record.
        images_unlabelled: Images among those left out that have no label, in a file that labels blanks as such.
    """

    images: int
    negatives: int
    unlabelled: int
    boxes: int
    crowds: int
    boxes_clipped: int
    boxes_dropped: int
    images_dropped: int
    boxes_unmapped: int
    image_ids_renumbered: bool
    findings: tuple[Finding, ...]
    images_unlabelled: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the counts, and the findings by code."""
        counts = {name: value for name, value in vars(self).items() if name != "findings"}
        return counts | {"findings": count_by_code(self.findings)}

    def __str__(self) -> str:
        parts = [f"{self.images} images ({self.negatives} without birds)", f"{self.boxes} boxes"]
        for count, text in (
            (self.crowds, "of them crowds"),
            (self.boxes_clipped, "clipped at the frame"),
            (
                self.images_dropped - self.images_unlabelled,
                "images left out, because they have boxes that cannot be used",
            ),
            (self.images_unlabelled, "images left out, because they have no label, and others are labelled as empty"),
            (self.boxes_dropped, "of these"),
            (self.boxes_unmapped, "dropped by the category mapping"),
        ):
            parts += [f"{count} {text}"] if count else []
        return ", ".join(parts)


def read_coco(
    sources: Sequence[tuple[Path, Path]],
    *,
    mapping: CategoryMapping | None = None,
    category_names: Sequence[str] | None = None,
    invalid: Invalid = "repair",
    attributes: Sequence[str] = (),
) -> tuple[Annotations, ReadingReport]:
    """Read COCO files into one packed set.

    Args:
        sources: Pairs of a COCO JSON and the folder of its images.
        mapping: Renames, merges and drops categories; `CategoryMapping.agnostic()` makes them all one.
        category_names: Names by label that must be kept to: those of the training set, or of a detector under
            evaluation. By default the names found, in the order of the first file's category ids.
        invalid: `repair` clips boxes at the frame, and leaves out the images of those that cannot be used, since what
            they show would pass for background; `error` refuses both.
        attributes: Further keys of the image records to keep as texts.

    Returns:
        The annotations and a report of what was found and done.

    Raises:
        DataError: If a file is not COCO, a record contradicts another one, a box is at fault and `invalid` is `error`,
            more than a few per cent of the images would be left out, or a category with boxes is not among
            `category_names`.
    """
    if invalid not in ("repair", "error"):
        raise ConfigError(f"data.invalid is '{invalid}'", hint="set it to repair or error")
    if not sources:
        raise DataError("no annotation file was given", hint="give at least one COCO JSON and its image folder")
    files = [CocoSource(Path(annotations), Path(images)) for annotations, images in sources]
    parsed = [parse_coco(file.annotations, attributes, images=file.images) for file in files]
    findings = tuple(finding for file in parsed for finding in file.findings)
    _refuse(findings, invalid)
    _refuse_shared_pictures(files, parsed)
    annotations, report = pack(files, parsed, mapping or CategoryMapping(), category_names)
    _refuse_loss(report)
    return annotations, report


def _refuse(findings: Sequence[Finding], invalid: Invalid) -> None:
    fatal = [
        finding
        for finding in findings
        if (finding.code in BOX_FAULTS and invalid == "error")
        or (finding.code in RECORD_FAULTS and finding.severity == Severity.ERROR)
    ]
    if fatal:
        more = f" (and {len(fatal) - 1} more faults of this file or others)" if len(fatal) > 1 else ""
        raise DataError(fatal[0].message + more, where=fatal[0].where, hint=fatal[0].hint)


def _refuse_shared_pictures(files: Sequence[CocoSource], parsed: Sequence[ParsedCoco]) -> None:
    """Refuse a picture that two files describe: a bird of one would be background in the other."""
    described_by: dict[tuple[Path, str], Path] = {}
    for source, file in zip(files, parsed, strict=True) if len(files) > 1 else ():
        folder = source.images.resolve()
        for row, name in enumerate(file.images.file_names):
            first = described_by.setdefault((folder, name), source.annotations)
            if first is not source.annotations:
                raise DataError(
                    f"'{name}' is also a picture of {first}, and a bird of one would be background in the other",
                    where=f"{source.annotations}: {file.image_name(row)}",
                    hint="join both files into one, whose pictures have all their boxes",
                )


def _refuse_loss(report: ReadingReport) -> None:
    total = report.images + report.images_dropped
    if are_too_many(report.images_dropped, total):
        codes = {*BOX_FAULTS, "image_unlabelled"} - {"box_overhangs"}
        first = next(each for each in report.findings if each.code in codes)
        raise DataError(
            f"{report.images_dropped} of {total} images have boxes that cannot be used, or no label among labelled"
            f" blanks, and would be left out; the first: {first.message}",
            where=first.where,
            hint="correct the file, or leave the images out by `hoopoe doctor FILE --images DIR --fix OUT.json"
            " --allow-losses`",
        )


def pack(
    sources: Sequence[CocoSource],
    parsed: Sequence[ParsedCoco],
    mapping: CategoryMapping,
    category_names: Sequence[str] | None = None,
) -> tuple[Annotations, ReadingReport]:
    """Join parsed files into one packed set; arguments and results are those of `read_coco`."""
    names = tuple(category_names) if category_names else join_categories([file.categories for file in parsed], mapping)
    labels = np.concatenate([_labels(file, mapping, names) for file in parsed])
    counts = [len(file.images.file_names) for file in parsed]
    first_image = np.cumsum([0, *counts])
    image_of_box = np.concatenate([file.boxes.images + first for file, first in zip(parsed, first_image, strict=False)])

    keep = labels != DROPPED
    order = np.flatnonzero(keep)[np.argsort(image_of_box[keep], kind="stable")]  # by image, else as in the files
    boxes_by_image = np.bincount(image_of_box[order], minlength=int(first_image[-1]))

    image_ids, renumbered = _joined_ids([file.images.ids for file in parsed], int(first_image[-1]))
    annotation_ids, annotations_renumbered = _joined_ids([file.boxes.ids for file in parsed], len(labels))
    annotations = Annotations(
        sources=tuple(sources),
        category_names=names,
        category_ids=_category_ids(parsed, mapping, names),
        image_ids=image_ids,
        source_index=np.repeat(np.arange(len(parsed), dtype=np.int32), counts),
        file_names=PackedText.pack(name for file in parsed for name in file.images.file_names),
        sizes_wh=np.concatenate([file.images.sizes_wh for file in parsed]),
        offsets=np.concatenate([[0], np.cumsum(boxes_by_image)]),
        boxes_xywh=np.concatenate([file.boxes.boxes_xywh for file in parsed])[order],
        labels=labels[order],
        is_crowd=np.concatenate([file.boxes.is_crowd for file in parsed])[order],
        areas=np.concatenate([file.boxes.areas for file in parsed])[order],
        annotation_ids=annotation_ids[order],
        attributes={
            name: PackedText.pack(text for file in parsed for text in file.images.attributes[name])
            for name in parsed[0].images.attributes
        },
        file_ids=PackedText.pack(map(json.dumps, parsed[0].images.record_ids))
        if renumbered and len(parsed) == 1
        else None,
        own_annotation_ids=not annotations_renumbered,
    )
    unusable = np.concatenate(
        [_unusable_images(file, mapping) + first for file, first in zip(parsed, first_image, strict=False)]
    )
    if len(unusable):
        annotations = annotations.select(np.setdiff1d(np.arange(len(annotations)), unusable))
    findings = tuple(finding for file in parsed for finding in file.findings)
    by_code = count_by_code(finding for finding in findings if finding.code in BOX_FAULTS)
    clipped = by_code.get("box_overhangs", 0)
    report = ReadingReport(
        images=len(annotations),
        negatives=int((~annotations.has_birds).sum()),
        unlabelled=int((np.diff(annotations.offsets) == 0).sum()),
        boxes=len(annotations.labels),
        crowds=int(annotations.is_crowd.sum()),
        boxes_clipped=clipped,
        boxes_dropped=sum(by_code.values()) - clipped,
        images_dropped=len(unusable),
        boxes_unmapped=int((~keep).sum()),
        image_ids_renumbered=renumbered,
        findings=findings,
        images_unlabelled=sum(len(file.unlabelled) for file in parsed),
    )
    return annotations, report


def _unusable_images(file: ParsedCoco, mapping: CategoryMapping) -> np.ndarray:
    """Rows of the unlabelled images, and of those with a box that cannot be used, of a category that is not dropped."""
    boxes = file.unusable
    meant = [mapping[file.categories[category]] is not None for category in boxes.category_ids.tolist()]
    return np.union1d(boxes.images[np.array(meant, np.bool_)], file.unlabelled)


def _labels(file: ParsedCoco, mapping: CategoryMapping, names: Sequence[str]) -> np.ndarray:
    label_by_id, unknown = labels_by_id(file.categories, mapping, names)
    used = {file.categories[int(each)] for each in np.unique(file.boxes.category_ids)}
    unknown_and_used = sorted(used.intersection(unknown))
    if unknown_and_used:  # categories without boxes do no harm
        raise DataError(
            f"category '{unknown_and_used[0]}' has boxes, but the categories in use are {', '.join(names)}",
            where=file.path,
            hint="use the same names in training and validation, or map them (data.categories, evaluate --categories)",
        )
    present, inverse = np.unique(file.boxes.category_ids, return_inverse=True)
    return np.array([label_by_id[int(each)] for each in present], np.int32)[inverse.reshape(-1)]


def _category_ids(parsed: Sequence[ParsedCoco], mapping: CategoryMapping, names: Sequence[str]) -> tuple[int, ...]:
    """COCO ids by label: with one file, its own of all names that nothing joins; of several, the first with boxes."""
    if len(parsed) > 1:
        return tuple(range(1, len(names) + 1))
    ids_of: dict[str | None, dict[str, int]] = defaultdict(dict)
    used = set(np.unique(parsed[0].boxes.category_ids).tolist())
    for category, name in sorted(parsed[0].categories.items(), key=lambda each: (each[0] not in used, each[0])):
        ids_of[mapping[name]].setdefault(name, category)
    new_ids = itertools.count(max(parsed[0].categories, default=0) + 1)
    return tuple(next(iter(ids_of[name].values())) if len(ids_of[name]) == 1 else next(new_ids) for name in names)


def _joined_ids(files: Sequence[np.ndarray | None], total: int) -> tuple[np.ndarray, bool]:
    """The files' own ids where all have some and none occurs twice, else 1 ... total; and whether they are new."""
    ids = [each for each in files if each is not None]
    joined = np.concatenate(ids) if len(ids) == len(files) else np.zeros(0, np.int64)
    is_new = len(joined) != total or len(np.unique(joined)) != total
    return (np.arange(1, total + 1) if is_new else joined), is_new
