from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_fpn, fasterrcnn_resnet50_fpn_v2

from backbones.errors import CheckpointError, ConfigError, DownloadError
from detector.cli.main import main
from detector.models.building import build_detector
from detector.models.coco import BUILT_IN, GROUPS, JoinedClasses, load_coco
from detector.models.config import ModelConfig
from detector.models.detector import Detector
from detector.models.limits import with_proposals, with_score_threshold
from detector.models.prediction import detect
from detector.models.saving import load_detector, save_detector

CLASSES = BUILT_IN["coco"].weights.meta["categories"]
FILE, FAST_FILE = "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of torch hub, without a way to the internet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def join(*found: tuple[str, float, list[float]], **changes: object) -> list[tuple[str, float]]:
    """Class, score and box of each detection -> category and score of what remains."""
    transform = JoinedClasses(ModelConfig.model_validate(changes), CLASSES, GROUPS)
    output = {
        "labels": torch.tensor([CLASSES.index(name) for name, _, _ in found], dtype=torch.int64),
        "scores": torch.tensor([score for _, score, _ in found]),
        "boxes": torch.tensor([box for _, _, box in found], dtype=torch.float32).reshape(-1, 4),
    }
    [result] = transform.postprocess([output], [(100, 100)], [(100, 100)])
    names = [list(GROUPS)[label] for label in result["labels"].tolist()]
    return list(zip(names, np.round(result["scores"].tolist(), 3).tolist(), strict=True))


def test_nothing_found_stays_nothing() -> None:
    assert join() == []


@pytest.mark.parametrize(
    ("name", "category"),
    [("bird", "bird"), ("bear", "other animal"), ("person", "person"), ("airplane", "vehicle"), ("boat", "vehicle")],
)
def test_classes_are_joined_into_four(name: str, category: str) -> None:
    assert join((name, 0.9, [0, 0, 9, 9])) == [(category, 0.9)]


def test_other_classes_are_dropped() -> None:
    assert join(("kite", 0.9, [0, 0, 9, 9]), ("bird", 0.5, [0, 0, 9, 9]), ("cup", 0.4, [0, 0, 9, 9])) == [("bird", 0.5)]


def test_every_class_of_a_group_is_one_of_coco() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert len(set(names)) == len(names) == 19
    assert set(names) <= set(CLASSES)


def test_one_animal_with_two_names_is_one_box() -> None:
    found = [("dog", 0.9, [0.0, 0, 50, 50]), ("sheep", 0.7, [1.0, 0, 50, 50]), ("bird", 0.6, [0.0, 0, 50, 50])]
    assert join(*found) == [("other animal", 0.9), ("bird", 0.6)]


def test_the_best_detections_remain() -> None:
    boxes = [[20.0 * i, 0, 20.0 * i + 10, 10] for i in range(5)]
    scores = [0.5, 0.9, 0.7, 0.6, 0.8]
    found = [("bird", score, box) for score, box in zip(scores, boxes, strict=True)]
    assert join(*found, max_detections=2) == [("bird", 0.9), ("bird", 0.8)]


def test_the_file_in_torch_hubs_cache_is_used(hub, pictures) -> None:
    torch.manual_seed(0)
    model = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=91)
    torch.save(model.state_dict(), hub / FILE)
    loaded = load_detector("coco", "cpu")
    assert loaded.categories == ("bird", "other animal", "person", "vehicle")
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.net.state_dict().items())
    config = loaded.meta.config.model_copy(update={"min_size": 64, "max_size": 96})
    for precision in ("fp32", "bf16"):
        small = replace(loaded, meta=replace(loaded.meta, config=config), precision=precision)
        for found in detect(small, pictures[:1]):
            assert set(found.labels.tolist()) <= {0, 1, 2, 3}
            assert found.scores.dtype == np.float32
    with pytest.raises(ConfigError, match="not saved"):
        save_detector(hub / "coco.safetensors", loaded)


def test_the_fast_one_is_torchvisions_with_the_same_four_categories(hub, pictures) -> None:
    torch.manual_seed(0)
    made = fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None, num_classes=91)
    made.roi_heads.box_predictor.cls_score.bias.data.normal_(0, 3)  # scores worth a box
    state = {name: tensor for name, tensor in made.state_dict().items() if "num_batches_tracked" not in name}
    torch.save(state, hub / FAST_FILE)
    loaded = load_detector("coco-fast", "cpu", "fp32")
    assert (loaded.name, loaded.source) == ("coco-fast", "coco-fast")
    assert loaded.categories == ("bird", "other animal", "person", "vehicle")
    published = fasterrcnn_mobilenet_v3_large_fpn(weights="DEFAULT", rpn_score_thresh=0.0).eval()  # frozen BatchNorm
    picture = torch.rand(3, 96, 128)
    published.transform.min_size, published.transform.max_size = (96,), 128
    loaded.net.rpn.score_thresh = 0.0
    seen = {}
    for name, net in (("ours", loaded.net), ("theirs", published)):
        handle = net.roi_heads.register_forward_hook(lambda *args, name=name: seen.update({name: args[2][0][0]}))
        with torch.no_grad():
            net([picture])
        handle.remove()
    keep = slice(0, 100)  # before joining there may be more of ours
    for what in ("boxes", "scores", "labels"):
        torch.testing.assert_close(seen["ours"][what][keep].float(), seen["theirs"][what].float(), atol=1e-4, rtol=1e-4)
    assert len(seen["theirs"]["scores"])


def test_fewer_proposals_are_a_detector_of_the_same_weights() -> None:
    config = {"backbone": "davit_nano", "fpn_channels": 64, "backbone_size": (64, 64)}
    detector = Detector.of(build_detector(ModelConfig.model_validate(config)).eval())
    fewer = with_proposals(detector, 300)
    counts = [(each.net.rpn.pre_nms_top_n(), each.net.rpn.post_nms_top_n()) for each in (detector, fewer)]
    assert counts == [(1000, 1000), (300, 300)]
    assert fewer.net.roi_heads is detector.net.roi_heads
    assert fewer.meta.config.proposals == 300
    with pytest.raises(ConfigError, match="at least 1"):
        with_proposals(detector, 0)
    retinanet = Detector.of(build_detector(ModelConfig.model_validate(config | {"detector": "retinanet"})))
    with pytest.raises(ConfigError, match="no proposals"):
        with_proposals(retinanet, 300)
    assert with_score_threshold(retinanet, 0.01).net.score_thresh == 0.01
    assert retinanet.net.score_thresh == 0.05


def test_offline_it_says_which_file_belongs_where(hub) -> None:
    with pytest.raises(DownloadError) as caught:
        load_detector("coco")
    assert FILE in caught.value.problem
    assert caught.value.where == f"https://download.pytorch.org/models/{FILE}"
    assert str(hub / FILE) in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04"])
def test_a_damaged_file_in_the_cache_is_named(content: bytes, hub) -> None:
    (hub / FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged") as caught:
        load_coco()
    assert caught.value.where == str(hub / FILE)


def test_download_coco_fetches_it_ahead_of_a_trip(hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "coco"]) == 2  # nothing is served here
    assert FILE in capsys.readouterr().err
    (hub / FILE).write_bytes(b"weights")
    (hub / FAST_FILE).write_bytes(b"weights")
    assert main(["download", "coco", "coco-fast"]) == 0
    assert capsys.readouterr().out == f"coco: {hub / FILE}\ncoco-fast: {hub / FAST_FILE}\n"
