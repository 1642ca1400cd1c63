"""A detector as a value: its network, and all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torchvision
from torch import nn

from backbones.errors import ConfigError
from detector.base.checks import expect
from detector.base.devices import Precision, device_of
from detector.base.version import __version__
from detector.data.resizing import SizeRule
from detector.models.building import config_of
from detector.models.config import ModelConfig

PRECISIONS = get_args(Precision)
Suppression = Literal["hard", "soft"]


def _versions() -> dict[str, str]:
    return {"hoopoe": __version__, "torch": torch.__version__, "torchvision": torchvision.__version__}


@dataclass(frozen=True)
class DetectorMeta:
    """What a detector's file says beside the weights. Values are plain: they travel as JSON.

    Attributes:
        config: Everything that makes the detector: categories, image size, colours, heads.
        training_data: Fingerprint and counts of what it was trained on.
        metrics: Its evaluation, such as {"AP": 0.41}.
        versions: Versions of the software that made it.
    """

    config: ModelConfig
    training_data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=_versions)

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the labels."""
        return self.config.categories

    @property
    def rgb_stats(self) -> dict[str, tuple[float, ...]]:
        """ "mean" and "std" of the channels that images are normalised with, for pixels in 0..1."""
        return {"mean": self.config.rgb_mean or (), "std": self.config.rgb_std or ()}


@dataclass(frozen=True, eq=False)
class Detector:
    """A detector: what `load_detector` gives, and `predict`, `evaluate` and `annotate` take.

    Attributes:
        net: The network, by torchvision's call convention: `net(images, targets)` in training mode gives a dict of
            losses, `net(images)` in evaluation mode a dict of boxes, labels (0-based) and scores an image.
        meta: What its file says: configuration, training data, metrics, versions.
        name: The file's name, or `coco`.
        sha256: Of the file of weights, in hexadecimal; None where it is in no file.
        precision: "bf16" runs convolutions and matrix products in bfloat16; boxes and scores stay float32.
        source: Where it was loaded from: its file, or `coco`; None where it is in no file.
        runtime: What runs its dense parts: "torch", or for an export such as "openvino int8+bf16".
        suppression: "hard" drops a box that overlaps a better one of its category by more than `nms_iou`; "soft" lowers
            its score (`detector.models.suppressing.soft`).

    Example:
        >>> model = hp.load_detector("birds.safetensors")
        >>> model.categories
        ('bird', 'person')
        >>> sum(weights.numel() for weights in model.net.parameters()) > 100_000
        True
    """

    net: nn.Module
    meta: DetectorMeta
    name: str = "detector"
    sha256: str | None = None
    precision: Precision = "fp32"
    source: str | None = None
    runtime: str = "torch"
    suppression: Suppression = "hard"

    def __post_init__(self) -> None:
        hint = "use load_detector, or Detector.of(net)"
        expect(self.net, nn.Module, "a network", where="Detector", hint=hint)
        expect(self.meta, DetectorMeta, "DetectorMeta", where="Detector", hint=hint)
        if self.precision not in PRECISIONS:
            problem = f"a precision is fp32, bf16 or fp16, not {self.precision!r}"
            raise ConfigError(problem, where="Detector", hint="leave it out")
        if self.suppression not in get_args(Suppression):
            problem = f"suppression is hard or soft, not {self.suppression!r}"
            raise ConfigError(problem, where="suppression", hint="leave it out")

    @classmethod
    def of(cls, net: nn.Module, precision: Precision = "fp32") -> Detector:
        """A network from `build_detector`, as one trains it in a loop of one's own.

        Raises:
            ConfigError: It is another network.
        """
        return cls(net, DetectorMeta(config_of(net)), precision=precision)

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the labels, which are 0-based."""
        return self.meta.category_names

    @property
    def size_rule(self) -> SizeRule:
        """Which size a picture has in the network."""
        return self.meta.config.size_rule

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return device_of(self.net)

    def with_training(self, training_data: Mapping[str, Any], metrics: Mapping[str, Any]) -> Detector:
        """The same detector, saying what it was trained on and how good it is."""
        return replace(self, meta=replace(self.meta, training_data=training_data, metrics=metrics))

    def save(self, path: str | Path) -> None:
        """Write it as one `.safetensors` file that `load_detector` reads; see `save_detector`."""
        from detector.models.saving import save_detector

        save_detector(path, self)

    def __repr__(self) -> str:
        names = ", ".join(self.categories[:4]) + (", ..." if len(self.categories) > 4 else "")
        how = self.precision if self.runtime == "torch" else self.runtime
        return f"Detector({self.name!r}: {names}; {self.device}, {how})"
