"""Which of two runs is nearer to what people say: names, birds found, false boxes and counts, with intervals by event.

A file is *reviewed* if people spoke of every box in it that counts, or confirmed that nothing is there. Birds that they
named count for names wherever they are, but for events in which a run's classifier learnt a crop: of those it knows the
answer. Birds found and false boxes count only in reviewed files. A bird that a run alone found, and that nobody was
shown or drew, is a false box here: whoever compares two detectors looks through both. Of a video only the frames count
that all looked at: runs may take others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.decisions.comparing.changes import matched
from detector.decisions.comparing.footage import Footage
from detector.evaluation.species.naming import NONE, NamingFigures, NamingGain, compare_names, measure_names
from detector.evaluation.species.ratios import PairedEstimate, paired_means, verdict
from detector.species.learning.learnt import DIGITS
from detector.store.records import DetectionRecord, EventRecord, MediaRecord
from detector.types import Kind

Boxes = Sequence[DetectionRecord]


@dataclass(frozen=True)
class Judgement:
    """Two runs against people's words.

    Attributes:
        files: Files of which people named a bird, and that both runs have.
        taught: Those of them in events that a run's classifier learnt from: they do not count for names and MaxN.
        reviewed: Files that were reviewed wholly, and that both runs have.
        names: Likeliest species of the birds that people named, of both runs; a bird that was not found has no name.
            None: there is no such bird, or neither run names species.
        gain: What the second has over the first.
        recall: The share of birds in reviewed files that were found.
        false_boxes: Boxes of birds in a reviewed file that are on none.
        at_once_error: |MaxN - people's| of an event in reviewed files, of birds of whatever name.
        count_error: The same of the event's name; None: neither run calls a bird so.
    """

    files: int
    taught: int
    reviewed: int
    names: tuple[NamingFigures, NamingFigures] | None
    gain: NamingGain | None
    recall: PairedEstimate | None
    false_boxes: PairedEstimate | None
    at_once_error: PairedEstimate | None
    count_error: PairedEstimate | None


def judge(truths: Sequence[Footage], first: Footage, second: Footage) -> Judgement:
    """Hold two runs against people's words.

    Args:
        truths: Stores with people's words; of a file in several, the first in which people spoke of it counts.
        first: A run by models alone.
        second: The other.
    """
    common = first.files.keys() & second.files.keys()
    told = {key: truth for truth in reversed(truths) for key, record in truth.files.items() if _spoken_of(record)}
    said = {key: truth.files[key] for key, truth in told.items() if key in common}
    reviewed = {key for key, record in said.items() if is_reviewed(record, told[key].threshold)}
    runs = first, second
    seen = {key: _seen(key, record, runs) for key, record in sorted(said.items())}
    named = {key: each for key, each in seen.items() if each.named}
    taught = _taught(named, first.learnt | second.learnt)
    names, gain = _names([each for key, each in named.items() if key not in taught])
    recall, false_boxes = _boxes([seen[key] for key in sorted(reviewed) if not seen[key].is_doubtful])
    events = list(_reviewed_events(truths, reviewed, said))
    at_once = _at_once_error(dict.fromkeys(files for _, files in events), said, runs)
    counts = _count_error([each for each in events if not each[1] & taught], runs)
    return Judgement(len(named), len(taught), len(reviewed), names, gain, recall, false_boxes, at_once, counts)


def is_reviewed(record: MediaRecord, threshold: float) -> bool:
    """Whether people spoke of every box that counts, or said that there is nothing."""
    if record.failure is not None:
        return False
    if record.blank_by is not None:
        return True
    shown = record.shown(threshold)
    spoken = any(box.reviewed_by is not None for box in record.detections)
    return spoken and all(box.reviewed_by is not None for box in shown)


def _spoken_of(record: MediaRecord) -> bool:
    return record.blank_by is not None or any(box.reviewed_by is not None for box in record.detections)


def _true_birds(record: MediaRecord) -> list[DetectionRecord]:
    return [box for box in record.detections if box.reviewed_by and not box.suppressed and box.kind == Kind.BIRD]


def _event(record: MediaRecord, box: DetectionRecord | None = None) -> str:
    return (box and box.event_id) or f"{record.deployment_id} {record.sequence_id}"


def _taught(named: Mapping[str, _Seen], learnt: frozenset[str]) -> set[str]:
    """The files in events with a file that a classifier learnt from."""

    def events(each: _Seen) -> set[str]:
        return {_event(each.record, box) for box in each.named}

    known = {event for key, each in named.items() if key[:DIGITS] in learnt for event in events(each)}
    return {key for key, each in named.items() if key[:DIGITS] in learnt or events(each) & known}


def _likeliest(box: DetectionRecord | None) -> str | None:
    if box is None or box.suppressed or box.kind != Kind.BIRD:
        return None
    return box.candidates[0].name if box.candidates else box.name if box.rank in ("species", None) else None


def _numbers(words: Sequence[str]) -> np.ndarray:
    place = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return np.array([place[word] for word in words], np.int64)


@dataclass(frozen=True)
class _Seen:
    """A file: as people see it, and the boxes that count in both runs; of a video in frames that all looked at."""

    record: MediaRecord
    birds: Boxes
    shown: tuple[Boxes, Boxes]

    @property
    def named(self) -> Boxes:
        """The birds whose species a person said."""
        return [box for box in self.birds if box.said_species is not None and not box.is_outnumbered]

    @property
    def is_doubtful(self) -> bool:
        """Whether nobody knows which of its boxes show birds."""
        return any(box.is_outnumbered for box in self.birds)


def _seen(key: str, record: MediaRecord, runs: tuple[Footage, Footage]) -> _Seen:
    files = [record, *(run.files[key] for run in runs)]
    whole = record.media_type != "video" or any(each.failure is not None for each in files)
    frames = set.intersection(*(set(each.frames) for each in files))

    def looked_at(boxes: Boxes) -> Boxes:
        return [box for box in boxes if whole or box.frame_number in frames]

    first, second = (looked_at(run.files[key].shown(run.threshold)) for run in runs)
    return _Seen(record, looked_at(_true_birds(record)), (first, second))


def _partners(boxes: Boxes, shown: Boxes) -> dict[tuple[int, int], DetectionRecord]:
    """(frame, number) of a true box -> the box of a run that overlaps it most, each once."""
    found = matched(boxes, shown)
    return {(one.frame_number, one.box): other for one, other in found if one is not None and other is not None}


def _names(named: Sequence[_Seen]) -> tuple[tuple[NamingFigures, NamingFigures] | None, NamingGain | None]:
    if not named:
        return None, None
    truth, groups = [], []
    called: tuple[list[str | None], list[str | None]] = ([], [])
    for each in named:
        partners = [_partners(each.named, shown) for shown in each.shown]
        for box in each.named:
            truth.append(str(box.said_species))
            groups.append(_event(each.record, box))
            for names, found in zip(called, partners, strict=True):
                names.append(_likeliest(found.get((box.frame_number, box.box))))
    if not any(name for names in called for name in names):
        return None, None
    classes = tuple(dict.fromkeys((*sorted(set(truth)), *sorted({name for each in called for name in each if name}))))
    place = {name: number for number, name in enumerate(classes)}
    right = np.array([place[name] for name in truth], np.int64)
    one, other = (np.array([NONE if name is None else place[name] for name in each], np.int64) for each in called)
    events = _numbers(groups)
    figures = measure_names(right, one, events, classes), measure_names(right, other, events, classes)
    return figures, compare_names(right, one, other, events, len(classes))


def _boxes(reviewed: Sequence[_Seen]) -> tuple[PairedEstimate | None, PairedEstimate | None]:
    """Birds that were found, and false boxes a file."""
    found: tuple[list[float], list[float]] = ([], [])
    false: tuple[list[float], list[float]] = ([], [])
    bird_events, file_events = [], []
    for each in reviewed:
        bird_events += [_event(each.record)] * len(each.birds)
        file_events.append(_event(each.record))
        for place, shown in enumerate(each.shown):
            pairs = matched(each.birds, [box for box in shown if box.kind == Kind.BIRD])
            hits = {(one.frame_number, one.box) for one, other in pairs if one is not None and other is not None}
            found[place].extend(float((box.frame_number, box.box) in hits) for box in each.birds)
            false[place].append(float(sum(one is None for one, _ in pairs)))
    recall = paired_means(np.array(found[0]), np.array(found[1]), _numbers(bird_events)) if bird_events else None
    if not file_events:
        return recall, None
    return recall, paired_means(np.array(false[0]), np.array(false[1]), _numbers(file_events))


def _reviewed_events(
    truths: Sequence[Footage], reviewed: set[str], said: Mapping[str, MediaRecord]
) -> Iterator[tuple[EventRecord, frozenset[str]]]:
    """The events of birds all of whose files are reviewed, and these files."""
    for truth in truths:
        files_of: dict[str, set[str]] = defaultdict(set)
        for key, record in truth.files.items():
            for box in record.detections:
                if box.event_id is not None:
                    files_of[box.event_id].add(key)
        for event in truth.events:
            files = files_of[event.event_id]
            own = all(said.get(key) is truth.files[key] for key in files)
            if event.kind == Kind.BIRD and files and files <= reviewed and own:
                yield event, frozenset(files)


def _at_once_error(
    groups: Iterable[frozenset[str]], said: Mapping[str, MediaRecord], runs: tuple[Footage, Footage]
) -> PairedEstimate | None:
    """The error of the most birds at once, whatever they are called, in the files of each event."""
    errors: tuple[list[float], list[float]] = ([], [])
    for files in groups:
        right = max(_most(_true_birds(said[key])) for key in files)
        for place, run in enumerate(runs):
            shown = ([box for box in run.files[key].shown(run.threshold) if box.kind == Kind.BIRD] for key in files)
            errors[place].append(float(abs(max(map(_most, shown)) - right)))
    return _mean_of(errors)


def _count_error(
    events: Sequence[tuple[EventRecord, frozenset[str]]], runs: tuple[Footage, Footage]
) -> PairedEstimate | None:
    """The error of MaxN in each event; None where neither run has any of the names."""
    errors: tuple[list[float], list[float]] = ([], [])
    called = False
    for event, files in events:
        for place, run in enumerate(runs):
            shown = (run.files[key].shown(run.threshold) for key in files)
            most = max(_most([box for box in boxes if box.display_name == event.display_name]) for boxes in shown)
            errors[place].append(float(abs(most - event.count)))
            called = called or most > 0
    return _mean_of(errors) if called else None


def _mean_of(errors: tuple[list[float], list[float]]) -> PairedEstimate | None:
    if not errors[0]:
        return None
    return paired_means(np.array(errors[0]), np.array(errors[1]), np.arange(len(errors[0])))


def _most(boxes: Boxes) -> int:
    """The most birds in one frame."""
    frames: dict[int, int] = defaultdict(int)
    for box in boxes:
        frames[box.frame_number] += box.count
    return max(frames.values(), default=0)


def verdicts(judged: Judgement) -> Iterator[tuple[str, int]]:
    """Each figure, and whether the second run is better (1), worse (-1), or neither can be told (0)."""
    if judged.gain is not None:
        for title, gain in (("names (top-1)", judged.gain.top1), ("names (macro-F1)", judged.gain.macro_f1)):
            yield title, verdict(gain, judged.gain.differing)
    lower = ("false boxes", judged.false_boxes), ("at once", judged.at_once_error), ("MaxN", judged.count_error)
    for title, figure, sign in (("birds found", judged.recall, 1), *((*each, -1) for each in lower)):
        if figure is not None:
            yield title, sign * figure.verdict
