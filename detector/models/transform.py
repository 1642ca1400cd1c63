"""What happens to images and labels between the caller and torchvision's detector."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import nms

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PAD_MULTIPLE = 32  # the stride of the backbones' last stage


class NormalizeAndPad(GeneralizedRCNNTransform):
    """torchvision's transform without its resizing, which aliases: detector.data.resizing does that beforehand.

    Images may be uint8 too, so that a quarter of the bytes travel to the device. Labels are 0-based outside; the number
    that torchvision's detector gives to the first category is known here alone.

    Args:
        mean: Mean of the channels, for pixels in 0..1.
        std: Standard deviation of the channels.
        first_label: 1 where torchvision keeps 0 for the background (Faster R-CNN), else 0.
        nms_iou: Of two detections that overlap more than this, whatever their categories, the better one stays; None
            leaves them both.
        max_detections: Detections of an image that stay after that, the best first; None: as many as there are.
    """

    across_names = True  # whether nms_iou holds for two names

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        first_label: int,
        nms_iou: float | None = None,
        max_detections: int | None = None,
    ) -> None:
        super().__init__(0, 0, list(mean), list(std), size_divisible=PAD_MULTIPLE)
        self.first_label = first_label
        self.nms_iou = nms_iou
        self.max_detections = max_detections

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        if targets is not None:
            targets = [{**target, "labels": target["labels"] + self.first_label} for target in targets]
        return super().forward(images, targets)

    def normalize(self, image: Tensor) -> Tensor:
        if image.dtype != torch.uint8:
            return super().normalize(image)
        statistics = self.image_mean, self.image_std
        mean, std = (torch.tensor(values, device=image.device)[:, None, None] * 255 for values in statistics)
        return image.float().sub_(mean).div_(std)  # in place: memory is what this costs

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target

    def postprocess(
        self,
        result: list[dict[str, Tensor]],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        return [self.finished(found) for found in result]

    def finished(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """The detections of an image as the caller gets them: boxes, scores and 0-based labels."""
        found = {**found, "labels": found["labels"] - self.first_label}
        if self.nms_iou is None:
            return found
        keep = self.kept(found["boxes"], found["scores"], found["labels"], self.nms_iou)[: self.max_detections]
        return {name: values[keep] for name, values in found.items()}

    def kept(self, boxes: Tensor, scores: Tensor, labels: Tensor, nms_iou: float) -> Tensor:
        """Which detections of an image stay where those of one bird become one, the best first: int64 (K,)."""
        return nms(boxes, scores, nms_iou)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.image_mean}, std={self.image_std}, first_label={self.first_label})"
