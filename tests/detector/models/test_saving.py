import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import backbones
from backbones.errors import CheckpointError, ConfigError
from detector.models.building import config_of
from detector.models.detector import Detector, DetectorMeta
from detector.models.prediction import detect
from detector.models.saving import load_detector, save_detector

KINDS = [("faster_rcnn", "v1", "davit_nano"), ("faster_rcnn", "v2", "biformer_nano"), ("retinanet", "v2", "davit_nano")]


@pytest.fixture
def saved(tmp_path: Path, make_detector) -> Path:
    path = tmp_path / "bird.safetensors"
    model = make_detector()
    save_detector(path, Detector.of(model))
    return path


def rewritten(path: Path, tensors=None, **metadata: str) -> Path:
    """The file with other tensors or metadata."""
    with safe_open(path, "pt") as file:
        old_tensors, old = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(old_tensors if tensors is None else tensors(old_tensors), path, {**old, **metadata})
    return path


@pytest.mark.parametrize(("detector", "version", "backbone"), KINDS)
def test_what_is_saved_is_loaded_bit_for_bit(detector, version, backbone, make_detector, pictures, tmp_path) -> None:
    model = make_detector(
        detector=detector, version=version, backbone=backbone, categories=["שלדג", "Merops apiaster"], anchor_scale=0.5
    )
    meta = DetectorMeta(config_of(model), training_data={"sha256": "ab12", "images": 478}, metrics={"AP": 0.25})
    detector = Detector(model, meta)
    save_detector(tmp_path / "bird.safetensors", detector)
    loaded = load_detector(tmp_path / "bird.safetensors", "cpu", "fp32")
    assert loaded.meta == meta
    assert loaded.categories == ("שלדג", "Merops apiaster")
    assert loaded.name == "bird.safetensors"
    assert loaded.sha256 == hashlib.sha256((tmp_path / "bird.safetensors").read_bytes()).hexdigest()
    assert loaded.meta.versions["torch"] == torch.__version__
    assert not loaded.net.training
    state = model.state_dict()
    assert state.keys() == loaded.net.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.net.state_dict().items())
    for found, expected in zip(detect(loaded, pictures), detect(detector, pictures), strict=True):
        np.testing.assert_array_equal(found.boxes_xyxy, expected.boxes_xyxy)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_loaded_detector_can_be_trained_and_saved_on(saved, tmp_path) -> None:
    detector = load_detector(saved, "cpu")
    target = {"boxes": torch.tensor([[1.0, 1.0, 40.0, 40.0]]), "labels": torch.tensor([0])}
    sum(detector.net.train()([torch.rand(3, 96, 96)], [target]).values()).backward()
    assert all(parameter.grad is not None for parameter in detector.net.parameters())
    save_detector(tmp_path / "more.safetensors", detector)


def test_a_loaded_detector_keeps_its_frozen_batch_norm_without_the_classifier(make_detector, tmp_path) -> None:
    net = backbones.create_model("biformer_nano", 1)
    colours = {"mean": [0.5] * 3, "std": [0.5] * 3}
    backbones.save_pretrained(tmp_path / "net.safetensors", net, class_to_idx={"a": 0}, rgb_stats=colours)
    model = make_detector(backbone="biformer_nano", weights=str(tmp_path / "net.safetensors"))
    save_detector(tmp_path / "bird.safetensors", Detector.of(model))
    (tmp_path / "net.safetensors").unlink()
    loaded = load_detector(tmp_path / "bird.safetensors")
    assert loaded.net.backbone.batch_norm_frozen
    assert loaded.meta.rgb_stats == {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def test_a_failing_save_leaves_the_file_before_it(saved, make_detector, monkeypatch) -> None:
    content = saved.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    model = make_detector(categories=["other"])
    with pytest.raises(OSError, match="No space left"):
        save_detector(saved, Detector.of(model))
    assert saved.read_bytes() == content
    assert list(saved.parent.iterdir()) == [saved]


def test_detectors_are_saved_as_safetensors(make_detector, tmp_path) -> None:
    model = make_detector()
    with pytest.raises(ConfigError, match=r"name it bird.safetensors"):
        save_detector(tmp_path / "bird.pt", Detector.of(model))


def test_a_file_that_is_missing_is_named_and_the_built_in_one_too(tmp_path) -> None:
    with pytest.raises(CheckpointError, match=r"bird\.safetensors: there is no such detector.*coco"):
        load_detector(tmp_path / "bird.safetensors")


def test_the_folder_of_a_run_names_its_best_detector(make_detector, tmp_path) -> None:
    save_detector(tmp_path / "best.safetensors", Detector.of(make_detector(categories=["heron"])))
    assert load_detector(tmp_path).categories == ("heron",)


def test_another_folder_is_no_detector(tmp_path) -> None:
    with pytest.raises(CheckpointError, match="this is a folder"):
        load_detector(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00.", b"\xff" * 64])
def test_other_files_are_no_detector(content: bytes, tmp_path) -> None:
    path = tmp_path / "bird.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a detector's file"):
        load_detector(path)


def test_a_file_that_was_cut_off_is_no_detector(saved) -> None:
    saved.write_bytes(saved.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="damaged"):
        load_detector(saved)


def test_a_classifier_is_no_detector(tmp_path) -> None:
    path = tmp_path / "net.safetensors"
    colours = {"mean": [0.5] * 3, "std": [0.5] * 3}
    backbones.save_pretrained(path, backbones.create_model("davit_nano", 1), class_to_idx={"a": 0}, rgb_stats=colours)
    with pytest.raises(CheckpointError, match="classifier, not a detector"):
        load_detector(path)


def test_weights_that_say_nothing_are_no_detector(tmp_path) -> None:
    save_file(nn.Linear(2, 2).state_dict(), tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="do not say that they are a detector"):
        load_detector(tmp_path / "x.safetensors")


def test_a_later_format_asks_for_an_update(saved) -> None:
    with pytest.raises(CheckpointError, match="update Hoopoe"):
        load_detector(rewritten(saved, format="hoopoe-detector-2"))


def test_settings_of_a_later_version_name_that_version(saved) -> None:
    meta = '{"config": {"teeth": 3}, "training_data": {}, "metrics": {}, "versions": {"hoopoe": "9.9"}}'
    with pytest.raises(CheckpointError, match=r"(?s)of Hoopoe 9\.9.*teeth.*install Hoopoe 9\.9"):
        load_detector(rewritten(saved, meta=meta))


@pytest.mark.parametrize("meta", ["{}", "[", '{"config": {}, "colour": 1}'])
def test_damaged_metadata_are_an_error(meta: str, saved) -> None:
    with pytest.raises(CheckpointError):
        load_detector(rewritten(saved, meta=meta))


def test_tensors_must_fit_exactly(saved) -> None:
    def spoil(tensors):
        name = next(iter(sorted(tensors)))
        rest = {key: value for key, value in tensors.items() if key != name}
        wrong = {"rpn.head.cls_logits.bias": torch.zeros(7), "wings": torch.zeros(2)}
        return {**rest, **wrong}

    with pytest.raises(CheckpointError, match=r"1 missing .*1 extra \(wings.*1 of another shape \(rpn.head.cls"):
        load_detector(rewritten(saved, spoil))


def test_a_device_that_does_not_exist_is_named(saved) -> None:
    with pytest.raises(ConfigError, match="abacus"):
        load_detector(saved, device="abacus")
