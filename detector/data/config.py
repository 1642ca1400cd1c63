"""The configuration's section `data`: how images are read, varied, and put into batches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from detector.config import Section

Probability = Annotated[float, Field(ge=0, le=1)]


class AugmentationConfig(Section):
    """How training images are varied. Probabilities are per image."""

    flip: Probability = 0.5
    """Probability of mirroring left and right."""

    scale: tuple[float, float] = (0.5, 2.0)
    """Large-scale jitter: range of the factor on top of the network size (of native, with crop_size), drawn evenly
    in its logarithm."""

    crop_size: int | None = Field(default=None, ge=32, le=16_384)
    """Side in pixels of square training crops of native resolution, like those of `--tile` (small birds); null trains
    on whole images."""

    crop_object: Probability = 0.9
    """Probability that a window smaller than its image is laid around one of the birds, and not just anywhere."""

    min_visibility: Probability = 0.3
    """A box stays when at least this share of it, or of what the window could show of it at best, is in the window."""

    min_side: float = Field(default=1.0, ge=0)
    """A box stays when both of its sides have at least this many network pixels."""

    colour: Probability = 0.5
    """Probability of other brightness, contrast, gamma, hue and saturation."""

    night_ir: Probability = 0.05
    """Probability of becoming the grey, contrasty, grainy picture of a night camera."""

    blur: Probability = 0.1
    """Probability of a slight blur, by motion or out of focus."""

    noise: Probability = 0.1
    """Probability of sensor noise."""

    jpeg: Probability = 0.1
    """Probability of strong JPEG compression."""

    mosaic: Probability = 0.0
    """Probability of putting views of four images together."""

    mosaic_until_epoch: int | None = Field(default=None, ge=0)
    """The first epoch, counted from 0, without mosaic; null keeps it to the end."""

    copy_paste: Probability = 0.0
    """Probability of pasting birds of another image."""

    copy_paste_limit: int = Field(default=3, ge=1, le=1000)
    """The most birds that are pasted into one image."""

    @model_validator(mode="after")
    def _check_scale(self) -> AugmentationConfig:
        low, high = self.scale
        if not 0 < low <= high:
            raise ValueError(f"scale must be a range above 0, from low to high, not {list(self.scale)}")
        return self

    @classmethod
    def off(cls) -> AugmentationConfig:
        """Images as evaluation sees them."""
        return cls(
            flip=0, scale=(1.0, 1.0), min_visibility=0, min_side=0, colour=0, night_ir=0, blur=0, noise=0, jpeg=0
        )


class NegativesConfig(Section):
    """How pictures without birds, from `--negatives`, are taught as background."""

    share: float = Field(default=0.25, ge=0, le=0.9)
    """The largest share of an epoch that is shown of them, each at most once an epoch; half of that are hard ones, in
    which a detector has found birds, if there are so many."""

    mine_epochs: int | None = Field(default=5, ge=1)
    """Epochs from one search for hard ones to the next, with the detector as it is then; before the first epoch it is
    that of `--init`, if any. null: never."""

    mined: int = Field(default=1000, ge=1)
    """The most pictures that are looked at in one search, drawn afresh each time."""

    score: Annotated[float, Field(gt=0, le=1)] = 0.2
    """The score from which on a box makes a picture a hard one."""


class DataConfig(Section):
    """How images are read, varied, and put into batches."""

    invalid: Literal["repair", "error"] = "repair"
    """Boxes that cannot be used: `repair` clips or drops and counts them, `error` refuses the file."""

    agnostic: bool = False
    """Make all categories one, `bird`."""

    categories: Path | None = None
    """YAML file that maps category names of the annotations to those of training (null drops); null keeps all."""

    repeat_threshold: float | None = Field(default=None, gt=0, le=1)
    """Categories in a smaller share of the images than this are shown more often (0.001 for LVIS); null: all once."""

    repeat_crowded: float | None = Field(default=None, ge=1, le=1000)
    """Show images with several birds more often, by the root of their number and at most so many times: a crop sees
    few of them; null: all once."""

    group_by_aspect: bool = True
    """Put images of similar aspect ratio into one batch, so that less of it is padding."""

    workers: int | None = Field(default=None, ge=0, le=1024)
    """Processes that read images; 0 reads in the training process, null takes one a core, at most 8."""

    prefetch: int = Field(default=2, ge=1, le=1024)
    """Batches that each worker prepares ahead."""

    augmentation: AugmentationConfig = AugmentationConfig()
    """How training images are varied."""

    licence: str | None = None
    """Of the training pictures and boxes, such as CC-BY-4.0, for the model card; null: not stated."""

    negatives: NegativesConfig = NegativesConfig()
    """How pictures without birds are taught as background."""
