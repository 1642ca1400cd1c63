"""What workers hand to the training: tensors as torchvision wants them, from packed annotations."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backbones.errors import DataError, MediaError
from detector.data.coco.reading import read_coco
from detector.data.config import AugmentationConfig
from detector.data.dataset import EvaluationDataset, Item, Key, TrainingDataset
from detector.data.packed import Annotations
from detector.data.resizing import SizeRule, resize
from detector.synthetic.dataset import SceneSet, write_synthetic_dataset

RULE = SizeRule(min_size=64, max_size=96)
MIXED = AugmentationConfig(mosaic=0.5, copy_paste=0.5, jpeg=0.5, night_ir=0.3)
SCENES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scenes")
    write_synthetic_dataset(path, train=SCENES, val=0, scenes=SceneSet(size_wh=(96, 64)))
    return path


@pytest.fixture(scope="module")
def scenes(folder) -> Annotations:
    return read_coco([(folder / "train.json", folder / "images")])[0]


def one_image(folder: Path, boxes: list[tuple[list[float], int]], size_wh: tuple[int, int] = (40, 30)) -> Annotations:
    """A data set of one grey picture with boxes (x, y, w, h) that are crowds or not."""
    (folder / "bird.jpg").write_bytes(cv2.imencode(".jpg", np.full((30, 40, 3), 90, np.uint8))[1].tobytes())
    document = {
        "images": [{"id": 5, "file_name": "bird.jpg", "width": size_wh[0], "height": size_wh[1]}],
        "annotations": [
            {"id": number, "image_id": 5, "category_id": 9, "bbox": box, "iscrowd": crowd}
            for number, (box, crowd) in enumerate(boxes, 1)
        ],
        "categories": [{"id": 9, "name": "bird"}],
    }
    (folder / "one.json").write_text(json.dumps(document))
    return read_coco([(folder / "one.json", folder)])[0]


def assert_same(one: Item, two: Item) -> None:
    assert torch.equal(one.image, two.image)
    for name in ("boxes", "labels", "image_id"):
        assert torch.equal(one.target[name], two.target[name])


def test_vision_2144_5098_image_without_boxes_is_a_negative(tmp_path):
    packed = one_image(tmp_path, [])
    for item in (
        TrainingDataset(packed, RULE, AugmentationConfig(), seed=0)[Key(0, 0)],
        EvaluationDataset(packed, RULE)[0],
    ):
        assert item.target["boxes"].shape == (0, 4)
        assert item.target["boxes"].dtype == torch.float32
        assert item.target["labels"].shape == (0,)
        assert item.target["image_id"] == 5


def test_items_are_what_torchvision_expects_but_for_bytes_and_labels_from_0(scenes):
    dataset = TrainingDataset(scenes, RULE, AugmentationConfig(), seed=0)
    for place in range(len(dataset)):
        image, target = dataset[Key(0, place)]
        assert image.dtype == torch.uint8
        assert image.shape[0] == 3
        assert image.is_contiguous()
        height, width = image.shape[1:]
        boxes = target["boxes"]
        assert boxes.dtype == torch.float32
        assert boxes.shape == (len(target["labels"]), 4)
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([width, height, width, height])).all()
        assert target["labels"].dtype == torch.int64
        assert (target["labels"] >= 0).all()
        assert (target["labels"] < len(scenes.category_names)).all()


def test_crowds_are_ignored_in_training(tmp_path):
    packed = one_image(tmp_path, [([2, 2, 10, 10], 0), ([0, 0, 40, 30], 1)])
    item = TrainingDataset(packed, SizeRule(30, 40), AugmentationConfig.off(), seed=0)[Key(0, 0)]
    assert item.target["boxes"].tolist() == [[2, 2, 12, 12]]
    assert item.target["labels"].tolist() == [0]
    assert item.target["ignored"].tolist() == [[0, 0, 40, 30]]


def test_only_crowds_is_a_negative_and_nothing_to_paste(tmp_path):
    packed = one_image(tmp_path, [([0, 0, 40, 30], 1)])
    item = TrainingDataset(packed, RULE, AugmentationConfig(copy_paste=1), seed=0)[Key(0, 0)]
    assert item.target["boxes"].shape == (0, 4)


def test_evaluation_sees_the_whole_image_at_network_size(scenes):
    record = scenes[0]
    item = EvaluationDataset(scenes, RULE)[0]
    assert item.image.shape == (3, 64, 96)
    pixels = cv2.imread(str(record.path), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(item.image.numpy().transpose(1, 2, 0), resize(pixels, (96, 64)))
    np.testing.assert_allclose(item.target["boxes"].numpy(), record.boxes_xyxy)


def test_same_key_same_item_whatever_came_before(scenes):
    dataset = TrainingDataset(scenes, RULE, MIXED, seed=3)
    keys = [Key(epoch, place, copy) for epoch in (0, 1) for place in range(SCENES) for copy in (0, 1)]
    first = {key: dataset[key] for key in keys}
    for key in np.random.default_rng(0).permutation(keys).tolist():
        assert_same(dataset[Key(*key)], first[Key(*key)])
    assert_same(TrainingDataset(scenes, RULE, MIXED, seed=3)[keys[5]], first[keys[5]])


@pytest.mark.parametrize("other", [Key(1, 0, 0), Key(0, 0, 1), Key(0, 1, 0)])
def test_other_keys_give_other_items(scenes, other):
    dataset = TrainingDataset(scenes, RULE, MIXED, seed=3)
    one, two = dataset[Key(0, 0, 0)].image, dataset[other].image
    assert one.shape != two.shape or not torch.equal(one, two)


def test_mosaic_ends_with_its_epoch(scenes):
    config = AugmentationConfig.off().model_copy(update={"mosaic": 1.0, "mosaic_until_epoch": 2})
    dataset, plain = TrainingDataset(scenes, RULE, config, 0), EvaluationDataset(scenes, RULE)
    assert not torch.equal(dataset[Key(1, 0)].image, plain[0].image)
    assert torch.equal(dataset[Key(2, 0)].image, plain[0].image)


def test_pasted_birds_add_boxes(scenes):
    without = TrainingDataset(scenes, RULE, AugmentationConfig.off(), 0)
    pasting = TrainingDataset(scenes, RULE, AugmentationConfig.off().model_copy(update={"copy_paste": 1.0}), 0)
    before, after = (
        sum(len(data[Key(0, place)].target["labels"]) for place in range(SCENES)) for data in (without, pasting)
    )
    assert after > before


def test_negatives_come_last_with_birds_pasted_into_them_and_are_no_parts_of_mosaics(scenes):
    labelled = scenes.select(range(5))
    negatives = replace(scenes.select(range(5, 8)), offsets=np.zeros(4, np.int64), boxes_xywh=np.zeros((0, 4)))
    negatives = replace(negatives, labels=np.zeros(0, np.int32), is_crowd=np.zeros(0, np.bool_))
    settings = AugmentationConfig.off().model_copy(update={"copy_paste": 1.0})
    dataset = TrainingDataset(labelled, RULE, settings, 0, negatives)
    assert (len(dataset), dataset.labelled) == (8, 5)
    assert dataset.annotations.path(6) == scenes.path(6)
    item = dataset[Key(0, 6)]
    assert int(item.target["image_id"]) == scenes.image_ids[6]
    assert len(item.target["labels"]) > 0

    mosaics = TrainingDataset(labelled, RULE, settings.model_copy(update={"copy_paste": 0, "mosaic": 1}), 0, negatives)
    read = []
    mosaics._read = lambda place, read_place=mosaics._read: read.append(place) or read_place(place)
    for epoch in range(20):
        mosaics[Key(epoch, 0)]
    assert set(read) == set(range(5))


def test_every_box_but_crowds_can_be_pasted(scenes):
    crowds = np.random.default_rng(2).random(len(scenes.labels)) < 0.3
    crowds[:2] = True
    dataset = TrainingDataset(replace(scenes, is_crowd=crowds), RULE, MIXED, seed=0)
    donors = [dataset._image_of_box(number) for number in range(int((~crowds).sum()))]
    assert donors == scenes.image_rows[~crowds].tolist()


def test_unreadable_file_is_named(tmp_path):
    packed = one_image(tmp_path, [([2, 2, 10, 10], 0)])
    (tmp_path / "bird.jpg").write_bytes(b"<html>404</html>")
    with pytest.raises(MediaError, match=r"bird\.jpg"):
        TrainingDataset(packed, RULE, AugmentationConfig(), 0)[Key(0, 0)]


def test_image_of_another_size_than_its_record_is_named(tmp_path):
    packed = one_image(tmp_path, [([2, 2, 10, 10], 0)], size_wh=(80, 60))
    with pytest.raises(DataError, match=r"bird\.jpg: the picture is 40 x 30"):
        EvaluationDataset(packed, RULE)[0]


def test_real_birds_are_read_and_varied(real_birds):
    packed, _ = read_coco([(real_birds / "annotations/train.json", real_birds / "images")])
    dataset = TrainingDataset(packed, SizeRule(320, 480), AugmentationConfig(crop_size=256, copy_paste=1), 0)
    counts = [len(dataset[Key(0, place)].target["labels"]) for place in range(0, len(packed), 24)]
    assert sum(counts) > len(counts) / 2
