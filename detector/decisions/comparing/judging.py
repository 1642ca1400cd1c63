"""Which of two runs is nearer to what people say: names, birds found, false boxes and counts, with intervals by event.

A file is *reviewed* if people spoke of every box in it that counts, or confirmed that nothing is there. Birds that they
named count for names wherever they are; birds found and false boxes only in reviewed files. A bird that a run alone
found, and that nobody was shown or drew, is a false box here: whoever compares two detectors looks through both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.decisions.comparing.changes import matched
from detector.decisions.comparing.footage import Footage
from detector.evaluation.species.naming import (
    NONE,
    NamingFigures,
    NamingGain,
    compare_names,
    measure_names,
)
from detector.evaluation.species.ratios import PairedEstimate, paired_means
from detector.store.records import DetectionRecord, MediaRecord
from detector.types import Kind


@dataclass(frozen=True)
class Judgement:
    """Two runs against people's words.

    Attributes:
        files: Files of which people named a bird, and that both runs have.
        reviewed: Files that were reviewed wholly, and that both runs have.
        names: Likeliest species of the birds that people named, of both runs; a bird that was not found has no name.
        gain: What the second has over the first.
        recall: The share of birds in reviewed files that were found.
        false_boxes: Boxes of birds in a reviewed file that are on none.
        count_error: |MaxN - people's| of an event in reviewed files.
    """

    files: int
    reviewed: int
    names: tuple[NamingFigures, NamingFigures] | None
    gain: NamingGain | None
    recall: PairedEstimate | None
    false_boxes: PairedEstimate | None
    count_error: PairedEstimate | None


def judge(truths: Sequence[Footage], first: Footage, second: Footage) -> Judgement:
    """Hold two runs against people's words.

    Args:
        truths: Stores with people's words; of a file in several, the first in which people spoke of it counts.
        first: A run by models alone.
        second: The other.
    """
    common = first.files.keys() & second.files.keys()
    said = {key: truth.files[key] for truth in reversed(truths) for key in truth.files if _spoken_of(truth.files[key])}
    thresholds = {key: truth.threshold for truth in reversed(truths) for key in truth.files}
    said = {key: record for key, record in said.items() if key in common}
    reviewed = {key for key, record in said.items() if is_reviewed(record, thresholds[key])}
    named = [(key, box) for key, record in said.items() for box in record.detections if box.said_species is not None]
    runs = first, second
    names, gain = _names(named, said, runs)
    recall, false_boxes = _boxes(sorted(reviewed), said, runs)
    counts = _counts(truths, reviewed, said, runs)
    return Judgement(len({key for key, _ in named}), len(reviewed), names, gain, recall, false_boxes, counts)


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


def _likeliest(box: DetectionRecord | None) -> str | None:
    if box is None or box.suppressed or box.kind != Kind.BIRD:
        return None
    return box.candidates[0].name if box.candidates else box.name if box.rank in ("species", None) else None


def _numbers(words: Sequence[str]) -> np.ndarray:
    place = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return np.array([place[word] for word in words], np.int64)


def _partners(
    record: MediaRecord, boxes: Sequence[DetectionRecord], run: Footage, key: str
) -> dict[tuple[int, int], DetectionRecord]:
    """(frame, number) of a true box -> the box of a run that overlaps it most, each once."""
    found = matched(boxes, run.files[key].shown(run.threshold))
    return {(one.frame_number, one.box): other for one, other in found if one is not None and other is not None}


def _names(
    named: Sequence[tuple[str, DetectionRecord]], said: Mapping[str, MediaRecord], runs: tuple[Footage, Footage]
) -> tuple[tuple[NamingFigures, NamingFigures] | None, NamingGain | None]:
    if not named:
        return None, None
    by_file: dict[str, list[DetectionRecord]] = defaultdict(list)
    for key, box in named:
        by_file[key].append(box)
    truth, groups = [], []
    called: tuple[list[str | None], list[str | None]] = ([], [])
    for key, boxes in sorted(by_file.items()):
        partners = [_partners(said[key], boxes, run, key) for run in runs]
        for box in boxes:
            truth.append(str(box.said_species))
            groups.append(_event(said[key], box))
            for names, found in zip(called, partners, strict=True):
                names.append(_likeliest(found.get((box.frame_number, box.box))))
    classes = tuple(dict.fromkeys((*sorted(set(truth)), *sorted({name for each in called for name in each if name}))))
    place = {name: number for number, name in enumerate(classes)}
    right = np.array([place[name] for name in truth], np.int64)
    one, other = (np.array([NONE if name is None else place[name] for name in each], np.int64) for each in called)
    events = _numbers(groups)
    figures = measure_names(right, one, events, classes), measure_names(right, other, events, classes)
    return figures, compare_names(right, one, other, events, len(classes))


def _boxes(
    reviewed: Sequence[str], said: Mapping[str, MediaRecord], runs: tuple[Footage, Footage]
) -> tuple[PairedEstimate | None, PairedEstimate | None]:
    """Birds that were found, and false boxes a file."""
    found: tuple[list[float], list[float]] = ([], [])
    false: tuple[list[float], list[float]] = ([], [])
    bird_events, file_events = [], []
    for key in reviewed:
        record = said[key]
        birds = _true_birds(record)
        bird_events += [_event(record)] * len(birds)
        file_events.append(_event(record))
        for place, run in enumerate(runs):
            claimed = [box for box in run.files[key].shown(run.threshold) if box.kind == Kind.BIRD]
            pairs = matched(birds, claimed)
            hits = {(one.frame_number, one.box) for one, other in pairs if one is not None and other is not None}
            found[place].extend(float((box.frame_number, box.box) in hits) for box in birds)
            false[place].append(float(sum(one is None for one, _ in pairs)))
    recall = paired_means(np.array(found[0]), np.array(found[1]), _numbers(bird_events)) if bird_events else None
    if not file_events:
        return recall, None
    return recall, paired_means(np.array(false[0]), np.array(false[1]), _numbers(file_events))


def _counts(
    truths: Sequence[Footage], reviewed: set[str], said: Mapping[str, MediaRecord], runs: tuple[Footage, Footage]
) -> PairedEstimate | None:
    """The error of MaxN in each event of birds all of whose files are reviewed."""
    errors: tuple[list[float], list[float]] = ([], [])
    for truth in truths:
        files_of: dict[str, set[str]] = defaultdict(set)
        for key, record in truth.files.items():
            for box in record.detections:
                if box.event_id is not None:
                    files_of[box.event_id].add(key)
        for event in truth.events:
            files = files_of[event.event_id]
            own = all(said.get(key) is truth.files[key] for key in files)
            if event.kind != Kind.BIRD or not files or not files <= reviewed or not own:
                continue
            for place, run in enumerate(runs):
                most = max(_at_once(run.files[key], event.display_name, run.threshold) for key in files)
                errors[place].append(float(abs(most - event.count)))
    if not errors[0]:
        return None
    return paired_means(np.array(errors[0]), np.array(errors[1]), np.arange(len(errors[0])))


def _at_once(record: MediaRecord, name: str, threshold: float) -> int:
    """The most of a name in one frame of a file."""
    frames: dict[int, int] = defaultdict(int)
    for box in record.shown(threshold):
        if box.display_name == name:
            frames[box.frame_number] += box.count
    return max(frames.values(), default=0)


def verdicts(judged: Judgement) -> Iterator[tuple[str, int]]:
    """Each figure, and whether the second run is better (1), worse (-1), or neither can be told (0)."""
    if judged.gain is not None:
        for title, gain in (("names (top-1)", judged.gain.top1), ("names (macro-F1)", judged.gain.macro_f1)):
            low, high = gain.low, gain.high
            yield title, 0 if low is None or high is None else 1 if low > 0 else -1 if high < 0 else 0
    higher = (("birds found", judged.recall, 1), ("false boxes", judged.false_boxes, -1))
    for title, figure, sign in (*higher, ("counts", judged.count_error, -1)):
        if figure is not None:
            yield title, sign * figure.verdict
