"""Checkpoints travel between birder and us in both directions and both formats."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from birder.common import fs_ops, lib
from birder.conf import settings
from birder.model_registry import Task, registry
from birder.net.base import get_signature

import backbones
from backbones.checkpoints import TASK, make_signature
from backbones.hub import PUBLISHED
from backbones.registry import get_config

CLASSES = {"Great tit": 0, "Hoopoe": 1, "Unknown": 2}
RGB_STATS = {"mean": (0.5191, 0.5306, 0.4877), "std": (0.2316, 0.2304, 0.2588)}
SIZE = (128, 160)  # birder's BiFormer needs 16 regions
SIGNATURE = make_signature(3, SIZE)
BASED_ON = {"davit_nano": "davit_tiny", "biformer_nano": "biformer_t"}  # birder knows no nano variants


@functools.cache
def make_birder_net(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return registry.net_factory(BASED_ON[name], 3, config=get_config(name), size=SIZE).eval()


@pytest.fixture(autouse=True)
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "MODELS_DIR", tmp_path)
    return tmp_path


def write_pt(net: torch.nn.Module, folder: Path, config: dict[str, Any] | None) -> Path:
    states = (None, None, None, None)
    fs_ops.checkpoint_model("bird", 7, net, SIGNATURE, CLASSES, RGB_STATS, *states, external_config=config)
    return folder / "bird_7.pt"


def write_safetensors(net: torch.nn.Module, folder: Path, config: dict[str, Any] | None) -> Path:
    path = folder / "bird.safetensors"
    fs_ops.save_st(net, str(path), net.task, CLASSES, SIGNATURE, RGB_STATS, external_config=config)
    return path


def assert_same_outputs(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    x = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("with_config", [False, True])
@pytest.mark.parametrize("write", [write_pt, write_safetensors])
@pytest.mark.parametrize("name", ["davit_nano", "biformer_nano"])
def test_we_load_what_birder_writes(name: str, write: Callable[..., Path], with_config: bool, models_dir: Path) -> None:
    net = make_birder_net(name)
    path = write(net, models_dir, get_config(name) if with_config else None)
    ours, class_to_idx, signature, rgb_stats = backbones.load_pretrained_model(path, inference=True)
    assert ours.name == name
    assert class_to_idx == CLASSES
    assert signature == SIGNATURE
    assert {key: tuple(value) for key, value in rgb_stats.items()} == RGB_STATS
    assert_same_outputs(ours, net)


@pytest.mark.parametrize("name", ["davit_nano", "biformer_nano"])
def test_birder_loads_what_we_write(name: str, models_dir: Path) -> None:
    """birder finds the file by the name of the network, and the nano's widths in our metadata."""
    net = backbones.create_model(name, 3, input_size=SIZE).eval()
    path = models_dir / f"{BASED_ON[name]}_test.safetensors"
    backbones.save_pretrained(path, net, class_to_idx=CLASSES, rgb_stats=RGB_STATS)
    theirs, info = fs_ops.load_model(torch.device("cpu"), BASED_ON[name], tag="test", st=True, inference=True)
    assert info.class_to_idx == CLASSES
    assert info.signature == SIGNATURE
    assert {key: tuple(value) for key, value in info.rgb_stats.items()} == RGB_STATS
    assert_same_outputs(net, theirs)


def test_birder_loads_a_network_of_its_own_that_we_write(models_dir: Path) -> None:
    net = backbones.create_model("biformer_t", 3, input_size=SIZE).eval()
    path = models_dir / "biformer_t.safetensors"
    backbones.save_pretrained(path, net, class_to_idx=CLASSES, rgb_stats=RGB_STATS)
    registered = registry.net_factory("biformer_t", 3, size=SIZE)
    config = lib.get_network_config(registered, SIGNATURE, RGB_STATS) | {"task": registered.task}
    (models_dir / "biformer_t.json").write_text(json.dumps(config))
    theirs, _ = fs_ops.load_model_with_cfg(models_dir / "biformer_t.json", path)
    assert_same_outputs(net, theirs.eval())


@pytest.mark.parametrize("weights", PUBLISHED.values(), ids=lambda weights: weights.name)
def test_published_weights_are_those_of_birder(weights: Any) -> None:
    theirs = registry.get_pretrained_metadata(weights.name)
    file = theirs["formats"]["pt"]
    assert f"{theirs['url']}/{weights.filename}" == weights.url
    assert (file["sha256"], file["file_size"]) == (weights.sha256, weights.megabytes)
    assert theirs["net"]["network"] == weights.network


def test_signatures_and_tasks_are_those_of_birder() -> None:
    assert make_signature(550, (384, 320)) == get_signature((1, 3, 384, 320), 550)
    assert TASK == Task.IMAGE_CLASSIFICATION
    assert backbones.get_size_from_signature(SIGNATURE) == lib.get_size_from_signature(SIGNATURE)
    assert backbones.get_channels_from_signature(SIGNATURE) == lib.get_channels_from_signature(SIGNATURE)
