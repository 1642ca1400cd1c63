"""The configuration's section `model`: everything that makes a detector, and that its file carries along."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, field_validator, model_validator

from backbones.architecture import check_architecture
from backbones.errors import ConfigError
from detector.config import Section
from detector.data.resizing import SizeRule

GROUPS = 32  # of channels in a GroupNorm; torchvision's RetinaNet v2
Share = Annotated[float, Field(ge=0.0, le=1.0)]
# far beyond what is of use: a file that claims more is not believed
Side = Annotated[int, Field(ge=1, le=16_384)]  # pixels
Count = Annotated[int, Field(ge=1, le=100_000)]
Ratio = Annotated[float, Field(ge=1e-3, le=1000)]
Name = Annotated[str, Field(max_length=1000)]


class ModelConfig(Section):
    """A detector. `build_detector` fills in what weights bring along: `backbone_size`, `backbone_config`, colours."""

    detector: Literal["faster_rcnn", "retinanet"] = "faster_rcnn"
    """Boxes in two stages (faster_rcnn) or in one (retinanet)."""

    version: Literal["v1", "v2"] = "v1"
    """Heads: v1 as published; v2 deeper and with GroupNorm (faster_rcnn), with GroupNorm and GIoU (retinanet)."""

    categories: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100_000)] = ("bird",)
    """Names of the categories, in the order of the labels; training takes them from its data."""

    backbone: Name = "davit_tiny"
    """Network under the detector: one of backbones.list_models(), or torchvision's resnet18 or resnet50."""

    weights: Name | None = None
    """What the backbone starts from: published weights, the path of a classifier, or null for random ones."""

    backbone_size: tuple[Side, Side] | None = None
    """Height and width, pixels, that the backbone is made for (DaViT's window is 1/32); null: its weights', or 384."""

    backbone_config: dict[str, Any] = Field(default_factory=dict)
    """Entries of the backbone's architecture to replace; null weights only, others bring theirs."""

    drop_path: Share | None = None
    """Stochastic depth of the backbone's last block; null: the backbone's own."""

    freeze_stages: Annotated[int, Field(ge=0, le=4)] | None = None
    """Number of the backbone's stages, beside the stem, that are not trained; null trains everything."""

    grad_checkpointing: bool = False
    """Compute the backbone's blocks twice to save memory in training."""

    batch_norm: Literal["auto", "train", "frozen"] = "auto"
    """The backbone's BatchNorm; auto: frozen where the backbone starts from weights."""

    rgb_mean: tuple[float, float, float] | None = None
    """Mean of the channels that images are normalised with, for pixels in 0..1; null: the weights', ImageNet's."""

    rgb_std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    """Standard deviation of the channels, for pixels in 0..1; null: the weights', ImageNet's."""

    min_size: Side = 800
    """Pixels that the short side of an image is resized to, unless the long side then had more than max_size."""

    max_size: Side = 1333
    """Pixels that the long side of a resized image has at most."""

    max_upscale: Annotated[float, Field(ge=1, le=100)] | None = None
    """A small image is enlarged this many times at most, whatever min_size says; null: without limit."""

    fpn_channels: Annotated[int, Field(ge=2 * GROUPS, le=8192, multiple_of=GROUPS)] = 256
    """Channels of the feature pyramid and of the heads' convolutions."""

    light_head: bool = False
    """A twentieth of the head's arithmetic, by layers that classes and boxes share (retinanet): for CPUs."""

    anchor_scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Size of all anchors, relative to 8 (faster_rcnn) or 4, 5, 6.3 (retinanet) times the stride; birds are small."""

    anchor_ratios: Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=100)] = (0.5, 1.0, 2.0)
    """Height / width of the anchors."""

    box_head_width: Count = 1024
    """Width of the fully connected layers of faster_rcnn's box head."""

    shared_boxes: bool = False
    """One set of box deltas for all categories (faster_rcnn), for few examples of each; false has one for each."""

    train_proposals: Count = 2000
    """Proposals per level before, and per image after, suppression while training (faster_rcnn)."""

    proposals: Count = 1000
    """Proposals per level before, and per image after, suppression in use (faster_rcnn)."""

    roi_samples: Count = 512
    """Proposals per image that the box head is trained on (faster_rcnn)."""

    score_threshold: Share = 0.05
    """Detections below this score are dropped inside the detector."""

    nms_iou: Share = 0.5
    """Of two detections of one category that overlap more than this, the one with the lower score is dropped."""

    one_name: bool = False
    """Whether nms_iou also holds for detections of different categories, so that a bird has the likeliest name only."""

    max_detections: Count = 300
    """Detections per image, the best first."""

    @field_validator("backbone_config")
    @classmethod
    def _can_be_built(cls, entries: dict[str, Any]) -> dict[str, Any]:
        try:
            check_architecture(entries, "model.backbone_config")
        except ConfigError as error:
            raise ValueError(error.problem) from None
        return entries

    @model_validator(mode="after")
    def _fits_together(self) -> ModelConfig:
        if self.max_size < self.min_size:
            raise ValueError(f"max_size ({self.max_size}) is below min_size ({self.min_size})")
        if len(set(self.categories)) != len(self.categories):
            raise ValueError(f"a category is named twice: {', '.join(self.categories)}")
        return self

    @property
    def size_rule(self) -> SizeRule:
        """Which size a picture has in the network."""
        return SizeRule(self.min_size, self.max_size, self.max_upscale)
