"""The loader: the same batches from any number of workers, from any step on, in little memory."""

import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backbones.errors import MediaError
from detector.data.coco.reading import read_coco
from detector.data.config import AugmentationConfig, DataConfig
from detector.data.dataset import EvaluationDataset, Item, Key, TrainingDataset, make_target
from detector.data.loader import (
    Batch,
    EpochSampler,
    collate,
    evaluation_loader,
    to_device,
    training_loader,
    worker_count,
)
from detector.data.packed import Annotations, CocoSource, PackedText
from detector.data.resizing import SizeRule
from detector.synthetic.dataset import SceneSet, write_synthetic_dataset

RULE = SizeRule(min_size=48, max_size=96)
MIXED = AugmentationConfig(mosaic=0.4, copy_paste=0.4)
SCENES = 14
USS_LIMIT = 60 * 2**20  # bytes that a worker with a million boxes may have more than one with a hundred images


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Annotations:
    path = tmp_path_factory.mktemp("scenes")
    write_synthetic_dataset(path, train=SCENES, val=0, scenes=SceneSet(size_wh=(72, 48)))
    return read_coco([(path / "train.json", path / "images")])[0]


def batches(annotations: Annotations, workers: int, epoch: int = 0, start: int = 0) -> list[Batch]:
    config = DataConfig(workers=workers, augmentation=MIXED, repeat_threshold=0.5)
    loader = training_loader(TrainingDataset(annotations, RULE, MIXED, seed=1), 4, config)
    loader.batch_sampler.start(epoch, start)
    return list(loader)


def assert_same(one: list[Batch], two: list[Batch]) -> None:
    assert len(one) == len(two)
    for left, right in zip(one, two, strict=True):
        assert [int(target["image_id"]) for target in left.targets] == [int(each["image_id"]) for each in right.targets]
        for a, b in zip(left.images, right.images, strict=True):
            assert torch.equal(a, b)
        for a, b in zip(left.targets, right.targets, strict=True):
            assert torch.equal(a["boxes"], b["boxes"])
            assert torch.equal(a["labels"], b["labels"])


def test_batches_do_not_depend_on_the_number_of_workers(scenes):
    alone = batches(scenes, workers=0)
    assert len(alone) >= SCENES / 4
    assert_same(alone, batches(scenes, workers=2))


def test_resuming_gives_the_rest_of_the_epoch(scenes):
    assert_same(batches(scenes, workers=0, epoch=3)[2:], batches(scenes, workers=2, epoch=3, start=2))


def test_persistent_workers_learn_of_the_next_epoch(scenes):
    config = DataConfig(workers=1, augmentation=MIXED, repeat_threshold=0.5)
    loader = training_loader(TrainingDataset(scenes, RULE, MIXED, seed=1), 4, config)
    for epoch in (0, 1):
        loader.batch_sampler.start(epoch)
        assert_same(list(loader), batches(scenes, workers=0, epoch=epoch))


def test_length_is_what_is_left(scenes):
    dataset = TrainingDataset(scenes, RULE, MIXED, seed=1)
    sampler = EpochSampler(dataset, 4, DataConfig())
    assert len(sampler) == len(list(sampler)) == 4
    sampler.start(0, 3)
    assert len(sampler) == len(list(sampler)) == 1


def test_the_global_generator_is_left_alone(scenes):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    batches(scenes, workers=1)
    assert torch.equal(before, torch.get_rng_state())


def test_evaluation_shows_every_image_once_in_batches_of_one_size(scenes):
    loader = evaluation_loader(EvaluationDataset(scenes, RULE), 4, DataConfig(workers=1))
    made = list(loader)
    ids = [int(target["image_id"]) for batch in made for target in batch.targets]
    assert sorted(ids) == sorted(scenes.image_ids.tolist())
    for batch in made:
        assert len({image.shape for image in batch.images}) == 1


