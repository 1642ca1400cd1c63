"""What every backbone promises a detector: maps at any size, frozen stages, and batches of any length."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import backbones
from backbones import base

NANO = ("biformer_nano", "davit_nano")
SIDES = st.integers(32, 130)


@pytest.fixture(params=NANO)
def net(request: pytest.FixtureRequest) -> backbones.Backbone:
    return make_net(request.param)


def make_net(name: str, **options: float) -> backbones.Backbone:
    """A small network in inference mode, trained at 128 x 128 as far as its windows can tell."""
    torch.manual_seed(0)
    return backbones.create_model(name, 5, input_size=(128, 128), **options).eval()


def all_outputs(net: backbones.Backbone, images: Tensor) -> dict[str, Tensor]:
    classified = {"logits": net(images), "embedding": net.embedding(images), "features": net.forward_features(images)}
    return classified | net.detection_features(images)


def train_step(net: backbones.Backbone, images: Tensor) -> None:
    """Leave the gradients of a loss on all maps and the logits."""
    maps = net.detection_features(images)
    (sum(features.square().mean() for features in maps.values()) + net(images).square().mean()).backward()


@pytest.mark.parametrize("grad", [False, True])
def test_no_images_give_no_features(net: backbones.Backbone, grad: bool) -> None:
    with torch.set_grad_enabled(grad):
        outputs = all_outputs(net, torch.zeros(0, 3, 64, 96))
    assert outputs["logits"].shape == (0, 5)
    assert outputs["stage1"].shape == (0, 32, 16, 24)
    assert outputs["stage4"].shape == (0, 256, 2, 3)


@pytest.mark.parametrize("name", NANO)
@settings(max_examples=12)
@given(height=SIDES, width=SIDES)
@example(height=32, width=32)
@example(height=33, width=32)
def test_any_size_equals_the_padded_image_cropped(name: str, height: int, width: int) -> None:
    net = make_net(name)
    image = torch.randn(1, 3, height, width)
    padded = F.pad(image, (0, -width % 32, 0, -height % 32))
    with torch.no_grad():
        maps, padded_maps = net.detection_features(image), net.detection_features(padded)
        torch.testing.assert_close(net(image), net(padded), rtol=0, atol=1e-6)
    assert list(maps) == ["stage1", "stage2", "stage3", "stage4"]
    for index, (key, features) in enumerate(maps.items()):
        stride = net.return_strides[index]
        rows, columns = -(-height // stride), -(-width // stride)
        assert features.shape == (1, net.return_channels[index], rows, columns)
        torch.testing.assert_close(features, padded_maps[key][..., :rows, :columns], rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (1, 1)])
def test_images_below_32_pixels_are_refused(net: backbones.Backbone, size: tuple[int, int]) -> None:
    image = torch.zeros(1, 3, *size)
    for method in (net, net.embedding, net.forward_features, net.detection_features):
        with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} images are too small"):
            method(image)


def test_classification_goes_from_the_last_map_to_the_logits(net: backbones.Backbone) -> None:
    images = torch.randn(2, 3, 64, 96)
    features = net.detection_features(images)["stage4"]
    torch.testing.assert_close(net.forward_features(images), features)
    torch.testing.assert_close(net.embedding(images), net.features(features))
    torch.testing.assert_close(net(images), net.classifier(net.features(features)))


def test_images_of_a_batch_do_not_see_each_other(net: backbones.Backbone) -> None:
    images = torch.randn(3, 3, 64, 96)
    together = all_outputs(net, images)
    alone = [all_outputs(net, image[None]) for image in images]
    for key, value in together.items():
        torch.testing.assert_close(value, torch.cat([outputs[key] for outputs in alone]), rtol=1e-4, atol=1e-5)


def count_stem_calls(net: backbones.Backbone, run: Callable[[], object]) -> int:
    calls = []
    handle = net.stem.register_forward_hook(lambda *_: calls.append(1))
    run()
    handle.remove()
    return len(calls)


def test_splitting_a_batch_changes_nothing(net: backbones.Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randn(3, 3, 64, 96)
    with torch.no_grad():
        assert count_stem_calls(net, lambda: net(images)) == 1
        whole = all_outputs(net, images)
        monkeypatch.setattr(base, "CPU_PART_BYTES", 1)
        assert count_stem_calls(net, lambda: net(images)) == 3
        torch.testing.assert_close(all_outputs(net, images), whole, rtol=1e-4, atol=1e-5)
    assert count_stem_calls(net, lambda: net(images)) == 1  # with gradients the memory is needed anyhow


def test_batch_statistics_are_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when BatchNorm is recalibrated: training mode without gradients."""
    images = torch.randn(3, 3, 64, 96)
    nets = [make_net("biformer_nano").train() for _ in range(2)]
    expected = nets[0](images).detach()
    monkeypatch.setattr(base, "CPU_PART_BYTES", 1)
    with torch.no_grad():
        torch.testing.assert_close(nets[1](images), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dict(nets[1].named_buffers()), dict(nets[0].named_buffers()))


