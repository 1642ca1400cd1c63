"""Soft suppression in place of a detector's own: what overlaps a better box is not dropped, its score decays.

Of two birds close together the second stays; what one bird is found as a second time stays too, further down.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from backbones.errors import ConfigError
from detector.models.building import EVERY_DETECTION
from detector.models.detector import Detector, Suppression
from detector.models.suppressing.fusing import soft_nms
from detector.types import Detections

NO_IOU = 2.0  # that no two boxes exceed: nothing is suppressed


def with_suppression(detector: Detector, suppression: Suppression | None, *, tta: bool) -> Detector:
    """A detector that suppresses so; None: as it did.

    Raises:
        ConfigError: It is to do so softly where boxes of several views are fused.
    """
    detector = detector if suppression is None else replace(detector, suppression=suppression)
    if tta and detector.suppression == "soft":
        hint = "tta fuses the boxes of its views, which takes the place of suppression; leave one of them out"
        raise ConfigError("soft suppression and tta do not go together", where="suppression", hint=hint)
    return detector


@contextlib.contextmanager
def suppressing_softly(detector: Detector) -> Iterator[Callable[[Detections], Detections]]:
    """What is to be done with what the network gives meanwhile: nothing, or soft suppression in place of its own.

    Scores below the network's threshold are left out as ever, those that have decayed to it too; its limit of
    detections holds for what is left.

    Args:
        detector: Whose network is used within; handed back as it was.

    Raises:
        ConfigError: It gives each bird one name, which only suppression does.
    """
    if detector.suppression == "hard":
        yield lambda found: found
        return
    if detector.meta.config.one_name:
        hint = "leave it out: this detector was made with model.one_name"
        raise ConfigError("soft suppression would give a bird several names", where="suppression", hint=hint)
    net: Any = detector.net
    part, transform = getattr(net, "roi_heads", net), net.transform  # Faster R-CNN keeps them there
    before = part.nms_thresh, part.detections_per_img, transform.nms_iou
    across = transform.nms_iou is not None and transform.across_names  # labels will only say bird
    limit = part.detections_per_img if transform.nms_iou is None else transform.max_detections
    part.nms_thresh, part.detections_per_img, transform.nms_iou = NO_IOU, EVERY_DETECTION, None

    def softened(found: Detections) -> Detections:
        if across:
            found = replace(found, labels=np.zeros_like(found.labels))
        return soft_nms(found, least_score=part.score_thresh)[:limit]

    try:
        yield softened
    finally:
        part.nms_thresh, part.detections_per_img, transform.nms_iou = before
