"""The boxes of a decided store as columns in memory, with what people have said since they were decided.

100,000 boxes are some tens of megabytes, and a question about all of them takes milliseconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from detector.exports.pictures.blurring import LOWEST_SCORE
from detector.review.names import BoxName
from detector.store.records import DetectionRecord, MediaRecord, RepeatRecord, reaches
from detector.store.records_reader import read_columns, read_repeats, records_of
from detector.types import Kind

HIDDEN = (Kind.PERSON, Kind.VEHICLE)
MAYBE_HIDDEN = (Kind.UNDECIDED, Kind.BLANK)  # by some labels, see `may_be_a_person`
NO_TIME = np.iinfo(np.int64).min  # minutes of what has none


@dataclass(frozen=True)
class BoxId:
    """A box, by what never changes: not by its place in a table, which another card would shift."""

    media_id: str
    frame_number: int
    box: int

    def __str__(self) -> str:
        return f"{self.media_id}:{self.frame_number}:{self.box}"


@dataclass(frozen=True)
class Word:
    """What a person's word makes of a box.

    Attributes:
        name: What it is called.
        suppressed: It does not count.
        reviewer: Who said so; None: nobody, any more.
        needs_review: Whether a person should look at it.
    """

    name: BoxName
    suppressed: bool
    reviewer: str | None
    needs_review: bool = False


def word_of(found: DetectionRecord) -> Word:
    """What stands on a box by a record of it."""
    name = BoxName(found.kind, found.name, found.display_name, found.rank, found.english_name, found.hebrew_name)
    return Word(name, found.suppressed, found.reviewed_by, found.needs_review)


class Boxes:
    """Columns of the boxes (B) and files (M) of a store.

    Attributes:
        media: Table of files, `schema.MEDIA`.
        found: Table of boxes, `schema.DETECTIONS`, as they were decided.
        media_row: int32 (B,), the file of each box.
        names: What boxes are called.
        name: int32 (B,), index into `names`, as of now.
        suppressed: bool (B,), as of now.
        reviewed: bool (B,), whether a person's word stands on it, as of now.
        needs_review: bool (B,), as of now.

    Args:
        folder: The store.
        threshold: From which score boxes count.

    Raises:
        DataError: The store has no decisions, or they are damaged.
    """

    def __init__(self, folder: Path, threshold: float) -> None:
        self.media = read_columns(folder, "media").combine_chunks()
        self.found = read_columns(folder, "detections").combine_chunks()
        self.repeats: list[RepeatRecord] = list(read_repeats(folder))
        self.threshold = threshold
        self.media_row = _numbers(pc.index_in(self.found["media_id"], self.media["media_id"]), np.int32)
        self.names, self.name = _names(self.found)
        self._name_index = {name.same: index for index, name in enumerate(self.names)}
        self.suppressed = _flags(self.found["suppressed"])
        self.needs_review = _flags(self.found["needs_review"])
        self.reviewed = _flags(pc.is_valid(self.found["reviewed_by"]))
        self._reviewers: dict[int, str | None] = {}  # said since
        self._hidden = np.zeros((2, 0), bool)
        self.score = _numbers(self.found["score"], np.float32)
        self.confidence = _numbers(pc.fill_null(self.found["confidence"], np.nan), np.float32)
        self.xywh = np.stack([_numbers(self.found[side], np.float32) for side in "xywh"], axis=1)
        self.frame = _numbers(self.found["frame_number"], np.int64)
        self.box = _numbers(self.found["box"], np.int64)

    def __len__(self) -> int:
        return len(self.name)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """int64 (M + 1,): the boxes of file m are first[m] to first[m + 1]."""
        counts = np.bincount(self.media_row, minlength=len(self.media))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def media_rows(self) -> dict[str, int]:
        """The row of each file, by its id."""
        return {item: row for row, item in enumerate(self.media["media_id"].to_pylist())}

    @cached_property
    def listed(self) -> NDArray[np.bool_]:
        """bool (B,): those that are on the page at all: they count, or did before somebody said otherwise."""
        return np.asarray(reaches(self.score, self.threshold) | (self.reviewed & ~self.suppressed))

    @cached_property
    def individual(self) -> NDArray[np.int64]:
        """int64 (B,): boxes with one number are one bird."""
        ids = pc.coalesce(self.found["individual_id"], pa.scalar(""))
        codes = _numbers(ids.combine_chunks().dictionary_encode().indices, np.int64)
        alone = ~_flags(pc.is_valid(self.found["individual_id"]))
        codes[alone] = len(codes) + np.flatnonzero(alone)
        return codes

    @cached_property
    def lead(self) -> NDArray[np.bool_]:
        """bool (B,): the surest listed box of each individual."""
        return _first_of(self.individual, self._sureness, self.listed)

    @cached_property
    def members(self) -> NDArray[np.int64]:
        """int64 (B,): how many listed boxes the individual of each has."""
        _, inverse = np.unique(self.individual, return_inverse=True)
        return np.bincount(inverse, weights=self.listed)[inverse].astype(np.int64)

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """int64 (B,): the row of `repeats` of each box; -1: none."""
        groups = pa.array([each.repeat_group for each in self.repeats], pa.string())
        return _numbers(pc.fill_null(pc.index_in(self.found["repeat_group"], groups), -1), np.int64)

    @cached_property
    def group_lead(self) -> NDArray[np.bool_]:
        """bool (B,): a box of each group of repeats, the one that the group is called by."""
        return _first_of(self.group, np.zeros(len(self)), self.group >= 0)

    @cached_property
    def moment(self) -> NDArray[np.int64]:
        """int64 (B,): local time in seconds since 1970; NO_TIME: unknown."""
        stamps = self.media["timestamp"].cast(pa.int64())
        known = _flags(pc.is_valid(stamps))[self.media_row]
        seconds = _numbers(pc.fill_null(stamps, 0), np.int64)[self.media_row] // 1000
        into = _numbers(self.found["time_s"], np.float64)
        return np.where(known, seconds + np.nan_to_num(into).astype(np.int64), NO_TIME)

    @cached_property
    def places(self) -> list[str]:
        """Ids of deployments, sorted."""
        return sorted(set(self.media["deployment_id"].to_pylist()))

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """int64 (B,): index into `places`."""
        of_media = _numbers(pc.index_in(self.media["deployment_id"], pa.array(self.places, pa.string())), np.int64)
        return of_media[self.media_row]

    @cached_property
    def _sureness(self) -> NDArray[np.float64]:
        return np.where(np.isnan(self.confidence), self.score, self.confidence).astype(np.float64)

    @cached_property
    def failed(self) -> NDArray[np.int64]:
        """Rows of the files that could not be read."""
        return np.flatnonzero(_flags(pc.is_valid(self.media["failure"])))

    @property
    def uncertainty(self) -> NDArray[np.float64]:
        """float64 (B,), 0..1: how unsure the models are of the name, or of the box where it has none."""
        return 1 - self._sureness

    @property
    def counted(self) -> NDArray[np.bool_]:
        """bool (B,): those that count now."""
        return self.listed & ~self.suppressed

    def has_reason(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """bool (B,): whether the models gave one of these reasons to be unsure."""
        reasons = self.found["reasons"].combine_chunks()
        flat, parents = pc.list_flatten(reasons), pc.list_parent_indices(reasons)
        hits = np.zeros(len(self), bool)
        hits[_numbers(parents, np.int64)[_flags(pc.is_in(flat, pa.array(words, pa.string())))]] = True
        return hits

    def id_of(self, row: int) -> BoxId:
        """The id of a box."""
        return BoxId(self.media["media_id"][int(self.media_row[row])].as_py(), int(self.frame[row]), int(self.box[row]))

    def row_of(self, wanted: BoxId) -> int | None:
        """The row of a box; None: there is none such."""
        rows = self.rows_of_media(wanted.media_id)
        here = rows[(self.frame[rows] == wanted.frame_number) & (self.box[rows] == wanted.box)]
        return int(here[0]) if len(here) else None

    def rows_of_media(self, media_id: str) -> NDArray[np.int64]:
        """The boxes of a file."""
        row = self.media_rows.get(media_id)
        return np.zeros(0, np.int64) if row is None else np.arange(self.first[row], self.first[row + 1])

    def reviewer_of(self, row: int) -> str | None:
        """Who said what this box is."""
        return self._reviewers[row] if row in self._reviewers else self.found["reviewed_by"][row].as_py()

    def name_of(self, row: int) -> BoxName:
        """What a box is called now."""
        return self.names[self.name[row]]

    def word_on(self, row: int) -> Word:
        """What stands on a box now."""
        return Word(self.name_of(row), bool(self.suppressed[row]), self.reviewer_of(row), bool(self.needs_review[row]))

    def say(self, rows: Iterable[int], word: Word) -> None:
        """Let a person's word stand on boxes, until they are decided anew."""
        index = self.index_of(word.name)
        for row in rows:
            self.name[row] = index
            self.suppressed[row] = word.suppressed
            self.needs_review[row] = word.needs_review
            self.reviewed[row] = word.reviewer is not None
            self._reviewers[row] = word.reviewer

    def index_of(self, name: BoxName) -> int:
        """The place of a name, a new one where it has none."""
        if name.same not in self._name_index:
            self._name_index[name.same] = len(self.names)
            self.names.append(name)
        return self._name_index[name.same]

    def detection(self, row: int) -> DetectionRecord:
        """A box as it is now."""
        [record] = records_of(self.found.slice(row, 1), DetectionRecord)
        return self._now(record, row)

    def record(self, media_id: str) -> MediaRecord | None:
        """A file with its boxes as they are now; None: there is none such."""
        place = self.media_rows.get(media_id)
        if place is None:
            return None
        start, end = int(self.first[place]), int(self.first[place + 1])
        found = records_of(self.found.slice(start, end - start), DetectionRecord)
        [record] = records_of(self.media.slice(place, 1), MediaRecord)
        return replace(record, detections=tuple(self._now(each, start + at) for at, each in enumerate(found)))

    def _now(self, record: DetectionRecord, row: int) -> DetectionRecord:
        name = self.name_of(row)
        return replace(
            record,
            kind=name.kind,
            name=name.name,
            display_name=name.display,
            suppressed=bool(self.suppressed[row]),
            reviewed_by=self.reviewer_of(row),
        )

    def picture_version(self, media_row: int) -> int:
        """A number that changes with what is blurred in the pictures of a file."""
        rows = slice(self.first[media_row], self.first[media_row + 1])
        reviewed = self.reviewed[rows]
        surely, maybe = (hides[self.name[rows]] for hides in self._hides())
        hides = (surely | (maybe & ~reviewed)) & ~(self.suppressed[rows] & reviewed)
        return zlib.crc32((hides & (reviewed | self._maybe_hidden[rows])).tobytes())

    def _hides(self) -> NDArray[np.bool_]:
        """bool (2, names): those of people and vehicles, and those that may be such until a person has spoken."""
        if self._hidden.shape[1] != len(self.names):
            kinds = [name.kind for name in self.names]
            self._hidden = np.array([[kind in each for kind in kinds] for each in (HIDDEN, MAYBE_HIDDEN)], bool)
        return self._hidden

    @cached_property
    def _maybe_hidden(self) -> NDArray[np.bool_]:
        return np.asarray(reaches(self.score, LOWEST_SCORE))


