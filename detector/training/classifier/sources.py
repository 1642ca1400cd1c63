"""Labelled crops in folders and in COCO files, as `CropSource`s."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError, MediaError
from detector.base.content_hash import content_hash
from detector.base.reporting import warn
from detector.data.coco.reading import read_coco
from detector.data.coco.splitting import LEAST_GROUPS, NEIGHBOURS
from detector.data.images import read_image
from detector.data.loader import worker_count
from detector.deployments.folders import camera_folder
from detector.evaluation.slices import LOCATION
from detector.species.calibrating.labelled import NO_BIRD_FOLDER, crops_in_folder, crops_of_others
from detector.species.crops import crops_of, cut_crops
from detector.species.learning.boxes import Cut, CutCrop, LabelledBox
from detector.training.folds import EVENTS

Work = TypeVar("Work")
Done = TypeVar("Done")


class FolderCrops:
    """A folder of folders of crops: the folder's name is what they are called.

    A camera is the folder in which they lie within that; else the beginning of a file's name, without its number. What
    lies side by side by name was taken together.

    Args:
        folder: It.
        others: They lie at any depth, and none is a bird.

    Raises:
        DataError: There are no pictures.
    """

    def __init__(self, folder: Path, *, others: bool = False) -> None:
        self.name = str(folder)
        found = crops_of_others(folder) if others else crops_in_folder(folder)
        self._paths = [path for _, path in found]
        within = [path.relative_to(folder) for path in self._paths]
        below = [path.parent.parts if others else path.parent.parts[1:] for path in within]
        cameras = ["/".join(parts) or _beginning(path) for parts, path in zip(below, self._paths, strict=True)]
        events = neighbours([f"{label}/{path}" for label, path in zip(cameras, within, strict=True)])
        hashes = _hashes(self._paths)
        self.boxes: Sequence[LabelledBox] = [
            LabelledBox(NO_BIRD_FOLDER if others else label, path.as_posix(), digest, camera, event)
            for (label, _), path, digest, camera, event in zip(found, within, hashes, cameras, events, strict=True)
        ]

    def cut(self, cuts: Mapping[int, Cut]) -> Iterator[CutCrop]:
        """Read pictures and squash them; one that cannot be read costs no other."""

        def read(number: int) -> CutCrop:
            try:
                image = read_image(self._paths[number])
            except MediaError as error:
                return CutCrop(number, None, error.problem)
            whole = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
            return CutCrop(number, cut_crops(image, whole, cuts[number].size_hw)[0])

        return in_threads(read, cuts)


class CocoCrops:
    """Boxes of a COCO file whose categories are species; crowds are left out.

    A camera is the record's `location`, else its folder; an event what the record says (`seq_id`, `event_id` ...), else
    what lies side by side by name.

    Args:
        annotations: The file.
        images: The folder of its pictures.

    Raises:
        DataError: It is no such file, or has no box.
    """

    def __init__(self, annotations: Path, images: Path) -> None:
        self.name = str(annotations)
        self._data, _ = read_coco([(annotations, images)], attributes=[LOCATION, *EVENTS])
        data = self._data
        if data.is_crowd.all():
            raise DataError("there is no box in this file", where=annotations, hint="give boxes with species")
        names = [data.file_names[place] for place in range(len(data))]
        apart = neighbours(names)
        hashes = _hashes([images / name for name in names])
        boxes: list[LabelledBox] = []
        self._rows: list[tuple[int, int]] = []
        for place, name in enumerate(names):
            record = data[place]
            camera = data.attributes[LOCATION][place] or camera_folder(name.rpartition("/")[0])
            event = next((text for key in EVENTS if (text := data.attributes[key][place])), apart[place])
            shares = _shares(record.boxes_xyxy, (record.width, record.height))
            for row in np.flatnonzero(~record.is_crowd).tolist():
                label = data.category_names[record.labels[row]]
                x, y, w, h = shares[row].tolist()
                boxes.append(LabelledBox(label, name, hashes[place], camera, event, (x, y, w, h)))
                self._rows.append((place, row))
        self.boxes: Sequence[LabelledBox] = boxes

    def cut(self, cuts: Mapping[int, Cut]) -> Iterator[CutCrop]:
        """Cut the boxes of each picture, read once; one that cannot be read costs no other."""
        of_picture: dict[int, list[int]] = defaultdict(list)
        for number in cuts:
            of_picture[self._rows[number][0]].append(number)

        def read(place: int) -> list[CutCrop]:
            record, numbers = self._data[place], of_picture[place]
            try:
                image = read_image(record.path, (record.width, record.height))
            except (MediaError, DataError) as error:
                return [CutCrop(number, None, error.problem) for number in numbers]
            boxes = np.array([self.boxes[number].box_xywh for number in numbers], np.float32)
            return [
                CutCrop(number, crops_of(image, boxes[[at]], cuts[number].size_hw, cuts[number].context)[0])
                for at, number in enumerate(numbers)
            ]

        for crops in in_threads(read, of_picture):
            yield from crops


def neighbours(names: Sequence[str]) -> list[str]:
    """What was probably taken together (N,): files of one folder and beginning, so many side by side by name."""
    of_series: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        of_series[_series(name)].append(name)
    event_of: dict[str, str] = {}
    for series, members in of_series.items():
        size = min(NEIGHBOURS, max(1, len(members) // LEAST_GROUPS))
        event_of.update({name: f"{series}#{place // size}" for place, name in enumerate(members)})
    return [event_of[name] for name in names]


def in_threads(do: Callable[[Work], Done], work: Iterable[Work]) -> Iterator[Done]:
    """Do pieces of work in threads, which decoders let run beside each other; their order is kept."""
    threads = max(1, worker_count(None))
    remaining = iter(work)
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(do, each) for each in islice(remaining, 4 * threads)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(do, each) for each in islice(remaining, 1)]


def _series(name: str) -> str:
    folder, _, file = name.replace("\\", "/").rpartition("/")
    return f"{folder}/{re.sub(r'[0-9].*$', '', file)}"


def _beginning(path: Path) -> str:
    return re.sub(r"\d+\D*$", "", path.stem).strip("_- ")


def _hashes(paths: Sequence[Path]) -> list[str]:
    """Of each file's content; a file that cannot be read has one of its own."""

    def of(path: Path) -> str:
        try:
            return content_hash(path)
        except MediaError:
            return f"unreadable {path}"

    return list(in_threads(of, paths))


def _shares(boxes_xyxy: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    sides = np.array(size_wh * 2, np.float32)
    shares = boxes_xyxy / sides
    shares[:, 2:] -= shares[:, :2]
    return shares.astype(np.float32)


def say_unreadable(problems: Sequence[tuple[str, str]]) -> None:
    """Name crops that could not be read."""
    for picture, problem in problems[:5]:
        warn(f"left out: {picture}: {problem}")
    if len(problems) > 5:
        warn(f"left out: {len(problems) - 5} more that cannot be read; data.json of the run lists them")
