"""An open store: what people ask of it, what they say of it, and what is undone."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from backbones.errors import HoopoeError
from detector.base.closing import Closing
from detector.base.objects.address import Place
from detector.base.reporting import say
from detector.base.stopping import StopRequest
from detector.decisions.decide import decide, stored_options
from detector.decisions.live import LiveDecisions
from detector.decisions.rules import name_check
from detector.exports.pictures.blurring import PEOPLE, Blur
from detector.exports.source import ExportOptions, ExportSource
from detector.review.asked import AskedError, Drawing, Filter, Mark
from detector.review.boxes import Boxes, BoxId, Word, word_of
from detector.review.deciding import Deciding
from detector.review.marking import ACCEPT, NOTHING, Marker, Marking
from detector.review.names import NameSearch
from detector.review.progress import Pace
from detector.review.queues import QUEUES
from detector.review.recent import RecentNames
from detector.review.sight import Sight
from detector.store.layout import decisions_folder, reviews_folder
from detector.store.reviews.log import append_reviews, read_reviews, said_now, withdraw
from detector.store.reviews.review import DRAWN_FROM, Review
from detector.store.reviews.words import standing
from detector.store.run_file import run_file_path
from detector.store.run_json import load_run

CHANGES_KEPT = 500
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
        items: Ids of the files that it is of.
    """

    said_id: str
    reviewer: str
    words: str
    units: int
    before: tuple[tuple[BoxId, Word], ...] | None = None
    files: tuple[tuple[str, str | None], ...] = ()
    items: frozenset[str] = frozenset()


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
        self._marker = Marker(check, partial(said_now, self.folder))
        self._lock = threading.RLock()
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._since: list[tuple[int, tuple[tuple[BoxId, Word], ...]]] = []  # by the count of `_said`
        self._said = 0
        self.revision = 1
        earlier = standing(read_reviews(self.folder))
        self._gos = _gos(earlier)
        self._recent = _names_said(earlier)
        self._stamp = self._decided_when()
        self._sight = Sight(self.folder, source.run, source.score_threshold)
        self._live: LiveDecisions | None = None
        self._stop = StopRequest()
        self._spoken: set[str] = set()  # files of which something was said since their deployments were counted
        self.deciding = Deciding(self._decide, self._count, len(self._sight.boxes) * A_BOX_S)
        if _said_later(self.folder):  # and was not decided: the program was stopped by force
            self.deciding.ask()
            try:
                self.deciding.wait(LONGEST_WAIT_S)
            except KeyboardInterrupt:
                self._leave()
                raise

    def close(self) -> None:
        """Decide what is due, and end the thread; an interrupt meanwhile leaves it to the next start."""
        if self.deciding.is_due:
            say("deciding what was said last; Ctrl-C leaves that to the next start: nothing that was said is lost")
        try:
            self.deciding.close()
        except KeyboardInterrupt:
            self._leave()

    def _leave(self) -> None:
        """End the thread without deciding what is due."""
        self._stop.signal = signal.SIGINT
        self.deciding.close()

    def look(self, answer: Callable[[Sight], Answer]) -> Answer:
        """Ask something of what is there, while nobody changes it."""
        with self._lock:
            return answer(self._sight)

    def warm(self) -> None:
        """Have ready what the first questions would wait for; may be called beside them."""
        self.search.find("a")
        sight = self._sight
        with suppress(HoopoeError):  # who asks for it is told
            likeness = sight.read_likeness()
            with self._lock:
                sight.likeness = sight.likeness or likeness

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
            self._keep(marking, mark.reviewer, _in_words(mark.name, mark.say), blank if mark.say == NOTHING else [])
            return self._used(mark.reviewer, mark.name)

    def draw(self, drawing: Drawing) -> dict[str, Any]:
        """Save a box that a person drew or moved; raises as `say`."""
        with self._lock:
            if drawing.box is not None:
                self._sight.row_of(f"{drawing.media}:{drawing.frame}:{drawing.box}")
            marking = self._marker.drawing(self._sight.boxes, drawing)
            words = "a box was drawn" if drawing.box is None else "a box was moved"
            self._keep(marking, drawing.reviewer, words, [])
            said = self._used(drawing.reviewer, drawing.name)
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
            self._spoken |= go.items
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
                "recent": [*self._recent.get(reviewer, RecentNames()).names],
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
        """The boxes that a mark lists, with all of each bird that look so unless it is of these boxes alone."""
        boxes = self._sight.boxes
        asked = [self._sight.row_of(each) for each in mark.boxes]
        if mark.say == ACCEPT and any(
            boxes.name_of(row).key != key for row, key in zip(asked, mark.seen, strict=False)
        ):
            raise AskedError("it is called otherwise by now: look again", 409)
        rows = np.unique(np.array(asked, np.int64))
        if not mark.alone and len(rows):
            whole = np.isin(boxes.individual, boxes.individual[rows]) & boxes.listed
            # what a person said of another box of the bird alone stays: nobody is shown that one here
            looks = (boxes.individual * len(boxes.names) + boxes.name) * 2 + boxes.suppressed
            whole &= ~boxes.reviewed | np.isin(looks, looks[rows])
            whole[rows] = True
            rows = np.flatnonzero(whole)
        return [int(row) for row in rows]

    def _used(self, reviewer: str, name: str | None) -> dict[str, Any]:
        """The state after a person has given a name, or none."""
        if name is not None:
            self._recent.setdefault(reviewer, RecentNames()).use(name)
        return self.state(reviewer)

    def _keep(self, marking: Marking, reviewer: str, words: str, blank: list[int]) -> None:
        """Write a marking, and let it stand on the page."""
        said_id = append_reviews(self.folder, marking.reviews)
        boxes, blanks = self._sight.boxes, self._sight.blanks
        ids = [(boxes.id_of(row), row, word) for row, word in marking.words]
        files = boxes.media["media_id"]
        items = frozenset({review.item for review in marking.reviews} | {each.media_id for each, _, _ in ids})
        go = Go(
            str(said_id),
            reviewer,
            words,
            marking.units,
            tuple((each, boxes.word_on(row)) for each, row, _ in ids),
            tuple((files[row].as_py(), blanks.blank_by(row)) for row in blank),
            items,
        )
        self._gos.append(go)
        self._said += 1
        self.pace.count(marking.units)
        self._apply(tuple((each, word) for each, _, word in ids))
        blanks.say(blank, reviewer)
        self._spoken |= items
        whole = frozenset(str(review.media_id) for review in marking.reviews if review.box is None and review.media_id)
        self._changed(frozenset(str(each) for each, _, _ in ids), whole)
        self.deciding.ask()

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
        answer = self._live.again(items, self._stop)
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
        decide(self.folder, stored_options(self.folder), stop=self._stop)
        self._show_decided(said)

    def _show_decided(self, said: int) -> None:
        """Show the decisions that are on the disk, in which what was said up to there has its part."""
        stamp = self._decided_when()
        source = ExportSource.of(self.folder)
        sight = Sight(self.folder, source.run, source.score_threshold)
        with self._lock:
            before, self._sight = self._sight, sight
            moved = sight.keep_order_of(before)
            self._since = [each for each in self._since if each[0] > said]
            for _, words in self._since:
                self._say(words)
            self._stamp = stamp
            changed = _different(before.boxes, sight.boxes, moved)
            drawn = frozenset(each.media_id for each in changed or () if each.box >= DRAWN_FROM)
            self._changed(frozenset(map(str, changed or ())), drawn, everything=changed is None)

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
    """What one person said in each go before, oldest first: a table of what several said is nobody's to take back."""
    by_id: dict[str, list[Review]] = {}
    for review in reviews:
        if review.said_id is not None:
            by_id.setdefault(review.said_id, []).append(review)
    return [
        Go(said_id, said[0].reviewer, _in_short(said), len(said), items=frozenset(review.item for review in said))
        for said_id, said in by_id.items()
        if len({review.reviewer for review in said}) == 1
    ]


