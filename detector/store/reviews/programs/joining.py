"""Which boxes of a store the words of another program's file are of: by file, frame, and overlap.

A word is joined to the box whose number it kept, else to the one that it overlaps most, by half at least. What the
store says already is no word, unless a person signed it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from detector.base.names import name_key
from detector.boxes import box_iou, xywh_to_xyxy
from detector.store.records import DetectionRecord, MediaRecord, reaches
from detector.store.records_reader import read_events, read_media
from detector.store.reviews.programs.camtrap_dp import EVENT
from detector.store.reviews.programs.several import share_out
from detector.store.reviews.programs.words import ANY_ANIMAL, Box, Heard, Word
from detector.store.reviews.review import NOTED, Review, drawn_number
from detector.store.reviews.table import ReviewTable, Said
from detector.store.reviews.targets import Files
from detector.store.reviews.traits import Traits
from detector.store.run_json import read_run
from detector.types import Kind

SAME_IOU = 0.5
DUPLICATE_IOU = 0.9
SAME_PROBABILITY = 1e-4  # tables hold five digits
SAME_TIME_S = 0.05  # a frame of Label Studio's 25 a second, and a little
DEFAULT_THRESHOLD = 0.2
MOVED = 2e-3  # share of the picture by which a side must lie otherwise: files round to 4 digits
NOBODYS = "nothing tells that a person drew it"
UNNAMED = "its name was taken away: write another name, or bird"


def join_words(folder: Path, heard: Heard, now: datetime) -> ReviewTable:
    """The reviews that words are.

    Args:
        folder: A decided store.
        heard: The words.
        now: The time of those that give none, UTC.

    Raises:
        DataError: The store has no decisions, or is damaged.
    """
    joining = _Joining(_threshold(folder), now)
    by_item: dict[str, list[Word]] = defaultdict(list)
    files = Files.of_store(folder)
    events = [word for word in heard.words if word.place.item is None and word.place.path is None]
    if events:
        joining.events(events, folder)
    for word in heard.words:
        if word.place.item is None and word.place.path is None:
            continue
        if word.edited is False:
            joining.unchanged += 1
            continue
        found = files.item_of(word.place.item, word.place.path)
        if found.problem:
            joining.wrong.append(f"{word.where}: {found.problem}")
        else:
            by_item[found.item].append(word)
    for record in read_media(folder):
        if words := by_item.get(record.media_id):
            joining.item(record, words)
    total, taken = len(heard.words), len(heard.words) - len(joining.wrong)
    count = f"{taken} of {total} entries joined, {joining.unchanged} of which say what the store says"
    notes = [*heard.notes, count if total else "nobody has said anything in it"]
    if joining.faint:
        notes.append(
            f"{joining.faint} boxes are less sure than this store shows, which does not hold them: they say nothing"
        )
    if joining.mixed:
        mixed = f"{joining.mixed} files have a name more than once, of several sexes or ages"
        notes.append(f"{mixed}: their number was taken, and not which bird is which")
    if joining.stale:
        passed_over = f"{joining.stale} entries that nobody signed are older than what the store says by now"
        notes.append(f"{passed_over}, and were passed over: export again to correct those")
    return ReviewTable(tuple(joining.said), (*heard.wrong, *joining.wrong), tuple(notes))


def _threshold(folder: Path) -> float:
    run = read_run(folder)
    threshold = run.decisions.get("score_threshold") if run else None
    return threshold if isinstance(threshold, float) else DEFAULT_THRESHOLD


@dataclass
class _Joining:
    """Reviews as they come, what could not be joined, and how many words say nothing new, are outdated, and so on."""

    threshold: float
    now: datetime
    said: list[Said] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unchanged: int = 0
    stale: int = 0
    faint: int = 0
    mixed: int = 0

    def events(self, words: Sequence[Word], folder: Path) -> None:
        """Take words on whole events, which change nothing, or cannot be taken."""
        known = {event.event_id: event for event in read_events(folder)}
        for word in words:
            event = known.get(word.region)
            if event is not None and _says_so(word, event.kind, (event.name, event.display_name)):
                self.unchanged += 1
            elif not word.signed and (event is None or _changed(word.probability, event.confidence)):
                self.stale += 1
            else:
                self.wrong.append(f"{word.where}: {EVENT}")

    def item(self, record: MediaRecord, words: Sequence[Word]) -> None:
        """Take the words on a file."""
        if record.failure is not None:
            self.wrong += [f"{word.where}: the file could not be read ({record.failure})" for word in words]
            return
        words = list({_identity(word): word for word in words}.values())
        self._of_file(record, [word for word in words if not word.place.is_of_a_box])
        groups: dict[str, list[Word]] = defaultdict(list)
        for word in words:
            if word.place.is_of_a_box:
                groups[word.group].append(word)
        for group in groups.values():
            self._of_boxes(record, group)

    def _of_file(self, record: MediaRecord, words: Sequence[Word]) -> None:
        for group in dict.fromkeys(word.group for word in words):
            same = [word for word in words if word.group == group]
            if len({name_key(word.label) for word in same}) > 1:
                self._of_several(record, same)
                continue
            word = self._together([each for each in same if each.reviewer == same[-1].reviewer])
            shown = record.shown(self.threshold)
            private = (Kind.PERSON, Kind.VEHICLE)
            meant = [found for found in shown if found.kind not in private] or list(shown)
            blank = word.verdict[0] == "nothing"
            if not word.signed and (record.blank if blank else meant and all(_says(word, found) for found in meant)):
                self._note(record, word, _traits_beside(word, meant), None)
            else:
                self._add(record, word, None, word.traits)

    def _of_several(self, record: MediaRecord, words: Sequence[Word]) -> None:
        """Take different names on one file, where only one answer is left to which box has which."""
        named: dict[str, list[Word]] = defaultdict(list)
        for word in words:
            if word.reviewer == words[-1].reviewer:
                named[name_key(word.label)].append(word)
        shared = share_out(record, [self._together(each) for each in named.values()], self.threshold, _says)
        if shared is None:
            problem = f"{', '.join(sorted({word.label for word in words}))} are said of one file, not of which boxes"
            self.wrong += [f"{word.where}: {problem}" for word in words]
            return
        for word, things in shared.things:
            more = (word.traits.count or len(things)) - len(things)  # than boxes: the surest stands for them
            for place, thing in enumerate(things):
                count = 1 + more if place == 0 and word.traits.count else None
                of_thing = replace(word, traits=replace(word.traits, count=count))
                for found in thing:
                    self._of_box(record, of_thing, found)
        for word in shared.missing:
            what = f"the file has no box that may be '{word.label}', beside those of the other names"
            self.wrong.append(f"{word.where}: {what}: draw it in `hoopoe review`")

    def _together(self, words: Sequence[Word]) -> Word:
        """Entries of one name in a file as one: as many as all of them count, of a sex and an age if all are."""
        traits = [word.traits for word in words]
        counts = [each.count for each in traits]
        sexes, stages = {each.sex for each in traits}, {each.life_stage for each in traits}
        self.mixed += len(sexes) > 1 or len(stages) > 1
        common = Traits(
            sexes.pop() if len(sexes) == 1 else None,
            stages.pop() if len(stages) == 1 else None,
            sum(count for count in counts if count) if all(counts) else None,
        )
        return replace(words[-1], traits=common)

    def _of_boxes(self, record: MediaRecord, words: Sequence[Word]) -> None:
        joined = _pairs(record, words)
        regions = {words[number].region for number in joined}
        listed = Counter[str]()
        for number, word in enumerate(words):
            if number in joined:
                self._of_box(record, word, joined[number])
            elif word.verdict[0] == "nothing":
                self.unchanged += 1  # of a box that is not here nothing need be said
            elif word.score is not None and not word.draws and not reaches(word.score, self.threshold):
                self.faint += 1
            elif word.region and (word.region in regions or listed[word.region]):
                continue  # a moment of a thing whose others have been joined, or told of
            else:
                said = [other for place, other in enumerate(words) if place in joined or place < number]
                self._not_found(record, word, listed, said)

    def _not_found(self, record: MediaRecord, word: Word, listed: Counter[str], said: Sequence[Word]) -> None:
        """Take a box that a person drew, or list it."""
        frame = _sampled_frame(record, word)
        if frame is None:
            listed[word.region] += 1
            which = f"frame {word.place.frame}" if word.place.time_s is None else f"frame at {word.place.time_s:g} s"
            self.wrong.append(f"{word.where}: the file has no {which} that was sampled")
        elif word.place.xywh is None or not word.draws or any(_is_same_place(word, other) for other in said):
            listed[word.region] += 1
            why = "another entry speaks of its place" if word.place.xywh is not None and word.draws else NOBODYS
            self.wrong.append(f"{word.where}: no other box of the file overlaps it by half, and {why}")
        else:
            box = drawn_number(record.media_id, frame, word.place.xywh)
            of = {"frame_number": frame, "box": box, "xywh": word.place.xywh}
            verdict, name = (NOTED, None) if word.label == ANY_ANIMAL else word.verdict
            self._say(record, word, verdict, {**of, **vars(word.traits), "name": name})

    def _of_box(self, record: MediaRecord, word: Word, found: DetectionRecord) -> None:
        same = _says(word, found)
        traits = word.traits.beside(found.sex, found.life_stage, found.count)
        if same and (not word.signed or found.reviewed_by == word.reviewer or word.label == ANY_ANIMAL):
            self._note(record, word, traits, found)
        elif not word.signed and not word.edited and _outdated(word, found):
            self.stale += 1
        else:
            self._add(record, word, found, traits)

    def _note(self, record: MediaRecord, word: Word, traits: Traits, found: DetectionRecord | None) -> None:
        """Take what is said beside a name that the store says already."""
        xywh = _moved_to(word, found)
        if not traits and xywh is None:
            self.unchanged += 1
            return
        name = word.verdict[1] if found is None and traits.count else None
        self._say(record, word, NOTED, {**_target(found), **vars(traits), "xywh": xywh, "name": name})

    def _add(self, record: MediaRecord, word: Word, found: DetectionRecord | None, traits: Traits) -> None:
        if word.label == ANY_ANIMAL:
            self.wrong.append(f"{word.where}: {UNNAMED}")
            return
        verdict, name = word.verdict
        notes = {} if verdict == "nothing" else {**vars(traits), "xywh": _moved_to(word, found)}
        self._say(record, word, verdict, {**_target(found), **notes, "name": name})

    def _say(self, record: MediaRecord, word: Word, verdict: str, what: Mapping[str, Any]) -> None:
        said_at = word.said_at or self.now
        try:
            review = Review(said_at, word.reviewer, verdict, record.media_id, comment=word.comment, **what)
        except ValueError as error:
            self.wrong.append(f"{word.where}: {error}")
            return
        self.said.append(Said(word.where, record.media_id, None, None, review, word.said_at is not None))


def _identity(word: Word) -> tuple[object, ...]:
    """What entries that say the same thing have in common; of a file, entries of other traits are of other birds."""
    of_file = () if word.place.is_of_a_box else (word.traits, word.region)
    return word.place, word.label, word.group, word.reviewer, *of_file


def _target(found: DetectionRecord | None) -> dict[str, int]:
    return {} if found is None else {"frame_number": found.frame_number, "box": found.box}


def _sampled_frame(record: MediaRecord, word: Word) -> int | None:
    """The frame that a word is of; None: it was not sampled."""
    if word.place.time_s is not None and record.frame_rate:
        times = {abs(number / record.frame_rate - word.place.time_s): number for number in record.frames}
        return times[min(times)] if times and min(times) <= SAME_TIME_S else None
    frame = word.place.frame or 0
    return frame if frame in record.frames else None


def _moved_to(word: Word, found: DetectionRecord | None) -> Box | None:
    """Where a person moved a box; None: it is where it was."""
    if found is None or word.place.xywh is None or not word.moves:
        return None
    left, top = max(found.x, 0.0), max(found.y, 0.0)  # exports give what is in the picture
    before = (left, top, min(found.x + found.w, 1.0) - left, min(found.y + found.h, 1.0) - top)
    return word.place.xywh if np.abs(np.subtract(before, word.place.xywh)).max() > MOVED else None


def _traits_beside(word: Word, meant: Sequence[DetectionRecord]) -> Traits:
    """What a word on a file says of sex, age and number that its boxes do not say."""
    frames = Counter[int]()
    for found in meant:
        frames[found.frame_number] += found.count
    sexes, stages = {found.sex for found in meant}, {found.life_stage for found in meant}
    return word.traits.beside(
        sexes.pop() if len(sexes) == 1 else None,
        stages.pop() if len(stages) == 1 else None,
        max(frames.values(), default=None),
    )


def _pairs(record: MediaRecord, words: Sequence[Word]) -> dict[int, DetectionRecord]:
    """The boxes that words are of, by the words' numbers; each box once."""
    overlaps: list[tuple[bool, float, int, int]] = []
    for number, word in enumerate(words):
        place = word.place
        for index, found in enumerate(record.detections):
            if place.frame is not None and place.frame != found.frame_number:
                continue
            if place.time_s is not None and abs(place.time_s - found.time_s) > SAME_TIME_S:
                continue
            numbered = place.box == found.box
            iou = 1.0 if place.xywh is None else _iou(place.xywh, (found.x, found.y, found.w, found.h))
            if (numbered and iou > 0) or (place.xywh is not None and iou >= SAME_IOU):
                overlaps.append((numbered, iou, number, index))
    joined: dict[int, DetectionRecord] = {}
    taken: set[int] = set()
    for _, _, number, index in sorted(overlaps, key=lambda each: (not each[0], -each[1], each[2], each[3])):
        if number not in joined and index not in taken:
            joined[number] = record.detections[index]
            taken.add(index)
    return joined


