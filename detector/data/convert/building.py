"""What the conversions to COCO share.

A bad line or file costs only itself: it is left out, and reported with its file and line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backbones.errors import ConfigError
from detector.base.pictures import pictures_in
from detector.data.doctor.picture_scan import PictureScan, scan_pictures

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2


@dataclass(frozen=True)
class Problem:
    """What was left out.

    Args:
        where: `file`, or `file:line`.
        message: What is wrong there.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass
class CocoBuilder:
    """A COCO document as it grows, and what could not be put into it."""

    images: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _boxes: list[tuple[int, str, Corners, bool]] = field(default_factory=list)

    def add_image(self, name: str, size_wh: tuple[int, int]) -> None:
        """Add a picture; the boxes added next are its own."""
        self.images.append({"id": len(self.images) + 1, "file_name": name, "width": size_wh[0], "height": size_wh[1]})

    def add_box(self, category: str, corners_xyxy: Corners, crowd: bool = False) -> None:
        """Add a box, in pixels, to the last picture."""
        self._boxes.append((len(self.images), category, corners_xyxy, crowd))

    def report(self, where: object, message: str) -> None:
        """Tell of something that is left out."""
        self.problems.append(Problem(str(where), message))

    def document(self, names: Sequence[str]) -> dict[str, Any]:
        """The COCO dictionary; category ids count from 1 in the order of `names`."""
        category_ids = {name: index for index, name in enumerate(names, 1)}
        annotations = []
        for index, (image_id, category, (x1, y1, x2, y2), crowd) in enumerate(self._boxes, 1):
            box = [round(value, 4) for value in (x1, y1, x2 - x1, y2 - y1)]
            annotations.append(
                {
                    "id": index,
                    "image_id": image_id,
                    "category_id": category_ids[category],
                    "bbox": box,
                    "area": round(box[2] * box[3], 4),
                    "iscrowd": int(crowd),
                }
            )
        categories = [{"id": each, "name": name} for name, each in category_ids.items()]
        return {"info": {}, "images": self.images, "annotations": annotations, "categories": categories}

    @property
    def category_names(self) -> list[str]:
        """The names of the boxes, in alphabetical order."""
        return sorted({category for _, category, _, _ in self._boxes})


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
            builder.report(path, f"cannot be read: {picture.error}")
        else:
            yield path.relative_to(folder).as_posix(), picture


def need_folder(folder: Path) -> None:
    """Raises: ConfigError: If the folder does not exist."""
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=folder, hint="check the path")
