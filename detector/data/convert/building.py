"""What the conversions to COCO share.

A picture of which any box cannot be read is left out, and reported with its file and line: without that box, its bird
would pass for background.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backbones.errors import ConfigError
from detector.base.pictures import pictures_in
from detector.data.doctor.picture_scan import PictureScan, scan_pictures

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2
Size = tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """What was left out.

    Args:
        where: `file`, or `file:line`.
        message: What is wrong there.
        costs_picture: Whether a picture is left out for it.
    """

    where: str
    message: str
    costs_picture: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + ("; its picture is left out" if self.costs_picture else "")


class UnusableError(Exception):
    """A picture's labels cannot be used; `where` is the file, or `file:line`."""

    def __init__(self, where: object, problem: str) -> None:
        super().__init__(problem)
        self.where = where


@dataclass(frozen=True)
class LabelledBox:
    """A box in pixels; one that is `ignored` is neither taught nor counted.

    Raises:
        ValueError: It has no area.
    """

    category: str
    corners_xyxy: Corners
    ignored: bool = False

    def __post_init__(self) -> None:
        x1, y1, x2, y2 = self.corners_xyxy
        if not all(map(math.isfinite, self.corners_xyxy)) or not (x2 > x1 and y2 > y1):
            raise ValueError(f"the box of '{self.category}' has no area: width {x2 - x1:g}, height {y2 - y1:g}")


@dataclass
class CocoBuilder:
    """A COCO document as it grows, and what could not be put into it."""

    images: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _boxes: list[tuple[int, LabelledBox]] = field(default_factory=list)
    _twice: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)

    def add(self, name: str, size_wh: Size, boxes: Sequence[LabelledBox]) -> None:
        """Add a picture with all its boxes; one that is added twice has two sets of them, and is left out."""
        if name in self._names and name not in self._twice:
            self._twice.add(name)
            self.leave_out(name, "is there twice, and which of its labels are meant, nobody can tell")
        self._names.add(name)
        self.images.append({"id": len(self.images) + 1, "file_name": name, "width": size_wh[0], "height": size_wh[1]})
        self._boxes += [(len(self.images), box) for box in boxes]

    def leave_out(self, where: object, message: str) -> None:
        """Tell of a picture that is left out."""
        self.problems.append(Problem(str(where), message, costs_picture=True))

    def report(self, where: object, message: str) -> None:
        """Tell of something else."""
        self.problems.append(Problem(str(where), message))

    def document(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """The COCO dictionary; category ids count from 1 in the order of `names`, else alphabetically."""
        images = [image for image in self.images if image["file_name"] not in self._twice]
        kept = {image["id"] for image in images}
        boxes = [(image_id, box) for image_id, box in self._boxes if image_id in kept]
        names = sorted({box.category for _, box in boxes}) if names is None else names
        category_ids = {name: index for index, name in enumerate(names, 1)}
        annotations = []
        for index, (image_id, labelled) in enumerate(boxes, 1):
            x1, y1, x2, y2 = labelled.corners_xyxy
            box = [round(value, 4) for value in (x1, y1, x2 - x1, y2 - y1)]
            annotations.append(
                {
                    "id": index,
                    "image_id": image_id,
                    "category_id": category_ids[labelled.category],
                    "bbox": box,
                    "area": round(box[2] * box[3], 4),
                    "iscrowd": int(labelled.ignored),
                }
            )
        categories = [{"id": each, "name": name} for name, each in category_ids.items()]
        return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def find_pictures(folder: Path, builder: CocoBuilder) -> Iterator[tuple[str, PictureScan]]:
    """The readable pictures of a folder and of all its folders; the others are reported.

    Yields:
        Name relative to the folder, with forward slashes; what a look at it tells.

    Raises:
        ConfigError: If the folder does not exist, or holds no picture.
    """
    need_folder(folder)
    paths = pictures_in(folder)
    if not paths:
        raise ConfigError("there is no picture in this folder", where=folder, hint="give the folder of the pictures")
    for path, picture in zip(paths, scan_pictures(paths), strict=True):
        if picture.error:
            builder.leave_out(path, f"cannot be read: {picture.error}")
        else:
            yield path.relative_to(folder).as_posix(), picture


def need_folder(folder: Path) -> None:
    """Raises: ConfigError: If the folder does not exist."""
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=folder, hint="check the path")


def stated_size(stated: tuple[Any, Any], picture: PictureScan) -> Size:
    """The size that labels state, which says whether their boxes fit the stored or the upright picture.

    Raises:
        ValueError: The picture has another one.
    """
    upright = picture.upright_wh or (0, 0)
    if all(side in (None, "", "0", 0) for side in stated):
        return upright
    for size in (upright, picture.stored_wh):
        if size and tuple(map(_side, stated)) == size:
            return size
    raise ValueError(f"says {stated[0]} x {stated[1]}, the picture is {upright[0]} x {upright[1]}")


def _side(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
