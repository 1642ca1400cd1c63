"""The audit of what was passed over: the detector looks at a random sample of it, and what it finds there is kept.

The sample is the pictures with the smallest draws, a hash of each picture's name: the same files give the same sample,
however often and in whatever order they were annotated, and a further card only exchanges a part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.annotation.facts import Rows
from detector.annotation.listing.media_list import MediaList
from detector.annotation.report import Outcome, Receipt, RunReport
from detector.annotation.request import AuditRequest, Models, RunSettings
from detector.annotation.running import Engine, run_store
from detector.evaluation.intervals import clopper_pearson
from detector.species.names.kinds import MAYBE_BIRD, kind_of_label
from detector.store.facts import FactRow
from detector.store.reader import FactsReader
from detector.store.records import reaches
from detector.store.run_file import AuditEntry
from detector.store.schema import AUDIT, FIRST_PASS
from detector.store.writer import FactsWriter
from detector.types import MediaItem

SEED = 0  # of the draws
CONFIDENCE = 0.95  # of the interval
_COLUMNS = ("media_id", "frame_number", "failure", "moved", "seen_by", "detections.list.element.label_scores")

Picture = tuple[str, int]  # media id and number of the frame


class Unsiftable(Protocol):
    """An engine whose detector can be made to see all."""

    @property
    def models(self) -> Models:
        """The networks."""

    @property
    def settings(self) -> RunSettings:
        """How it goes about it."""

    def unsifted(self, frames: Mapping[str, tuple[int, ...]]) -> Engine[MediaItem, Rows | Receipt]:
        """The same, whose detector sees all of these frames of items, and only them; all rows come back."""


@dataclass(frozen=True)
class Census:
    """The pictures of some media items that were seen and passed over.

    Attributes:
        drawn: Those passed over, by their draws; whether an audit has looked at each.
        with_birds: Of those passed over, the ones in which an audit found what may be a bird.
        seen_with_birds: The pictures that were not passed over in which one was found.
    """

    drawn: Mapping[Picture, bool]
    with_birds: frozenset[Picture]
    seen_with_birds: int

    @classmethod
    def of(cls, folder: Path, media: Collection[str], categories: Sequence[str], score_threshold: float) -> Census:
        """Take it of the facts.

        Args:
            folder: The store.
            media: Ids of the media items that are counted.
            categories: Of the detector.
            score_threshold: From which boxes count.
        """
        possible = np.array([kind_of_label(name) in MAYBE_BIRD for name in categories], bool)
        passed: dict[Picture, bool] = {}
        with_birds: set[Picture] = set()
        seen = 0
        reader = FactsReader(folder)
        for part in reader.parts():
            for batch in reader.batches(part, _COLUMNS):
                birds = _with_birds(batch, possible, score_threshold)
                columns = (batch.column(name).to_pylist() for name in ("media_id", "frame_number", "moved", "seen_by"))
                for item, number, moved, seen_by, bird in zip(*columns, birds.tolist(), strict=True):
                    if item not in media:
                        continue
                    if moved is False or seen_by in (FIRST_PASS, AUDIT):
                        passed[item, number] = seen_by == AUDIT
                        if bird:
                            with_birds.add((item, number))
                    else:
                        seen += bird
        order = sorted(passed, key=_draw)
        return cls({picture: passed[picture] for picture in order}, frozenset(with_birds), seen)

    def sample(self, pictures: int) -> list[Picture]:
        """The sample of this size, or of all that there is."""
        return list(self.drawn)[:pictures]


def audit(
    writer: FactsWriter, media: MediaList, engine: Unsiftable, request: AuditRequest
) -> tuple[RunReport, AuditEntry | None]:
    """Have the detector look at a sample of what was passed over on some cards, and keep what it finds.

    Args:
        writer: Of the store.
        media: What is on the cards.
        engine: That annotated them.
        request: How much it looks at.

    Returns:
        What was done, and what it comes to; None: the audit was interrupted, or nothing was passed over.
    """
    folder, ids = writer.folder, {item.media_id for item in media}
    categories = engine.models.detector.categories
    census = Census.of(folder, ids, categories, request.score_threshold)
    sample = census.sample(request.pictures)
    to_do: dict[str, list[int]] = {}
    for item, number in sample:
        if not census.drawn[item, number]:
            to_do.setdefault(item, []).append(number)
    job = _Audit(media, writer, {item: tuple(sorted(numbers)) for item, numbers in to_do.items()})
    report = run_store(engine.unsifted(job.frames), job, "auditing", engine.settings.quiet)
    if not sample:
        report.notes.append("nothing was passed over: there is nothing to audit")
    if report.signal is not None or not sample:
        return report, None
    census = Census.of(folder, ids, categories, request.score_threshold)
    seen = [picture for picture in sample if census.drawn.get(picture)]
    return report, estimate(
        len(census.drawn), len(seen), len(census.with_birds.intersection(seen)), census.seen_with_birds, request
    )


def estimate(passed_over: int, sampled: int, with_birds: int, seen: int, request: AuditRequest) -> AuditEntry:
    """The share of the pictures with birds that was passed over, with its interval.

    The interval of the share in the sample is Clopper and Pearson's; the pictures with birds that were seen are known,
    and so are those of the sample.

    Args:
        passed_over: Pictures that were passed over.
        sampled: Of these, in the random sample.
        with_birds: Of these, with birds.
        seen: Pictures with birds that were not passed over.
        request: By which score boxes count.
    """
    blank = sampled - with_birds
    low, high = clopper_pearson(with_birds, sampled, CONFIDENCE)
    middle = with_birds / sampled if sampled else 0.0
    missed = [
        min(max(share * passed_over, with_birds), passed_over - blank)  # what was looked at is known
        for share in (middle, low, high)
    ]
    known = with_birds + seen > 0 and sampled > 0
    shares = [birds / (birds + seen) if known else None for birds in missed]
    return AuditEntry(
        passed_over=passed_over,
        sampled=sampled,
        with_birds=with_birds,
        seen_with_birds=seen,
        missed=shares[0],
        low=shares[1],
        high=shares[2],
        confidence=CONFIDENCE,
        score_threshold=request.score_threshold,
    )


@dataclass
class _Audit:
    """The pictures of a sample that no detector has seen; a `Job`.

    Attributes:
        media: What is on the cards.
        writer: Of the store.
        frames: Media id -> numbers of the frames to look at.
        report: What was done.
    """

    media: MediaList
    writer: FactsWriter
    frames: Mapping[str, tuple[int, ...]]
    report: RunReport = field(default_factory=RunReport)
    _found: dict[str, Rows] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return len(self.frames)

    def items(self) -> Iterator[MediaItem]:
        return (item for item in self.media if item.media_id in self.frames)

    def save(self, done: Rows | Receipt) -> Outcome | None:
        assert not isinstance(done, Receipt)
        outcome = Outcome.of(done)
        if outcome != Outcome() and self.media.has_lost(done[0].card, done[0].path, ()):
            return None
        if outcome.failure is None:
            self._found[done[0].media_id] = done
        return outcome

    def flush_if_due(self) -> None:
        """All is written at the end: each of the parts that hold these files is written anew, once."""

    def close(self) -> None:
        reader = FactsReader(self.writer.folder)
        reader.labels = {}  # the facts hold cards by their ids
        for part in reader.parts():
            ids = (
                item for batch in reader.batches(part, ["media_id"]) for item in batch.column("media_id").to_pylist()
            )
            if not self._found.keys().isdisjoint(ids):
                items = reader.items(part)
                self.writer.replace(part, [audited(rows, self._found.get(rows[0].media_id, ())) for rows in items])


def audited(rows: Sequence[FactRow], found: Sequence[FactRow]) -> Rows:
    """The rows of an item with what an audit found in some of its frames; what it found there has tracks of its own."""
    new = {row.frame_number: row for row in found}
    tracks = [box.track_id for row in rows for box in row.detections or () if box.track_id is not None]
    first = max(tracks, default=-1) + 1
    changed = []
    for row in rows:
        boxes = new[row.frame_number].detections if row.frame_number in new else None
        if boxes is None:
            changed.append(row)
            continue
        kept = tuple(box if box.track_id is None else replace(box, track_id=first + box.track_id) for box in boxes)
        changed.append(replace(row, detections=kept, seen_by=AUDIT))
    return changed


def _with_birds(batch: pa.RecordBatch, possible: NDArray[np.bool_], threshold: float) -> NDArray[np.bool_]:
    """bool (F,): which frames have a box from this score up whose label is, or may be, a bird's."""
    lists = batch.column("detections")
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    scores = pc.struct_field(lists.flatten(), "label_scores").flatten().to_numpy().reshape(-1, len(possible))
    found = np.zeros(len(counts), bool)
    if len(scores):
        bird = possible[scores.argmax(axis=1)] & reaches(scores.max(axis=1), threshold)
        found[np.repeat(np.arange(len(counts)), counts)[bird]] = True
    return found


def _draw(picture: Picture) -> bytes:
    item, number = picture
    return hashlib.blake2b(f"{SEED}:{item}:{number}".encode(), digest_size=8).digest()