def test_unreadable_file_is_named_across_the_process_boundary(scenes, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    broken = _one_file(tmp_path / "broken.jpg", images=4, boxes=1)
    with pytest.raises(MediaError) as caught:
        batches(broken, workers=1)
    assert caught.value.where == str(tmp_path / "broken.jpg")
    assert "Traceback" not in str(caught.value)


def test_batch_gives_back_its_items(scenes):
    dataset = TrainingDataset(scenes, RULE, MIXED, seed=1)
    items = [dataset[Key(0, place)] for place in range(5)]
    batch = collate(items)
    for item, image, target in zip(items, batch.images, batch.targets, strict=True):
        assert torch.equal(item.image, image)
        for name in ("boxes", "labels", "image_id"):
            assert torch.equal(item.target[name], target[name])


def test_images_stay_bytes_on_their_way_to_the_model():
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1)
    target = make_target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 1)
    images, targets = to_device(collate([Item(image, target)]), "cpu")
    assert torch.equal(images[0], image)
    assert targets[0]["boxes"].shape == (0, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_batches_on_their_way_hold_few_files_open(scenes):
    before = len(list(Path("/proc/self/fd").iterdir()))
    made = batches(scenes, workers=1)  # kept, as a slow training step keeps them
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 3 * len(made) + 12


@pytest.mark.parametrize(("asked", "got"), [(0, 0), (3, 3)])
def test_workers_are_as_many_as_asked_for(asked, got):
    assert worker_count(asked) == got


def test_workers_by_default_are_as_many_as_cores():
    assert 1 <= worker_count(None) <= 8


class _Measuring(TrainingDataset):
    """Says, in place of a label, what memory and threads this worker has."""

    def __getitem__(self, key: Key):
        for index in range(key.place % 7, len(self), 50):
            self.annotations[index]  # looking must not copy
        item = super().__getitem__(key)
        private = sum(
            int(line.split()[1]) * 1024
            for line in Path("/proc/self/smaps_rollup").read_text().splitlines()
            if line.startswith("Private_")
        )
        item.target["labels"] = torch.tensor([private, cv2.getNumThreads(), torch.get_num_threads()])
        item.target["boxes"] = torch.zeros(3, 4)
        return item


def _one_file(path: Path, images: int, boxes: int) -> Annotations:
    """Many records of one and the same picture of 64 x 48, with so many boxes each."""
    total = images * boxes
    return Annotations(
        sources=(CocoSource(Path("none.json"), path.parent),),
        category_names=("bird",),
        category_ids=(1,),
        image_ids=np.arange(images) + 1,
        source_index=np.zeros(images, np.int32),
        file_names=PackedText.pack([path.name] * images),
        sizes_wh=np.full((images, 2), (64, 48), np.int32),
        offsets=np.arange(images + 1) * boxes,
        boxes_xywh=np.tile(np.array([[4.0, 4.0, 20.0, 20.0]]), (total, 1)),
        labels=np.zeros(total, np.int32),
        is_crowd=np.zeros(total, bool),
        areas=np.full(total, 400.0),
        annotation_ids=np.arange(total) + 1,
    )


def _measured(annotations: Annotations) -> torch.Tensor:
    """Private bytes, OpenCV's threads and torch's threads of a worker: the most of several images."""
    dataset = _Measuring(annotations, RULE, AugmentationConfig(), seed=0)
    loader = training_loader(dataset, 4, DataConfig(workers=1))
    labels = []
    for _, batch in zip(range(5), loader, strict=False):
        labels += [target["labels"] for target in batch.targets]
    return torch.stack(labels).amax(dim=0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_mmdetection_7786_pytorch_13246_workers_share_a_million_boxes(tmp_path):
    (tmp_path / "bird.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes())
    few = _measured(_one_file(tmp_path / "bird.jpg", images=100, boxes=5))
    many = _measured(_one_file(tmp_path / "bird.jpg", images=200_000, boxes=5))
    assert many[0] - few[0] < USS_LIMIT
    assert many[1:].tolist() == [1, 1]  # one thread of OpenCV and of torch


def test_pytorch_13246_spawned_workers_are_sent_less_than_the_limit():
    dataset = TrainingDataset(_one_file(Path("bird.jpg"), images=200_000, boxes=5), RULE, MIXED, seed=0)
    assert len(pickle.dumps(dataset)) < USS_LIMIT
