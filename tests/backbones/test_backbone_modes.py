"""Backbones checkpointed, compiled, and in half precision: the same network in every mode."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import backbones
from backbones import base
from backbones.davit import ChannelAttention
from backbones.layers import DropPath

NANO = ("biformer_nano", "davit_nano")
BFLOAT16_TOLERANCE = 0.05  # of the largest value of a map


@pytest.fixture(params=NANO)
def net(request: pytest.FixtureRequest) -> backbones.Backbone:
    return make_net(request.param)


def make_net(name: str, drop_path_rate: float = 0.0) -> backbones.Backbone:
    """One block, or pair of blocks, a stage: compilation takes seconds for each."""
    torch.manual_seed(0)
    config = {"depths": (1, 1, 1, 1), "drop_path_rate": drop_path_rate}
    return backbones.create_model(name, 5, input_size=(128, 128), config=config).eval()


def loss_and_gradients(
    net: backbones.Backbone, detection_features: Callable[[Tensor], dict[str, Tensor]], images: Tensor
) -> dict[str, Tensor]:
    net.zero_grad()
    loss = sum(features.float().square().mean() for features in detection_features(images).values())
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters() if parameter.grad is not None}
    return {"loss": loss.detach()} | gradients


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return ((actual.float() - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("drop_path_rate", [0.0, 0.5])
@pytest.mark.parametrize("name", NANO)
def test_checkpointing_changes_neither_loss_nor_gradients(name: str, drop_path_rate: float) -> None:
    net = make_net(name, drop_path_rate).train()
    images = torch.randn(3, 3, 64, 96)
    runs = []
    for enabled in (False, True):
        net.set_grad_checkpointing(enabled)
        torch.manual_seed(1)  # of drop path, whose choices the second computation must repeat
        runs.append(loss_and_gradients(net, net.detection_features, images))
    torch.testing.assert_close(runs[1], runs[0], rtol=1e-4, atol=1e-6)


def test_checkpointing_computes_blocks_again_instead_of_keeping_them(net: backbones.Backbone) -> None:
    calls, kept = [], []
    net.body.stage3.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))

    def keep(tensor: Tensor) -> Tensor:
        kept[-1] += tensor.numel()
        return tensor

    for enabled, expected_calls in ((False, 1), (True, 2)):
        net.set_grad_checkpointing(enabled)
        calls.clear()
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = net(torch.randn(2, 3, 64, 64)).sum()
        loss.backward()
        assert len(calls) == expected_calls
    assert kept[1] < kept[0] / 3


def compiled(net: backbones.Backbone, backend: str) -> Callable[[Tensor], dict[str, Tensor]]:
    torch.compiler.reset()
    return torch.compile(net.detection_features, fullgraph=True, backend=backend)


def check_inference(net: backbones.Backbone, backend: str) -> None:
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = net.detection_features(images)
        torch.testing.assert_close(compiled(net, backend)(images), expected, rtol=1e-4, atol=1e-5)


def check_training(net: backbones.Backbone, backend: str) -> None:
    net.train()
    images = torch.randn(2, 3, 64, 96)
    expected = loss_and_gradients(net, net.detection_features, images)
    actual = loss_and_gradients(net, compiled(net, backend), images)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-5)


def test_training_compiles_without_graph_breaks(net: backbones.Backbone) -> None:
    check_training(net, "eager")


def test_compiled_in_place_without_graph_breaks_the_weights_keep_their_names_and_batches_are_split(
    net: backbones.Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, names = torch.randn(2, 3, 64, 96), list(net.state_dict())
    with torch.no_grad():
        expected = net.detection_features(images)
        torch.compiler.reset()
        net.compile(fullgraph=True, backend="eager")
        monkeypatch.setattr(base, "CPU_PART_BYTES", 1)
        torch.testing.assert_close(net.detection_features(images), expected, rtol=1e-4, atol=1e-5)
    assert list(net.state_dict()) == names


def test_a_copy_of_a_compiled_network_runs_its_own_weights() -> None:
    """As averaged weights are."""
    net = make_net("davit_nano")
    torch.compiler.reset()
    net.compile(backend="eager")
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
        assert not twin.forward_features(torch.randn(1, 3, 64, 96)).any()


@pytest.mark.slow
def test_compiles_at_a_second_size_and_in_bfloat16(net: backbones.Backbone) -> None:
    net = net.bfloat16()
    with torch.no_grad():
        run = compiled(net, "aot_eager")
        for size in ((64, 96), (80, 70), (128, 64)):
            images = torch.randn(1, 3, *size).bfloat16()
            actual, expected = run(images), net.detection_features(images)
            assert all(relative_error(actual[key], expected[key].float()) < BFLOAT16_TOLERANCE for key in expected)


@pytest.mark.slow
def test_compiles_with_checkpointing(net: backbones.Backbone) -> None:
    net.set_grad_checkpointing()
    check_training(net, "aot_eager")


@pytest.mark.slow
def test_compiles_with_inductor(net: backbones.Backbone) -> None:
    check_inference(net, "inductor")
    check_training(net, "inductor")


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_inference_is_close_to_float32(net: backbones.Backbone, autocast: bool) -> None:
    images = torch.randn(2, 3, 128, 160)
    with torch.no_grad():
        expected = net.detection_features(images)
        if autocast:
            with torch.autocast("cpu", torch.bfloat16):
                actual = net.detection_features(images)
        else:
            actual = net.bfloat16().detection_features(images.bfloat16())
    for key, features in actual.items():
        assert autocast or features.dtype == torch.bfloat16
        assert relative_error(features, expected[key]) < BFLOAT16_TOLERANCE


def test_training_under_autocast_has_gradients_close_to_float32(net: backbones.Backbone) -> None:
    net.train()
    images = torch.randn(2, 3, 128, 160)
    expected = loss_and_gradients(net, net.detection_features, images)
    with torch.autocast("cpu", torch.bfloat16):
        actual = loss_and_gradients(net, net.detection_features, images)
    assert list(actual) == list(expected)
    for name, value in actual.items():
        assert value.dtype == torch.float32, name
        cosine = torch.cosine_similarity(value.flatten(), expected[name].flatten(), dim=0)
        assert cosine > 0.95 or name == "loss" or expected[name].abs().max() < 1e-5, name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_davit_is_finite_where_plain_logits_overflow(dtype: torch.dtype) -> None:
    """As they do on large images, whose tokens are all summed up; here few tokens are large."""
    net = make_net("davit_nano")
    overflows = []

    def check_plain_logits(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        _, k, v = layer.qkv(inputs[0]).flatten(0, 2).chunk(3, dim=-1)
        plain = (k[:, : k.shape[1] // layer.num_heads] * layer.scale).T @ v[:, : v.shape[1] // layer.num_heads]
        overflows.append(not plain.isfinite().all())

    first = next(layer for layer in net.modules() if isinstance(layer, ChannelAttention))
    nn.init.constant_(first.qkv.bias, 9.0)  # logits of 9 * 9 / sqrt(32) * 6,720 tokens
    image = torch.randn(1, 3, 320, 333)
    with torch.no_grad():
        expected = net.detection_features(image)
        first.register_forward_pre_hook(check_plain_logits)
        actual = net.to(dtype).detection_features(image.to(dtype))
    assert overflows == [dtype == torch.float16]
    for key, features in actual.items():
        assert features.isfinite().all()
        assert relative_error(features, expected[key]) < BFLOAT16_TOLERANCE


def test_drop_path_acts_in_training_only() -> None:
    net = make_net("davit_nano", drop_path_rate=0.9)
    assert any(isinstance(module, DropPath) and module.rate == 0.9 for module in net.modules())
    images = torch.randn(4, 3, 64, 64)
    assert torch.equal(net(images), net(images))
    net.train()
    assert not torch.equal(net(images), net(images))
