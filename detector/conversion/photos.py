"""The photos that an export is calibrated and measured on: from all cameras, by day and by night."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError, MediaError
from detector.base.pictures import decode_picture, pictures_in
from detector.footage.light import LONG_SIDE, is_night_ir

CALIBRATING, HELD_OUT = 128, 72  # photos, at most
LEAST = 12  # photos: with fewer, neither a range nor a share means anything
LOOKED_AT = 3  # times the photos that are wanted: of so many it is looked up whether they were taken at night


@dataclass(frozen=True)
class Photos:
    """Photos that are read one at a time, when they are needed; they could be read when they were chosen.

    Attributes:
        paths: The files.
    """

    paths: tuple[Path, ...]

    def at(self, places: Sequence[int]) -> Photos:
        """Some of them."""
        return Photos(tuple(self.paths[place] for place in places))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for path in self.paths:
            yield decode_picture(path).image


@dataclass(frozen=True)
class Chosen:
    """Photos to calibrate on, and others to measure on."""

    calibrating: Photos
    held_out: Photos


def chosen_photos(folder: Path, calibrating: int = CALIBRATING, held_out: int = HELD_OUT) -> Chosen:
    """Photos of a folder; see `chosen_of`.

    Raises:
        DataError: There are too few.
    """
    return chosen_of(pictures_in(folder), folder, calibrating, held_out)


def chosen_of(paths: Sequence[Path], where: Path, calibrating: int = CALIBRATING, held_out: int = HELD_OUT) -> Chosen:
    """Photos taken in turn from each camera by day and by night, spread over its time; every third is held out.

    A camera is a folder. Neighbours in time show one visit: what is held out is no neighbour of what is calibrated on
    as far as there are photos enough.

    Raises:
        DataError: There are too few.
    """
    wanted = calibrating + held_out
    cameras: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        cameras[path.parent].append(path)
    candidates = _in_turn([_spread(each, LOOKED_AT * wanted) for each in cameras.values()])[: LOOKED_AT * wanted]
    by_light: dict[tuple[Path, bool], list[Path]] = defaultdict(list)
    for path in candidates:
        try:
            small = decode_picture(path, min_side=LONG_SIDE).image
        except MediaError:
            continue
        by_light[path.parent, is_night_ir(small)].append(path)
    chosen = _in_turn([_spread(each, wanted) for each in by_light.values()])[:wanted]
    if len(chosen) < LEAST:
        problem = f"{len(chosen)} photos can be read, and at least {LEAST} are needed"
        raise DataError(problem, where=where, hint="give a folder with a few hundred photos of your cameras")
    kept = [path for place, path in enumerate(chosen) if place % 3 != 2][:calibrating]
    return Chosen(Photos(tuple(kept)), Photos(tuple(chosen[2::3][:held_out])))


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    """So many of these, evenly spaced."""
    if len(paths) <= count:
        return list(paths)
    return [paths[round(place)] for place in np.linspace(0, len(paths) - 1, count)]


def _in_turn(groups: Sequence[Sequence[Path]]) -> list[Path]:
    """One of each group, then the next of each."""
    longest = max(map(len, groups), default=0)
    return [group[place] for place in range(longest) for group in groups if place < len(group)]