def _numbers(column: pa.Array | pa.ChunkedArray, dtype: type) -> NDArray:
    """A column without nulls as an array that can be written to."""
    plain = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.array(plain.to_numpy(zero_copy_only=False), dtype)


def _flags(column: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    return _numbers(column, bool)


def _names(found: pa.Table) -> tuple[list[BoxName], NDArray[np.int32]]:
    """The names that boxes have, and of each box which."""
    parts = [pc.fill_null(found[column], "\x1e") for column in ("kind", "name", "display_name")]
    joined = pc.binary_join_element_wise(*parts, "\x1f")
    joined = joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
    index = _numbers(joined.dictionary_encode().indices, np.int32)
    _, first = np.unique(index, return_index=True)
    columns = ("kind", "name", "display_name", "rank", "english_name", "hebrew_name")
    rows = found.select(columns).take(pa.array(first)).to_pylist()
    return [BoxName(*(row[column] for column in columns)) for row in rows], index


def _first_of(group: NDArray[np.int64], weight: NDArray, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each group the heaviest member, the first of several."""
    rows = np.flatnonzero(among)
    order = rows[np.lexsort((rows, -weight[rows], group[rows]))]
    lead = np.zeros(len(group), bool)
    if len(order):
        lead[order[np.concatenate([[True], np.diff(group[order]) != 0])]] = True
    return lead
