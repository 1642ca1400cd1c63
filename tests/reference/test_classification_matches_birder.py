"""The transform and the classification of single images equal birder's."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from birder.data.transforms.classification import inference_preset
from birder.inference.classification import infer_image as birder_infer_image
from birder.model_registry import registry
from PIL import Image

import backbones
from backbones.inference.classification import infer_image
from backbones.registry import get_config

RGB_STATS = {"mean": (0.5191, 0.5306, 0.4877), "std": (0.2316, 0.2304, 0.2588)}
SIZE = (128, 128)


def make_image(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width * height).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


@functools.cache
def make_nets() -> tuple[backbones.Backbone, torch.nn.Module]:
    torch.manual_seed(0)
    ours = backbones.create_model("davit_nano", 5, input_size=SIZE).eval()
    theirs = registry.net_factory("davit_tiny", 5, config=get_config("davit_nano"), size=SIZE).eval()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("simple_crop", [False, True])
@pytest.mark.parametrize("center_crop", [1.0, 0.875])
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
@pytest.mark.parametrize("image_size", [(1, 1), (80, 48), (50, 201), (333, 97)])
def test_the_transform_is_birders(
    image_size: tuple[int, int], size: tuple[int, int], center_crop: float, simple_crop: bool
) -> None:
    image = make_image(*image_size)
    ours = backbones.classification_transform(size, RGB_STATS, center_crop, simple_crop)(image)
    theirs = inference_preset(size, RGB_STATS, center_crop, simple_crop)(image)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "options", [{}, {"tta": True}, {"tta": True, "return_logits": True}, {"return_embedding": True}]
)
def test_a_single_image_is_classified_as_by_birder(options: dict[str, bool], tmp_path: Path) -> None:
    ours, theirs = make_nets()
    path = tmp_path / "bird.jpg"
    make_image(200, 150).save(path)
    transform = backbones.classification_transform(SIZE, RGB_STATS)
    output, embedding = infer_image(ours, path, transform, **options)
    with torch.inference_mode():
        expected_output, expected_embedding = birder_infer_image(theirs, str(path), transform, **options)
    np.testing.assert_allclose(output, expected_output, rtol=1e-4, atol=1e-6)
    assert (output.shape, output.dtype) == ((1, 5), np.float32)
    if expected_embedding is None:
        assert embedding is None
    else:
        np.testing.assert_allclose(embedding, expected_embedding, rtol=1e-4, atol=1e-5)
