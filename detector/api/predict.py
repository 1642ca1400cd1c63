"""`predict`: what a detector finds in pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

from torch import nn

from detector.api.checks import checked_share, checked_whole
from detector.api.images import Image, is_one, rgb_array, rgb_arrays
from detector.base.checks import expect
from detector.models.detector import Detector, Suppression
from detector.models.prediction import detect
from detector.models.suppressing.soft import with_suppression
from detector.models.tta import detect_augmented
from detector.types import Detections

SHOWN_SCORE = 0.2  # from which detections count: in stores, in exports, and here


@overload
def predict(  # type: ignore[overload-overlap]  # a str is also an iterable
    detector: Detector | nn.Module,
    images: Image,
    *,
    score_threshold: float = ...,
    batch_size: int = ...,
    tta: bool = ...,
    suppression: Suppression | None = ...,
) -> Detections: ...
@overload
def predict(
    detector: Detector | nn.Module,
    images: Iterable[Image],
    *,
    score_threshold: float = ...,
    batch_size: int = ...,
    tta: bool = ...,
    suppression: Suppression | None = ...,
) -> list[Detections]: ...
def predict(
    detector: Detector | nn.Module,
    images: Image | Iterable[Image],
    *,
    score_threshold: float = SHOWN_SCORE,
    batch_size: int = 8,
    tta: bool = False,
    suppression: Suppression | None = None,
) -> Detections | list[Detections]:
    """Find birds in pictures of any sizes; a picture gets the same detections whatever it is given together with.

    Args:
        detector: From `load_detector`; or a network from `build_detector`, which is handed back as it was.
        images: One picture, or several in a list or generator, of which few are held at a time. A picture is a path, a
            PIL image, an RGB array (height, width, 3) of uint8, or a tensor (3, height, width) of uint8 or of floats in
            0..1. Files and PIL images are turned upright; OpenCV's arrays are BGR and must be turned before:
            `array[:, :, ::-1]`.
        score_threshold: Detections below are left out; 0 gives all that the detector itself does not drop.
        batch_size: Pictures, or views of one, in one pass through the network, at most.
        tta: See each picture mirrored, smaller and larger too, and fuse what is found; takes six to nine times as long.
        suppression: "hard" drops a box that overlaps a better one of its category, so that of two birds close together
            one may be lost; "soft" lowers its score, so that some birds are told twice, and does not go with `tta`;
            None: as the detector says.

    Returns:
        The detections of one picture, or a list of those of several: the best first, boxes in the picture's pixels,
        labels 0-based, with category names.

    Raises:
        MediaError: Something is no picture, or cannot be read; it is named.
        ConfigError: The detector is none, or a number is out of its range.

    Example:
        >>> model = hp.load_detector("coco")
        >>> hp.predict(model, "photo.jpg").category_names
        ('bird', 'other animal', 'person', 'vehicle')
        >>> found = hp.predict(model, ["photo.jpg", PIL.Image.open("photo.jpg")], score_threshold=0.05)
        >>> [each.boxes_xyxy.shape[1] for each in found]
        [4, 4]
    """
    model = as_detector(detector)
    threshold = checked_share(score_threshold, "score_threshold")
    size = checked_whole(batch_size, "batch_size")
    expect(tta, bool, "True or False", where="tta", hint="leave it out")
    model = with_suppression(model, suppression, tta=tta)
    find = detect_augmented if tta else detect
    if is_one(images):
        return find(model, [rgb_array(images)], batch_size=size, score_threshold=threshold)[0]
    return find(model, rgb_arrays(images), batch_size=size, score_threshold=threshold)  # type: ignore[arg-type]


def as_detector(detector: Detector | nn.Module) -> Detector:
    """A detector as it is, or a network from `build_detector` as a detector.

    Raises:
        ConfigError: It is neither.
    """
    expect(detector, (Detector, nn.Module), "a detector", where="detector", hint="load it with load_detector(...)")
    return detector if isinstance(detector, Detector) else Detector.of(detector)
