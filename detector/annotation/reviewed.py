"""Boxes of a store that people named, and their crops: the very ones that the classifier is given there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.annotation.decoding import CropTask, FrameCrops
from detector.annotation.options import WorkOptions
from detector.annotation.readers import Readers
from detector.base.names import located
from detector.boxes import box_iou, xywh_to_xyxy
from detector.species.calibrating.labelled import NO_BIRD_FOLDER, OTHER_ANIMAL
from detector.species.learning.boxes import Cut, CutCrop, LabelledBox
from detector.store.presence import absent_cards
from detector.store.reader import FactsReader
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.records_reader import read_media
from detector.store.run_json import load_run
from detector.types import Kind, MediaItem

MOST_OF_ONE = 8  # crops of one individual's track: more of a bird that sits are copies of each other
ON_A_BIRD = 0.3  # IoU with a bird from which on a box that "shows nothing" shows a part of it


@dataclass(frozen=True)
class _Place:
    """Where a box is: its file, frame and number."""

    item: MediaItem
    frame: int


class ReviewedCrops:
    """What people named in a store, as a `CropSource`; its decisions are up to date.

    A name that a person gave counts for the whole individual, as it does in decisions; "a bird" or "real" names none.
    What people say is nothing, or no bird, teaches what a bird is not; a mammal has its name, for classifiers that know
    it.

    Args:
        folder: The store.
        roots: Where cards that have moved are now.

    Raises:
        DataError: There is no store, it has no decisions, or a part of it is damaged.
    """

    def __init__(self, folder: Path, roots: Mapping[str, Path] | None = None) -> None:
        self.folder, self.name = folder, str(folder)
        run = load_run(folder)
        moved = roots or {}
        places = {
            card: moved.get(card, moved.get(entry.label or card, Path(entry.root))) for card, entry in run.cards.items()
        }
        of_label = {entry.label or card: card for card, entry in run.cards.items()}
        contents = FactsReader(folder).contents()
        boxes: list[LabelledBox] = []
        self._places: list[_Place] = []
        for record in read_media(folder):
            found = [(each, label) for each in record.detections if (label := _label(each, record)) is not None]
            if not found or record.failure is not None or record.duplicate_of is not None:
                continue
            card = of_label[record.card]
            item = MediaItem(card, record.path, record.media_type, 0, located(places[card], record.path))
            for each, label in _thinned(found):
                place = f"{record.path}#{each.frame_number}" if record.media_type == "video" else record.path
                event = each.event_id or record.sequence_id
                content = contents.get(record.media_id) or record.media_id
                box = (each.x, each.y, each.w, each.h)
                boxes.append(LabelledBox(label, place, content, record.deployment_id, event, box))
                self._places.append(_Place(item, each.frame_number))
        self.boxes: Sequence[LabelledBox] = boxes
        used = {place.item.card for place in self._places}
        self._roots = {card: root for card, root in places.items() if card in used}

    def cut(self, cuts: Mapping[int, Cut]) -> Iterator[CutCrop]:
        """Cut crops in reading processes, as `annotate` does; one that cannot be read costs no other.

        Raises:
            DataError: A card is not where it was.
        """
        for card, reason in absent_cards(self.folder, self._roots).items():
            hint = f"put the disk in, or say where it is: --root {card}=PATH"
            raise DataError(f"card '{card}' is not there: {reason}", where=self._roots[card], hint=hint)
        of_item: dict[tuple[MediaItem, Cut], list[int]] = defaultdict(list)
        for number, cut in cuts.items():
            of_item[self._places[number].item, cut].append(number)
        with Readers(WorkOptions.chosen(torch.device("cpu")).workers) as readers:
            waiting = {
                readers.submit(self._task(item, cut, numbers)): self._by_frame(numbers)
                for (item, cut), numbers in of_item.items()
            }
            while waiting:
                arrival = readers.next(timeout_s=1.0)
                if arrival is None:
                    continue
                frames = waiting[arrival.task]
                if arrival.reading is None:
                    left = [number for numbers in waiting.pop(arrival.task).values() for number in numbers]
                    problem = arrival.failure or "its frame did not come again"
                    yield from (CutCrop(number, None, problem) for number in left)
                elif isinstance(arrival.reading, FrameCrops):
                    assert arrival.reading.frame is not None
                    numbers = frames.pop(arrival.reading.frame.frame_number)
                    for number, crop in zip(numbers, arrival.reading.crops, strict=True):
                        yield CutCrop(number, crop)

    def _by_frame(self, numbers: Sequence[int]) -> dict[int, list[int]]:
        frames: dict[int, list[int]] = defaultdict(list)
        for number in numbers:
            frames[self._places[number].frame].append(number)
        return dict(sorted(frames.items()))

    def _task(self, item: MediaItem, cut: Cut, numbers: Sequence[int]) -> CropTask:
        frames = self._by_frame(numbers)
        boxes = {frame: self._shares(each) for frame, each in frames.items()}
        wanted = {frame: np.arange(len(each)) for frame, each in frames.items()}
        return CropTask(item, boxes, wanted, cut.size_hw, context=cut.context)

    def _shares(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        return np.array([self.boxes[number].box_xywh for number in numbers], np.float32)


def _label(found: DetectionRecord, record: MediaRecord) -> str | None:
    """What a person says that a box shows; None: nobody said so, or nothing that a classifier can learn from."""
    if found.reviewed_by is None:
        return None
    if found.suppressed:
        return None if _is_on_a_bird(found, record) else NO_BIRD_FOLDER
    if found.kind in (Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE):  # a classifier may have a class of them
        plain = OTHER_ANIMAL if found.kind == Kind.ANIMAL else str(found.kind)
        return found.name if found.name and found.named_by is not None else plain
    if found.is_outnumbered:
        return None
    return found.said_species


def _is_on_a_bird(found: DetectionRecord, record: MediaRecord) -> bool:
    birds = [
        (each.x, each.y, each.w, each.h)
        for each in record.detections
        if each.frame_number == found.frame_number and not each.suppressed and each.kind == Kind.BIRD
    ]
    own = np.array([[found.x, found.y, found.w, found.h]], np.float32)
    return bool(birds) and bool(
        (box_iou(xywh_to_xyxy(own), xywh_to_xyxy(np.array(birds, np.float32))) >= ON_A_BIRD).any()
    )


def _thinned(found: Sequence[tuple[DetectionRecord, str]]) -> Iterator[tuple[DetectionRecord, str]]:
    """At most so many boxes of one individual in a file, spread evenly over those that there are."""
    of_one: dict[str, list[tuple[DetectionRecord, str]]] = defaultdict(list)
    for each, label in found:
        of_one[each.individual_id or f"{each.frame_number}:{each.box}"].append((each, label))
    for boxes in of_one.values():
        rows = np.unique(np.linspace(0, len(boxes) - 1, min(len(boxes), MOST_OF_ONE)).round().astype(int))
        yield from (boxes[row] for row in rows.tolist())
