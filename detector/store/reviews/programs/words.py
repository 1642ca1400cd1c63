"""What a file of another program says of a store's files and boxes, before anybody has looked for them there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from detector.base.dates import parse_date
from detector.base.names import name_key
from detector.store.reviews.traits import NO_TRAITS, Traits
from detector.types import Kind

ANYBODY = "unknown"
ANY_ANIMAL = "any animal"  # formats that have no word for birds say `animal` of them too

Box = tuple[float, float, float, float]

_KINDS = {
    **dict.fromkeys(("bird", "aves", "unidentified bird"), Kind.BIRD),
    "animal": Kind.ANIMAL,
    **dict.fromkeys(("person", "human", "people", "homo sapiens"), Kind.PERSON),
    "vehicle": Kind.VEHICLE,
    **dict.fromkeys(("nothing", "blank", "empty", "none", "no animal", "not a bird", "false trigger"), "nothing"),
}


@dataclass(frozen=True)
class Place:
    """What a word is of; all boxes of a file where it is of no box.

    Attributes:
        item: Id of the media item, if the file gives one.
        path: The file, in the words of that program.
        frame: Number of the frame; None: not given.
        time_s: Time of the frame in a video, where that is given in place of a number.
        box: Number of the box in its frame, where the file kept it.
        xywh: The box, as shares of the picture.
    """

    item: str | None = None
    path: str | None = None
    frame: int | None = None
    time_s: float | None = None
    box: int | None = None
    xywh: Box | None = None

    @property
    def is_of_a_box(self) -> bool:
        """Whether it is of one box, rather than of the file."""
        return self.box is not None or self.xywh is not None


@dataclass(frozen=True)
class Word:
    """One thing that a file says.

    Attributes:
        where: The row or record, for errors.
        place: What it is of.
        label: A name, or a word for a kind; ANY_ANIMAL.
        ranked: All the names that it gives, the surest first, where the program lists several.
        signed: Whether a person said it, even where the store says so already; else it is one only where it differs.
        edited: Whether it differs from what was exported; None: the file does not tell.
        probability: That came with it when it was exported, by which it is told whether the store has changed since.
        score: Of the detector, likewise.
        reviewer: Who.
        said_at: When; None: not given.
        group: Within which a box can be meant once, such as one person's annotation of a picture.
        region: Key frames of one thing in a video have this in common; of a file, entries of other birds differ.
        traits: Sex, age and number that come with it.
        draws: Whether a box that matches none of the store's is one that a person drew.
        moves: Whether a box that matches one, and lies otherwise, is one that a person moved.
    """

    where: str
    place: Place
    label: str
    ranked: tuple[str, ...] = ()
    signed: bool = False
    edited: bool | None = None
    probability: float | None = None
    score: float | None = None
    reviewer: str = ANYBODY
    said_at: datetime | None = None
    comment: str | None = None
    group: str = ""
    region: str = ""
    traits: Traits = NO_TRAITS
    draws: bool = False
    moves: bool = False

    @property
    def verdict(self) -> tuple[str, str | None]:
        """The verdict that its label means, and the name that goes with `named`."""
        kind = _KINDS.get(name_key(self.label))
        return (str(kind), None) if kind else ("named", self.label)


@dataclass(frozen=True)
class Heard:
    """What a file says, which of its records are wrong, and how it was read."""

    words: tuple[Word, ...]
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def moment(text: str | None) -> datetime | None:
    """When something was said; None where that is not given.

    Raises:
        ValueError: It is no time.
    """
    return parse_date(text).time if text else None
