"""What was seen, by name, with its numbers: those of events.csv and results.csv."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from detector.report.gallery import GalleryRow
from detector.species.names.crosswalk import Crosswalk
from detector.store.records import DetectionRecord, EventRecord
from detector.types import Kind

BEST_PICTURES = 6


@dataclass
class Name:
    """What goes by one name.

    Attributes:
        kind: What it is.
        name: Scientific name; None without one.
        display: What people read.
        rank: Of the taxon.
        english: English name of the taxon.
        hebrew: Hebrew name of the taxon.
        events: Independent events.
        count: MaxN, the most at once in one frame of all events.
        detections: Boxes that count.
        review: Of those, how many a person should look at.
        files: Files that show it.
        best: Its surest boxes, each of another event, with the surest first.
    """

    kind: str
    name: str | None
    display: str
    rank: str | None = None
    english: str | None = None
    hebrew: str | None = None
    events: int = 0
    count: int = 0
    detections: int = 0
    review: int = 0
    files: int = 0
    best: dict[str, GalleryRow] = field(default_factory=dict)
    _last_file: str = ""

    def see(self, found: DetectionRecord) -> None:
        """Count a box; those of one file come together."""
        self.rank, self.english, self.hebrew = found.rank, found.english_name, found.hebrew_name
        self.detections += 1
        self.review += found.needs_review
        self.files += found.media_id != self._last_file
        self._last_file = found.media_id

    def consider(self, event: str, row: GalleryRow) -> None:
        """Keep a picture among the best, one of each event."""
        if event not in self.best or row.sureness > self.best[event].sureness:
            self.best[event] = row
        if len(self.best) > BEST_PICTURES:
            del self.best[min(self.best, key=lambda key: self.best[key].sureness)]

    def as_json(self) -> dict[str, Any]:
        """As the page takes it."""
        plain = {key: value for key, value in vars(self).items() if key not in ("best", "_last_file")}
        best = sorted(self.best.values(), key=lambda row: -row.sureness)
        return plain | {"best": [{"row": row.number, "picture": row.picture} for row in best]}


class Names:
    """All names of a store, in the order in which they are first seen."""

    def __init__(self) -> None:
        self.list: list[Name] = []
        self._index: dict[tuple[str, str | None, str], int] = {}

    def index(self, record: DetectionRecord | EventRecord) -> int:
        """The place of what a box or an event is called."""
        key = (record.kind, record.name, record.display_name)
        if key not in self._index:
            self._index[key] = len(self.list)
            self.list.append(Name(*key, rank=record.rank))
        return self._index[key]

    def add_event(self, event: EventRecord) -> int:
        """Count an event; returns the place of its name."""
        index = self.index(event)
        self.list[index].events += 1
        self.list[index].count = max(self.list[index].count, event.count)
        return index


def order_of(names: Iterable[Name]) -> list[int]:
    """The places of names as a person wants them listed: species of birds first, by falling number of events."""
    keys = [
        (name.kind != Kind.BIRD, name.rank not in ("species", None), -name.events, -name.detections, name.display)
        for name in names
    ]
    return sorted(range(len(keys)), key=keys.__getitem__)


def translations(names: Iterable[str], crosswalk: Crosswalk) -> dict[str, list[str]]:
    """Scientific name -> English and Hebrew name ("" where there is none), of the candidates."""
    rows = {name: crosswalk.find(name) for name in sorted(set(names))}
    return {name: [row.english_name, row.hebrew_name] for name, row in rows.items() if row is not None}
