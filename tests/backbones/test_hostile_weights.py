"""Weights from strangers: what a file claims is checked before it takes memory, time or part in anything."""

import json
import os
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

import backbones
from backbones.checkpoints import make_signature
from backbones.errors import CheckpointError, ConfigError
from backbones.tensor_files import read_pt, read_safetensors

CLASSES = {"Parus major": 0, "Upupa epops": 1}
ENTRIES = {
    "signature": make_signature(2, (64, 64)),
    "class_to_idx": CLASSES,
    "rgb_stats": {"mean": [0.5] * 3, "std": [0.25] * 3},
}


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(backbones.create_model("davit_nano", num_classes=2, input_size=(64, 64)).state_dict())


def write(path: Path, state: dict[str, torch.Tensor], **changes: Any) -> Path:
    if path.suffix == ".pt":
        torch.save(ENTRIES | {"state": state} | changes, path)
    else:
        entries = ENTRIES | changes
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in entries.items()}
        path.write_bytes(save(state, texts))
    return path


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_what_is_sound_loads(suffix: str, tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    assert backbones.load_pretrained_model(write(tmp_path / f"x.{suffix}", state)).class_to_idx == CLASSES


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("class_to_idx", {"a": 0.0}),
        ("class_to_idx", {"a": True}),
        ("class_to_idx", {"a": 2}),
        ("class_to_idx", {"a": -1}),
        ("class_to_idx", {"a": 0, "b": 0}),
        ("class_to_idx", {"a" * 1001: 0}),
        ("rgb_stats", {"mean": [0.5] * 3, "std": "abc"}),
        ("rgb_stats", {"mean": [0.5] * 3, "std": [0.1, float("nan"), 0.1]}),
        ("rgb_stats", {"mean": [0.5] * 3, "std": [0.1] * 4}),
        ("rgb_stats", [0.5]),
        ("signature", make_signature(2, (10**9, 64))),
        ("signature", make_signature(10**12, (64, 64))),
        ("signature", {"inputs": [{"data_shape": "abcd"}], "outputs": [{"data_shape": [0, 2]}]}),
        ("config", {"depths": [10**6] * 4}),
        ("config", {"depths": [1, 1, 1, 10**30]}),
        ("config", {"dims": [2**40] * 4}),
        ("config", {"heads": [3, 3, 3, 3]}),
        ("config", {"drop_path_rate": "x"}),
        ("config", {"window_size": [0, 4]}),
        ("config", {"teeth": 1}),
    ],
)
def test_an_entry_of_another_form_is_an_error(
    suffix: str, entry: str, value: Any, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    path = write(tmp_path / f"davit_nano.{suffix}", state, **{entry: value})
    with pytest.raises(CheckpointError) as caught:
        backbones.load_pretrained_model(path)
    assert caught.value.where == str(path)
    assert caught.value.hint


def test_bytes_are_no_names(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    for entry, value in (("class_to_idx", {b"a": 0}), ("task", b"x"), ("network", 3), ("rgb_stats", {b"mean": 1})):
        with pytest.raises(CheckpointError):
            backbones.load_pretrained_model(write(tmp_path / "x.pt", state, **{entry: value}))


@pytest.mark.parametrize("entry", ["class_to_idx", "config", "signature"])
def test_deep_json_is_an_error(entry: str, tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    with pytest.raises(CheckpointError):
        backbones.load_pretrained_model(write(tmp_path / "x.safetensors", state, **{entry: "[" * 1_000_000}))


@pytest.mark.parametrize("kind", [torch.int8, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_another_type_are_an_error(
    kind: torch.dtype, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    spoilt = state | {"classifier.bias": state["classifier.bias"].to(kind)}
    with pytest.raises(CheckpointError, match=r"another type|complex"):
        backbones.load_pretrained_model(write(tmp_path / "x.pt", spoilt))


def test_a_file_that_is_copied_over_changes_no_weights_in_use(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(save({"weight": torch.ones(10_000)}))
    tensors, _ = read_safetensors(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert tensors["weight"].sum() == 10_000


def test_sparse_weights_are_an_error(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    spoilt = state | {"classifier.weight": state["classifier.weight"].to_sparse()}
    with pytest.raises(CheckpointError):
        backbones.load_pretrained_model(write(tmp_path / "x.pt", spoilt))


@pytest.mark.parametrize("claim", [0, 2, 1 << 20, 1 << 35, (1 << 64) - 1])
def test_a_header_that_claims_more_than_the_file_is_an_error(claim: int, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", claim) + b'{"a": {}}')
    with pytest.raises(CheckpointError):
        read_safetensors(path)


def test_a_compressed_file_that_would_swell_is_refused_unread(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(20_000_000)}, tmp_path / "large.pt")
    small = zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "large.pt") as large, small:
        for name in large.namelist():
            small.writestr(name, large.read(name))
    with pytest.raises(CheckpointError, match="claim"):
        read_pt(tmp_path / "small.pt")


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs are POSIX's")
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x"])
def test_a_pipe_is_refused_at_once(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match="pipe"):
        backbones.load_pretrained_model(tmp_path / name)


def test_architectures_of_users_are_checked_alike() -> None:
    with pytest.raises(ConfigError, match="depths"):
        backbones.create_model("davit_nano", config={"depths": (1, 1, 1, 1000)})
