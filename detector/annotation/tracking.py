"""Links the boxes of one bird across the sampled frames of a video.

Frame by frame, boxes are assigned to the tracks seen so far (as in SORT, Bewley et al. 2016). At one frame a second the
boxes of one bird seldom overlap, so that besides IoU the distance of the centres counts, in body lengths and by the
time between the frames, and the likeness of what the boxes show: to a classifier, by embedding and species, else in
pixels. After a longer time, as where the motion gate passed over frames in which nothing moved, only what sat still
is known to be the same. Sure boxes choose first, the rest after them (ByteTrack, Zhang et al. 2022): a flicker of the
detector can go on with a track but not take it from a bird.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from detector.boxes import box_areas, box_iou

SURE_SCORE = 0.2  # what views show; boxes from here up choose their tracks first
FRAMES_LOST = 3  # a track that was not seen in so many sampled frames after each other is over ...
SECONDS_LOST = 1.0  # ... but not before this time, when every frame is sampled
BODY_LENGTHS_A_SECOND = 3.0  # a bird that hops or walks; in flight it is told by where its motion leads
SECONDS_OF_REACH = 2.0  # a bird that was not seen for longer may be anywhere: its place tells no more
SECONDS_SITTING, SITTING_IOU, SITTING_LIKENESS = 10.0, 0.5, 0.5  # after so long it is the same only as and where it was
LEAST_LIKENESS = 0.2  # to a classifier; below, it is another bird, wherever it is
LEAST_NEARNESS = 0.02  # about 4 reaches away: another bird, whatever it looks like
LEAST_SIZE_RATIO = 0.2  # of areas
LINK_SCORE = 0.5
PLACE_WEIGHT, LIKENESS_WEIGHT, SIZE_WEIGHT = 0.5, 0.35, 0.15

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class FrameBoxes:
    """The boxes of one sampled frame.

    Args:
        time_s: Seconds from the start of the video.
        boxes_xyxy: (N, 4), pixels.
        scores: (N,), the detector's.
        kinds: (N,) integers; boxes of different kinds (bird, person ...) are never linked.
        appearances: (N, P): the boxes' pixels, grey; P may be 0.
        embeddings: (N, D): a classifier's, which tell more; rows of zeros where there is none. D may be 0.
        species: (N, C): its probabilities; rows of zeros where there are none. None: there is no classifier.
    """

    time_s: float
    boxes_xyxy: Floats
    scores: Floats
    kinds: NDArray[np.integer]
    appearances: Floats
    embeddings: Floats
    species: Floats | None = None

    def species_of(self, index: int) -> Floats:
        """Probabilities (C,) of a box."""
        return np.zeros(0) if self.species is None else self.species[index]


@dataclass
class _Track:
    """A bird as it was last seen."""

    number: int
    box_xyxy: Floats
    kind: int
    appearance: Floats
    embedding: Floats
    species: Floats
    time_s: float
    frame: int
    velocity: Floats = field(default_factory=lambda: np.zeros(2))  # of the centre, pixels a second

    def centre_at(self, time_s: float) -> Floats:
        """Where its motion would lead it."""
        return _centres(self.box_xyxy[None])[0] + self.velocity * (time_s - self.time_s)

    def see(self, frame: FrameBoxes, index: int, number: int) -> None:
        box = frame.boxes_xyxy[index]
        elapsed = max(frame.time_s - self.time_s, 1e-3)
        self.velocity = (_centres(box[None])[0] - _centres(self.box_xyxy[None])[0]) / elapsed
        self.box_xyxy, self.time_s, self.frame = box, frame.time_s, number
        self.appearance, self.embedding = frame.appearances[index], frame.embeddings[index]
        self.species = frame.species_of(index)


class TrackLinker:
    """Numbers the birds of one video, frame by frame, from 0 in order of appearance."""

    def __init__(self) -> None:
        self._alive: list[_Track] = []
        self._tracks = self._frames = 0

    def link(self, frame: FrameBoxes) -> NDArray[np.int32]:
        """The tracks (N,) of the boxes of the next frame; every box has one, and no track has two."""
        self._alive = [track for track in self._alive if not _is_lost(track, self._frames, frame.time_s)]
        linked = _linked(self._alive, frame)
        numbers = np.empty(len(linked), np.int32)
        for box, track in enumerate(linked):
            if track is None:
                track = _Track(
                    number=self._tracks,
                    box_xyxy=frame.boxes_xyxy[box],
                    kind=int(frame.kinds[box]),
                    appearance=frame.appearances[box],
                    embedding=frame.embeddings[box],
                    species=frame.species_of(box),
                    time_s=frame.time_s,
                    frame=self._frames,
                )
                self._tracks += 1
                self._alive.append(track)
            else:
                track.see(frame, box, self._frames)
            numbers[box] = track.number
        self._frames += 1
        return numbers


def _is_lost(track: _Track, frame: int, time_s: float) -> bool:
    return frame - track.frame > FRAMES_LOST and time_s - track.time_s > SECONDS_LOST


def _linked(tracks: Sequence[_Track], frame: FrameBoxes) -> list[_Track | None]:
    """The track of each box, or None where none fits."""
    linked: list[_Track | None] = [None] * len(frame.scores)
    free = list(tracks)
    for boxes in (np.flatnonzero(frame.scores >= SURE_SCORE), np.flatnonzero(frame.scores < SURE_SCORE)):
        if not len(boxes) or not free:
            continue
        scores = link_scores(free, frame, boxes)
        # what is below the threshold is taken out first, so that it takes no place from a link that is possible
        rows, columns = linear_sum_assignment(np.where(scores >= LINK_SCORE, scores, 0.0), maximize=True)
        for row, column in zip(rows, columns, strict=True):
            if scores[row, column] >= LINK_SCORE:
                linked[boxes[column]] = free[row]
        free = [track for track in free if not any(track is other for other in linked)]
    return linked


def link_scores(tracks: Sequence[_Track], frame: FrameBoxes, boxes: NDArray[np.integer]) -> Floats:
    """How well each track goes on in each of some boxes of a frame: (tracks, boxes), 0..1; 0: not possible."""
    last = np.stack([track.box_xyxy for track in tracks])
    now = frame.boxes_xyxy[boxes]
    elapsed = np.array([frame.time_s - track.time_s for track in tracks])
    expected = np.stack([track.centre_at(frame.time_s) for track in tracks])

    areas, areas_now = box_areas(last)[:, None], box_areas(now)[None, :]
    body = np.sqrt(np.maximum((areas + areas_now) / 2, 1.0))  # pixels
    reach = body * (1 + BODY_LENGTHS_A_SECOND * np.minimum(elapsed, SECONDS_OF_REACH))[:, None]
    nearness = np.exp(-_distances(_centres(last), _centres(now)) / reach)
    as_expected = np.exp(-_distances(expected, _centres(now)) / body)  # a straight flight is held to its course
    overlap = box_iou(last, now)
    place = np.maximum.reduce([overlap, nearness, as_expected])
    size = np.minimum(areas, areas_now) / np.maximum(np.maximum(areas, areas_now), 1e-9)

    likeness, known, classified = _likeness(tracks, frame, boxes)
    weighed = PLACE_WEIGHT * place + SIZE_WEIGHT * size + LIKENESS_WEIGHT * likeness
    weights = PLACE_WEIGHT + SIZE_WEIGHT + LIKENESS_WEIGHT * known
    same_kind = np.array([track.kind for track in tracks])[:, None] == frame.kinds[boxes][None, :]
    possible = same_kind & (place >= LEAST_NEARNESS) & (size >= LEAST_SIZE_RATIO)
    possible &= (likeness >= LEAST_LIKENESS) | ~classified
    sits = (overlap >= SITTING_IOU) & ((likeness >= SITTING_LIKENESS) | ~known)
    possible &= sits | (elapsed <= SECONDS_SITTING)[:, None]
    return np.where(possible, weighed / weights, 0.0)


def _centres(boxes_xyxy: Floats) -> Floats:
    return (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2


def _distances(points: Floats, others: Floats) -> Floats:
    return np.linalg.norm(points[:, None] - others[None, :], axis=2)


def _likeness(
    tracks: Sequence[_Track], frame: FrameBoxes, boxes: NDArray[np.integer]
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """How alike tracks and boxes are, 0..1; where that is known; and where a classifier saw both.

    By the mean of what the classifier says, the cosine of embeddings and what is common of the species' probabilities;
    else by pixels.
    """
    grey, grey_known = _cosines(
        _contrast(np.stack([track.appearance for track in tracks])), _contrast(frame.appearances[boxes])
    )
    embedded, embedded_known = _cosines(np.stack([track.embedding for track in tracks]), frame.embeddings[boxes])
    species, species_known = _common_species([track.species for track in tracks], [frame.species_of(b) for b in boxes])
    embedded = np.clip(embedded, 0, 1)
    classified = embedded_known | species_known
    seen = np.divide(
        embedded * embedded_known + species * species_known,
        embedded_known.astype(float) + species_known,
        out=np.zeros_like(embedded),
        where=classified,
    )
    return np.where(classified, seen, np.clip(grey, 0, 1)), classified | grey_known, classified


def _common_species(tracks: Sequence[Floats], boxes: Sequence[Floats]) -> tuple[Floats, NDArray[np.bool_]]:
    """The Bhattacharyya coefficients of probabilities, (tracks, boxes): 1 for the same, 0 for sure and different ones;
    and where both are known."""
    width = max(map(len, [*tracks, *boxes]))  # a frame in which no box was classified knows no classes
    empty = np.zeros(width)
    roots, others = (np.sqrt(np.stack([one if len(one) else empty for one in each])) for each in (tracks, boxes))
    return np.minimum(roots @ others.T, 1), roots.any(axis=1)[:, None] & others.any(axis=1)[None, :]


def _contrast(pixels: Floats) -> Floats:
    """Pixels (N, P) less their mean: the same bird is as like itself in the shade."""
    return pixels - pixels.mean(axis=1, keepdims=True) if pixels.shape[1] else pixels


def _cosines(vectors: Floats, others: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Cosines of vectors (N, D) with others (M, D), (N, M), 0 where one has no length; and where both have."""
    lengths = np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(others, axis=1)[None, :]
    return vectors @ others.T / np.where(lengths > 0, lengths, 1), lengths > 0
