"""Classifying one image, and many."""

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import backbones
from backbones.errors import ConfigError, MediaError
from backbones.inference.classification import classify, infer_image

RGB_STATS = {"mean": (0.5191, 0.5306, 0.4877), "std": (0.2316, 0.2304, 0.2588)}
SIZE = (64, 64)
TRANSFORM = backbones.classification_transform(SIZE, RGB_STATS)


@functools.cache
def make_net() -> backbones.Backbone:
    torch.manual_seed(0)
    return backbones.create_model("davit_nano", 5, input_size=SIZE).eval()


def make_images(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 30, 40, 3), np.uint8))


def test_no_images_give_no_rows() -> None:
    result = classify(make_net(), [], TRANSFORM, return_embedding=True)
    assert result.outputs.shape == (0, 5)
    assert result.embeddings is not None
    assert result.embeddings.shape == (0, 256)
    assert result.outputs.dtype == result.embeddings.dtype == np.float32
    assert classify(make_net(), [], TRANSFORM).embeddings is None


@pytest.mark.parametrize(("batch_size", "return_logits"), [(2, False), (5, True), (64, False)])
def test_many_images_are_classified_as_one_by_one(batch_size: int, return_logits: bool) -> None:
    images = make_images(5)
    options = {"return_embedding": True, "return_logits": return_logits}
    result = classify(make_net(), images, TRANSFORM, batch_size=batch_size, **options)
    singles = [infer_image(make_net(), image, TRANSFORM, **options) for image in images]
    np.testing.assert_allclose(result.outputs, np.concatenate([output for output, _ in singles]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        result.embeddings, np.concatenate([embedding for _, embedding in singles]), rtol=1e-4, atol=1e-5
    )


def test_images_are_read_a_batch_at_a_time() -> None:
    opened, passes = 0, []
    net = make_net()

    def images() -> Iterator[np.ndarray]:
        nonlocal opened
        for image in make_images(7):
            opened += 1
            yield image

    hook = net.register_forward_pre_hook(lambda *_: passes.append(opened))
    result = classify(net, images(), TRANSFORM, batch_size=3)
    hook.remove()
    assert passes == [3, 6, 7]
    assert len(result.outputs) == 7


def test_probabilities_sum_to_one_and_are_the_softmax_of_the_logits() -> None:
    image = make_images(1)[0]
    probabilities, embedding = infer_image(make_net(), image, TRANSFORM)
    logits, _ = infer_image(make_net(), image, TRANSFORM, return_logits=True)
    assert embedding is None
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)


def test_path_image_and_array_give_the_same(tmp_path: Path) -> None:
    array = make_images(1)[0]
    Image.fromarray(array).save(tmp_path / "a.png")
    samples = [array, Image.fromarray(array), tmp_path / "a.png", str(tmp_path / "a.png")]
    outputs = [infer_image(make_net(), sample, TRANSFORM)[0] for sample in samples]
    assert all(np.array_equal(outputs[0], output) for output in outputs)


def test_the_network_is_handed_back_as_it_was() -> None:
    net = backbones.create_model("davit_nano", 5, input_size=SIZE, drop_path_rate=0.5).train()
    net.freeze_stages(1)
    before = {name: module.training for name, module in net.named_modules()}
    first, second = (infer_image(net, make_images(1)[0], TRANSFORM)[0] for _ in range(2))
    assert np.array_equal(first, second)  # no stochastic depth
    assert {name: module.training for name, module in net.named_modules()} == before
    with pytest.raises(MediaError):
        infer_image(net, "absent.jpg", TRANSFORM)
    assert {name: module.training for name, module in net.named_modules()} == before


def test_low_precision_follows_the_network_or_autocast() -> None:
    image = make_images(1)[0]
    expected, _ = infer_image(make_net(), image, TRANSFORM)
    low = backbones.create_model("davit_nano", 5, input_size=SIZE).bfloat16()
    low.load_state_dict(make_net().state_dict())
    output, embedding = infer_image(low, image, TRANSFORM, return_embedding=True)
    assert embedding is not None
    assert output.dtype == embedding.dtype == np.float32
    np.testing.assert_allclose(output, expected, atol=0.02)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = classify(make_net(), [image], TRANSFORM).outputs
    assert mixed.dtype == np.float32
    assert not np.array_equal(mixed, expected)
    np.testing.assert_allclose(mixed, expected, atol=0.02)


def test_a_bad_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(MediaError, match=r"bad\.jpg"):
        classify(make_net(), [*make_images(2), tmp_path / "bad.jpg"], TRANSFORM)


def test_settings_out_of_range_are_errors() -> None:
    with pytest.raises(ConfigError, match="center_crop"):
        backbones.classification_transform(SIZE, RGB_STATS, center_crop=0)
    with pytest.raises(ConfigError, match="batch"):
        classify(make_net(), [], TRANSFORM, batch_size=0)
    with pytest.raises(ConfigError, match="embedding"):
        infer_image(make_net(), make_images(1)[0], TRANSFORM, tta=True, return_embedding=True)


def test_the_transform_takes_any_image_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mode in ("L", "P", "RGBA", "CMYK", "I;16"):
            assert TRANSFORM(Image.new(mode, (9, 5))).shape == (3, *SIZE)


def test_the_transform_travels_to_worker_processes() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(TRANSFORM)) == TRANSFORM
