"""Label files that lie beside their pictures, one each, in folders of the same names."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from backbones.errors import DataError
from detector.base.pictures import PHOTO_SUFFIXES
from detector.data.conventions import Boxes, misread
from detector.data.convert.building import CocoBuilder, LabelledBox, Size, UnusableError, find_pictures, need_folder
from detector.data.doctor.picture_scan import PictureScan

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class LabelFolder:
    """Where label files are.

    Args:
        folder: With the same folders inside as that of the pictures.
        suffix: Of label files.
        flat: Whether files may also lie in `folder` itself, wherever their pictures do.
        parallel: Whether files of pictures in `.../images` may also lie in `.../labels`, as Ultralytics has it.
        no_labels: Names of files that have the suffix and are something else.
    """

    folder: Path
    suffix: str
    flat: bool = False
    parallel: bool = False
    no_labels: tuple[str, ...] = ()

    def file_of(self, picture: str) -> Path:
        """The label file of a picture, which need not be there."""
        beside = (self.folder / picture).with_suffix(self.suffix)
        if os.path.exists(beside):
            return beside
        folders = picture.split("/")[:-1]
        if self.parallel and "images" in folders:
            last = len(folders) - 1 - folders[::-1].index("images")
            return self.folder.joinpath(*folders[:last], "labels", *folders[last + 1 :], beside.name)
        return self.folder / beside.name if self.flat else beside

    def strays(self, images: Path) -> list[Path]:
        """The label files that no picture has, readable or not."""
        pictures = (path.relative_to(images) for path in images.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
        known = {self.file_of(path.as_posix()) for path in pictures}
        files = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() == self.suffix)
        return [path for path in files if path not in known and path.name not in self.no_labels]


@dataclass(frozen=True)
class LabelledPicture(Generic[Entry]):
    """A picture, the size that its labels are for, and what its label file holds: nothing where there is none."""

    name: str
    size_wh: Size
    path: Path
    entries: list[Entry]


def read_beside(
    images: Path,
    labels: LabelFolder,
    builder: CocoBuilder,
    read: Callable[[Path, PictureScan], tuple[Size, list[Entry]]],
) -> list[LabelledPicture[Entry]]:
    """The pictures of a folder with what their label files hold; what is left out is told to the builder.

    A picture without a label file is a negative, unless there are label files without a picture: then it may be that of
    one of these, and is left out.

    Args:
        images: Folder of the pictures, searched with all its folders.
        labels: Where their label files are.
        builder: Is told.
        read: The size and entries of a label file; raises `UnusableError`.

    Raises:
        ConfigError: If a folder is missing, or there is no picture.
    """
    need_folder(labels.folder)
    pictures: list[LabelledPicture[Entry]] = []
    for name, scan in find_pictures(images, builder):
        path = labels.file_of(name)
        try:
            size_wh, entries = read(path, scan) if os.path.exists(path) else (scan.upright_wh or (0, 0), [])
            pictures.append(LabelledPicture(name, size_wh, path, entries))
        except UnusableError as error:
            builder.leave_out(error.where, str(error))
    strays = labels.strays(images)
    for path in strays:
        builder.report(path, "there is no picture for this file")
    folders = defaultdict(set)
    for each in pictures:
        folders[each.path].add(os.path.dirname(each.name))
    kept = []
    for each in pictures:
        exists = os.path.exists(each.path)
        if strays and not exists:
            builder.leave_out(images / each.name, "has no labels, and there are label files without a picture")
        elif exists and len(folders[each.path]) > 1:
            builder.leave_out(images / each.name, f"{each.path} may be another picture's of this name")
        else:
            kept.append(each)
    return kept


def refuse_misread(rows: Sequence[tuple[str, Sequence[float], Size]], expected: Boxes) -> None:
    """Refuse boxes that all together tell of another convention.

    Args:
        rows: Where each box is written, its numbers, and the size of its picture.
        expected: The format's convention.

    Raises:
        DataError: They do.
    """
    boxes = np.array([numbers for _, numbers, _ in rows]).reshape(-1, 4)
    found = misread(boxes, np.array([size for _, _, size in rows], np.int64).reshape(-1, 2), expected)
    if found is not None:
        hint = f"read them so by --boxes {found.meant[0]}, or by --boxes {expected} as they are"
        raise DataError(found.problem(expected), where=rows[found.row][0], hint=hint)


def add_all(
    builder: CocoBuilder,
    pictures: Sequence[LabelledPicture[Entry]],
    label: Callable[[Entry, LabelledPicture[Entry]], LabelledBox],
) -> None:
    """Add pictures with a box an entry; `label` raises `UnusableError`, for which a picture is left out."""
    for picture in pictures:
        try:
            builder.add(picture.name, picture.size_wh, [label(entry, picture) for entry in picture.entries])
        except UnusableError as error:
            builder.leave_out(error.where, str(error))
