"""`build_detector`: a new detector, to train."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from backbones.errors import ConfigError
from detector.api.checks import Source
from detector.base.checks import described, expect
from detector.config import dump_config, load_config, parse_config
from detector.models.building import build_detector as build_network
from detector.models.config import ModelConfig
from detector.training.config import Config


def build_detector(
    config: Source | ModelConfig | Config = "faster_rcnn_davit_tiny",
    *,
    categories: Sequence[str] | None = None,
    set: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build a detector for a training loop of one's own; torchvision's call convention.

    `net(images, targets)` gives a dict of losses in training mode, and `net(images)` a list of dicts of boxes, labels
    and scores in evaluation mode. Images are tensors (3, height, width), RGB, float in 0..1 or uint8, of any sizes; a
    target is a dict of boxes, float (N, 4) xyxy in pixels, and labels, int64 (N,). **Labels count from 0, without a
    background**, unlike torchvision's own models: labels beyond the categories are refused. A target may have
    `ignored`, (M, 4): regions in which nothing is taught as background.

    Args:
        config: Name of a shipped configuration, path of a YAML file, or a configuration.
        categories: Names of the categories in the order of the labels; by default the configuration's.
        set: Settings to replace, by their keys: `{"model.weights": None}`.

    Returns:
        The network, in training mode. `Detector.of(net)` is what `predict` takes and saves.

    Raises:
        ConfigError: There is no such configuration, or it has no such setting.
        CheckpointError, DownloadError: The backbone's weights cannot be used, or not be fetched.

    Example:
        >>> net = hp.build_detector("small.yaml", categories=["bird", "fox"])
        >>> target = {"boxes": torch.tensor([[4.0, 8.0, 40.0, 50.0]]), "labels": torch.tensor([0])}
        >>> losses = net([torch.rand(3, 64, 64)], [target])
        >>> sorted(losses)
        ['loss_box_reg', 'loss_classifier', 'loss_objectness', 'loss_rpn_box_reg']
        >>> sum(losses.values()).backward()
        >>> hp.Detector.of(net).save("mine.safetensors")
    """
    model = model_config(config, set)
    if categories is not None:
        model = with_categories(model, categories)
    return build_network(model)


def model_config(config: object, changes: Mapping[str, Any] | None) -> ModelConfig:
    """The section `model` of a configuration that is named or given."""
    if isinstance(config, ModelConfig) and not changes:
        return config
    if isinstance(config, ModelConfig):
        config = Config(model=config)
    return training_config(config, changes).model


def training_config(config: object, changes: Mapping[str, Any] | None) -> Config:
    """A configuration that is named or given, with some settings replaced.

    Raises:
        ConfigError: There is no such configuration or setting.
    """
    hint = "such as 'faster_rcnn_davit_tiny', or 'mine.yaml'"
    expect(config, (str, os.PathLike, Config), "the name or path of a configuration", where="config", hint=hint)
    overrides = overrides_of(changes)
    if isinstance(config, Config):
        return parse_config(dump_config(config), Config, overrides) if overrides else config
    return load_config(os.fspath(config), Config, overrides)  # type: ignore[call-overload]


def overrides_of(changes: object) -> list[str]:
    """Settings by their keys, as `--set` takes them."""
    if changes is None:
        return []
    if not isinstance(changes, Mapping) or not all(isinstance(key, str) for key in changes):
        problem = f"settings by their keys are expected, not {described(changes)}"
        raise ConfigError(problem, where="set", hint='such as {"train.epochs": 5}')
    try:
        return [f"{key}={json.dumps(_plain(value), ensure_ascii=False)}" for key, value in changes.items()]
    except (TypeError, ValueError) as error:
        problem = f"a setting must be a number, a word, a list or None ({error})"
        raise ConfigError(problem, where="set", hint='such as {"train.epochs": 5}') from error


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def with_categories(model: ModelConfig, categories: Sequence[str]) -> ModelConfig:
    """The configuration with other categories.

    Raises:
        ConfigError: They are no names.
    """
    names = () if isinstance(categories, str) or not isinstance(categories, Sequence) else tuple(categories)
    if not names or not all(isinstance(name, str) and name for name in names) or len({*names}) < len(names):
        problem = f"a list of different names is expected, not {categories!r:.80}"
        raise ConfigError(problem, where="categories", hint='such as ["bird", "fox"]')
    return model.model_copy(update={"categories": names})
