"""Anchors on the true strides of the feature maps, in float32."""

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

FASTER_RCNN_SIZES = (8.0,)  # times the stride: torchvision's 32 at stride 4 ... 512 at stride 64
RETINANET_SIZES = tuple(4.0 * 2 ** (octave / 3) for octave in range(3))  # Lin et al. 2017, section 4


class Float32Anchors(AnchorGenerator):
    """torchvision's anchors in float32, whatever the features are."""

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Anchors of each image, (cells * anchors, 4) xyxy in pixels."""
        shapes = [torch.zeros(1, device=each.device).expand(each.shape) for each in feature_maps]
        return super().forward(image_list, shapes)


class StrideAnchors(AnchorGenerator):
    """torchvision's anchors, with two differences.

    Torchvision divides the image's size by the map's to get a stride, which is wrong where the map was rounded up: for
    an image of 96 pixels, P6 has 2 cells and its anchors would be 48 pixels apart instead of 64. And it gives anchors
    the type of the features, in which bfloat16 knows only every fourth pixel beyond 512.

    Args:
        strides: Pixels between the cells of each map.
        sizes: Square roots of the areas of the anchors in each cell, relative to the stride.
        ratios: Their height / width.
    """

    def __init__(self, strides: tuple[int, ...], sizes: tuple[float, ...], ratios: tuple[float, ...]) -> None:
        super().__init__(
            sizes=tuple(tuple(size * stride for size in sizes) for stride in strides),
            aspect_ratios=(ratios,) * len(strides),
        )
        self.strides = strides

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Anchors of each image, (cells * anchors, 4) xyxy in pixels, float32; the same for all images of the batch."""
        self.set_cell_anchors(torch.float32, feature_maps[0].device)
        grid_sizes = [feature_map.shape[-2:] for feature_map in feature_maps]
        anchors = torch.cat(self.grid_anchors(grid_sizes, [(stride, stride) for stride in self.strides]))
        return [anchors] * len(image_list.image_sizes)
