"""Test-time augmentation: a picture seen several times, mirrored and at other sizes, and what is found fused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.data.resizing import SizeRule
from detector.models.detector import Detector
from detector.models.prediction import check_picture, detect_views, image_tensor, one_name_each
from detector.models.suppressing.fusing import fuse_boxes
from detector.models.tiling import View, whole_view
from detector.models.transform import PAD_MULTIPLE
from detector.types import Detections

SCALES = (1.0, 0.83, 1.2)  # of the size that a picture has in the network
LONGEST = 2048  # pixels of a side in the network, beyond which a larger view costs more memory than it is worth


def augmented_views(picture_wh: tuple[int, int], rule: SizeRule) -> list[View]:
    """The whole picture as the network was trained on it, mirrored, and both again smaller and larger.

    A size that is below the network's coarsest step, or above `LONGEST`, is left out; that of training never is.
    """
    whole = whole_view(picture_wh, rule)
    sizes = [(max(1, round(whole.size_wh[0] * scale)), max(1, round(whole.size_wh[1] * scale))) for scale in SCALES]
    fit = [size for size in sizes[1:] if min(size) >= PAD_MULTIPLE and max(size) <= LONGEST and rule.fits(size)]
    distinct = dict.fromkeys([whole.size_wh, *fit])
    return [replace(whole, size_wh=size, mirrored=mirrored) for size in distinct for mirrored in (False, True)]


def detect_augmented(
    detector: Detector, images: Iterable[NDArray[np.uint8]], *, batch_size: int = 8, score_threshold: float = 0.0
) -> list[Detections]:
    """Detect in images as `detect` does, each seen in several views; takes six to nine times as long.

    Args:
        detector: The detector; handed back as it was.
        images: RGB, (H, W, 3) each; may be a generator, of which one is held at a time.
        batch_size: Views in one pass through the network, at most.
        score_threshold: Fused detections below are left out; in each view the detector's own threshold holds.

    Raises:
        MediaError: An array is not an RGB image.
    """
    found = []
    for index, image in enumerate(images):
        check_picture(image, index)
        views = augmented_views((image.shape[1], image.shape[0]), detector.size_rule)
        by_view = detect_views(
            detector, views, [image_tensor(view.seen(image, detector.size_rule)) for view in views], batch_size
        )
        found.append(fuse_views(detector, views, by_view).above(score_threshold))
    return found


def fuse_views(detector: Detector, views: Sequence[View], found: Sequence[Detections]) -> Detections:
    """What the views of a whole picture show as detections of the picture, within the detector's own limits.

    Fused boxes are suppressed as the detector's own are, also those of several names where it gives each bird one.

    Args:
        detector: Whose limits hold.
        views: Of one picture.
        found: What was found in each, in pixels of the picture as the view shows it.
    """
    fused = fuse_boxes([unmirrored(each, view) for each, view in zip(found, views, strict=True)])
    net: Any = detector.net
    part = getattr(net, "roi_heads", net)  # Faster R-CNN keeps its limit there
    return one_name_each(detector, fused)[: net.transform.max_detections or part.detections_per_img]


def unmirrored(found: Detections, view: View) -> Detections:
    """Detections in the pixels of a view's window, the way round that the picture is."""
    if not view.mirrored:
        return found
    left, top, right, bottom = found.boxes_xyxy.T
    width = np.float32(view.window_wh[0])
    return replace(found, boxes_xyxy=np.stack([width - right, top, width - left, bottom], axis=1))
