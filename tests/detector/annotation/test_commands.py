"""The commands: what they refuse before any model is loaded, and what they leave."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detector.cli.main import main
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from detector.models.saving import save_detector
from detector.store.run_json import load_run
from tests.detector.annotation.conftest import save_photo, save_species, spread_labels

MODELS = ["--detector", "missing.safetensors"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--score-threshold", "2"], "0 to 1"),
        (["--frame-interval", "often"], "frame interval"),
        (["--export", "megadetektor"], "did you mean megadetector"),
        (["--deployments", "gone.csv"], "gone.csv"),
        (["--batch-size", "0"], "--batch-size"),
        (["--classify-from", "-1"], "--classify-from"),
        (["--root", "north"], "CARD=PATH"),
        (["--shard", "0/4"], "no part of the files"),
        (["--workers", "2:8"], "--engine ray"),
        (["--workers", "8:2", "--engine", "ray"], "bounds"),
        (["--address", "auto"], "--engine ray"),
        (["--price-per-hour", "-1"], "a price"),
        ([], "there is no such detector"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(tmp_path, capsys, options, words):
    code = main(["annotate", str(tmp_path), "--output", str(tmp_path / "out"), *MODELS, *options])
    assert code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_boxes_need_their_media(tmp_path, capsys):
    (tmp_path / "md.json").write_text("{}")
    words = ["classify-crops", "--species", "x", "--output", str(tmp_path / "out"), "--detections"]
    assert main([*words, str(tmp_path / "md.json")]) == 2
    assert "--media" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "gone.json")]) == 2
    assert "there is no such folder or file" in capsys.readouterr().err


def test_a_store_must_be_there_to_be_classified_again(tmp_path, capsys, species_file):
    assert main(["reclassify", str(tmp_path / "none"), "--species", str(species_file)]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert main(["reclassify", str(tmp_path), "--species", str(species_file)]) == 2
    assert "no annotation store" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_boxes_are_classified_and_classified_again(tmp_path, capsys, species_file):
    for number in range(2):
        save_photo(tmp_path / "media" / f"{number}.jpg", number)
    boxes = [{"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.5, 0.5]}]
    images = [{"file": f"{number}.jpg", "detections": boxes} for number in range(3)]
    content = {"info": {}, "detection_categories": {"1": "animal"}, "images": images}
    (tmp_path / "md.json").write_text(json.dumps(content))
    out = tmp_path / "out"
    words = ["--detections", str(tmp_path / "md.json"), "--media", str(tmp_path / "media"), "--output", str(out)]
    assert main(["classify-crops", *words, "--species", str(species_file), "--device", "cpu"]) == 1
    printed = capsys.readouterr().out
    assert "1 failed: the file is missing" in printed
    assert str(out / "results.csv") in printed
    results = json.loads((out / "results.json").read_text())
    assert [image.get("failure") is not None for image in results["images"]] == [False, False, True]

    other = save_species(tmp_path / "other.safetensors", seed=7)
    (out / "results.csv").unlink()
    (out / "events.csv").write_text("out of date")
    assert main(["reclassify", str(out), "--species", str(other), "--device", "cpu"]) == 0
    assert load_run(out).species.name == "other.safetensors"
    assert "3 files looked at" in capsys.readouterr().out
    assert not (out / "results.csv").exists(), "only what was there is written again"
    assert "out of date" not in (out / "events.csv").read_text()


def test_the_coco_export_evaluates_as_the_detector_itself_does(tmp_path, capsys):
    torch.manual_seed(0)
    config = {"backbone": "davit_nano", "fpn_channels": 64, "box_head_width": 32, "min_size": 96, "max_size": 128}
    config |= {"categories": ["bird"], "backbone_size": (64, 64), "proposals": 50}
    model = build_detector(ModelConfig.model_validate(config))
    spread_labels(model)
    save_detector(tmp_path / "bird.safetensors", Detector.of(model))
    card = tmp_path / "card"
    for number in range(6):
        save_photo(card / f"{number}.png", number)
    words = ["--output", str(tmp_path / "out"), "--detector", str(tmp_path / "bird.safetensors"), "--species", "none"]
    words += ["--score-threshold", "0", "--full-decode", "--export", "coco", "--device", "cpu"]
    assert main(["annotate", str(card), *words]) == 0
    exported = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert len(exported["annotations"]) > 60

    # birds are said to be in every fourth box, so that some are found, some are not, and some boxes are false
    rng, boxes = np.random.default_rng(0), []
    for each in exported["annotations"][::4]:
        x, y, width, height = each["bbox"]
        box = [x, y, width * rng.uniform(0.6, 1), height * rng.uniform(0.8, 1)]
        boxes.append({**each, "iscrowd": 0, "bbox": box})
    truth = {**exported, "annotations": [{**box, "area": box["bbox"][2] * box["bbox"][3]} for box in boxes]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    words = ["--annotations", str(tmp_path / "truth.json"), "--images", str(card), "--output", str(tmp_path / "run")]
    assert main(["evaluate", str(tmp_path / "bird.safetensors"), *words, "--workers", "0"]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())

    # and the export itself goes into pycocotools
    capsys.readouterr()
    coco = COCO(str(tmp_path / "truth.json"))
    COCO(str(tmp_path / "out" / "coco.json"))
    found = coco.loadRes([{key: each[key] for key in ("image_id", "category_id", "bbox", "score")}
                          for each in exported["annotations"]])  # fmt: skip
    run = COCOeval(coco, found, "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert 0.05 < metrics["AP"] < 0.95
    assert run.stats[0] == pytest.approx(metrics["AP"], abs=1e-3)
    assert run.stats[1] == pytest.approx(metrics["AP50"], abs=1e-3)
