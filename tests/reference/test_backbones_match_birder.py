"""Our networks are birder's: names and shapes of the weights, outputs at any size, and gradients."""

import contextlib
import functools
from collections import deque
from collections.abc import Iterator

import pytest
import torch
from birder.model_registry import registry
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

import backbones
from backbones.biformer import RoutingAttention
from backbones.layers import DropPath
from backbones.registry import get_config

NANO = ("biformer_nano", "davit_nano")
VARIANTS = ("biformer_t", "biformer_s", "biformer_b", "davit_tiny", "davit_small", "davit_base")
TRAINED_AT = (384, 384)  # birder's DaViT keeps the window of this size

FORWARD_TOLERANCE = 1e-5  # of the largest value of a map, fp32
GRADIENT_TOLERANCE = 1e-3  # of the largest gradient of a parameter, fp32
ROUTING_AGREEMENT = 0.999  # of the rows; in the others rounding decides between two equal regions
FEW_ROWS = 5  # that may differ in small images

# Standard deviation of the weights, times sqrt(inputs). Larger ones make DaViT's channel attention, whose logits sum
# over all tokens, so sharp that at 800 x 1344 birder's own fp32 output is 2e-5 away from its float64 output.
WEIGHT_GAINS = {"biformer": 0.8, "davit": 0.3}


def make_birder(name: str, size: tuple[int, int]) -> nn.Module:
    """Birder's network of that name: BiFormer is built for `size`, DaViT for 384 x 384 and run at any size."""
    known, config = name, None
    if name in NANO:  # birder has none, but takes their configuration
        known = "davit_tiny" if name.startswith("davit") else "biformer_t"
        config = {"layer_scale_init_value": None} | get_config(name)
    if name.startswith("biformer"):
        return registry.net_factory(known, 17, size=size, config=config).eval()
    net = registry.net_factory(known, 17, size=TRAINED_AT, config=config)
    net.set_dynamic_size()
    return net.eval()


@torch.no_grad()
def randomise(net: nn.Module, gain: float) -> None:
    """Draw every weight and norm statistic anew, none of them at 0 or 1."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=gain * module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


@contextlib.contextmanager
def undrawn_weights() -> Iterator[None]:
    """Leave weights as they are made: to draw those that are replaced takes half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for each in ("trunc_normal_", "kaiming_uniform_"):
            patch.setattr(nn.init, each, lambda tensor, *_, **__: tensor)
        yield


def make_twins(name: str, size: tuple[int, int]) -> tuple[backbones.Backbone, nn.Module]:
    """Our network and birder's, with the same random weights."""
    with undrawn_weights():
        ours = backbones.create_model(name, 17, input_size=TRAINED_AT).eval()
        theirs = make_birder(name, size)
    randomise(ours, WEIGHT_GAINS[name.partition("_")[0]])
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


@contextlib.contextmanager
def shared_routing() -> Iterator[list[Tensor]]:
    """Give birder's network, run second, the regions that ours chose in the same layer.

    Yields:
        One tensor of booleans a layer: whether birder would have chosen the same set of regions, a row each.
    """
    chosen: deque[Tensor] = deque()
    alike: list[Tensor] = []
    route, topk = RoutingAttention.route, torch.topk

    def record(self: RoutingAttention, q: Tensor, k: Tensor, regions: tuple[int, int]) -> Tensor:
        chosen.append(route(self, q, k, regions))
        return chosen[-1]

    def replay(affinity: Tensor, k: int, dim: int) -> tuple[Tensor, Tensor]:
        ours, theirs = chosen.popleft(), topk(affinity, k, dim)
        alike.append((ours.sort(-1).values == theirs.indices.sort(-1).values).all(-1).flatten())
        return theirs.values, ours.clone()  # birder reshapes it in place

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RoutingAttention, "route", record)
        patch.setattr(torch, "topk", replay)
        yield alike
    assert not chosen, "birder has fewer routing layers"


def classification_outputs(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    features = net.forward_features(x)
    embedding = net.features(features)
    return {"features": features, "embedding": embedding, "logits": net.classifier(embedding)}


def relative_errors(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, float]:
    """max |a - b| / max |b| of each entry."""
    assert list(ours) == list(theirs)
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}
    return {key: ((ours[key] - theirs[key]).abs().max() / theirs[key].abs().max()).item() for key in theirs}


