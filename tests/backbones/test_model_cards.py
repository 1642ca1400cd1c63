"""The usage examples of the published model cards run with `birder` replaced by `backbones`, imports included.

The cards: huggingface.co/birder-project/davit_tiny_il-all and biformer_s_il-all. The weights are random here, in a file
of birder's format that lies in the hub's cache under the published name.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image

import backbones
from backbones import hub

PREPARE = """
import birder
(net, class_to_idx, signature, rgb_stats) = birder.load_pretrained_model("NAME", inference=True)

# Get the image size the model was trained on
size = birder.get_size_from_signature(signature)

# Create an inference transform
transform = birder.classification_transform(size, rgb_stats)
"""

CLASSIFICATION = f"""
from birder.inference.classification import infer_image
{PREPARE}
image = "path/to/image.jpeg"  # or a PIL image, must be loaded in RGB format
(out, _) = infer_image(net, image, transform)
"""

EMBEDDING = f"""
from birder.inference.classification import infer_image
{PREPARE}
image = "path/to/image.jpeg"  # or a PIL image
(out, embedding) = infer_image(net, image, transform, return_embedding=True)
"""

DETECTION_FEATURES = f"""
from PIL import Image
{PREPARE}
image = Image.open("path/to/image.jpeg")
features = net.detection_features(transform(image).unsqueeze(0))
# features is a dict (stage name -> torch.Tensor)
print([(k, v.size()) for k, v in features.items()])
"""

RunExample = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module", params=["davit_tiny_il-all", "biformer_s_il-all"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def checkpoint(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    net = backbones.create_model(hub.PUBLISHED[name].network, 550)
    entries = {
        "state": net.state_dict(),
        "birder_version": "0.8.4",
        "task": "image_classification",
        "signature": {"inputs": [{"data_shape": [0, 3, 384, 384]}], "outputs": [{"data_shape": [0, 550]}]},
        "class_to_idx": {f"Species {index}": index for index in range(550)},
        "rgb_stats": {"mean": (0.5191, 0.5306, 0.4877), "std": (0.2316, 0.2304, 0.2588)},
    }
    path = tmp_path_factory.mktemp("checkpoints") / f"{name}.pt"
    torch.save(entries, path)
    return path


@pytest.fixture
def run_example(name: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunExample:
    """Run a card's example in a folder with its image, and return its variables."""
    repository = tmp_path / f"models--birder-project--{name}"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "snapshots" / commit / checkpoint.name).hardlink_to(checkpoint)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    monkeypatch.setitem(hub.PUBLISHED, name, dataclasses.replace(hub.PUBLISHED[name], sha256=sha256))

    (tmp_path / "path/to").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).resize((640, 480)).save(tmp_path / "path/to/image.jpeg")
    monkeypatch.chdir(tmp_path)

    def run(example: str) -> dict[str, Any]:
        variables: dict[str, Any] = {}
        exec(example.replace("birder", "backbones").replace("NAME", name), variables)
        return variables

    return run


def test_the_classification_example_runs(run_example: RunExample) -> None:
    variables = run_example(CLASSIFICATION)
    assert variables["size"] == (384, 384)
    assert len(variables["class_to_idx"]) == 550
    out = variables["out"]
    assert (out.shape, out.dtype) == ((1, 550), np.float32)
    assert out.sum() == pytest.approx(1, abs=1e-5)


def test_the_embedding_example_runs(name: str, run_example: RunExample) -> None:
    embedding = run_example(EMBEDDING)["embedding"]
    assert embedding.shape == (1, {"davit_tiny_il-all": 768, "biformer_s_il-all": 512}[name])
    assert np.isfinite(embedding).all()


def test_the_detection_example_runs(name: str, run_example: RunExample, capsys: pytest.CaptureFixture[str]) -> None:
    """biformer_s's card prints 96 .. 768 channels; its own parameter count and file fit 64 .. 512 only."""
    run_example(DETECTION_FEATURES)
    widths = {"davit_tiny_il-all": (96, 192, 384, 768), "biformer_s_il-all": (64, 128, 256, 512)}[name]
    expected = [
        (f"stage{stage}", torch.Size([1, width, side, side]))
        for stage, width, side in zip((1, 2, 3, 4), widths, (96, 48, 24, 12), strict=True)
    ]
    assert capsys.readouterr().out == f"{expected}\n"
