"""What can be wrong with a data set: one code a fault, with its severity and its hint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How bad a finding is: only errors make `hoopoe doctor` exit with 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Fault:
    """A kind of fault: its severity, and what to do about one."""

    severity: Severity
    hint: str


_DOCTOR = "correct the file, or write a mended copy with `hoopoe doctor FILE --images DIR --fix OUT.json`"
_INVALID = "fix the file, or set data.invalid: repair"
_LEFT_OUT = f"{_INVALID}, which leaves its picture out, since the bird would pass for background"

# Boxes: with data.invalid: repair, read_coco clips those that hang over, and leaves out the pictures of the others (a
# bird without its box would pass for background); with data.invalid: error, it refuses the file.
BOX_FAULTS = {
    "box_missing": Fault(Severity.WARNING, f"draw the box; else {_LEFT_OUT}"),
    "box_not_finite": Fault(Severity.ERROR, _LEFT_OUT),
    "box_degenerate": Fault(Severity.ERROR, _LEFT_OUT),
    "box_outside": Fault(Severity.ERROR, _LEFT_OUT),
    "box_overhangs": Fault(Severity.WARNING, _INVALID),
}
# Records: read_coco refuses a file with an error among these.
RECORD_FAULTS = {
    "boxes_convention": Fault(
        Severity.ERROR,
        "write a copy with `hoopoe doctor FILE --images DIR --fix OUT.json --boxes CONVENTION` (xyxy, cxcywh, fractions"
        " ...), or --boxes xywh if they are left, top, width and height after all, to be clipped",
    ),
    "bad_record": Fault(Severity.ERROR, _DOCTOR),
    "duplicate_image_id": Fault(Severity.ERROR, _DOCTOR),
    "duplicate_category_id": Fault(Severity.ERROR, "give every category an id of its own"),
    "unknown_image": Fault(Severity.ERROR, _DOCTOR),
    "unknown_category": Fault(Severity.ERROR, _DOCTOR),
    "path_escapes": Fault(
        Severity.ERROR,
        "write names relative to the image folder (of Label Studio: export JSON, not COCO, and run `hoopoe convert"
        " label-studio`), or leave these pictures out with `hoopoe doctor FILE --images DIR --fix OUT.json`",
    ),
    "size_missing": Fault(Severity.ERROR, _DOCTOR),
    "image_unlabelled": Fault(
        Severity.WARNING,
        "nothing: it is left out, for it may show a bird; else draw its boxes, or label it as empty as the others are",
    ),
    "duplicate_file": Fault(Severity.ERROR, f"join the records, or {_DOCTOR.removeprefix('correct the file, or ')}"),
    "category_repeated": Fault(
        Severity.WARNING,
        "give it one id: predictions have the first alone, so that other tools find less in them",
    ),
    "duplicate_annotation_id": Fault(Severity.WARNING, f"the ids are numbered afresh; {_DOCTOR}"),
}
# What only a look at the whole set, or at the pictures, can tell: `hoopoe doctor`.
SET_FAULTS = {
    "file_missing": Fault(Severity.ERROR, f"check --images, from which names are looked for, and the names; {_DOCTOR}"),
    "file_misnamed": Fault(Severity.ERROR, _DOCTOR),
    "file_unreadable": Fault(Severity.ERROR, f"copy the file again; {_DOCTOR}"),
    "file_in_part": Fault(Severity.WARNING, "copy the file again, or take out the boxes of what cannot be seen"),
    "size_wrong": Fault(Severity.ERROR, f"was the picture resized or turned after the boxes were drawn? {_DOCTOR}"),
    "exif_rotated": Fault(Severity.INFO, "nothing: the picture is turned to the size that the record states"),
    "exif_ambiguous": Fault(
        Severity.WARNING, "boxes are taken to fit the upright picture: look at one, save it upright"
    ),
    "duplicate_box": Fault(Severity.WARNING, _DOCTOR),
    "leaked_image": Fault(
        Severity.WARNING, f"split by camera or video, so that no picture is on both sides; {_DOCTOR}"
    ),
    "encoding": Fault(Severity.INFO, "nothing: it is read so; a mended copy is in UTF-8"),
    "ids_missing": Fault(Severity.INFO, "nothing: they are numbered from 1"),
    "category_twins": Fault(Severity.WARNING, "if they are one category, give both one name, or map them"),
    "categories_sparse": Fault(Severity.INFO, "nothing: labels are numbered from 0 without gaps"),
    "category_unused": Fault(Severity.INFO, "nothing, if that is meant"),
    "category_not_trained": Fault(Severity.ERROR, "give both files the same category names, or map them"),
    "images_empty": Fault(Severity.INFO, "nothing: they are negatives and are used"),
    "no_boxes": Fault(Severity.WARNING, "a set without any box teaches nothing by itself: is it the right file?"),
    "only_crowds": Fault(
        Severity.ERROR, "nothing is learnt in crowds, nor measured: set iscrowd to 0 where a box holds one bird"
    ),
    "crowd": Fault(Severity.INFO, "nothing: ignored in training, handled in evaluation"),
    "small_boxes": Fault(
        Severity.WARNING, "train at a larger size, in crops (data.augmentation.crop_size), or with a lower anchor_scale"
    ),
    "large_boxes": Fault(Severity.WARNING, "train at a smaller size, or raise model.anchor_scale"),
    "long_boxes": Fault(Severity.WARNING, "set model.anchor_ratios to the shapes that are there"),
}
FAULTS = BOX_FAULTS | RECORD_FAULTS | SET_FAULTS


MOST_LOST = 0.03  # of the images or boxes; what loses more is not mended, but spoilt


def are_too_many(lost: int, total: int) -> bool:
    """Whether more is lost than a few per cent of a set (or one of few), or all of it."""
    return lost > max(1, MOST_LOST * total) or (lost > 0 and lost == total)


@dataclass(frozen=True)
class Finding:
    """One fault of one record.

    Args:
        code: A key of `FAULTS`.
        file: The annotation file.
        record: The record in the user's words (`annotation 4711`), or None when the whole file is meant.
        message: What is wrong with it.
        table: The list of the file that holds the record: `images`, `annotations`, `categories`, or None.
        index: The record's place in that list, or None.
    """

    code: str
    file: Path
    record: str | None
    message: str
    table: str | None = None
    index: int | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return FAULTS[self.code].severity

    @property
    def hint(self) -> str:
        """What to do about it."""
        return FAULTS[self.code].hint

    @property
    def where(self) -> str:
        """File and record, as errors print them."""
        return f"{self.file}: {self.record}" if self.record else str(self.file)

    def to_dict(self) -> dict[str, str | int | None]:
        """For JSON."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "file": str(self.file),
            "record": self.record,
            "index": self.index,
            "message": self.message,
            "hint": self.hint,
        }


def count_by_code(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings there are of each code, in the order of `FAULTS`."""
    counts = Counter(finding.code for finding in findings)
    return {code: counts[code] for code in FAULTS if counts[code]}
