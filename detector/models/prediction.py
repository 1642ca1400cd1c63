"""Detections in whole images, in the pixels of the originals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backbones.errors import MediaError
from backbones.inference.classification import evaluating
from detector.base.devices import computing
from detector.boxes import clip_boxes
from detector.data.resizing import scale_boxes
from detector.models.detector import Detector
from detector.models.suppressing.soft import suppressing_softly
from detector.models.tiling import View
from detector.runtimes.lanes import detections_of
from detector.types import Detections

WAITING = 4  # batches of images, of all sizes together, that wait for others of their size

Size = tuple[int, int]


def detect(
    detector: Detector, images: Iterable[NDArray[np.uint8]], *, batch_size: int = 8, score_threshold: float = 0.0
) -> list[Detections]:
    """Detect in images of any sizes, however many.

    Padding changes the features around it, so batches hold only images of one size: an image gets the same detections
    whatever it is given together with.

    Args:
        detector: The detector; its network is used in evaluation mode, without gradients, and handed back as it was.
        images: RGB, (H, W, 3) each; may be a generator, of which few are held at a time.
        batch_size: Images in one pass through the network, at most.
        score_threshold: Detections below are left out; those below the detector's own threshold always are.

    Returns:
        The detections of each image, the best first: boxes in its pixels, labels into the detector's categories.

    Raises:
        MediaError: An array is not an RGB image.
    """
    found: dict[int, Detections] = {}
    for batch in _batches(detector, images, batch_size):
        indices, tensors, originals_wh = zip(*batch, strict=True)
        found.update(zip(indices, detect_resized(detector, tensors, originals_wh), strict=True))
    return [found[index].above(score_threshold) for index in range(len(found))]


def detect_resized(
    detector: Detector, images: Sequence[Tensor], originals_wh: Sequence[tuple[int, int]]
) -> list[Detections]:
    """Detect in one batch of images that have been resized by detector.data.resizing, all to one size.

    Args:
        detector: The detector; used and handed back as by `detect`.
        images: RGB, uint8, (3, H, W) each, on any device.
        originals_wh: Width and height of each image before it was resized.

    Returns:
        The detections of each image in the pixels of its original, the best first.
    """
    net, device = detector.net, detector.device
    with (
        evaluating(net),
        suppressing_softly(detector) as softened,
        computing(device, detector.precision),
    ):
        outputs = detections_of(net, [image.to(device, non_blocking=True) for image in images])
    detections = []
    for output, image, original_wh in zip(outputs, images, originals_wh, strict=True):
        boxes = scale_boxes(output["boxes"].cpu().numpy(), (image.shape[2], image.shape[1]), original_wh)
        scores, labels = output["scores"].cpu().numpy(), output["labels"].cpu().numpy()
        detections.append(softened(Detections(clip_boxes(boxes, original_wh), scores, labels, detector.categories)))
    return detections


def detect_views(
    detector: Detector, views: Sequence[View], pictures: Sequence[Tensor], batch_size: int
) -> list[Detections]:
    """Detect in views of a picture, those of one size in network together.

    Args:
        detector: The detector; used and handed back as by `detect`.
        views: The views.
        pictures: Each view as the network takes it: uint8 (3, H, W).
        batch_size: Views in one pass, at most.

    Returns:
        What was found in each view, in the pixels of its window.
    """
    by_size: dict[Size, list[int]] = {}
    for index, view in enumerate(views):
        by_size.setdefault(view.size_wh, []).append(index)
    found = [Detections.empty()] * len(views)
    for indices in by_size.values():
        for start in range(0, len(indices), batch_size):
            some = indices[start : start + batch_size]
            windows = [views[index].window_wh for index in some]
            pixels = [pictures[index] for index in some]
            for index, each in zip(some, detect_resized(detector, pixels, windows), strict=True):
                found[index] = each
    return found


def one_name_each(detector: Detector, found: Detections) -> Detections:
    """Detections that several views of a picture show, without those that the detector would drop within one view.

    Args:
        detector: The detector; one that gives each bird one name drops what is found under two.
        found: In the picture, the best first.
    """
    transform: Any = detector.net.transform
    if transform.nms_iou is None:
        return found
    boxes, scores, labels = map(torch.from_numpy, (found.boxes_xyxy, found.scores, found.labels))
    return found[transform.kept(boxes, scores, labels, transform.nms_iou).numpy()]


def image_tensor(image: NDArray[np.uint8]) -> Tensor:
    """An RGB array (H, W, 3) as `detect_resized` takes it: (3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def _batches(
    detector: Detector, images: Iterable[NDArray[np.uint8]], batch_size: int
) -> Iterator[list[tuple[int, Tensor, Size]]]:
    """Place, resized tensor, and original width and height of images of one network size, some at a time."""
    waiting: dict[Size, list[tuple[int, Tensor, Size]]] = {}
    for index, image in enumerate(images):
        check_picture(image, index)
        original_wh = (image.shape[1], image.shape[0])
        size_wh = detector.size_rule.size(original_wh)
        bucket = waiting.setdefault(size_wh, [])
        bucket.append((index, image_tensor(detector.size_rule.resize(image, size_wh)), original_wh))
        if len(bucket) == batch_size:
            yield waiting.pop(size_wh)
        elif sum(map(len, waiting.values())) >= WAITING * batch_size:
            yield waiting.pop(max(waiting, key=lambda size: len(waiting[size])))
    yield from waiting.values()


def check_picture(image: NDArray[np.uint8], index: int) -> None:
    """Refuse what is no RGB image.

    Raises:
        MediaError: It names the image by its number.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        problem = f"an RGB array (height, width, 3) of uint8 is expected, not {image.shape} of {image.dtype}"
        raise MediaError(problem, where=f"image {index}", hint="convert it first")
