"""What a set loses by being mended, and when that is too much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from detector.base.names import name_key
from detector.data.doctor.repair import NO_ANIMAL_THERE, STRAY, Repair
from detector.data.findings import are_too_many

_NO_LOSS = {"duplicate_box", NO_ANIMAL_THERE}


@dataclass(frozen=True)
class Losses:
    """What is gone from a mended copy.

    Args:
        images: Pictures that are in none of its records any more.
        images_before: Records of images before.
        boxes: Annotations that were taken out, but for those that are there twice.
        boxes_before: Annotations before.
        strays: Annotations among them that may belong to any picture, or to none.
    """

    images: int
    images_before: int
    boxes: int
    boxes_before: int
    strays: int

    @classmethod
    def between(cls, before: dict[str, Any], after: dict[str, Any], repairs: Iterable[Repair]) -> Losses:
        """Between a COCO document and its mended copy."""
        dropped = [each.reason for each in repairs if each.action == "dropped" and each.table == "annotations"]
        kept = {_name(record) for record in after["images"]}
        return cls(
            images=sum(_name(record) is None or _name(record) not in kept for record in before["images"]),
            images_before=len(before["images"]),
            boxes=sum(reason not in _NO_LOSS for reason in dropped),
            boxes_before=len(before["annotations"]),
            strays=dropped.count(STRAY),
        )

    @property
    def problem(self) -> str | None:
        """Why the copy must not be used as it is, in words; None: it may."""
        for lost, total, what in (
            (self.images, self.images_before, "pictures"),
            (self.boxes, self.boxes_before, "boxes"),
        ):
            if are_too_many(lost, total):
                return f"{lost} of {total} {what} ({lost / total:.0%}) would be lost"
        if self.strays:
            return (
                f"{self.strays} annotations name no picture of the file; if one of its pictures is meant, its birds"
                " would pass for background"
            )
        return None


def _name(record: Any) -> str | None:
    name = record.get("file_name") if isinstance(record, dict) else None
    return name_key(unquote(name).replace("\\", "/")) if isinstance(name, str) else None  # it may have been renamed
