"""Stores as chance makes them: all that can be odd about footage, in small numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from detector.store.facts import FactRow, FoundBox
from detector.store.reviews.log import append_reviews, drawn_number, withdraw
from detector.store.reviews.review import Review
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import write_run
from detector.store.schema import pack_vector
from detector.store.writer import FactsWriter
from detector.types import media_id

CLASSES = ["Hooded crow", "Northern wheatear", "Isabelline wheatear", "Unknown"]
CATEGORIES = (
    ["bird"],
    ["bird", "other animal", "person", "vehicle"],
    ["animal", "person", "vehicle"],
    ["Hooded crow", "Northern wheatear", "person", "red fox"],
    ["bird", "person", "qwertz", "blank"],
)
ZONES = ("Europe/Berlin", "+02:00", "")
BEGINNINGS = {  # when a camera begins, and its second file, by the clock: 15 minutes later, 75, and 15
    datetime(2024, 3, 31, 1, 50): datetime(2024, 3, 31, 3, 5),
    datetime(2024, 10, 27, 2, 50): datetime(2024, 10, 27, 3, 5),
    datetime(2024, 5, 1, 6, 0): datetime(2024, 5, 1, 6, 15),
}
STEPS_S = (0.5, 1, 3, 5, 6, 60, 20 * 60, 30 * 60, 30 * 60 + 1, 6 * 3600, 86_400, 4 * 86_400)
VERDICTS = ("bird", "animal", "person", "vehicle", "nothing", "real", "named", "named", "withdrawn")
GRID = 64  # sides are multiples of 1/64, so that areas are exact


@dataclass
class RandomStore:
    """What was made.

    Attributes:
        folder: The store.
        options: Of `decide`.
        periods: (start, end) as the table states them, by deployment, in the order of its visits; empty without one.
        located: Deployments whose place and zone the table gives.
        independence_min: Minutes, by deployment.
    """

    folder: Path
    options: dict[str, Any]
    periods: dict[str, list[tuple[datetime | None, datetime | None]]] = field(default_factory=dict)
    located: set[str] = field(default_factory=set)
    independence_min: dict[str, float] = field(default_factory=dict)


def make_store(folder: Path, seed: int) -> RandomStore:
    """A store in `folder`; the same for the same seed."""
    return _Maker(folder, np.random.default_rng(seed)).make()


class _Maker:
    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.folder, self.rng = folder, rng
        self.categories = self.one_of(CATEGORIES)
        self.has_classifier = self.chance(0.7)
        self.threshold = self.one_of((0.2, 0.3, 0.7, 0.05, 0.1))
        self.boxes: list[tuple[str, int, int]] = []  # media_id, frame, box
        self.hashes: list[str] = []
        self.usual = 0  # the label and the species that a camera sees most

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one_of(self, values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def make(self) -> RandomStore:
        folders = [
            (card, name) for card in ("A", "B")[: self.one_of((1, 2))] for name in ("x", "y")[: self.one_of((1, 2))]
        ]
        write_run(
            self.folder,
            RunFile(
                cards={card: CardEntry(root=f"/cards/{card}") for card, _ in folders},
                detector=DetectorEntry(name="detector", categories=list(self.categories)),
                species=SpeciesEntry(name="classifier", classes=CLASSES) if self.has_classifier else None,
            ),
        )
        with FactsWriter(self.folder, part_rows=self.one_of((7, 20_000))) as writer:
            for card, name in folders:
                for item in self.camera(card, name):
                    writer.add(item)
        self.reviews()
        options: dict[str, Any] = {
            "score_threshold": self.threshold,
            "independence_min": self.one_of((0.0, 10.0, 30.0, 30.0)),
            "gap_days": self.one_of((2, 7)),
            "repeats": self.chance(0.8),
            "repeat_days": self.one_of((1, 5)),
            "kinds": self.one_of(({}, {"qwertz": "bird"}, {"blank": "animal"})),
            "outside_period": self.one_of(("leave-out", "count")),
        }
        store = RandomStore(self.folder, options)
        if self.chance(0.7):
            self.table(store, folders)
        return store

    def camera(self, card: str, name: str) -> Iterator[list[FactRow]]:
        first, self.usual = self.one_of(list(BEGINNINGS)), int(self.rng.integers(12))
        yield self.photo(card, f"{name}/a.jpg", first)
        moment = BEGINNINGS[first]
        yield self.photo(card, f"{name}/b.jpg", moment)
        for number in range(int(self.rng.integers(1, 14))):
            moment += timedelta(seconds=float(self.one_of(STEPS_S)))
            known = moment if self.chance(0.9) else None
            if self.chance(0.15):
                yield self.video(card, f"{name}/{number:03}.mp4", known)
            else:
                yield self.photo(card, f"{name}/{number:03}.jpg", known)
        if self.chance(0.3):
            look = self.look()
            for number in range(28):
                stone = FoundBox(0.75, 0.75, 0.125, 0.125, self.scores(0.9), logits=self.logits(), appearance=look)
                when = moment + timedelta(hours=5 * number) if self.chance(0.95) else None
                yield self.photo(card, f"{name}/stone{number:03}.jpg", when, [stone])

    def photo(self, card: str, path: str, when: datetime | None, more: list[FoundBox] | None = None) -> list[FactRow]:
        if self.chance(0.08):
            return [self.row(card, path, when, "photo", failure="it cannot be read", detections=None)]
        found = [*(more or []), *self.frame_boxes()]
        return [self.row(card, path, when, "photo", detections=self.noted(card, path, 0, found))]

    def video(self, card: str, path: str, when: datetime | None) -> list[FactRow]:
        return [
            self.row(
                card,
                path,
                when,
                "video",
                frame_number=25 * number,
                time_s=float(number),
                frame_rate=25.0,
                duration_s=5.0,
                detections=self.noted(card, path, 25 * number, self.tracked(self.frame_boxes())),
            )
            for number in range(self.one_of((1, 2, 4)))
        ]

    def row(self, card: str, path: str, when: datetime | None, media_type: Any, **more: Any) -> FactRow:
        if self.hashes and self.chance(0.1):
            content = self.one_of(self.hashes)
        else:
            content = f"{card}/{path}"
            self.hashes.append(content)
        values: dict[str, Any] = {
            "media_id": media_id(card, path),
            "card": card,
            "path": path,
            "size_bytes": 1,
            "content_hash": content if media_type == "photo" else f"{card}/{path}",
            "media_type": media_type,
            "width": 1920,
            "height": 1080,
            "captured_at": when,
            "captured_from": None if when is None else "exif",
        }
        return FactRow(**{**values, **more})

    def tracked(self, found: list[FoundBox]) -> list[FoundBox]:
        """A frame's boxes as a tracker may number them: no two alike, and some not at all."""
        numbers = self.rng.permutation(len(found) + 1).tolist()
        return [
            replace(box, track_id=number if self.chance(0.9) else None)
            for box, number in zip(found, numbers[1:], strict=True)
        ]

    def frame_boxes(self) -> list[FoundBox]:
        found = [self.box() for _ in range(self.one_of((0, 0, 1, 1, 2, 3)))]
        if found and self.chance(0.3):  # boxes within the first, such as a head, or two birds
            outer = found[0]
            for left in (0.0, 0.5)[: self.one_of((1, 2))]:
                place = (outer.x + left * outer.w, outer.y, outer.w / 2, outer.h / self.one_of((1, 2)))
                found.append(FoundBox(*place, self.scores(), logits=outer.logits, appearance=self.look()))
        return found

    def box(self) -> FoundBox:
        x, y, w, h = (int(self.rng.integers(low, high)) / GRID for low, high in ((0, 40), (0, 40), (4, 24), (4, 24)))
        look = self.look() if self.chance(0.7) else None
        return FoundBox(x, y, w, h, self.scores(), logits=self.logits(), appearance=look)

    def scores(self, score: float | None = None) -> tuple[float, ...]:
        """Often at the threshold, or beside it by one float32."""
        at = np.float32(self.threshold)
        beside = (float(at), float(np.nextafter(at, np.float32(0))), float(np.nextafter(at, np.float32(1))))
        value = score or self.one_of((0.05, 0.15, 0.25, 0.6, 0.9, *beside))
        label = (self.usual if self.chance(0.7) else int(self.rng.integers(12))) % len(self.categories)
        return tuple(value if index == label else 0.0 for index in range(len(self.categories)))

    def logits(self) -> bytes | None:
        if not self.has_classifier or self.chance(0.1):
            return None
        values = np.zeros(len(CLASSES))
        species = (self.usual if self.chance(0.7) else int(self.rng.integers(12))) % len(CLASSES)
        values[species] = self.one_of((0.0, 2.0, 9.0))
        return pack_vector(values)

    def look(self) -> bytes:
        return self.rng.integers(0, 255, 64, np.uint8).tobytes()

    def noted(self, card: str, path: str, frame: int, found: list[FoundBox]) -> tuple[FoundBox, ...]:
        self.boxes += [(media_id(card, path), frame, number) for number in range(len(found))]
        return tuple(found)

    def reviews(self) -> None:
        """Some of boxes, frames, files and groups, one after the other."""
        said = []
        for number in range(self.one_of((0, 0, 2, 10)) if self.boxes else 0):
            item, frame, box = self.one_of(self.boxes)
            verdict = self.one_of(VERDICTS)
            target: dict[str, Any] = self.one_of(
                (
                    {"media_id": item},
                    {"media_id": item, "frame_number": frame},
                    {"media_id": item, "frame_number": frame, "box": box},
                    {"repeat_group": f"{item}:{frame}:{box}"},
                )
            )
            name = self.one_of(("Corvus cornix", "Northern Wheatear", "Oenanthe")) if verdict == "named" else None
            when, who = datetime(2024, 6, 1) + timedelta(minutes=number), self.one_of(("Noa", "Dan"))
            noted = verdict not in ("nothing", "real", "withdrawn") and "media_id" in target and self.chance(0.5)
            said.append(Review(when, who, verdict, **target, name=name, **(self.notes() if noted else {})))
            if self.chance(0.3):
                said.append(Review(when, who, "noted", item, frame, box, xywh=self.place()))
            if self.chance(0.3):
                xywh = self.place()
                drawn = drawn_number(item, frame, xywh)
                word = self.one_of(("bird", "animal", "person", "noted"))
                said.append(Review(when, who, word, item, frame, drawn, xywh=xywh))
        for go in (said[: len(said) // 2], said[len(said) // 2 :]):
            said_id = append_reviews(self.folder, go)
            if said_id and self.chance(0.2):
                withdraw(self.folder, said_id, "Dan", datetime(2024, 6, 2))

    def notes(self) -> dict[str, Any]:
        """What is said beside a name."""
        return {
            "sex": self.one_of((None, "female", "male")),
            "life_stage": self.one_of((None, "adult", "juvenile")),
            "count": self.one_of((None, 1, 2, 5)),
        }

    def place(self) -> tuple[float, float, float, float]:
        """A box that a person draws."""
        sides = [int(self.rng.integers(low, high)) / GRID for low, high in ((0, 40), (0, 40), (4, 24), (4, 24))]
        return sides[0], sides[1], sides[2], sides[3]

    def table(self, store: RandomStore, folders: list[tuple[str, str]]) -> None:
        """Deployments: places, zones, kinds, and for some one or two stated periods."""
        path = self.folder.with_suffix(".csv")
        rows = []
        store.options["independence_by_kind"] = {"feeder": 5.0}
        for card, name in folders:
            deployment = f"{card}{name}"
            place = {"latitude": "31.5", "longitude": "34.75"} if self.chance(0.8) else {}
            zone = self.one_of(ZONES)
            kind = self.one_of(("", "feeder", "nest"))
            store.independence_min[deployment] = 5.0 if kind == "feeder" else store.options["independence_min"]
            if place and zone:
                store.located.add(deployment)
            periods: list[tuple[datetime | None, datetime | None]] = [(None, None)]
            if self.chance(0.4):
                first = min(BEGINNINGS) + timedelta(days=int(self.rng.integers(-3, 3)))
                middle, later = first + timedelta(days=60), first + timedelta(days=70)
                periods = [(first, middle), (later, later + timedelta(days=200))][: self.one_of((1, 2))]
            store.periods[deployment] = periods
            for start, end in periods:
                dates = {"deploymentStart": start and f"{start}", "deploymentEnd": end and f"{end}"}
                rows.append(
                    {"deploymentID": deployment, "card": card, "folder": name, "timeZone": zone, "kind": kind}
                    | place
                    | {key: text for key, text in dates.items() if text}
                )
        with path.open("w", newline="") as file:
            columns = ["deploymentID", "card", "folder", "latitude", "longitude", "timeZone", "kind"]
            writer = csv.DictWriter(file, [*columns, "deploymentStart", "deploymentEnd"])
            writer.writeheader()
            writer.writerows(rows)
        store.options["deployments"] = str(path)
