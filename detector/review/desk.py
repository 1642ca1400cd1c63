"""An open store: what people ask of it, what they say of it, and what is undone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from detector.base.closing import Closing
from detector.base.objects.address import Place
from detector.decisions.decide import decide, stored_options
from detector.decisions.live import LiveDecisions
from detector.decisions.rules import name_check
from detector.exports.pictures.blurring import PEOPLE, Blur
from detector.exports.source import ExportOptions, ExportSource
from detector.review.asked import AskedError, Drawing, Filter, Mark
from detector.review.boxes import Boxes, BoxId, Word, word_of
from detector.review.deciding import Deciding
from detector.review.marking import NOTHING, Marker, Marking
from detector.review.names import NameSearch
from detector.review.progress import Pace
from detector.review.queues import QUEUES
from detector.review.sight import Sight
from detector.store.layout import decisions_folder, reviews_folder
from detector.store.reviews.log import append_reviews, read_reviews, withdraw
from detector.store.reviews.review import Review
from detector.store.reviews.words import standing
from detector.store.run_file import run_file_path
from detector.store.run_json import load_run

CHANGES_KEPT = 500
RECENT_NAMES = 9
LONGEST_WAIT_S = 600.0
A_BOX_S = 1e-4  # that deciding takes about, until it is known
WORDS = {"accept": "accepted", "nothing": "no animal", "animal": "not a bird", "real": "no repeat", "noted": "a note"}
MOST_LISTED = 5_000  # boxes in one change; of more everything is looked at again

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Go:
    """What was said in one go.

    Attributes:
        said_id: By which it can be taken back.
        reviewer: Who said it.
        words: What was said, for the button that takes it back.
        units: How many pictures were judged by it.
        before: What stood on boxes before; None: it was said before this program was started.
        files: Of files that were called blank, who had said so before.
    """

    said_id: str
    reviewer: str
    words: str
    units: int
    before: tuple[tuple[BoxId, Word], ...] | None = None
    files: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Change:
    """What is not what it was at an earlier revision: some boxes and files, or maybe everything."""

    revision: int
    boxes: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    everything: bool = False


class Desk(Closing):
    """Everything that the page asks and says; any thread may call it.

    Args:
        folder: The store.
        roots: Card id to the folder or address where the card is now.
        blur: What nobody is to recognise in pictures.

    Raises:
        DataError: There is no store, or it has no decisions, or is damaged.
        ConfigError: `roots` names a card that the store does not know.
    """

    def __init__(self, folder: Path, roots: Mapping[str, Place] | None = None, blur: Blur = PEOPLE) -> None:
        self.folder, self.blur = Path(folder), blur
        source = ExportSource.of(self.folder)
        self.roots = ExportOptions(roots=roots or {}).card_roots(source.run)
        self.labels = [*(source.run.detector.categories if source.run.detector else ())]
        self.labels += source.run.species.classes if source.run.species else ()
        check = name_check(self.folder, stored_options(self.folder))
        self.search = NameSearch(check.kinds, self.labels)
        self.pace = Pace()
        self._marker = Marker(check)
        self._lock = threading.RLock()
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._since: list[tuple[int, tuple[tuple[BoxId, Word], ...]]] = []  # by the count of `_said`
        self._said = 0
        self.revision = 1
        earlier = standing(read_reviews(self.folder))
        self._gos = _gos(earlier)
        self._names = _names_said(earlier)
        self._stamp = self._decided_when()
        self._sight = Sight(self.folder, source.run, source.score_threshold)
        self._live: LiveDecisions | None = None
        self._spoken: set[str] = set()  # files of which something was said since their deployments were counted
        self.deciding = Deciding(self._decide, self._count, len(self._sight.boxes) * A_BOX_S)
        if _said_later(self.folder):  # and was not decided: the program was stopped by force
            self.deciding.ask()
            self.deciding.wait(LONGEST_WAIT_S)

    def close(self) -> None:
        """Decide what is due, and end the thread."""
        self.deciding.close()

    def look(self, answer: Callable[[Sight], Answer]) -> Answer:
        """Ask something of what is there, while nobody changes it."""
        with self._lock:
            return answer(self._sight)

    def say(self, mark: Mark) -> dict[str, Any]:
        """Save a mark; it is on the disk when this returns.

        Raises:
            AskedError: It cannot be said, or not of that.
            DiskFullError: There is no room; nothing was said.
        """
        with self._lock:
            mark = self._listed(mark)
            rows = self._rows_of(mark)
            marking = self._marker.marking(self._sight.boxes, mark, rows)
            blank = [self._sight.boxes.media_rows[item] for item in mark.files]
            return self._keep(
                marking, mark.reviewer, _in_words(mark.name, mark.say), blank if mark.say == NOTHING else []
            )

    def draw(self, drawing: Drawing) -> dict[str, Any]:
        """Save a box that a person drew or moved; raises as `say`."""
        with self._lock:
            if drawing.box is not None:
                self._sight.row_of(f"{drawing.media}:{drawing.frame}:{drawing.box}")
            marking = self._marker.drawing(self._sight.boxes, drawing)
            words = "a box was drawn" if drawing.box is None else "a box was moved"
            said = self._keep(marking, drawing.reviewer, words, [])
        [review] = marking.reviews
        return said | {"box": f"{review.media_id}:{review.frame_number}:{review.box}"}

    def undo(self, reviewer: str, said_id: str | None = None) -> dict[str, Any]:
        """Take back what a person said last; also what was said before this program was started.

        Args:
            reviewer: Who.
            said_id: What the page believes to be the last; something else is not taken back.

        Raises:
            AskedError: There is nothing, or something else was said meanwhile.
        """
        with self._lock:
            go = next((each for each in reversed(self._gos) if each.reviewer == reviewer), None)
            if go is None:
                raise AskedError("there is nothing to take back", 409)
            if said_id not in (None, go.said_id):
                raise AskedError("something else was said meanwhile: look, and take that back first", 409)
            withdraw(self.folder, go.said_id, reviewer)
            self._gos.remove(go)
            self._said += 1
            self.pace.count(-go.units)
            self._apply(go.before or ())
            rows = self._sight.boxes.media_rows
            for item, before in go.files:
                self._sight.blanks.say([rows[item]], before)
            self._spoken |= {each.media_id for each, _ in go.before or ()} | {item for item, _ in go.files}
            self._changed(frozenset(str(each) for each, _ in go.before or ()), frozenset(item for item, _ in go.files))
            self.deciding.ask()
            return self.state(reviewer) | {"undone": go.words}

    def state(self, reviewer: str) -> dict[str, Any]:
        """What changes with every mark."""
        with self._lock:
            last = next((each for each in reversed(self._gos) if each.reviewer == reviewer), None)
            return {
                "revision": self.revision,
                "undo": None if last is None else {"said": last.said_id, "words": last.words, "units": last.units},
                "recent": self._names.get(reviewer, [])[:RECENT_NAMES],
                "deciding": self.deciding.is_due,
                "problem": self.deciding.problem,
            }

    def changes(self, since: int) -> Change:
        """What changed after a revision."""
        self._see_others()
        with self._lock:
            forgotten = since < self.revision - len(self._changes)
            later = [each for each in self._changes if each.revision > since]
            boxes, files = (frozenset[str]().union(*(getattr(each, of) for each in later)) for of in ("boxes", "files"))
            everything = forgotten or since > self.revision or any(each.everything for each in later)
            return Change(self.revision, boxes, files, everything or len(boxes) > MOST_LISTED)

    def _listed(self, mark: Mark) -> Mark:
        """The mark, of all of a filter as of each one."""
        if mark.all is None:
            return mark
        wanted = Filter(**mark.all.model_dump(exclude={"expected"}))
        boxes = self._sight.boxes
        rows = self._sight.rows(wanted)
        if len(rows) != mark.all.expected:
            raise AskedError(f"there are {len(rows):,} by now: look again", 409)
        if QUEUES[wanted.queue].groups:
            groups = [boxes.repeats[boxes.group[row]].repeat_group for row in rows]
            return mark.model_copy(update={"all": None, "groups": groups})
        return mark.model_copy(update={"all": None, "boxes": [str(boxes.id_of(row)) for row in rows]})

    def _rows_of(self, mark: Mark) -> list[int]:
        """The boxes that a mark lists, with all of each bird unless it is of these boxes alone."""
        boxes = self._sight.boxes
        rows = np.array([self._sight.row_of(each) for each in dict.fromkeys(mark.boxes)], np.int64)
        if not mark.alone and len(rows):
            whole = np.isin(boxes.individual, boxes.individual[rows]) & boxes.listed
            whole[rows] = True
            rows = np.flatnonzero(whole)
        return [int(row) for row in rows]

    def _keep(self, marking: Marking, reviewer: str, words: str, blank: list[int]) -> dict[str, Any]:
        """Write a marking, and let it stand on the page."""
        said_id = append_reviews(self.folder, marking.reviews)
        boxes, blanks = self._sight.boxes, self._sight.blanks
        ids = [(boxes.id_of(row), row, word) for row, word in marking.words]
        files = boxes.media["media_id"]
        go = Go(
            str(said_id),
            reviewer,
            words,
            marking.units,
            tuple((each, boxes.word_on(row)) for each, row, _ in ids),
            tuple((files[row].as_py(), blanks.blank_by(row)) for row in blank),
        )
        self._gos.append(go)
        self._said += 1
        for name in dict.fromkeys(review.name for review in marking.reviews if review.name):
            recent = self._names.setdefault(reviewer, [])
            self._names[reviewer] = [name, *(each for each in recent if each != name)]
        self.pace.count(marking.units)
        self._apply(tuple((each, word) for each, _, word in ids))
        blanks.say(blank, reviewer)
        items = {str(review.media_id) for review in marking.reviews if review.box is None and review.media_id}
        self._spoken |= {each.media_id for each, _, _ in ids} | items
        self._changed(frozenset(str(each) for each, _, _ in ids), frozenset(items))
        self.deciding.ask()
        return self.state(reviewer)

    def _apply(self, words: Sequence[tuple[BoxId, Word]]) -> None:
        self._since.append((self._said, tuple(words)))
        self._say(words)

    def _say(self, words: Sequence[tuple[BoxId, Word]]) -> None:
        boxes = self._sight.boxes
        for each, word in words:
            if (row := boxes.row_of(each)) is not None:
                boxes.say([row], word)

    def _changed(self, boxes: frozenset[str], files: frozenset[str] = frozenset(), everything: bool = False) -> None:
        self.revision += 1
        self._changes.append(Change(self.revision, boxes, files, everything))

    def _count(self) -> None:
        """Count anew what was spoken of, and show it; the tables follow later."""
        with self._lock:
            said, items = self._said, frozenset(self._spoken)
        self._live = self._live or LiveDecisions(self.folder)
        answer = self._live.again(items)
        with self._lock:
            self._spoken -= items
            boxes = self._sight.boxes
            later = {each for number, words in self._since if number > said for each, _ in words}
            changed = set()
            for found in (found for record in answer.media.values() for found in record.detections):
                each, word = BoxId(found.media_id, found.frame_number, found.box), word_of(found)
                row = boxes.row_of(each)
                if row is not None and each not in later and boxes.word_on(row) != word:
                    boxes.say([row], word)
                    changed.add(str(each))
            self._sight.count(answer.summary)
            self._changed(frozenset(changed))

    def _decide(self) -> None:
        """Make the decisions anew, and show them."""
        said = self._said
        decide(self.folder, stored_options(self.folder))
        self._show_decided(said)

    def _show_decided(self, said: int) -> None:
        """Show the decisions that are on the disk, in which what was said up to there has its part."""
        stamp = self._decided_when()
        source = ExportSource.of(self.folder)
        sight = Sight(self.folder, source.run, source.score_threshold)
        with self._lock:
            before, self._sight = self._sight, sight
            sight.keep_order_of(before)
            self._since = [each for each in self._since if each[0] > said]
            for _, words in self._since:
                self._say(words)
            self._stamp = stamp
            changed = _different(before.boxes, sight.boxes)
            self._changed(frozenset(changed or ()), everything=changed is None)

    def _see_others(self) -> None:
        """Show what another process has decided, such as `hoopoe decide` with a table of reviews."""
        if self._decided_when() != self._stamp and not self.deciding.is_due:
            with self._lock:
                if self._decided_when() != self._stamp and not self.deciding.is_due:
                    self._show_decided(self._said)

    def _decided_when(self) -> str | None:
        run = run_file_path(self.folder).stat()
        if getattr(self, "_run_ns", None) != run.st_mtime_ns:
            self._run_ns, self._decided_id = run.st_mtime_ns, load_run(self.folder).decided
        return self._decided_id


def _gos(reviews: Sequence[Review]) -> list[Go]:
    """What was said in each go before, oldest first."""
    by_id: dict[str, list[Review]] = {}
    for review in reviews:
        if review.said_id is not None:
            by_id.setdefault(review.said_id, []).append(review)
    return [
        Go(said_id, said[0].reviewer, _in_words(said[0].name, said[0].verdict), len(said))
        for said_id, said in by_id.items()
    ]


def _names_said(reviews: Sequence[Review]) -> dict[str, list[str]]:
    """Of each person the names that they gave, the last first."""
    names: dict[str, dict[str, None]] = {}
    for review in reversed(reviews):
        if review.name:
            names.setdefault(review.reviewer, {})[review.name] = None
    return {reviewer: list(said) for reviewer, said in names.items()}


def _in_words(name: str | None, verdict: str) -> str:
    return name or WORDS.get(verdict, verdict)


def _said_later(folder: Path) -> bool:
    """Whether something was said after the decisions were made."""
    decided_ns = (decisions_folder(folder) / "detections.parquet").stat().st_mtime_ns
    return any(part.stat().st_mtime_ns > decided_ns for part in reviews_folder(folder).glob("*.parquet"))


def _different(before: Boxes, now: Boxes) -> set[str] | None:
    """The boxes that are not what they were; None: there are others, or too many of them."""
    if len(before) != len(now) or not before.media["media_id"].equals(now.media["media_id"]):
        return None
    known = {name.same: index for index, name in enumerate(before.names)}
    same_name = np.array([known.get(name.same, -1) for name in now.names], np.int64)[now.name] == before.name
    flags = ("suppressed", "reviewed", "needs_review")
    different = ~same_name | np.any([getattr(before, each) != getattr(now, each) for each in flags], axis=0)
    different |= (before.xywh != now.xywh).any(axis=1)
    rows = np.flatnonzero(different)
    return None if len(rows) > MOST_LISTED else {str(now.id_of(int(row))) for row in rows}
