"""Pictures that cannot be read are found before the first epoch: refused, or left out and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from backbones.errors import DataError
from detector.data.doctor.picture_scan import PictureScan, scan_pictures
from detector.data.findings import are_too_many
from detector.data.images import chosen_orientation
from detector.data.packed import Annotations
from detector.training.data import RunData

HINT = "copy or save it again, or take it out: `hoopoe doctor ANNOTATIONS --images DIR --fix OUT.json`"

Problems = dict[int, str]  # id of an image -> why its picture cannot be read


def unreadable_pictures(data: RunData, advance: Callable[[], None]) -> dict[str, Problems]:
    """Decode every picture of a run once, at reduced size where the format can.

    Args:
        data: The run's.
        advance: Called after each picture.

    Returns:
        What is wrong, by set (train, val) and by id of the image.
    """
    return {name: dict(_unreadable(each, advance)) for name, each in data.sets.items()}


def _unreadable(annotations: Annotations, advance: Callable[[], None]) -> Iterator[tuple[int, str]]:
    rows = np.unique(annotations.image_ids, return_index=True)[1].tolist()  # --overfit shows images several times
    scans = scan_pictures([annotations.path(row) for row in rows], advance)
    for row, scan in zip(rows, scans, strict=True):
        problem = _problem(annotations, row, scan)
        if problem is not None:
            yield int(annotations.image_ids[row]), problem


def _problem(annotations: Annotations, row: int, scan: PictureScan) -> str | None:
    if scan.stored_wh is None:
        return scan.error
    width, height = annotations.sizes_wh[row].tolist()
    try:
        chosen_orientation(scan.stored_wh, scan.orientation, (width, height), annotations.path(row))
    except DataError as error:
        return error.problem
    return None


def without_pictures(data: RunData, problems: Mapping[str, Problems], *, refuse: bool) -> RunData:
    """The data of a run without the pictures that cannot be read, which are listed in it.

    Args:
        data: The run's.
        problems: See `unreadable_pictures`.
        refuse: Whether one is too many (`data.invalid: error`).

    Raises:
        DataError: There are some and they are refused, or more than a few per cent of a set.
    """
    sets, left_out = dict(data.sets), {}
    for name, found in problems.items():
        if not found:
            continue
        annotations = data.sets[name]
        images = len(np.unique(annotations.image_ids))
        place_of = {image: place for place, image in enumerate(annotations.image_ids.tolist())}
        first = next(iter(found))
        where = annotations.path(place_of[first])
        if refuse:
            hint = f"{HINT}; or set data.invalid=repair, and it is left out"
            raise DataError(_counted(found, images, name), where=where, hint=hint)
        if are_too_many(len(found), images):
            raise DataError(_counted(found, images, name), where=where, hint=HINT)
        sets[name] = annotations.select(np.flatnonzero(~np.isin(annotations.image_ids, list(found))))
        left_out[name] = {str(annotations.file_names[place_of[image]]): problem for image, problem in found.items()}
    return replace(data, train=sets["train"], validation=sets.get("val"), left_out=left_out)


def _counted(found: Problems, images: int, name: str) -> str:
    return f"{len(found)} of {images} pictures of {name} cannot be read; the first: {next(iter(found.values()))}"
