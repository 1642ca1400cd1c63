"""Pictures that people have confirmed to show no bird: a folder of them as a set without boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backbones.errors import ConfigError
from detector.base.pictures import pictures_in, stored_size
from detector.data.doctor.picture_scan import PictureScan, scan_pictures
from detector.data.packed import Annotations, CocoSource, PackedText


def read_negatives(
    folders: Sequence[Path], like: Annotations | None = None, *, first_id: int = 1, to_the_end: bool = False
) -> tuple[Annotations, dict[str, str]]:
    """The pictures of folders, at any depth, as a set without boxes.

    Args:
        folders: Where they are.
        like: A set whose categories it has; None: it has none.
        first_id: Of the first picture; the others have the numbers after it.
        to_the_end: Whether files are read to their end, so that torn ones are left out too; else their heads alone.

    Returns:
        The set, and why files of it were left out, by their names.

    Raises:
        ConfigError: A folder does not exist, or holds no picture.
    """
    names: list[str] = []
    sizes: list[tuple[int, int]] = []
    sources: list[int] = []
    left_out: dict[str, str] = {}
    for number, folder in enumerate(folders):
        if not folder.is_dir():
            raise ConfigError("there is no such folder", where=folder, hint="give the folder of pictures without birds")
        before = len(names)
        paths = pictures_in(folder)
        scans = scan_pictures(paths) if to_the_end else map(_scan_head, paths)
        for path, scan in zip(paths, scans, strict=True):
            name = path.relative_to(folder).as_posix()
            if scan.upright_wh is None:
                left_out[name] = str(scan.error)
                continue
            names.append(name)
            sizes.append(scan.upright_wh)
            sources.append(number)
        if len(names) == before:
            hint = "give the folder of pictures without birds"
            raise ConfigError("there is no picture in this folder", where=folder, hint=hint)
    return Annotations(
        sources=tuple(CocoSource(folder, folder) for folder in folders),
        category_names=() if like is None else like.category_names,
        category_ids=() if like is None else like.category_ids,
        image_ids=np.arange(first_id, first_id + len(names), dtype=np.int64),
        source_index=np.array(sources, np.int32),
        file_names=PackedText.pack(names),
        sizes_wh=np.array(sizes, np.int32).reshape(-1, 2),
        offsets=np.zeros(len(names) + 1, np.int64),
        boxes_xywh=np.zeros((0, 4)),
        labels=np.zeros(0, np.int32),
        is_crowd=np.zeros(0, np.bool_),
        areas=np.zeros(0),
        annotation_ids=np.zeros(0, np.int64),
    ), left_out


def _scan_head(path: Path) -> PictureScan:
    found = stored_size(path)
    return PictureScan(error="this is no picture that can be read") if found is None else PictureScan(*found)