@torch.no_grad()
def check_outputs(name: str, size: tuple[int, int], *, classify: bool) -> None:
    ours, theirs = make_twins(name, size)
    image = torch.randn(1, 3, *size)
    with shared_routing() as alike:
        actual, expected = ours.detection_features(image), theirs.detection_features(image)
        if classify:
            actual |= classification_outputs(ours, image)
            expected |= classification_outputs(theirs, image)
    errors = relative_errors(actual, expected)
    assert bool(alike) == name.startswith("biformer")
    rows = torch.cat([torch.ones(1), *alike])
    flips, agreement = int((rows == 0).sum()), rows.double().mean().item()
    worst = max(errors, key=errors.__getitem__)
    print(f"{name} {size}: worst is {worst}, {errors[worst]:.1e}; same regions in {agreement:.4%} of the rows")
    assert errors[worst] <= FORWARD_TOLERANCE
    assert agreement >= ROUTING_AGREEMENT or flips <= FEW_ROWS


@functools.cache
def shapes_of_twins(name: str) -> tuple[backbones.Backbone, nn.Module]:
    """Our network and birder's, without values; those of `make_twins` are loaded strictly too."""
    with undrawn_weights(), torch.device("meta"):
        return backbones.create_model(name, 17), make_birder(name, TRAINED_AT)


@pytest.mark.parametrize("name", NANO + VARIANTS)
def test_state_dicts_are_interchangeable(name: str) -> None:
    ours, theirs = shapes_of_twins(name)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    theirs.load_state_dict(ours.state_dict(), strict=True, assign=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]


@pytest.mark.parametrize("name", NANO + VARIANTS)
def test_settings_that_no_weight_shows_are_birders(name: str) -> None:
    ours, theirs = shapes_of_twins(name)
    assert ours.return_channels == tuple(theirs.return_channels)
    rates = [module.rate for module in ours.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([module.p for module in theirs.modules() if isinstance(module, StochasticDepth)])
    epsilons, expected = (
        {name: module.eps for name, module in net.named_modules() if hasattr(module, "eps")} for net in (ours, theirs)
    )
    assert epsilons == expected


@pytest.mark.parametrize("size", [(384, 384), (256, 384), pytest.param((800, 1344), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NANO)
def test_small_networks_match_birder_at_any_size(name: str, size: tuple[int, int]) -> None:
    check_outputs(name, size, classify=True)


@pytest.mark.parametrize("name", ["biformer_s", "davit_tiny"])
def test_the_detectors_backbones_match_birder(name: str) -> None:
    check_outputs(name, (128, 192), classify=False)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(384, 384), (256, 384), (800, 1344)])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_matches_birder_at_any_size(name: str, size: tuple[int, int]) -> None:
    check_outputs(name, size, classify=True)


def gradients(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Gradients of the sum of squares of all maps, by the weights (except the unused head's) and the image."""
    images = images.clone().requires_grad_()
    sum(features.square().sum() for features in net.detection_features(images).values()).backward()
    assert images.grad is not None
    head = ("features.", "classifier.")  # not part of the maps
    return {"image": images.grad} | {
        name: parameter.grad for name, parameter in net.named_parameters() if not name.startswith(head)
    }


@pytest.mark.parametrize("name", [*NANO, *(pytest.param(name, marks=pytest.mark.slow) for name in VARIANTS[::3])])
def test_gradients_match_birder(name: str) -> None:
    size = (128, 192)
    ours, theirs = make_twins(name, size)
    images = torch.randn(2, 3, *size)
    with shared_routing():
        actual = gradients(ours, images)
        errors = relative_errors(actual, gradients(theirs, images))
    worst = max(errors, key=errors.__getitem__)
    print(f"{name}: worst gradient is {worst}, {errors[worst]:.1e}")
    assert errors[worst] <= GRADIENT_TOLERANCE


def test_batch_statistics_move_as_birders() -> None:
    ours, theirs = make_twins("biformer_nano", (128, 160))
    images = torch.randn(2, 3, 128, 160)
    with shared_routing():
        ours.train()(images)
        theirs.train()(images)
    actual, expected = dict(ours.named_buffers()), dict(theirs.named_buffers())
    assert list(actual) == list(expected)
    torch.testing.assert_close(actual, expected)
