"""Every table of a store, counted anew from its decided boxes, one after the other, with nothing of Hoopoe's.

What is given: the rows of decisions/media.parquet and detections.parquet, and the options. What is a bird, what is
left out and which box is whose is theirs; how many there were, when, and for how long, is recounted here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

Row = dict[str, Any]


@dataclass
class Event:
    """An independent event."""

    deployment: str
    what: tuple
    boxes: list[Row] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    start: datetime = datetime.min
    end: datetime = datetime.min
    began: datetime = datetime.min  # UTC where the zone is known
    count: int = 0


@dataclass
class Effort:
    """The days of a deployment."""

    files: int = 0
    photos: int = 0
    videos: int = 0
    blank: int = 0
    failed: int = 0
    untimed: int = 0
    outside: int = 0
    days: int = 0
    active: int = 0
    with_files: int = 0


class Recount:
    """Counts of a decided store.

    Args:
        folder: The store.
        options: Of `decide`.
        periods: Of deployments, as the table states them.
        independence_min: By deployment, where it is not the options'.
    """

    def __init__(
        self, folder: Path, options: Row, periods: dict[str, list], independence_min: dict[str, float]
    ) -> None:
        self.folder = folder
        self.options, self.periods, self.independence = options, periods, independence_min
        self.media: list[Row] = pq.read_table(folder / "decisions/media.parquet").to_pylist()
        self.boxes: list[Row] = pq.read_table(folder / "decisions/detections.parquet").to_pylist()
        self.file = {item["media_id"]: item for item in self.media}
        self.of_file: dict[str, list[Row]] = defaultdict(list)
        for box in self.boxes:
            self.of_file[box["media_id"]].append(box)
        for boxes in self.frames().values():
            self.set_aside(boxes)

    def counts(self, box: Row) -> bool:
        """Whether a box is seen and counted."""
        if box["suppressed"]:
            return False
        strong = np.float32(box["score"]) >= np.float32(self.options["score_threshold"])
        return bool(strong) or box["reviewed_by"] is not None

    def shown(self, item: Row) -> list[Row]:
        return [box for box in self.of_file[item["media_id"]] if self.counts(box)]

    def frames(self) -> dict[tuple, list[Row]]:
        """Counted boxes by file, frame and what they show."""
        frames: dict[tuple, list[Row]] = defaultdict(list)
        for box in self.boxes:
            box["stands"] = self.counts(box)
            if box["stands"]:
                frames[box["media_id"], box["frame_number"], what(box)].append(box)
        return frames

    def set_aside(self, boxes: list[Row]) -> None:
        """Let one of boxes within each other stand for the bird, but those that are apart within one for themselves."""
        order = sorted(boxes, key=lambda box: (-box["score"], box["box"]))
        kept: list[Row] = []
        for box in order:
            if not any(within(box, other) for other in kept):
                kept.append(box)
        stand = list(kept)
        for outer in kept:
            inside = [
                box
                for box in order
                if box not in kept and area(box) < area(outer) and [k for k in kept if within(box, k)] == [outer]
            ]
            apart: list[Row] = []
            for box in sorted(inside, key=area):
                if all(common(box, other) <= 0.1 * min(area(box), area(other)) for other in apart):
                    apart.append(box)
            if len(apart) > 1:
                stand = [box for box in stand if box is not outer] + apart
        for box in boxes:
            box["stands"] = any(box is one for one in stand)

    def at_once(self, item: Row, kind: str) -> int:
        """The most of a kind in one frame of a file."""
        frames: Counter[int] = Counter()
        for box in self.shown(item):
            frames[box["frame_number"]] += box["count"] if box["kind"] == kind else 0
        return max(frames.values(), default=0)

    def blank(self, item: Row) -> bool:
        return item["failure"] is None and not self.shown(item)

    def moment(self, box: Row) -> datetime:
        """When a box was seen, UTC where the zone is known."""
        return self.taken(self.file[box["media_id"]]) + timedelta(seconds=box["time_s"])

    def events(self) -> list[Event]:
        """Sights of one thing at one camera without a long pause."""
        sights: dict[tuple, list[Row]] = defaultdict(list)
        for box in self.boxes:
            item = self.file[box["media_id"]]
            if not self.counts(box) or item["timestamp"] is None or item["duplicate_of"] or item["outside"]:
                continue
            sights[item["deployment_id"], what(box)].append(box)
        events = []
        for (deployment, thing), boxes in sights.items():
            pause = timedelta(minutes=self.independence.get(deployment, self.options["independence_min"]))
            last: datetime | None = None
            for box in sorted(boxes, key=self.moment):
                if last is None or self.moment(box) - last > pause:
                    events.append(Event(deployment, thing))
                last = self.moment(box)
                events[-1].boxes.append(box)
        for event in events:
            frames: Counter[tuple] = Counter()
            for box in event.boxes:
                frames[box["media_id"], box["frame_number"]] += box["count"]
            event.count = max(frames.values())
            event.files = {box["media_id"] for box in event.boxes}
            first, final = event.boxes[0], event.boxes[-1]
            event.start = self.file[first["media_id"]]["timestamp"] + timedelta(seconds=first["time_s"])
            event.end = self.file[final["media_id"]]["timestamp"] + timedelta(seconds=final["time_s"])
            event.began = self.moment(first)
        return events

    def sequences(self) -> list[set[str]]:
        """Photos of a visit that follow each other within five seconds; each other file is one for itself."""
        sequences: list[set[str]] = []
        bursts: dict[str, list[Row]] = defaultdict(list)
        for item in self.media:
            if item["media_type"] == "photo" and item["timestamp"] is not None:
                bursts[item["visit_id"]].append(item)
            else:
                sequences.append({item["media_id"]})
        for items in bursts.values():
            last = datetime.min
            for item in sorted(items, key=self.taken):
                if self.taken(item) - last > timedelta(seconds=5):
                    sequences.append(set())
                last = self.taken(item)
                sequences[-1].add(item["media_id"])
        return sequences

    def taken(self, item: Row) -> datetime:
        """When a file was begun, UTC where the zone is known."""
        return item["timestamp"] - timedelta(minutes=item["utc_offset_min"] or 0)

    def effort(self) -> dict[str, Effort]:
        """By deployment."""
        efforts: dict[str, Effort] = defaultdict(Effort)
        visits: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for item in self.media:
            effort = efforts[item["deployment_id"]]
            effort.files += 1
            effort.photos += item["media_type"] == "photo"
            effort.videos += item["media_type"] == "video"
            effort.blank += self.blank(item)
            effort.failed += item["failure"] is not None
            effort.untimed += item["timestamp"] is None
            effort.outside += item["outside"]
            visits[item["deployment_id"]][item["visit_id"]].append(item)
        for deployment, effort in efforts.items():
            days, seen = set(), set()
            for visit, items in visits[deployment].items():
                number = int(visit.rpartition("-")[2]) - 1 if visit != deployment else 0
                stated = self.periods.get(deployment, [(None, None)])[number]
                timed = [item for item in items if item["timestamp"] is not None and not item["outside"]]
                starts = [item["timestamp"] for item in timed]
                ends = [item["timestamp"] + timedelta(seconds=item["duration_s"] or 0) for item in timed]
                if not (starts or stated[0]) or not (ends or stated[1]):
                    continue
                start = min([*starts, *([stated[0]] if stated[0] else [])])
                end = max([*ends, *([stated[1]] if stated[1] else [])])
                days |= set(each_day(start.date(), end.date()))
                seen |= {moment.date() for moment in starts}
            effort.days, effort.with_files = len(days), len(seen & days)
            effort.active = effort.days - len(idle_days(days, seen, self.options["gap_days"]))
        return efforts


def what(box: Row) -> tuple:
    """What a box shows."""
    return box["kind"], box["name"], box["rank"], box["display_name"]


def each_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def idle_days(days: set[date], seen: set[date], gap_days: int) -> set[date]:
    """Days that stand in a row of so many without a file."""
    idle: set[date] = set()
    for day in days - seen:
        row = {day}
        for step in (timedelta(days=1), timedelta(days=-1)):
            other = day + step
            while other in days and other not in seen:
                row.add(other)
                other += step
        if len(row) >= gap_days:
            idle.add(day)
    return idle


def area(box: Row) -> float:
    return float(box["w"]) * float(box["h"])


def common(one: Row, other: Row) -> float:
    """Area that two boxes share."""
    across = min(one["x"] + one["w"], other["x"] + other["w"]) - max(one["x"], other["x"])
    down = min(one["y"] + one["h"], other["y"] + other["h"]) - max(one["y"], other["y"])
    return max(across, 0.0) * max(down, 0.0)


def within(one: Row, other: Row) -> bool:
    return common(one, other) >= 0.9 * min(area(one), area(other)) > 0
