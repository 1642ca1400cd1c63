"""The configuration of a run: its sections, and `train`, how a detector is trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from detector.config import Section
from detector.data.config import DataConfig
from detector.models.config import ModelConfig

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1, le=10**9)]
REFERENCE_BATCH = 16  # images a step; torchvision's, detectron2's and MMDetection's


class LearningConfig(Section):
    """How a network learns, whatever it is."""

    epochs: Count | Literal["auto"] = 20
    """Passes over what is trained on."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Decides about everything random: initial weights, the order of images, augmentation, sampling."""

    batch_size: Count | Literal["auto"] = REFERENCE_BATCH
    """Images a step, over all devices and accumulated parts; auto: what fits on CUDA devices, the default on a CPU."""

    accumulate: Count = 1
    """Parts that each device divides its images of a step into: the same step in a part of the memory."""

    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """Of convolutions and matrix products; auto: bf16 where the device computes in it, else fp16 on GPUs that have it
    (T4, V100), else fp32. fp16 scales the loss, and leaves out steps in which that was too much; it is evaluated in
    fp32, as it will be used."""

    lr: PositiveFloat = 2e-4
    """AdamW's learning rate at its peak, for base_batch_size images a step; see lr_scaling."""

    lr_scaling: Literal["none", "linear", "sqrt"] = "sqrt"
    """How the peak follows the batch size, whoever chose that: sqrt is lr times the root of batch_size /
    base_batch_size, linear lr times that ratio, none lr itself. A step of fewer images than batch_size, at the end of
    the images, has their share of the rate by the same rule (none: by its root)."""

    base_batch_size: Count = REFERENCE_BATCH
    """The images a step that lr is meant for."""

    weight_decay: NonNegativeFloat = 0.05
    """AdamW's, on all parameters but norms and biases."""

    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Learning rate of each block of the backbone relative to the next (of a twelfth of it, where it has more than 12);
    null: 0.9 if it starts from weights, else 1."""

    schedule: Literal["cosine", "multistep"] = "cosine"
    """What the learning rate does after its warm-up."""

    final_lr_factor: Share = 0.01
    """Where the cosine ends, relative to the peak."""

    milestones: tuple[Count, ...] = ()
    """Epochs after which `multistep` multiplies the learning rate by gamma."""

    gamma: PositiveFloat = 0.1
    """Factor of `multistep`."""

    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 500
    """Steps in which the learning rate rises in a line; at most a tenth of the run."""

    warmup_factor: Share = 0.001
    """Where the warm-up begins, relative to the peak."""

    clip_norm: PositiveFloat | None = 5.0
    """Gradients are scaled down to at most this norm; null leaves them."""

    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = 0.999
    """Decay of the averaged weights that are evaluated and saved, lower in the first steps; null: no average."""

    checkpoint_steps: Count | None = None
    """Steps from one checkpoint to the next; there always is one at the end of an epoch."""

    checkpoint_minutes: PositiveFloat | None = 15.0
    """Minutes after which a checkpoint is written in the middle of an epoch; null: never."""

    log_steps: Count = 20
    """Steps from one line of metrics.jsonl, TensorBoard and the log to the next."""

    trackers: tuple[Literal["mlflow", "wandb"], ...] = ()
    """Programs that keep the run's figures and pictures beside TensorBoard, each an extra: hoopoe[mlflow], [wandb]."""

    licence: str | None = None
    """Of the weights, such as CC-BY-4.0, for the detector's file and the model card; null: not stated."""

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise, unlike {list(self.milestones)}")
        if self.schedule == "multistep" and not self.milestones:
            raise ValueError("schedule: multistep needs milestones")
        return self

    @property
    def last_epoch(self) -> int:
        """Epochs of a run that has begun, where they are a number (`detector.training.optimising.budget`)."""
        assert self.epochs != "auto"
        return self.epochs

    @property
    def steps_alone(self) -> int:
        """First steps in which only a part of the network is trained, before the rest warms up."""
        return 0


class TrainConfig(LearningConfig):
    """How a detector is trained."""

    epochs: Count | Literal["auto"] = "auto"
    """Passes over the training images; auto: 50, or as many as make min_steps or max_steps of them. `--resume` takes
    more than the run had: from there on the learning rate is that of a run of so many epochs, at the step where it
    stands."""

    min_steps: Count = 2_000
    """Steps that a run has at least where epochs is auto: a small set is passed over more often."""

    max_steps: Count = 90_000
    """Steps that a run has at most where epochs is auto: a large set is passed over less often, once at least."""

    extensions: tuple[tuple[Count, Annotated[int, Field(ge=0)]], ...] = ()
    """Written by `--resume` with more epochs: the epochs that the run had before, and the steps done by then."""

    sync_batch_norm: bool = False
    """Whether a BatchNorm that is trained takes its statistics over the images of all CUDA devices; otherwise, and on
    CPUs, each process takes its own, and what is evaluated and saved are those of the first."""

    lateral_steps: Annotated[int, Field(ge=0, le=10**9)] | None = None
    """First steps that train only what leads from the backbone into the pyramid, at most a tenth of the run; the rest
    warms up after them. null: 300 where pyramid and heads are torchvision's and the backbone is not (--init coco), else
    0."""

    eval_epochs: Count | Literal["auto"] = "auto"
    """Epochs from one evaluation to the next; auto: as few as make at most 50 evaluations. The last epoch is always
    evaluated."""

    eval_batch_size: Count = 8
    """The most images in one pass of an evaluation, on each device."""

    best: Literal["AP", "AP50"] = "AP"
    """The figure that decides which weights are the best."""

    patience: Count | None = 20
    """Evaluations in a row without a new best after which the run ends early, once a bird was found; null: never."""

    @model_validator(mode="after")
    def _steps_fit(self) -> TrainConfig:
        if self.max_steps < self.min_steps:
            raise ValueError(f"max_steps ({self.max_steps}) is below min_steps ({self.min_steps})")
        return self

    @property
    def steps_alone(self) -> int:
        return self.lateral_steps or 0


class Config(Section):
    """Everything that decides about a run, besides its data."""

    model: ModelConfig = ModelConfig()
    """The detector."""

    data: DataConfig = DataConfig()
    """How images are read and varied."""

    train: TrainConfig = TrainConfig()
    """How the detector is trained."""