def _names_said(reviews: Sequence[Review]) -> dict[str, RecentNames]:
    """Of each person the names that they gave last."""
    names: dict[str, dict[str, None]] = {}
    for review in reversed(reviews):
        if review.name:
            names.setdefault(review.reviewer, {})[review.name] = None
    return {reviewer: RecentNames(said) for reviewer, said in names.items()}


def _in_short(said: Sequence[Review]) -> str:
    words = {_in_words(review.name, review.verdict) for review in said}
    return words.pop() if len(words) == 1 else "different words"


def _in_words(name: str | None, verdict: str) -> str:
    return name or WORDS.get(verdict, verdict)


def _said_later(folder: Path) -> bool:
    """Whether something was said that may not be in the decisions: their tables are as old as the words in them."""
    decided_ns = (decisions_folder(folder) / "detections.parquet").stat().st_mtime_ns
    return any(part.stat().st_mtime_ns >= decided_ns for part in reviews_folder(folder).glob("*.parquet"))


def _different(before: Boxes, now: Boxes, moved: NDArray[np.int64] | None) -> set[BoxId] | None:
    """The boxes that are not what they were, and those that were drawn since; None: some are gone, or too many differ.

    Args:
        before: The boxes before.
        now: Those of now.
        moved: int64 (B before,), the row of each now.
    """
    if moved is None:
        return None
    known = {name.same: index for index, name in enumerate(before.names)}
    same_name = np.array([known.get(name.same, -1) for name in now.names], np.int64)[now.name[moved]] == before.name
    flags = ("suppressed", "reviewed", "needs_review")
    different = ~same_name | np.any([getattr(before, each) != getattr(now, each)[moved] for each in flags], axis=0)
    different |= (before.xywh != now.xywh[moved]).any(axis=1)
    rows = np.concatenate([moved[different], np.setdiff1d(np.arange(len(now)), moved)])
    return None if len(rows) > MOST_LISTED else {now.id_of(int(row)) for row in rows}
