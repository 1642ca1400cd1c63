"""torchvision's detectors with regions in which nothing is background: crowds, and birds that are not learnt from.

An anchor or a proposal that lies in such a region, and is no bird's, takes no part in the losses; as COCO's evaluation
takes no detection there for a false alarm (pycocotools, cocoeval: overlap with a crowd is by the detection's area).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import box_iou

IGNORED_SHARE = 0.5  # of an anchor's or a proposal's area within one region; cocoeval's lowest threshold
_BACKGROUND, _DISCARDED = 0.0, -1.0  # RPN's labels of anchors

Targets = list[dict[str, Tensor]]


def lie_in(boxes: Tensor, regions: Tensor) -> Tensor:
    """Which boxes (N, 4) have half of their area or more in one of the regions (M, 4), both xyxy: bool (N,)."""
    if not len(regions):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    low = torch.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    within = (high - low).clamp(min=0).prod(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return (within >= IGNORED_SHARE * areas[:, None]).any(dim=1)


class IgnoringRPN(RegionProposalNetwork):
    """Region proposals; targets may have `ignored` (M, 4)."""

    def assign_targets_to_anchors(self, anchors: list[Tensor], targets: Targets) -> tuple[list[Tensor], list[Tensor]]:
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for label, anchor, target in zip(labels, anchors, targets, strict=True):
            if len(regions := _ignored(target)):
                label[(label == _BACKGROUND) & lie_in(anchor, regions)] = _DISCARDED
        return labels, matched

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        if not any((label != _DISCARDED).any() for label in labels):  # the mean of nothing is no number
            return objectness.sum() * 0, pred_bbox_deltas.sum() * 0
        return super().compute_loss(objectness, pred_bbox_deltas, labels, regression_targets)


class IgnoringRoIHeads(RoIHeads):
    """The second stage; targets may have `ignored` (M, 4)."""

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: Targets | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        if self.training and targets is not None:
            proposals = [self._usable(*each) for each in zip(proposals, targets, strict=True)]
            if not any(len(each) for each in proposals) and not any(len(target["boxes"]) for target in targets):
                nothing = sum(parameter.sum() for parameter in self.parameters()) * 0  # used by every rank of DDP
                return [], {"loss_classifier": nothing, "loss_box_reg": nothing}
        return super().forward(features, proposals, image_shapes, targets)

    def _usable(self, proposals: Tensor, target: dict[str, Tensor]) -> Tensor:
        regions = _ignored(target)
        if not len(regions):
            return proposals
        left_out = lie_in(proposals, regions)
        if len(target["boxes"]):
            overlap = box_iou(proposals, target["boxes"].to(proposals.dtype)).amax(dim=1)
            left_out &= overlap < self.proposal_matcher.high_threshold
        return proposals[~left_out]


class IgnoringRetinaNet(RetinaNet):
    """RetinaNet; targets may have `ignored` (M, 4)."""

    def compute_loss(
        self, targets: Targets, head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        matches = []
        for anchor, target in zip(anchors, targets, strict=True):
            if target["boxes"].numel():
                match = self.proposal_matcher(box_iou(target["boxes"], anchor))
            else:
                match = torch.full((len(anchor),), -1, dtype=torch.int64, device=anchor.device)
            if len(regions := _ignored(target)):
                background = match == self.proposal_matcher.BELOW_LOW_THRESHOLD
                match[background & lie_in(anchor, regions)] = self.proposal_matcher.BETWEEN_THRESHOLDS
            matches.append(match)
        return self.head.compute_loss(targets, head_outputs, anchors, matches)


def _ignored(target: dict[str, Tensor]) -> Tensor:
    return target.get("ignored", target["boxes"][:0])
