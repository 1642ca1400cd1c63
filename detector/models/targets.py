"""What a network is trained on, checked at its door, so that habits of other libraries fail with words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from backbones.errors import DataError
from detector.base.checks import described

_HINT = 'a target is {"boxes": float (N, 4) xyxy in pixels, "labels": int64 (N,), from 0}'


def check_targets(images: Sequence[Tensor], targets: object, categories: int) -> None:
    """Refuse targets that cannot be learnt from.

    Args:
        images: Of the batch.
        targets: What is to be found in each.
        categories: How many the detector has: labels are 0 to `categories - 1`.

    Raises:
        DataError: Something about them; the image at fault is named by its place in the batch.
    """
    if targets is None:
        hint = "call net.eval() before detecting, or give net(images, targets)"
        raise DataError("a network in training mode needs targets", where="targets", hint=hint)
    if not isinstance(targets, list | tuple) or len(targets) != len(images):
        given = f"{len(targets)}" if isinstance(targets, list | tuple) else described(targets)
        raise DataError(f"{len(images)} images need as many targets, not {given}", where="targets", hint=_HINT)
    for place, target in enumerate(targets):
        _check_target(target, f"target {place}")
    if targets and torch.stack([(each["boxes"][:, 2:] <= each["boxes"][:, :2]).any() for each in targets]).any():
        hint = "leave out what has no width or no height; are they xywh in place of xyxy?"
        raise DataError("a box has no area", where="targets", hint=hint)
    labels = [target["labels"] for target in targets if len(target["labels"])]
    if not labels:
        return
    low, high = torch.stack([torch.stack([each.min(), each.max()]) for each in labels]).T.tolist()  # one wait for a GPU
    if min(low) < 0 or max(high) >= categories:
        right = f"those of {categories} categories are 0 to {categories - 1}"
        hint = "they count from 0 here, without a background: take 1 off torchvision's"
        raise DataError(f"labels are {min(low)} to {max(high)}, and {right}", where="targets", hint=hint)


def _check_target(target: Any, where: str) -> None:
    if not isinstance(target, Mapping):
        raise DataError(f"a dict is expected, not {described(target)}", where=where, hint=_HINT)
    for name in ("boxes", "labels"):
        if not isinstance(target.get(name), Tensor):
            raise DataError(f"it has no tensor '{name}'", where=where, hint=_HINT)
    boxes, labels = target["boxes"], target["labels"]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.is_floating_point():
        raise DataError(f"boxes are {tuple(boxes.shape)} of {boxes.dtype}", where=where, hint=_HINT)
    if labels.shape != boxes.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        problem = f"labels are {tuple(labels.shape)} of {labels.dtype}, beside {len(boxes)} boxes"
        raise DataError(problem, where=where, hint=_HINT)
