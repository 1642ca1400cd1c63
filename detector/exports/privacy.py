"""Which boxes may show a person, in all that leaves the store."""

from __future__ import annotations

from detector.species.names.label_words import is_negation
from detector.store.records import DetectionRecord
from detector.types import Kind

_PRIVATE = (Kind.PERSON, Kind.UNDECIDED)  # a label that nobody knows may be a person's


def may_be_a_person(found: DetectionRecord) -> bool:
    """A person, or one of those that a label names only by what they are not: non_bird, no animal."""
    return found.kind in _PRIVATE or (found.kind == Kind.BLANK and is_negation(found.label))
