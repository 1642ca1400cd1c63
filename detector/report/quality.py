"""How often the models' likeliest species was right, where people have said what it is.

Boxes of one individual are one bird, and birds of one event stand or fall together: shares are of birds, and their
intervals (Wilson 1927) are those of as many events, which is wider and nearer to the truth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from detector.evaluation.species.intervals import Interval, wilson
from detector.store.records import DetectionRecord
from detector.types import Kind

BINS = 10  # of confidence
MOST_PAIRS = 60


class Quality:
    """Birds that people named, with what the models had called likeliest."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._bins: dict[int, list[bool]] = defaultdict(list)
        self._events: dict[int, set[str]] = defaultdict(set)
        self._confused: Counter[tuple[str, str]] = Counter()

    def add(self, found: DetectionRecord) -> None:
        """Count a box, if a person's word stands on it and a classifier had named it."""
        bird = found.individual_id or f"{found.media_id}:{found.frame_number}:{found.box}"
        if found.reviewed_by is None or not found.candidates or bird in self._seen:
            return
        truth = _said(found)
        if truth is None:
            return
        self._seen.add(bird)
        likeliest = found.candidates[0]
        place = min(int(likeliest.confidence * BINS), BINS - 1)
        self._bins[place].append(likeliest.name == truth)
        self._events[place].add(found.event_id or bird)
        self._confused[truth, likeliest.name] += 1

    def as_json(self) -> dict[str, Any] | None:
        """Precision by confidence, and who was taken for whom; None where nobody reviewed."""
        if not self._seen:
            return None
        rows = []
        for place in sorted(self._bins):
            right, events = self._bins[place], len(self._events[place])
            interval = wilson(sum(right), len(right), events)
            rows.append([place / BINS, (place + 1) / BINS, len(right), events, sum(right), *_rounded(interval)])
        all_right = sum(map(sum, self._bins.values()))
        events = len(set().union(*self._events.values()))
        pairs = [[truth, guess, count] for (truth, guess), count in self._confused.most_common(MOST_PAIRS)]
        total = _rounded(wilson(all_right, len(self._seen), events))
        counts = {"birds": len(self._seen), "events": events, "right": all_right}
        return counts | {"total": total, "bins": rows, "pairs": pairs}


def _said(found: DetectionRecord) -> str | None:
    """What a person says that it is, as a species or the word for anything else; None: nothing that can be compared."""
    if found.suppressed:
        return "nothing"
    if found.kind in (Kind.UNCERTAIN, Kind.UNDECIDED):
        return None
    if found.kind != Kind.BIRD:
        return found.display_name
    return found.said_species


def _rounded(interval: Interval) -> list[float]:
    return [round(value, 4) for value in (interval.share, interval.low, interval.high)]
