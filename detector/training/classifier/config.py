"""The configuration of a species classifier's run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from detector.config import Section
from detector.data.config import AugmentationConfig, Probability
from detector.species.learning.parting import GroupBy
from detector.training.config import Count, LearningConfig, Share

REFERENCE_CROPS = 32  # a step


class CropAugmentation(Section):
    """How crops to train on are varied. Probabilities are per crop."""

    shift: Annotated[float, Field(ge=0.0, le=0.2)] = 0.1
    """The most by which each edge of a crop is moved, in or out, as a share of the crop's side: a detector's boxes lie
    so."""

    flip: Probability = 0.5
    """Probability of mirroring left and right."""

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

    @property
    def pixels(self) -> AugmentationConfig:
        """What varies pixels, as pictures of detectors are varied."""
        chances = self.model_dump(exclude={"shift"})
        return AugmentationConfig.off().model_copy(update=chances)


class CropDataConfig(Section):
    """Which crops are held out, and how they are shown."""

    val: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """The share of the crops of each species that is held out to measure on and to calibrate with."""

    group_by: GroupBy = "auto"
    """What is never on both sides: camera, or event (a burst, neighbours by name); auto: camera, where there are 5."""

    balance: Share = 0.5
    """How far rare species are shown as often as common ones: a species of n crops has a share of n^(1 - balance); 0
    shows each crop once an epoch, 1 all species equally often."""

    workers: int | None = Field(default=None, ge=0, le=1024)
    """Processes that read crops; 0 reads in the training process, null takes one a core, at most 8."""

    prefetch: int = Field(default=2, ge=1, le=1024)
    """Batches that each worker prepares ahead."""

    augmentation: CropAugmentation = CropAugmentation()
    """How crops are varied."""

    licence: str | None = None
    """Of the crops and their names, such as CC-BY-4.0, for the model card; null: not stated."""


class ClassifierConfig(Section):
    """The classifier; where it starts from another (--init), architecture and size are those of that one."""

    backbone: str = "davit_tiny"
    """Architecture where it starts from nothing, such as davit_tiny, biformer_s, davit_nano."""

    size: Annotated[int, Field(ge=32, le=1024)] = 224
    """Side of the crops in pixels where it starts from nothing."""

    freeze_stages: Annotated[int, Field(ge=0, le=4)] | None = None
    """Stages that are not trained: 0 the stem alone, 4 all but the layer that names, which takes the least time; null:
    everything is trained."""

    grad_checkpointing: bool = False
    """Less memory, more time."""


class SpeciesTrainConfig(LearningConfig):
    """How the classifier is trained. Its last weights are the result: nothing is chosen by the crops held out."""

    epochs: Count | Literal["auto"] = "auto"
    """Passes over the crops; auto: 20, or as many as make 200 steps."""

    batch_size: Count | Literal["auto"] = REFERENCE_CROPS
    """Crops of birds a step, over all accumulated parts; auto: 32."""

    base_batch_size: Count = REFERENCE_CROPS
    """The crops a step that lr is meant for."""

    lr: Annotated[float, Field(gt=0.0)] = 2e-4
    """AdamW's learning rate at its peak, for base_batch_size crops a step; see lr_scaling."""

    eval_epochs: Count | Literal["auto"] = "auto"
    """Epochs from one measurement on the held-out crops to the next; auto: as few as make at most 50. Nothing is chosen
    by them."""

    clip_norm: Annotated[float, Field(gt=0.0)] | None = 1.0
    """Gradients are scaled down to at most this norm; null leaves them."""

    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 100
    """Steps in which the learning rate rises in a line; at most a tenth of the run."""

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """The share of certainty that is not asked for."""

    energy_weight: Annotated[float, Field(ge=0.0, le=10.0)] = 0.03
    """How much it counts, beside the names, that what is no bird looks like no class; nothing without such crops."""


class SpeciesConfig(Section):
    """Everything that decides about a classifier's run, besides its crops."""

    model: ClassifierConfig = ClassifierConfig()
    """The classifier."""

    data: CropDataConfig = CropDataConfig()
    """Which crops are held out, and how they are shown."""

    train: SpeciesTrainConfig = SpeciesTrainConfig()
    """How it is trained."""
