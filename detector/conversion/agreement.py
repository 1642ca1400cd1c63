"""What an export says beside its model in float32, on photos that it was not calibrated on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.boxes import paired_iou
from detector.data.resizing import SizeRule
from detector.models.detector import Detector
from detector.models.prediction import detect
from detector.species.calibrating.reliability import reliability, top_confidence
from detector.species.classifier import SpeciesClassifier
from detector.types import Detections

SHOWN_FROM = 0.2  # scores: the boxes of the model in float32 that count
KEPT = 0.5  # share of its score that a box needs to be found; from SHOWN_FROM up it is found in any case
SAME_BOX = 0.5  # IoU
LARGE_PX = 32.0  # side in the network, of equal area, from which a box is large
LEAST_RECALL = {"large": 0.98, "small": 0.95}
ENOUGH = {"large": 50, "small": 20}  # boxes; of fewer, a single lost one is more than may be lost, and may be chance
WORDS = {"large": f"from {LARGE_PX:.0f} pixels", "small": f"below {LARGE_PX:.0f} pixels"}
LEAST_SAME_NAME, ENOUGH_CROPS = 0.95, 20  # share of crops that have the same likeliest class, likewise


@dataclass(frozen=True, eq=False)
class Agreement:
    """What was measured, and which of it is too low.

    Attributes:
        figures: As export.json holds them.
        faults: What is too low, in words; empty: nothing is.
        doubts: What cannot be judged, in words: too few boxes or crops were there.
        lost_in: Places of the photos in which a box was lost.
    """

    figures: Mapping[str, Any]
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    lost_in: tuple[int, ...] = ()

    @property
    def entries(self) -> dict[str, Any]:
        """What export.json says: the figures, and in words what is too low and what could not be judged."""
        words = {"faults": list(self.faults), "doubts": list(self.doubts)}
        return {**self.figures, **{name: each for name, each in words.items() if each}}


def detector_agreement(
    exact: Sequence[Detections], found: Sequence[Detections], sizes_wh: Sequence[tuple[int, int]], rule: SizeRule
) -> Agreement:
    """How many of the boxes of a model in float32 its export finds.

    Args:
        exact: What the model finds in each photo.
        found: What the export finds.
        sizes_wh: Of each photo, pixels.
        rule: Which size a photo has in the network.
    """
    counts = {"large": [0, 0], "small": [0, 0]}
    differences: list[float] = []
    lost_in: list[int] = []
    new = 0
    for place, (ours, theirs, size_wh) in enumerate(zip(exact, found, sizes_wh, strict=True)):
        shown = ours.above(SHOWN_FROM)
        sides = np.sqrt(np.prod(shown.boxes_xyxy[:, 2:] - shown.boxes_xyxy[:, :2], axis=1)) * rule.scale(size_wh)
        pairs = _pairs(shown, theirs)
        new += _pairs(theirs.above(SHOWN_FROM), ours).count(None)
        lost_in += [place] * (None in pairs)
        for side, row, score in zip(sides.tolist(), pairs, shown.scores.tolist(), strict=True):
            count = counts["large" if side >= LARGE_PX else "small"]
            count[0] += 1
            if row is not None:
                count[1] += 1
                differences.append(abs(float(theirs.scores[row]) - score))
    figures: dict[str, Any] = {
        "photos": len(exact),
        "scores_from": SHOWN_FROM,
        "score_difference": float(np.mean(differences)) if differences else None,
        "new_boxes": new,
        **{name: _share(*count) for name, count in counts.items()},
    }
    faults, doubts = [], []
    for name, (boxes, kept) in counts.items():
        said = f"{kept} of {boxes} boxes {WORDS[name]} are found"
        if _too_low(boxes, kept, LEAST_RECALL[name], ENOUGH[name]):
            faults.append(f"{said} ({kept / boxes:.3f}; at least {LEAST_RECALL[name]} is asked for)")
        elif boxes < ENOUGH[name]:
            doubts.append(f"{said}: too few to judge, {ENOUGH[name]} are needed")
    return Agreement(figures, tuple(faults), tuple(doubts), tuple(lost_in))


def measured_detector(exact: Detector, export: Detector, photos: Iterable[NDArray[np.uint8]]) -> Agreement:
    """See `detector_agreement`; one photo is held at a time."""
    ours, theirs, sizes = [], [], []
    for photo in photos:
        ours += detect(exact, [photo], batch_size=1)
        theirs += detect(export, [photo], batch_size=1)
        sizes.append((photo.shape[1], photo.shape[0]))
    return detector_agreement(ours, theirs, sizes, exact.size_rule)


def classifier_agreement(
    exact: NDArray[np.float32], found: NDArray[np.float32], labels: NDArray[np.int64] | None = None
) -> Agreement:
    """How often an export gives a crop the name that the model in float32 gives it.

    Args:
        exact: Logits (N, C) of the model.
        found: Logits of the export.
        labels: (N,), the true classes, where they are known; negative: none of the classes.
    """
    same = exact.argmax(axis=1) == found.argmax(axis=1)
    figures: dict[str, Any] = {
        "crops": len(exact),
        "same_name": float(same.mean()) if len(same) else None,
        "logit_difference": float(np.abs(exact - found).max(initial=0)),
    }
    if labels is not None and (known := labels >= 0).any():
        for name, logits in (("exact", exact), ("export", found)):
            confidence, correct = top_confidence(_softmax(logits[known]), labels[known])
            figures[name] = {
                "crops": int(known.sum()),
                "top1": float(correct.mean()),
                "calibration_error": reliability(confidence, correct).ece,
            }
    said = f"{same.sum()} of {len(same)} crops have the same name"
    if _too_low(len(same), int(same.sum()), LEAST_SAME_NAME, ENOUGH_CROPS):
        return Agreement(figures, (f"{said} (at least {LEAST_SAME_NAME} is asked for)",))
    few = len(same) < ENOUGH_CROPS
    return Agreement(figures, doubts=(f"{said}: too few to judge, {ENOUGH_CROPS} are needed",) if few else ())


def measured_classifier(
    exact: SpeciesClassifier,
    export: SpeciesClassifier,
    crops: NDArray[np.uint8],
    labels: NDArray[np.int64] | None = None,
) -> Agreement:
    """See `classifier_agreement`."""
    return classifier_agreement(exact.logits(crops).logits, export.logits(crops).logits, labels)


def sentences(figures: Mapping[str, Any]) -> list[str]:
    """What was measured, for people."""
    said = []
    if "photos" in figures:
        said.append(f"beside the model in float32, on {figures['photos']} photos that it was not calibrated on:")
        for name, words in WORDS.items():
            count = figures[name]
            few = "" if count["boxes"] >= ENOUGH[name] else f": too few to judge, {ENOUGH[name]} are needed"
            said.append(f"  {count['found']} of {count['boxes']} boxes {words} are found{few}")
        said.append(f"  boxes that it alone shows: {figures['new_boxes']}")
        if figures.get("score_difference") is not None:
            said.append(f"  scores differ by {figures['score_difference']:.3f} on average")
    if figures.get("crops"):
        said.append(
            f"beside the model in float32, on {figures['crops']} crops that it was not calibrated on: "
            f"{figures['same_name']:.3f} have the same name"
            + ("" if figures["crops"] >= ENOUGH_CROPS else f": too few to judge, {ENOUGH_CROPS} are needed")
        )
    for name, words in (("exact", "the model"), ("export", "the export")):
        if name in figures:
            each = figures[name]
            said.append(
                f"  {words}: {each['top1']:.3f} right, calibration error {each['calibration_error']:.3f} "
                f"({each['crops']} labelled crops)"
            )
    if "AP" in figures:
        said.append("  " + ", ".join(f"AP {value:.3f} ({name})" for name, value in figures["AP"].items()))
    return said


def _pairs(exact: Detections, found: Detections) -> list[int | None]:
    """For each box, the surest first, the free box of its category that overlaps it most; None where there is none.

    A box that is shown is to be shown again; a faint one keeps at least half its score.
    """
    free = np.ones(len(found), bool)
    rows: list[int | None] = [None] * len(exact)
    for row in np.argsort(-exact.scores, kind="stable").tolist():
        usable = free & (found.labels == exact.labels[row])
        usable &= found.scores >= min(SHOWN_FROM, KEPT * float(exact.scores[row]))
        overlap = np.where(usable, paired_iou(exact.boxes_xyxy[row], found.boxes_xyxy), 0)
        if len(overlap) and overlap.max() >= SAME_BOX:
            rows[row] = int(overlap.argmax())
            free[rows[row]] = False
    return rows


def _too_low(count: int, kept: int, least: float, enough: int) -> bool:
    """Whether a share is too low; of few, one that is lost may be chance."""
    return kept < count and kept / count < least and (count >= enough or count - kept > 1)


def _share(boxes: int, found: int) -> dict[str, Any]:
    return {"boxes": boxes, "found": found, "recall": found / boxes if boxes else None}


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares
