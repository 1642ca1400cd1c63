"""`hoopoe demo`, at a tiny size, run as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import backbones
from detector.cli.demo.card import matched
from detector.cli.demo.run import MARK, Demo
from detector.cli.demo.start import detector_from_classifier, shipped_start
from detector.cli.main import main
from detector.data.sample import Sample
from detector.models import load_detector
from detector.species.calibration import Calibration
from detector.store.records_reader import read_media
from detector.synthetic.plumages import PLUMAGES
from detector.training.classifier.network import backbone_of_detector

NAMES = tuple(plumage.name for plumage in PLUMAGES)
MAMMALS = 20  # for the classifier to learn from, and as many to calibrate on


def tiny_demo(output: Path) -> int:
    return main(["demo", "--output", str(output), "--scenes", "12", "--classifier-epochs", "1", "--epochs", "1"])


def test_demo_leaves_a_classifier_two_detectors_and_their_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.cli.demo.detector.MAMMALS", MAMMALS)
    root = tmp_path / "demo"
    assert tiny_demo(root) == 0
    drawn = json.loads((root / "data" / "train.json").read_text())
    assert [category["name"] for category in drawn["categories"]] == list(NAMES)
    assert Image.open(root / "contact_sheet.png").mode == "RGB"
    learnt = backbones.load_pretrained_model(root / "species.safetensors").class_to_idx
    assert len(learnt) > 2
    assert set(learnt) <= set(NAMES), "those of which so few scenes show a bird"

    started, random = (load_detector(root / name / "best.safetensors").meta for name in ("detector", "detector_random"))
    assert started.category_names == NAMES
    differing = {key for key, value in started.config if getattr(random.config, key) != value}
    assert differing <= {"rgb_mean", "rgb_std", "batch_norm"}

    for name in ("evaluation", "evaluation_random"):
        metrics = json.loads((root / name / "metrics.json").read_text())
        assert set(metrics["per_class"]) == set(NAMES)
        assert 0 <= metrics["class_agnostic"]["AP50"] <= 1
    printed = capsys.readouterr().out

    calibration = Calibration.read(root / "calibration.json")
    assert calibration.bird_crops
    assert calibration.other_crops == MAMMALS
    assert len(list((root / "data" / "not_a_bird" / "train").iterdir())) == MAMMALS

    files = {record.path: record for record in read_media(root / "annotated")}
    assert len(files) == len([file for file in (root / "card").rglob("*") if file.is_file()])
    assert [path for path, record in files.items() if record.failure] == ["camera_2/DCIM/100HOOPO/IMG_9999.JPG"]
    assert {record.deployment_id for record in files.values()} == {"card/camera_1", "card/camera_2"}
    for path in ("species.safetensors", "detector/best.safetensors", "evaluation/metrics.json", "annotated"):
        assert str(root / path) in printed


def test_a_drawn_bird_is_matched_with_the_box_that_overlaps_it_most(store_maker) -> None:
    shot = Sample(np.zeros((100, 200, 3), np.uint8), [[20, 10, 60, 50], [100, 0, 140, 40]], [3, 4])
    near, nearer = (store_maker.detection("m", x=x, y=0.1, w=0.2, h=0.4) for x in (0.12, 0.1))
    assert matched(shot, []) == [None, None]
    assert matched(shot, [near, nearer]) == [nearer, None]


def test_demo_run_again_clears_what_it_made_and_nothing_else(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", seed=0, scenes=1, classifier_epochs=1, epochs=1, console=Console())
    demo.start_afresh()
    for file in (demo.images / "old.jpg", demo.detector / "config.yaml", demo.evaluation / "x.json", demo.species):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    note = demo.root / "note.txt"
    note.touch()
    demo.start_afresh()
    assert sorted(path.name for path in demo.root.iterdir()) == [MARK, "note.txt"]


def test_folder_with_other_things_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work")
    assert tiny_demo(tmp_path) == 2
    assert f"where: {tmp_path}" in capsys.readouterr().err
    assert (tmp_path / "data" / "thesis.txt").read_text() == "years of work"


def test_a_step_that_fails_ends_the_demo_with_its_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in ("detector.draw_training_data", "classifier.train_species", "classifier.show_species"):
        monkeypatch.setattr(f"detector.cli.demo.{step}", lambda demo: None)
    monkeypatch.setattr("detector.cli.demo.start.detector_from_classifier", lambda *paths: None)
    monkeypatch.setattr("detector.cli.demo.detector.CONFIG", "no_such")
    assert tiny_demo(tmp_path / "demo") == 2
    assert not (tmp_path / "demo" / "evaluation").exists()


def test_the_detector_starts_with_the_backbone_of_the_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, rgb_stats = backbone_of_detector(shipped_start())
    images = torch.rand(1, 3, 64, 64)
    shipped = load_detector(shipped_start()).net.backbone.body.detection_features(images)
    torch.testing.assert_close(net.eval().detection_features(images), shipped)

    with torch.no_grad():
        net.stem.conv.weight.add_(0.1)
    backbones.save_pretrained(tmp_path / "species.safetensors", net, class_to_idx={"bird": 0}, rgb_stats=rgb_stats)
    detector_from_classifier(shipped_start(), tmp_path / "species.safetensors", tmp_path / "start.safetensors")
    started = load_detector(tmp_path / "start.safetensors").net.backbone.body.detection_features(images)
    torch.testing.assert_close(started, net.detection_features(images))
    assert not torch.allclose(started["stage4"], shipped["stage4"])
