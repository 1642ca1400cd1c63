"""The pictures that a command line names: files as they are, and those in folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import HoopoeError, MediaError
from detector.base.reporting import task, warn
from detector.data.images import read_image
from detector.footage.discovery import find_media


@dataclass(frozen=True)
class Listed:
    """A picture.

    Args:
        path: As people see it: as it was given, or in the folder that was given.
        name: Below the folder that holds all pictures, with forward slashes.
    """

    path: Path
    name: str


def list_pictures(inputs: Sequence[Path]) -> list[Listed]:
    """Files as they are given, and the photos in folders and theirs, each once, in the order of their names.

    Raises:
        MediaError: A folder holds no photos.
    """
    paths: list[Path] = []
    for given in inputs:
        paths += _photos_in(given) if given.is_dir() else [given]
    paths = list(dict.fromkeys(paths))
    folders = [os.path.abspath(given if given.is_dir() else given.parent) for given in inputs]
    try:
        root = os.path.commonpath(folders)
    except ValueError:  # drives of Windows have nothing in common
        return [Listed(path, path.as_posix()) for path in paths]
    return [Listed(path, Path(os.path.relpath(os.path.abspath(path), root)).as_posix()) for path in paths]


def _photos_in(folder: Path) -> list[Path]:
    kinds: Counter[str] = Counter()
    photos = []
    for item in find_media(folder, "", report=lambda error: warn(str(error)), pass_over=lambda suffix: None):
        kinds[item.media_type] += 1
        if item.media_type == "photo":
            photos.append(folder / item.path)
    videos = kinds["video"]
    if not photos:
        also = f", but {videos} videos" if videos else ""
        raise MediaError(f"there are no photos in this folder{also}", where=folder, hint="`hoopoe annotate` reads both")
    if videos:
        warn(f"{folder}: {videos} videos are passed over; `hoopoe annotate` reads them")
    return photos


def read_each(
    pictures: Sequence[Listed], verb: str, failed: Callable[[Listed, HoopoeError], None]
) -> Iterator[tuple[Listed, NDArray[np.uint8]]]:
    """Each picture that can be read, RGB (H, W, 3); one that cannot costs no other.

    Args:
        pictures: In their order.
        verb: What happens to them, for the progress.
        failed: Told of each that cannot be read.
    """
    with task(verb, len(pictures), "pictures") as progress:
        for picture in pictures:
            try:
                image = read_image(picture.path)
            except HoopoeError as error:
                failed(picture, error)
                progress.advance(failed=True)
                continue
            yield picture, image
            progress.advance()
