"""Pictures that cannot be read are found before the first epoch: refused, or left out and listed.

All are read once; a run that goes on reads them again only if one has changed since.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch.distributed
from lightning_fabric import Fabric

from backbones.errors import DataError
from detector.base.reporting import task
from detector.data.doctor.picture_scan import PictureScan, scan_pictures
from detector.data.findings import are_too_many
from detector.data.images import chosen_orientation
from detector.data.packed import Annotations
from detector.training.data import RunData
from detector.training.pictures.decoder_words import decoders_heard, tell_damaged

HINT = "copy or save it again, or take it out: `hoopoe doctor ANNOTATIONS --images DIR --fix OUT.json`"

Problems = dict[int, str]  # id of an image -> why its picture cannot be read


def with_readable_pictures(data: RunData, before: Mapping[str, Any], fabric: Fabric, *, refuse: bool) -> RunData:
    """The data of a run without the pictures that cannot be read. All processes share the reading.

    Args:
        data: The run's.
        before: What data.json says, where a run goes on; else empty.
        fabric: Of the processes, which have been started.
        refuse: Whether one is too many (`data.invalid: error`).

    Raises:
        DataError: See `without_pictures`.
    """
    state, found = "", None
    if fabric.is_global_zero:
        state = state_of_pictures(data)
        found = known_problems(data, before) if before.get("pictures") == state else None
    state, found = fabric.broadcast((state, found))
    if found is None:
        share = (fabric.global_rank, fabric.world_size)
        images = sum(len(_rows(each, share)) for each in data.sets.values())
        with (
            decoders_heard() as words,
            task("reading pictures", images, "pictures", quiet=not fabric.is_global_zero) as progress,
        ):
            found = unreadable_pictures(data, progress.advance, share)
        heard: list[Any] = [words]
        if fabric.world_size > 1:
            heard = [None] * fabric.world_size
            torch.distributed.all_gather_object(heard, words)
        if fabric.is_global_zero:
            tell_damaged([line for lines in heard for line in lines], list(data.sets.values()))
        if fabric.world_size > 1:
            parts: list[Any] = [None] * fabric.world_size
            torch.distributed.all_gather_object(parts, found)
            found = {name: {id: problem for part in parts for id, problem in part[name].items()} for name in found}
    return replace(without_pictures(data, found, refuse=refuse), pictures=state)


def state_of_pictures(data: RunData) -> str:
    """SHA-256 (hex) of the sizes and times of all picture files: another one if any of them was changed."""
    digest = hashlib.sha256()
    for each in data.sets.values():
        for row in _rows(each):
            try:
                status = os.stat(each.path(row))
                digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(b"none\n")
    return digest.hexdigest()


def known_problems(data: RunData, before: Mapping[str, Any]) -> dict[str, Problems] | None:
    """What data.json says of the same pictures; None: it names one that several images have, or that is not there."""
    found: dict[str, Problems] = {}
    for name, each in data.sets.items():
        problems = before.get(name, {}).get("left_out", {})
        rows = _rows(each) if problems else []
        ids = [(each.file_names[row], int(each.image_ids[row])) for row in rows if each.file_names[row] in problems]
        if len(ids) != len(problems):
            return None
        found[name] = {image: problems[file_name] for file_name, image in ids}
    return found


def unreadable_pictures(
    data: RunData, advance: Callable[[], None], share: tuple[int, int] = (0, 1)
) -> dict[str, Problems]:
    """Decode pictures of a run once, at reduced size where the format can.

    Args:
        data: The run's.
        advance: Called after each picture.
        share: This process and the number of all, each of which reads a part.

    Returns:
        What is wrong, by set (train, val) and by id of the image.
    """
    return {name: dict(_unreadable(each, _rows(each, share), advance)) for name, each in data.sets.items()}


def _rows(annotations: Annotations, share: tuple[int, int] = (0, 1)) -> list[int]:
    """The places of a process's images, each once: --overfit shows them several times."""
    return np.unique(annotations.image_ids, return_index=True)[1][share[0] :: share[1]].tolist()


def _unreadable(annotations: Annotations, rows: list[int], advance: Callable[[], None]) -> Iterator[tuple[int, str]]:
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
    sets, left_out = dict(data.sets), {name: dict(files) for name, files in data.left_out.items()}
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
        files = {str(annotations.file_names[place_of[image]]): problem for image, problem in found.items()}
        left_out[name] = left_out.get(name, {}) | files
    validation, negatives = sets.get("val"), sets.get("negatives")
    return replace(data, train=sets["train"], validation=validation, negatives=negatives, left_out=left_out)


def _counted(found: Problems, images: int, name: str) -> str:
    return f"{len(found)} of {images} pictures of {name} cannot be read; the first: {next(iter(found.values()))}"