def _outdated(word: Word, found: DetectionRecord) -> bool:
    """Whether a person has spoken, or the store has changed, since the word was exported."""
    changed = _changed(word.probability, _sureness(found)) or _changed(word.score, found.score)
    return changed or found.reviewed_by is not None


def _changed(exported: float | None, now: float | None) -> bool:
    return exported is not None and abs(exported - (now or 0.0)) > SAME_PROBABILITY


def _sureness(found: DetectionRecord) -> float:
    return found.score if found.confidence is None else found.confidence


def _iou(xywh: Sequence[float], other: Sequence[float]) -> float:
    own, its = (xywh_to_xyxy(np.array([box], float)) for box in (xywh, other))
    return float(box_iou(own, its)[0, 0])


def _is_same_place(word: Word, other: Word) -> bool:
    """Whether two entries are of one box, at one moment."""
    one, two = word.place, other.place
    moments = (one.frame, one.time_s) == (two.frame, two.time_s)
    return moments and one.xywh is not None and two.xywh is not None and _iou(one.xywh, two.xywh) >= DUPLICATE_IOU


def _says(word: Word, found: DetectionRecord) -> bool:
    """Whether the store says of a box what the word says."""
    if found.suppressed and found.reviewed_by:
        return word.verdict[0] == "nothing"
    names = (found.name, found.english_name, found.hebrew_name, found.display_name)
    if not word.ranked:
        return _says_so(word, found.kind, names)
    own = {name_key(name) for name in names if name} or set()
    if not found.name and found.kind == Kind.BIRD:
        own |= {"aves", "bird"}
    ranked = [name_key(name) for name in word.ranked]
    if not own & set(ranked):  # what is shown of a box that may be no bird has no names
        return False
    sure = _sureness(found)
    surer = {name_key(each.name) for each in found.candidates if each.confidence >= sure}
    return ranked[0] in own | surer


def _says_so(word: Word, kind: str, names: Sequence[str | None]) -> bool:
    verdict, name = word.verdict
    if word.label == ANY_ANIMAL:
        return kind not in (Kind.PERSON, Kind.VEHICLE) and not names[0]
    if name is not None:
        return name_key(name) in {name_key(each) for each in names if each}
    return verdict == kind and not (kind == Kind.BIRD and names[0])
