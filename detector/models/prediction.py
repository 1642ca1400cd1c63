"""Detections in whole images, in the pixels of the originals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backbones.errors import MediaError
from backbones.inference.classification import evaluating
from detector.base.devices import Precision
from detector.boxes import clip_boxes
from detector.data.resizing import SizeRule, resize, scale_boxes
from detector.models.building import config_of
from detector.types import Detections


def predict(
    model: nn.Module,
    images: Sequence[NDArray[np.uint8]],
    *,
    batch_size: int = 8,
    score_threshold: float = 0.0,
    precision: Precision = "fp32",
) -> list[Detections]:
    """Detect in images of any sizes.

    Padding changes the features around it, so batches hold only images of one size: an image gets the same detections
    whatever it is given together with.

    Args:
        model: The detector; it is used in evaluation mode, without gradients, and handed back as it was.
        images: RGB, (H, W, 3) each.
        batch_size: Images in one pass through the network, at most.
        score_threshold: Detections below are left out; those below the model's own threshold always are.
        precision: "bf16" runs convolutions and matrix products in bfloat16; boxes and scores stay float32.

    Returns:
        The detections of each image, the best first: boxes in its pixels, labels into the model's categories.

    Raises:
        MediaError: An array is not an RGB image.
    """
    detections = [Detections.empty()] * len(images)
    for size_wh, indices in _grouped_by_size(model, images).items():
        for start in range(0, len(indices), batch_size):
            chunk = indices[start : start + batch_size]
            resized = [_to_tensor(resize(images[index], size_wh)) for index in chunk]
            originals_wh = [(images[index].shape[1], images[index].shape[0]) for index in chunk]
            for index, found in zip(chunk, predict_resized(model, resized, originals_wh, precision), strict=True):
                detections[index] = found.above(score_threshold)
    return detections


def predict_resized(
    model: nn.Module,
    images: Sequence[Tensor],
    originals_wh: Sequence[tuple[int, int]],
    precision: Precision = "fp32",
) -> list[Detections]:
    """Detect in one batch of images that have been resized by detector.data.resizing, all to one size.

    Args:
        model: The detector; used and handed back as by `predict`.
        images: RGB, uint8, (3, H, W) each, on any device.
        originals_wh: Width and height of each image before it was resized.
        precision: As of `predict`.

    Returns:
        The detections of each image in the pixels of its original, the best first.
    """
    device = next(model.parameters()).device
    with evaluating(model), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        outputs = model([image.to(device, non_blocking=True) for image in images])
    return [
        _to_detections(output, (image.shape[2], image.shape[1]), original_wh)
        for output, image, original_wh in zip(outputs, images, originals_wh, strict=True)
    ]


def _grouped_by_size(model: nn.Module, images: Sequence[NDArray[np.uint8]]) -> dict[tuple[int, int], list[int]]:
    """Indices of the images by the width and height that they have in the network."""
    config = config_of(model)
    rule = SizeRule(config.min_size, config.max_size)
    groups: dict[tuple[int, int], list[int]] = {}
    for index, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            problem = f"an RGB array (height, width, 3) of uint8 is expected, not {image.shape} of {image.dtype}"
            raise MediaError(problem, where=f"image {index}", hint="convert it first")
        groups.setdefault(rule.size((image.shape[1], image.shape[0])), []).append(index)
    return groups


def _to_tensor(image_rgb: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image_rgb)).permute(2, 0, 1)


def _to_detections(output: dict[str, Tensor], network_wh: tuple[int, int], original_wh: tuple[int, int]) -> Detections:
    boxes = scale_boxes(output["boxes"].cpu().numpy(), network_wh, original_wh)
    return Detections(clip_boxes(boxes, original_wh), output["scores"].cpu().numpy(), output["labels"].cpu().numpy())
