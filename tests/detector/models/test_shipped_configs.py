from typing import Any

import pytest
import torch
import yaml
from pydantic import Field

from detector.config import Section, find_config, list_configs, load_config
from detector.data.config import DataConfig
from detector.models.building import build_detector
from detector.models.config import ModelConfig


class Config(Section):
    """The sections that are known below training."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    train: dict[str, Any] = Field(default_factory=dict)


def leaves(settings: dict[str, Any], section: Section) -> list[tuple[str, Any, Any]]:
    """Key, value and default of everything that a file says about a section."""
    found = []
    for key, value in settings.items():
        default = getattr(section, key)
        if isinstance(default, Section):
            found += leaves(value, default)
        else:
            found.append((key, value, list(default) if isinstance(default, tuple) else default))
    return found


@pytest.mark.parametrize("name", list_configs())
def test_it_builds_a_detector(name: str) -> None:
    config = load_config(name, Config)
    with torch.device("meta"):  # shapes without memory
        model = build_detector(config.model, load_weights=False)
    assert model.backbone.batch_norm_frozen == (config.model.weights is not None)


@pytest.mark.parametrize("name", list_configs())
def test_it_holds_only_what_differs_from_the_defaults(name: str) -> None:
    settings = yaml.safe_load(find_config(name).read_text(encoding="utf-8"))
    said = leaves(settings["model"], ModelConfig()) + leaves(settings.get("data", {}), DataConfig())
    assert [key for key, value, default in said if value == default] == []


@pytest.mark.parametrize("name", [name for name in list_configs() if name.startswith("coco_")])
def test_the_papers_recipes_have_the_papers_values(name: str) -> None:
    config = load_config(name, Config)
    tripled, retinanet_biformer = name.endswith("3x"), "retinanet_biformer" in name
    assert (config.model.min_size, config.model.max_size) == (800, 1333)
    assert (config.model.version, config.model.anchor_scale, config.model.max_detections) == ("v1", 1.0, 100)
    assert (config.train["batch_size"], config.train["lr"]) == (16, 1e-4)
    assert config.train["weight_decay"] == (1e-4 if retinanet_biformer else 0.05)
    assert config.train["epochs"] == (36 if tripled else 12)
    assert config.train["milestones"] == ([27, 33] if tripled else [8, 11])
    assert config.train["clip_norm"] is None
