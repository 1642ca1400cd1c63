"""A store as it was decided last, and what the page shows of it, with what people said since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.decisions.summary import DecisionSummary
from detector.exports.names import FileNames
from detector.review.asked import AskedError, Filter, box_id
from detector.review.blanks import Blanks
from detector.review.boxes import Boxes
from detector.review.cards import Cards
from detector.review.ordering import Likeness, ordered
from detector.review.queues import QUEUES, Members
from detector.review.sequences import Visits
from detector.store.reader import FactsReader
from detector.store.records_reader import read_events, read_visits
from detector.store.run_file import RunFile

DEFAULT_PAUSE_MIN = 30.0
ORDERS_KEPT = 30  # of filters, eight bytes a box each

Counts = dict[tuple[str, str], dict[str, int]]


class Sight:
    """What is there.

    Args:
        folder: The store.
        run: Its run.json.
        threshold: From which score boxes count.

    Raises:
        DataError: The store has no decisions, or they are damaged.
    """

    def __init__(self, folder: Path, run: RunFile, threshold: float) -> None:
        self.folder = folder
        self.boxes = Boxes(folder, threshold)
        self.members = Members(self.boxes)
        self.blanks = Blanks(self.boxes)
        pause = run.decisions.get("independence_min")
        self.visits = Visits(self.boxes, float(pause) if isinstance(pause, (int, float)) else DEFAULT_PAUSE_MIN)
        self.cards = Cards(self.boxes, FileNames(run.cards))
        self._events = _events(folder)
        self._place_names = {
            visit.deployment_id: visit.location_name for visit in read_visits(folder) if visit.location_name
        }
        self._ranks: dict[Filter, NDArray[np.int64]] = {}
        self.likeness: Likeness | None = None

    def keep_order_of(self, before: Sight) -> NDArray[np.int64] | None:
        """Keep the order in which pictures came before: who turns a page must not see any twice, or miss one.

        Returns:
            int64 (B before,): the row of each box now; None: boxes are gone, or it is another store by now.
        """
        moved = _moved(before.boxes, self.boxes)
        if moved is None:
            return None
        for wanted, rank in before._ranks.items():
            kept = np.full(len(self.boxes), len(self.boxes) + len(before.boxes)) + np.arange(len(self.boxes))
            kept[moved] = rank
            self._ranks[wanted] = kept
        if len(moved) == len(self.boxes):
            self.likeness = before.likeness
        return moved

    def read_likeness(self) -> Likeness:
        """What looks alike, by the facts: of 100,000 boxes in a second.

        Raises:
            DataError: A part of the facts is damaged.
        """
        return Likeness(FactsReader(self.folder), self.boxes)

    def count(self, summary: DecisionSummary) -> None:
        """Take events and MaxN from decisions that are not on the disk yet."""
        self._events = {
            (str(each.kind), each.display_name): {"events": each.events, "most": each.largest_count}
            for each in summary.names
        }

    def rows(self, wanted: Filter) -> NDArray[np.int64]:
        """The boxes of a filter that are open, in its order."""
        rows = np.flatnonzero(self.members.open(wanted.queue, wanted.every) & self._filtered(wanted))
        return rows[np.argsort(self._rank(wanted)[rows], kind="stable")]

    def page(self, wanted: Filter, after: str | None, most: int) -> dict[str, Any]:
        """The next cards of a filter behind a box, which may have left the filter meanwhile.

        Raises:
            AskedError: There is no such box.
        """
        rows = self.rows(wanted)
        total = len(rows)
        if after is not None:
            rank = self._rank(wanted)
            rows = rows[rank[rows] > rank[self.row_of(after)]]
        return {"cards": self.cards.of(rows[:most].tolist()), "more": len(rows) > most, "open": total}

    def row_of(self, text: str) -> int:
        """The row of a box.

        Raises:
            AskedError: There is no such box.
        """
        row = self.boxes.row_of(box_id(text))
        if row is None:
            raise AskedError("there is no such box", 404)
        return row

    def summary(self, wanted: Filter) -> dict[str, Any]:
        """How much there is of each queue, and of each name and place in the queue that is open."""
        boxes, members = self.boxes, self.members
        here = members.open(wanted.queue, wanted.every)
        by_name = np.bincount(boxes.name[here], minlength=len(boxes.names))
        by_place = np.bincount(boxes.place[here & self._named(wanted)], minlength=len(boxes.places))
        names = [
            name.as_json()
            | {"open": int(by_name[index])}
            | self._events.get((name.kind, name.display), {"events": 0, "most": 0})
            for index, name in enumerate(boxes.names)
            if by_name[index] or name.key == wanted.name
        ]
        failed = boxes.failed
        return {
            "queues": [
                {"key": key, "title": one.title, "hint": one.hint, "open": int(members.open(key).sum())}
                for key, one in QUEUES.items()
            ],
            "done": members.done(wanted.queue),
            "names": sorted(names, key=lambda name: (name["kind"] != "bird", -name["open"], name["display"])),
            "places": [
                {"id": place, "name": self._place_names.get(place) or place, "open": int(by_place[index])}
                for index, place in enumerate(boxes.places)
            ],
            "blanks": self.blanks.missed().as_json(),
            "failed": len(failed),
            "birds": sum(name["events"] for key, name in self._events.items() if key[0] == "bird"),
        }

    def _filtered(self, wanted: Filter) -> NDArray[np.bool_]:
        chosen = self._named(wanted)
        return chosen if wanted.place is None else chosen & (self.boxes.place == wanted.place)

    def _named(self, wanted: Filter) -> NDArray[np.bool_]:
        if wanted.name is None:
            return np.ones(len(self.boxes), bool)
        return np.array([name.key == wanted.name for name in self.boxes.names], bool)[self.boxes.name]

    def _rank(self, wanted: Filter) -> NDArray[np.int64]:
        """int64 (B,): the places of boxes in the order of a filter, fixed when it is first asked for."""
        rank = self._ranks.pop(wanted, None)
        if rank is None:
            rows = np.flatnonzero(self.members.units(wanted.queue, wanted.every) & self._filtered(wanted))
            likeness = None
            if wanted.order == "alike" and wanted.name is not None:  # of many names there are no alike ones to look for
                likeness = self.likeness = self.likeness or self.read_likeness()
            rank = len(self.boxes) + np.arange(len(self.boxes))
            rank[ordered(self.boxes, rows, wanted.order, likeness)] = np.arange(len(rows))
        self._ranks[wanted] = rank
        while len(self._ranks) > ORDERS_KEPT:
            del self._ranks[next(iter(self._ranks))]  # the one that was asked for longest ago
        return rank


def _events(folder: Path) -> Counts:
    """Independent events and MaxN by kind and name."""
    counts: Counts = {}
    for event in read_events(folder):
        known = counts.setdefault((event.kind, event.display_name), {"events": 0, "most": 0})
        known["events"] += 1
        known["most"] = max(known["most"], event.count)
    return counts


def _moved(before: Boxes, now: Boxes) -> NDArray[np.int64] | None:
    """int64 (B before,): the row of each box now, where some were drawn meanwhile; None: it is another store by now."""
    if not before.media["media_id"].equals(now.media["media_id"]):
        return None
    if len(before) == len(now) and (before.box == now.box).all():
        return np.arange(len(now))
    rows = [now.row_of(before.id_of(row)) for row in range(len(before))]
    return None if None in rows else np.array(rows, np.int64)
