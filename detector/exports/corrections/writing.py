"""corrections/: train.json, val.json and images/, COCO boxes of what people said.

Photos are copied as they are where they lie upright, else written upright as JPEG; frames of videos are decoded. They
are no links, so that nothing that is done to the data set is done to the originals.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backbones.errors import DataError, HoopoeError
from detector.base.files import write_bytes
from detector.base.objects.address import Place
from detector.base.objects.fetching import local_copy
from detector.base.pictures import decode_picture
from detector.base.version import __version__
from detector.exports.corrections.choosing import Chooser, Labels, SpokenPicture
from detector.exports.corrections.parting import part_pictures
from detector.exports.files import whole_text
from detector.exports.pictures.crops import encode_jpeg
from detector.exports.pictures.frames import box_inside
from detector.exports.pictures.media_files import MOST_WORKERS, SILENCE_S, locate, picture_stem
from detector.exports.source import ExportOptions, ExportSource
from detector.footage.isolation import Failed, IsolatedReaders, Produced
from detector.footage.video import Video
from detector.store.presence import is_there
from detector.store.records import MediaRecord
from detector.store.reviews.log import read_words
from detector.types import Kind

JPEG_QUALITY = 95
TRAIN, VAL, IMAGES = "train.json", "val.json", "images"
_AS_THEY_ARE = (".jpg", ".jpeg", ".png")  # which every program reads
KINDS = (Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE)


@dataclass(frozen=True)
class Corrections:
    """What was written.

    Attributes:
        folder: Where.
        train: Pictures to train on.
        val: Pictures to evaluate on.
        boxes: Boxes that are taught, by category.
        ignored: Regions that are not.
        blank: Pictures without any box.
        rule: How the pictures were parted.
        faults: Files that are left out, and why.
    """

    folder: Path
    train: int
    val: int
    boxes: dict[str, int]
    ignored: int
    blank: int
    rule: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class _Task:
    """A file and the pictures to make of it."""

    file: Place
    record: MediaRecord
    pictures: tuple[SpokenPicture, ...]
    folder: Path


@dataclass(frozen=True)
class _Written:
    """A picture that is there now: its place among those of its task, its name, and its size."""

    place: int
    name: str
    size_wh: tuple[int, int]


def write_corrections(
    store: Path, folder: Path, labels: Labels = "birds", options: ExportOptions | None = None
) -> Corrections:
    """Write the data set of what people said; one of before in the same folder is replaced.

    Args:
        store: A decided store.
        folder: Where it goes.
        labels: What the categories are; see `Chooser`.
        options: Where cards are that have moved.

    Raises:
        DataError: There is no store, it has no decisions, or nobody has said anything of its boxes.
        HoopoeError: A card is not there, and nothing could be written.
    """
    options = options or ExportOptions()
    source = ExportSource.of(store)
    chooser = Chooser(read_words(store), labels)
    before = _names(folder)
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    made = list(_made(_tasks(source, chooser, folder / IMAGES, options, faults), faults))
    if not made:
        problem = faults[0] if faults else "nobody has said anything of boxes or files in this store"
        hint = "say it with `hoopoe review`, or `hoopoe decide --reviews`, and decide again"
        raise DataError(problem, where=store, hint=hint)
    corrections = _write(folder, made, labels, faults)
    for name in before - _names(folder):
        with suppress(OSError):
            (folder / IMAGES / name).unlink()
    return corrections


def _tasks(
    source: ExportSource, chooser: Chooser, folder: Path, options: ExportOptions, faults: list[str]
) -> Iterator[_Task]:
    roots = options.card_roots(source.run)
    for record in source.media():
        pictures = tuple(chooser.pictures(record))
        if not pictures:
            continue
        try:
            file = locate(record, roots)
        except HoopoeError as error:
            faults.append(str(error))
            continue
        if is_there(file):
            yield _Task(file, record, pictures, folder)
        else:
            faults.append(f"{file}: it is not there; put the disk in, or say where it is: --root {record.card}=PATH")


def _made(tasks: Iterator[_Task], faults: list[str]) -> Iterator[tuple[SpokenPicture, _Written]]:
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    with IsolatedReaders(workers, make_pictures, SILENCE_S, name=lambda task: str(task.file)) as readers:
        for event in readers.run(tasks, in_order=True):
            if isinstance(event, Produced):
                yield event.task.pictures[event.value.place], event.value
            elif isinstance(event, Failed):
                faults.append(str(event.error))


def make_pictures(task: _Task) -> Iterator[_Written]:
    """Write the pictures of a file.

    Raises:
        MediaError: It cannot be read.
    """
    with local_copy(task.file) as file:
        yield from _pictures(task, file)


def _pictures(task: _Task, file: Path) -> Iterator[_Written]:
    stem = picture_stem(task.record)
    if task.record.media_type == "photo":
        yield _photo(task, file, stem)
        return
    places = {picture.frame_number: place for place, picture in enumerate(task.pictures)}
    for frame in Video(file).read_numbers(sorted(places)):
        name = f"{stem}_{frame.frame_number:06d}.jpg"
        write_bytes(task.folder / name, encode_jpeg(frame.image, JPEG_QUALITY), durable=False)
        yield _Written(places[frame.frame_number], name, (frame.image.shape[1], frame.image.shape[0]))


def _photo(task: _Task, file: Path, stem: str) -> _Written:
    suffix = file.suffix.lower()
    small = decode_picture(file, min_side=1)  # how it lies, and whether it is whole
    if suffix in _AS_THEY_ARE and small.orientation == 1 and small.warning is None:
        name = f"{stem}{suffix}"
        shutil.copyfile(file, task.folder / name)
        return _Written(0, name, small.size_wh)
    name = f"{stem}.jpg"
    picture = decode_picture(file)
    write_bytes(task.folder / name, encode_jpeg(picture.image, JPEG_QUALITY), durable=False)
    return _Written(0, name, picture.size_wh)


def _write(
    folder: Path, made: Sequence[tuple[SpokenPicture, _Written]], labels: Labels, faults: Sequence[str]
) -> Corrections:
    boxes = Counter(box.category for picture, _ in made for box in picture.boxes)
    categories = _categories(labels, boxes)
    taught = [any(box.category is not None for box in picture.boxes) for picture, _ in made]
    records = [picture.record for picture, _ in made]
    days = [f"{record.timestamp.date()}" if record.timestamp else "" for record in records]
    parting = part_pictures([record.deployment_id for record in records], days, taught)
    parts = {
        name: [one for one, out in zip(made, parting.held_out, strict=True) if out is held_out]
        for name, held_out in ((TRAIN, False), (VAL, True))
    }
    for name, part in parts.items():
        if part:
            with whole_text(folder / name) as out:
                json.dump(_document(part, categories), out)
        else:
            (folder / name).unlink(missing_ok=True)
    return Corrections(
        folder=folder,
        train=len(parts[TRAIN]),
        val=len(parts[VAL]),
        boxes={name: boxes[name] for name in categories},
        ignored=boxes[None],
        blank=sum(not picture.boxes for picture, _ in made),
        rule=parting.rule,
        faults=tuple(faults),
    )


def _categories(labels: Labels, boxes: Counter[str | None]) -> list[str]:
    if labels == "birds":
        return [str(Kind.BIRD)]
    if labels == "kinds":
        return [str(kind) for kind in KINDS]
    return sorted(name for name in boxes if name is not None) or [str(Kind.BIRD)]


def _document(made: Sequence[tuple[SpokenPicture, _Written]], categories: Sequence[str]) -> dict[str, object]:
    ids = {name: number for number, name in enumerate(categories, 1)}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, (picture, written) in enumerate(made, 1):
        width, height = written.size_wh
        image = {"id": number, "file_name": written.name, "width": width, "height": height}
        record = picture.record
        image |= {"location": record.deployment_id, "media_id": record.media_id, "frame_number": picture.frame_number}
        if record.timestamp is not None:
            image["date_captured"] = record.timestamp.isoformat(" ", "seconds")
        images.append(image)
        for box in picture.boxes:
            x, y, w, h = box_inside(box.found)
            if w <= 0 or h <= 0:
                continue
            sides = [round(side * scale, 3) for side, scale in ((x, width), (y, height), (w, width), (h, height))]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": ids[box.category] if box.category is not None else 1,
                    "bbox": sides,
                    "area": round(sides[2] * sides[3], 3),
                    "iscrowd": int(box.category is None),
                }
            )
    return {
        "info": {"description": "What people said of camera-trap footage, by Hoopoe", "version": __version__},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }


def _names(folder: Path) -> set[str]:
    """The pictures of a data set of ours that is there already."""
    names: set[str] = set()
    for part in (TRAIN, VAL):
        with suppress(OSError, ValueError, KeyError, TypeError):
            names |= {str(image["file_name"]) for image in json.loads((folder / part).read_text("utf-8"))["images"]}
    return {name for name in names if "/" not in name and "\\" not in name and name not in ("", ".", "..")}
