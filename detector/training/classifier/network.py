"""The network that learns: a classifier whose head grows, a detector's backbone, or random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import backbones
from backbones.base import Backbone
from backbones.errors import CheckpointError
from detector.models.pyramid import BODY_PREFIX
from detector.models.saving import FORMAT, read_detector
from detector.runtimes.manifest import is_export
from detector.species.classifier import class_names_of
from detector.species.learning.classes import JoinedClasses
from detector.species.names.crosswalk import Crosswalk
from detector.species.names.taxonomy import Taxonomy
from detector.training.classifier.config import ClassifierConfig

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}  # of the channels, in 0..1
NOISE = 0.02  # standard deviation of new weights; as in a head that begins at random


@dataclass(frozen=True, eq=False)
class Start:
    """Where a classifier starts from.

    Attributes:
        net: The network, on the CPU.
        class_names: That it knows; none of a detector's backbone, or of random weights.
        rgb_stats: "mean" and "std" of its channels.
        source: Its file or name; None: random weights.
    """

    net: Backbone
    class_names: tuple[str, ...]
    rgb_stats: Mapping[str, Any]
    source: str | None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Of its crops, pixels."""
        return self.net.input_size


def read_start(init: str | None, config: ClassifierConfig, seed: int) -> Start:
    """The network to start from; what is random of it follows from the seed.

    Args:
        init: A classifier's published name or file, or a detector's file; None: random weights.
        config: Architecture and size where there is no `init`.
        seed: See above.

    Raises:
        CheckpointError: The file is none of a classifier or of a detector with a backbone of ours.
        DownloadError: A published file cannot be fetched.
        ConfigError: There are no such weights, or no such architecture.
    """
    torch.manual_seed(seed)
    if init is None:
        net = backbones.create_model(config.backbone, num_classes=1, input_size=(config.size, config.size))
        return Start(net, (), IMAGENET, None)
    if is_export(init):
        hint = "give the classifier that it was made from"
        raise CheckpointError("this is an exported model, which cannot learn any more", where=init, hint=hint)
    if _is_detector(Path(init).expanduser()):
        net, stats = backbone_of_detector(Path(init).expanduser())
        return Start(net, (), stats, init)
    loaded = backbones.load_pretrained_model(init)
    return Start(loaded.net, class_names_of(loaded, init), loaded.rgb_stats, init)


def with_classes(start: Start, classes: JoinedClasses, crosswalk: Crosswalk, config: ClassifierConfig) -> Backbone:
    """The network with a head for these classes: rows of known classes as they were, new ones like their relatives.

    A new species begins with the mean of the rows of its genus, else family, else order; one without any with noise.
    """
    net, head = start.net, start.net.classifier
    grown = nn.Linear(net.embedding_size, len(classes.names))
    nn.init.trunc_normal_(grown.weight, std=NOISE)
    nn.init.zeros_(grown.bias)
    known = np.flatnonzero(classes.former >= 0)
    if len(known):
        assert isinstance(head, nn.Linear)
        with torch.no_grad():
            rows = torch.from_numpy(classes.former[known])
            grown.weight[known], grown.bias[known] = head.weight[rows], head.bias[rows]
            for place, relatives in _relatives(classes, crosswalk).items():
                grown.weight[place] += grown.weight[relatives].mean(dim=0)
                grown.bias[place] = grown.bias[relatives].mean()
    net.classifier, net.num_classes = grown, len(classes.names)
    if config.freeze_stages is not None:
        net.freeze_stages(config.freeze_stages)
    net.set_grad_checkpointing(config.grad_checkpointing)
    return net


def _relatives(classes: JoinedClasses, crosswalk: Crosswalk) -> dict[int, list[int]]:
    """Place of a new class -> those of the known ones of its genus, else family, else order."""
    levels = Taxonomy(classes.names, crosswalk).levels[1:]
    found: dict[int, list[int]] = {}
    for place in np.flatnonzero(classes.former < 0).tolist():
        for level in levels:
            taxon = level.taxon_of_class[place]
            members = np.flatnonzero((level.taxon_of_class == taxon) & (classes.former >= 0))
            if taxon >= 0 and len(members):
                found[place] = members.tolist()
                break
    return found


def backbone_of_detector(source: Path) -> tuple[Backbone, dict[str, tuple[float, ...]]]:
    """A classifier of one class on a detector's backbone; its last layers, which a detector does without, are random.

    Args:
        source: The detector's file.

    Returns:
        The classifier, and the mean and standard deviation of the channels that it is used to.

    Raises:
        CheckpointError: The file cannot be used.
    """
    state, meta = read_detector(source)
    config = meta.config
    if config.backbone not in backbones.list_models():
        problem = f"its backbone, {config.backbone}, is none of a classifier's"
        raise CheckpointError(problem, where=source, hint=f"give one of {', '.join(backbones.list_models())}")
    assert config.backbone_size is not None  # a file's configuration is resolved
    net = backbones.create_model(
        config.backbone, num_classes=1, input_size=config.backbone_size, config=config.backbone_config
    )
    body = {name.removeprefix(BODY_PREFIX): tensor for name, tensor in state.items() if name.startswith(BODY_PREFIX)}
    net.load_state_dict(body, strict=False)
    return net, meta.rgb_stats


def _is_detector(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors" or not path.is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            return str((file.metadata() or {}).get("format", "")).startswith(FORMAT.rstrip("0123456789"))
    except SafetensorError:
        return False  # whoever loads it says what is wrong
