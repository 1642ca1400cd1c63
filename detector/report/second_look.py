"""What the second look at each bird changed of what the detector had said."""

from __future__ import annotations

from collections import Counter
from typing import Any

from detector.species.names.crosswalk import Crosswalk
from detector.species.names.kinds import MAYBE_BIRD, Kinds
from detector.store.records import DetectionRecord
from detector.types import Kind

MOST_PAIRS = 40

CONFIRMED = "confirmed"
NAMED = "named"
RENAMED = "renamed"
WIDENED = "widened"
UNNAMED = "unnamed"
NO_BIRD = "no bird"


class SecondLook:
    """Counts of boxes by what the detector said and what they are called now; boxes that people named are left out.

    Args:
        crosswalk: Names of taxa.
        kinds: What labels are.
    """

    def __init__(self, crosswalk: Crosswalk, kinds: Kinds) -> None:
        self._kinds, self._crosswalk = kinds, crosswalk
        self._labels: dict[str, str | None] = {}
        self._pairs: Counter[tuple[str, int, str]] = Counter()

    def add(self, found: DetectionRecord, name: int) -> None:
        """Count a box that counts, by the place of its name."""
        if found.reviewed_by is None and self._kinds.of(found.label) in MAYBE_BIRD:
            self._pairs[found.label, name, self._change(found)] += 1

    def _change(self, found: DetectionRecord) -> str:
        said = self._species(found.label)
        if found.kind != Kind.BIRD:
            return NO_BIRD if self._kinds.of(found.label) == Kind.BIRD else UNNAMED
        if found.rank == "class" or not found.name:
            return UNNAMED if said is None else WIDENED
        if said is None:
            return NAMED
        if found.rank == "species" or found.rank is None:
            return CONFIRMED if found.name == said else RENAMED
        return WIDENED

    def _species(self, label: str) -> str | None:
        """The species that a label is, if it is one."""
        if label not in self._labels:
            row = self._crosswalk.find(label)
            self._labels[label] = row.scientific_name if row is not None and row.rank == "species" else None
        return self._labels[label]

    def as_json(self) -> dict[str, Any]:
        """Totals by change, and the most frequent pairs."""
        totals: Counter[str] = Counter()
        for (_, _, change), count in self._pairs.items():
            totals[change] += count
        ordered = sorted(self._pairs.items(), key=lambda pair: (-pair[1], pair[0]))
        pairs = [[label, name, change, count] for (label, name, change), count in ordered[:MOST_PAIRS]]
        return {"totals": dict(totals), "pairs": pairs, "more": max(len(ordered) - MOST_PAIRS, 0)}