@pytest.mark.parametrize("count", range(5))
def test_frozen_stages_stay_as_they_are_and_later_ones_train(net: backbones.Backbone, count: int) -> None:
    frozen = ("stem.", *(f"body.stage{index + 1}." for index in range(count)))
    net.freeze_stages(count)
    net.train()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    train_step(net, torch.randn(2, 3, 64, 64))
    for name, parameter in net.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name
        assert parameter.grad is None or parameter.grad.any(), name
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, before[name]) == name.startswith(frozen), name


def test_frozen_stages_stay_frozen_through_changes_of_mode(net: backbones.Backbone) -> None:
    net.freeze_stages(2)
    for mode in (True, False, True):
        net.train(mode)
        for part, expected in ((net.stem, False), *zip(net.body, (False, False, mode, mode), strict=True)):
            assert {module.training for module in part.modules()} == {expected}
        assert net.training == mode


def test_frozen_stages_drop_no_paths() -> None:
    net = make_net("davit_nano", drop_path_rate=0.9)
    net.freeze_stages(4)
    net.train()
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(net.forward_features(images), net.forward_features(images))


@pytest.mark.parametrize("count", [-1, 5])
def test_there_are_four_stages_to_freeze(net: backbones.Backbone, count: int) -> None:
    with pytest.raises(ValueError, match="stages 1 to 4"):
        net.freeze_stages(count)


def test_two_training_steps_on_two_threads_are_bit_equal(net: backbones.Backbone) -> None:
    images = torch.randn(2, 3, 64, 96)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        runs = []
        for _ in range(2):
            net.zero_grad()
            train_step(net, images)
            runs.append({name: parameter.grad for name, parameter in net.named_parameters()})
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(gradient, runs[1][name]) for name, gradient in runs[0].items())


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gpu_computes_what_the_cpu_does(net: backbones.Backbone, dtype: torch.dtype) -> None:
    images = torch.randn(2, 3, 128, 160)
    expected = net.detection_features(images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends.cudnn, "allow_tf32", False)
        actual = net.to("cuda", dtype).detection_features(images.to("cuda", dtype))
    for key, value in actual.items():
        error = (value.float().cpu() - expected[key]).abs().max() / expected[key].abs().max()
        assert error < (1e-4 if dtype == torch.float32 else 0.05)


def test_channels_last_images_give_the_same_in_channels_last(net: backbones.Backbone) -> None:
    images = torch.randn(2, 3, 64, 96)
    expected = net.detection_features(images)
    actual = net.to(memory_format=torch.channels_last).detection_features(images.to(memory_format=torch.channels_last))
    for key, features in actual.items():
        assert features.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(features, expected[key], rtol=1e-4, atol=1e-5)


def test_batch_norm_is_the_only_state(net: backbones.Backbone) -> None:
    owners = {name.rpartition(".")[0] for name, _ in net.named_buffers()}
    assert all(isinstance(net.get_submodule(name), nn.BatchNorm2d) for name in owners)
