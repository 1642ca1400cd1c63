"""Links the boxes of one bird across the sampled frames of a video.

Frame by frame, boxes are assigned to the tracks seen so far (as in SORT, Bewley et al. 2016). At one frame a second the
boxes of one bird seldom overlap, so that besides IoU the distance of the centres counts, in body lengths and by the
time between the frames, and the likeness of what the boxes show. Sure boxes choose first, the rest after them
(ByteTrack, Zhang et al. 2022): a flicker of the detector can go on with a track but not take it from a bird.
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
        features: (N, D): what the boxes look like, such as a classifier's embedding; compared by cosine. D may be 0.
    """

    time_s: float
    boxes_xyxy: Floats
    scores: Floats
    kinds: NDArray[np.integer]
    features: Floats


@dataclass
class _Track:
    """A bird as it was last seen."""

    number: int
    box_xyxy: Floats
    kind: int
    feature: Floats
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
        self.box_xyxy, self.feature = box, frame.features[index]
        self.time_s, self.frame = frame.time_s, number


def link_tracks(frames: Sequence[FrameBoxes]) -> list[NDArray[np.int32]]:
    """Number the birds of one video.

    Args:
        frames: The sampled frames of the video, in order of time.

    Returns:
        For each frame the track of each box (N,), from 0 in order of appearance. Every box has one.
    """
    tracks: list[_Track] = []
    alive: list[_Track] = []
    numbers: list[NDArray[np.int32]] = []
    for index, frame in enumerate(frames):
        alive = [track for track in alive if not _is_lost(track, index, frame.time_s)]
        linked = _linked(alive, frame)
        for box, track in enumerate(linked):
            if track is None:
                linked[box] = track = _new_track(len(tracks), frame, box, index)
                tracks.append(track)
                alive.append(track)
            else:
                track.see(frame, box, index)
        numbers.append(np.array([track.number for track in linked if track is not None], np.int32))
    return numbers


def _is_lost(track: _Track, frame: int, time_s: float) -> bool:
    return frame - track.frame > FRAMES_LOST and time_s - track.time_s > SECONDS_LOST


def _new_track(number: int, frame: FrameBoxes, box: int, index: int) -> _Track:
    return _Track(number, frame.boxes_xyxy[box], int(frame.kinds[box]), frame.features[box], frame.time_s, index)


def _linked(tracks: Sequence[_Track], frame: FrameBoxes) -> list[_Track | None]:
    """The track of each box, or None where none fits."""
    linked: list[_Track | None] = [None] * len(frame.scores)
    free = list(tracks)
    for boxes in (np.flatnonzero(frame.scores >= SURE_SCORE), np.flatnonzero(frame.scores < SURE_SCORE)):
        if not len(boxes) or not free:
            continue
        scores = link_scores(free, frame, boxes)
        rows, columns = linear_sum_assignment(scores, maximize=True)
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
    reach = body * (1 + BODY_LENGTHS_A_SECOND * elapsed)[:, None]
    nearness = np.exp(-_distances(_centres(last), _centres(now)) / reach)
    as_expected = np.exp(-_distances(expected, _centres(now)) / body)  # a straight flight is held to its course
    place = np.maximum.reduce([box_iou(last, now), nearness, as_expected])
    size = np.minimum(areas, areas_now) / np.maximum(np.maximum(areas, areas_now), 1e-9)

    weighed, weights = PLACE_WEIGHT * place + SIZE_WEIGHT * size, PLACE_WEIGHT + SIZE_WEIGHT
    if frame.features.shape[1]:
        likeness = _cosines(np.stack([track.feature for track in tracks]), frame.features[boxes])
        weighed, weights = weighed + LIKENESS_WEIGHT * np.clip(likeness, 0, 1), weights + LIKENESS_WEIGHT
    same_kind = np.array([track.kind for track in tracks])[:, None] == frame.kinds[boxes][None, :]
    possible = same_kind & (place >= LEAST_NEARNESS) & (size >= LEAST_SIZE_RATIO)
    return np.where(possible, weighed / weights, 0.0)


def _centres(boxes_xyxy: Floats) -> Floats:
    return (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2


def _distances(points: Floats, others: Floats) -> Floats:
    return np.linalg.norm(points[:, None] - others[None, :], axis=2)


def _cosines(vectors: Floats, others: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1)[:, None] * np.linalg.norm(others, axis=1)[None, :]
    return vectors @ others.T / np.maximum(lengths, 1e-9)
