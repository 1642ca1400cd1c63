"""Several names that are said of one file, as in a Timelapse table with a row a species: which of its boxes has which.

Nothing in such a table says so, and a guess would be a wrong name. But often only one answer is left: a box that the
store calls by one of the names has it, a person's box has none of an animal's names, and where one name and some boxes
are left over, they belong together as far as numbers fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detector.store.records import DetectionRecord, MediaRecord
from detector.store.reviews.programs.words import Word
from detector.types import Kind

_LIVING = (Kind.BIRD, Kind.ANIMAL, Kind.UNCERTAIN, Kind.UNDECIDED)
_OF_VERDICT = {
    "named": _LIVING,
    Kind.BIRD: (Kind.BIRD, Kind.UNCERTAIN, Kind.UNDECIDED),
    Kind.ANIMAL: (Kind.ANIMAL, Kind.UNCERTAIN, Kind.UNDECIDED),
    Kind.PERSON: (Kind.PERSON,),
    Kind.VEHICLE: (Kind.VEHICLE,),
}

Thing = tuple[DetectionRecord, ...]  # boxes of one individual
Says = Callable[[Word, DetectionRecord], bool]


@dataclass(frozen=True)
class SharedOut:
    """Which names are of which things of a file.

    Attributes:
        things: Of each word.
        missing: Words of which the file has no box.
    """

    things: tuple[tuple[Word, tuple[Thing, ...]], ...]
    missing: tuple[Word, ...]


def share_out(record: MediaRecord, words: Sequence[Word], threshold: float, says: Says) -> SharedOut | None:
    """Share the things of a file among the names that are said of it; None: there is more than one way.

    Args:
        record: The file.
        words: One of each name.
        threshold: From which score boxes count.
        says: Whether the store says of a box what a word says.
    """
    if any(word.verdict[0] not in _OF_VERDICT for word in words):  # blank, and yet something
        return None
    given: dict[int, list[Thing]] = defaultdict(list)
    open_things: list[tuple[Thing, list[int]]] = []
    for thing in _things(record, threshold):
        same = [number for number, word in enumerate(words) if any(says(word, found) for found in thing)]
        able = [number for number, word in enumerate(words) if thing[0].kind in _OF_VERDICT[word.verdict[0]]]
        if len(same) == 1:
            given[same[0]].append(thing)
        elif able:  # a person beside birds of which alone the table tells is none of them
            open_things.append((thing, able))
    left = [number for number in range(len(words)) if number not in given]
    if open_things:
        if len(left) != 1 or any(left[0] not in able for _, able in open_things):
            return None
        others = [(words[number], len(things)) for number, things in given.items()]
        rest = (words[left[0]], len(open_things))
        if not _is_only_way(rest, others):
            return None
        given[left[0]] = [thing for thing, _ in open_things]
    if not all(_counts(words[number], len(things)) for number, things in given.items()):
        return None
    missing = tuple(words[number] for number in range(len(words)) if number not in given)
    return SharedOut(tuple((words[number], tuple(given[number])) for number in sorted(given)), missing)


def _is_only_way(rest: tuple[Word, int], others: Sequence[tuple[Word, int]]) -> bool:
    """Whether what is left over is of the name that is left: one thing, or as many as are counted of each name."""
    word, things = rest
    if things == 1:
        return word.traits.count in (None, 1)
    return word.traits.count == things and all(other.traits.count == number for other, number in others)


def _counts(word: Word, things: int) -> bool:
    """Whether as many are counted as there are things, or more."""
    return word.traits.count is None or word.traits.count >= things


def _things(record: MediaRecord, threshold: float) -> list[Thing]:
    """The boxes that count, those of one individual together, the surest first."""
    of: dict[str, list[DetectionRecord]] = defaultdict(list)
    for found in record.shown(threshold):
        of[found.individual_id or f"{found.frame_number}:{found.box}"].append(found)
    return [tuple(sorted(boxes, key=lambda found: -found.score)) for boxes in of.values()]
