"""What of a store people have said enough of to teach a detector by it, and what is to be ignored there.

A picture is taken if a person spoke of it: of a box in it, of the whole file, or by drawing or moving a box. In it

- boxes that the person confirmed, named, drew or moved are taught, where they lie by now;
- boxes that the person called nothing are background, and so are those of what is not taught;
- all others, however faint, are ignored regions, for nobody looked at them: never background. So are boxes that stand
  for several birds, and those within another that stands for the same bird.

Files that a person confirmed as blank are pictures without boxes. What was said of a whole group of repeats is not said
of each picture: only the first pictures of a group are taken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detector.exports.pictures.frames import by_frame
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.reviews.log import Words
from detector.store.reviews.review import Target
from detector.types import Kind

Labels = Literal["birds", "kinds", "species"]
FRAMES_OF_A_BLANK = 3  # of a video: more of an empty place are copies of each other
PICTURES_OF_A_REPEAT = 5
_UNTAUGHT = ""  # background


@dataclass(frozen=True)
class TaughtBox:
    """A box of a picture: what it shows, or None where it is to be ignored."""

    found: DetectionRecord
    category: str | None


@dataclass(frozen=True)
class SpokenPicture:
    """A photo, or a frame of a video, of which people spoke."""

    record: MediaRecord
    frame_number: int
    boxes: tuple[TaughtBox, ...] = ()


@dataclass
class Chooser:
    """Chooses pictures, file by file.

    Args:
        words: What people said.
        labels: What the categories are: `birds` (one), `kinds` (bird, animal, person, vehicle), or `species`.
    """

    words: Words
    labels: Labels = "birds"
    _of_items: dict[str, set[Target]] = field(init=False)
    _groups: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._of_items = defaultdict(set)
        for review in (*self.words.identity, *self.words.place):
            if review.media_id is not None and review.verdict != "real":
                self._of_items[review.media_id].add(review.target)

    def pictures(self, record: MediaRecord) -> Iterator[SpokenPicture]:
        """The pictures of a file of which people spoke; none of one that cannot be read, or is a copy of another."""
        if record.failure is not None or record.duplicate_of is not None or not record.width or not record.height:
            return
        if record.blank_by is not None:
            for number in _spread(record.frames or (0,), FRAMES_OF_A_BLANK):
                yield SpokenPicture(record, number)
            return
        said = self._of_items.get(record.media_id, set())
        found = by_frame(record.detections)
        spoken = self._frames(said, found)
        for number in sorted(spoken or self._repeated(found)):
            boxes = (self._taught(each, said) for each in found.get(number, ()))
            yield SpokenPicture(record, number, tuple(box for box in boxes if box is not None))

    def _frames(self, said: Iterable[Target], found: dict[int, tuple[DetectionRecord, ...]]) -> set[int]:
        """The frames that words are of; of a word on a file those in which there is something of which it holds."""
        numbers = {number for _, number, _, _ in said if number is not None}
        if any(number is None for _, number, _, _ in said):
            numbers |= {number for number, boxes in found.items() if any(box.reviewed_by for box in boxes)}
        return numbers & found.keys()

    def _repeated(self, found: dict[int, tuple[DetectionRecord, ...]]) -> set[int]:
        """The frames of repeats that a person called nothing, of the first pictures of each."""
        numbers = set()
        for number, boxes in found.items():
            groups = {box.repeat_group for box in boxes if box.repeat_group and box.suppressed and box.reviewed_by}
            if any(self._groups[group] < PICTURES_OF_A_REPEAT for group in groups):
                self._groups.update(groups)
                numbers.add(number)
        return numbers

    def _taught(self, found: DetectionRecord, said: set[Target]) -> TaughtBox | None:
        """What is taught of a box; None: it is background."""
        of_frame = (found.media_id, found.frame_number, None, None)
        direct = {(found.media_id, found.frame_number, found.box, None), of_frame, (found.media_id, None, None, None)}
        ruled_out = found.suppressed and found.reviewed_by is not None
        if ruled_out and (found.repeat_group or direct & said):
            return None
        if not direct & said or not (found.reviewed_by or found.box_by) or found.suppressed or found.count != 1:
            return TaughtBox(found, None)
        category = self._category(found)
        return None if category == _UNTAUGHT else TaughtBox(found, category)

    def _category(self, found: DetectionRecord) -> str | None:
        if found.kind not in (Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE):
            return None  # nobody knows
        if self.labels == "kinds":
            return str(found.kind)
        if found.kind != Kind.BIRD:
            return _UNTAUGHT
        if self.labels == "birds":
            return str(Kind.BIRD)
        return found.said_species if found.rank == "species" else None  # a guess of the models teaches no species


def _spread(numbers: tuple[int, ...], most: int) -> list[int]:
    """At most so many, evenly over all."""
    places = np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int)
    return [numbers[place] for place in places.tolist()]
