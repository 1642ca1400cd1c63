"""The boundaries where weights come in: the bytes of files, and what stands beside the tensors."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tests.fuzz.harness import Boundary

STATS = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
CLASSES = {"Parus major": 0, "Upupa epops": 1, "Turdus merula": 2}


@cache
def classifier() -> Any:
    import backbones

    torch.manual_seed(0)
    return backbones.create_model("davit_nano", num_classes=3, input_size=(64, 64))


def entries() -> dict[str, Any]:
    """All of a checkpoint but its tensors."""
    from backbones.checkpoints import make_signature

    return {
        "task": "image_classification",
        "signature": make_signature(3, (64, 64)),
        "class_to_idx": CLASSES,
        "rgb_stats": STATS,
        "config": {"depths": [1, 1, 1, 1], "window_size": [2, 2]},
        "network": "davit_nano",
    }


def use(path: Path) -> None:
    """Load a classifier as the commands do, and classify with it."""
    import numpy as np

    from detector.species.classifier import SpeciesClassifier

    species = SpeciesClassifier.load(path)
    assert max(species.size_hw) > 512 or species.logits(np.zeros((1, *species.size_hw, 3), np.uint8)).logits.shape == (
        1,
        len(species.class_names),
    )


def make_pt(folder: Path) -> Sequence[bytes]:
    zipped, old = io.BytesIO(), io.BytesIO()
    content = entries() | {"state": classifier().state_dict()}
    torch.save(content, zipped)
    torch.save(content, old, _use_new_zipfile_serialization=False)
    return [zipped.getvalue(), old.getvalue()]


def make_safetensors(folder: Path) -> Sequence[bytes]:
    import backbones

    path = folder / "weights.safetensors"
    backbones.save_pretrained(path, classifier(), class_to_idx=CLASSES, rgb_stats=STATS)
    return [path.read_bytes()]


def make_metadata(folder: Path) -> Sequence[bytes]:
    (folder / "weights.safetensors").touch()
    return [json.dumps(entries(), indent=1).encode()]


def read_metadata(folder: Path) -> None:
    """Put a damaged JSON into a whole file: its values as they are, or, where it is no JSON, the text of each."""
    from safetensors.torch import save

    text = (folder / "metadata.json").read_bytes().decode("utf-8", "replace")
    try:
        found = json.loads(text)
        found = found if isinstance(found, dict) else {"signature": found}
        metadata = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    except (ValueError, RecursionError):
        metadata = dict.fromkeys(entries(), text) | {"task": "image_classification"}
    metadata = {clean(key): clean(value) for key, value in metadata.items()}
    path = folder / "weights.safetensors"
    path.write_bytes(save(classifier().state_dict(), metadata))
    use(path)


def clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def make_pickled(folder: Path) -> Sequence[bytes]:
    (folder / "weights.pt").touch()
    return [repr(entries()).encode()]


def read_pickled(folder: Path) -> None:
    """The same in a `.pt`, where values may be of any plain type: bytes, floats, tuples, sets."""
    import ast

    text = (folder / "entries.txt").read_bytes().decode("utf-8", "replace")
    try:
        found = ast.literal_eval(text)
        content = (found if isinstance(found, dict) else {"config": found}) | {"state": classifier().state_dict()}
        pickle.dumps(content, protocol=2)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError, UnicodeError):
        return
    path = folder / "weights.pt"
    torch.save(content, path)
    use(path)


@cache
def detector() -> Any:
    from detector.models.building import build_detector
    from detector.models.config import ModelConfig

    torch.manual_seed(0)
    return build_detector(
        ModelConfig(backbone="davit_nano", fpn_channels=64, box_head_width=8, backbone_size=(64, 64))
    ).eval()


@cache
def detector_file() -> bytes:
    import tempfile

    from detector.models.building import config_of
    from detector.models.detector import Detector, DetectorMeta
    from detector.models.saving import save_detector

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.safetensors"
        meta = DetectorMeta(config_of(detector()), {"mapping": {"a": "bird"}}, {"AP": 0.5})
        save_detector(path, Detector(detector(), meta))
        return path.read_bytes()


def make_detector(folder: Path) -> Sequence[bytes]:
    return [detector_file()]


def read_detector(folder: Path) -> None:
    from detector.models.saving import load_detector

    load_detector(folder / "detector.safetensors")


def make_detector_metadata(folder: Path) -> Sequence[bytes]:
    (folder / "detector.safetensors").touch()
    length = int.from_bytes(detector_file()[:8], "little")
    return [json.loads(detector_file()[8 : 8 + length])["__metadata__"]["meta"].encode()]


def read_detector_metadata(folder: Path) -> None:
    from safetensors.torch import save

    from detector.models.saving import FORMAT

    text = (folder / "meta.json").read_bytes().decode("utf-8", "replace")
    path = folder / "detector.safetensors"
    path.write_bytes(save(dict(detector().state_dict()), {"format": FORMAT, "meta": text}))
    read_detector(folder)


def make_last(folder: Path) -> Sequence[bytes]:
    from detector.training.checkpoints import Checkpoint, Position, save_checkpoint, state_of
    from detector.training.config import Config

    config = Config()
    save_checkpoint(folder / "last.pt", Checkpoint(Position(), config, config, "0" * 64, state_of(learner())))
    return [(folder / "last.pt").read_bytes()]


def read_last(folder: Path) -> None:
    from detector.training.checkpoints import load_checkpoint
    from detector.training.config import Config

    load_checkpoint(folder / "last.pt", Config).restore(learner())


def learner() -> Any:
    """Of one layer, after a step, so that the optimiser has a state."""
    from detector.training.checkpoints import Learner

    layer = torch.nn.Linear(4, 2)
    optimiser = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    return Learner(layer, None, optimiser)


JSON = (b"null", b"true", b"[]", b"{}", b'"x"', b"NaN", b"Infinity", b"1e999", b"-1", b'"\\ud800"', b"\\u0000", b"1.0")
PYTHON = (
    b"None",
    b"True",
    b"[]",
    b"{}",
    b"'x'",
    b"b'x'",
    b"1.5",
    b"(1,)",
    b"{1}",
    b"1j",
    b"-1",
    b"1e999",
    b"'\\ud800'",
)

WEIGHTS = (
    Boundary("classifier-pt", "weights.pt", make_pt, lambda folder: use(folder / "weights.pt"), examples=20),
    Boundary(
        "classifier-safetensors",
        "weights.safetensors",
        make_safetensors,
        lambda folder: use(folder / "weights.safetensors"),
        examples=20,
    ),
    Boundary("classifier-metadata", "metadata.json", make_metadata, read_metadata, JSON, examples=20),
    Boundary("classifier-pickled-metadata", "entries.txt", make_pickled, read_pickled, PYTHON, examples=20),
    Boundary("detector-safetensors", "detector.safetensors", make_detector, read_detector, examples=10),
    Boundary("checkpoint", "last.pt", make_last, read_last, examples=20),
    Boundary("detector-metadata", "meta.json", make_detector_metadata, read_detector_metadata, JSON, examples=20),
)
