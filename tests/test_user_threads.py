"""Twenty-five wishes of the users of other tools, and the tests that show that they are met here.

`WISHES` is the list to tick off. A test of another file is named by its path; those of this file stand below.
"""

import ast
import json
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch

from detector.data.coco.reading import read_coco
from detector.data.config import AugmentationConfig
from detector.data.dataset import Key, TrainingDataset
from detector.data.resizing import SizeRule
from detector.evaluation.coco import evaluate_coco
from detector.evaluation.results import coco_results
from detector.models.building import build_detector
from detector.models.config import ModelConfig
from detector.types import Detections

ROOT = Path(__file__).parents[1]
COCO = "tests/detector/data/coco/test_coco.py"
DATASET = "tests/detector/data/test_dataset.py"
AUGMENTATION = "tests/detector/data/augment/test_augmentation.py"
LOADER = "tests/detector/data/test_loader.py"
DOCTOR = "tests/detector/data/doctor/test_doctor.py"
BUILDING = "tests/detector/models/test_building.py"
METRICS = "tests/detector/evaluation/test_coco_metrics.py"
EVALUATE = "tests/detector/evaluation/test_evaluate_command.py"
TRAINING = "tests/detector/training/test_training.py"
RESUME = "tests/detector/training/test_resume.py"
SPOILED = "tests/detector/training/test_spoiled_set.py"
PROCESSES = "tests/detector/training/test_two_processes.py"
HERE = "tests/test_user_threads.py"


Source = tuple[Path, Path]  # a COCO JSON and the folder of its pictures


class Wish(NamedTuple):
    """A wish: the threads that it is from, what is wanted, and the tests that show it, by file."""

    threads: str
    wanted: str
    tests: dict[str, tuple[str, ...]]


WISHES = {
    1: Wish(
        "vision#2235",
        "bad boxes give no NaN loss: they are found beforehand, and a loss that is not finite names its images",
        {
            COCO: ("test_vision_2235_2740_unusable_boxes_are_dropped_and_listed",),
            TRAINING: ("test_vision_2235_a_loss_that_is_not_finite_stops_the_run_and_names_the_images",),
            SPOILED: ("test_training_refuses_the_spoiled_set_and_runs_through_on_the_mended_one",),
        },
    ),
    2: Wish(
        "vision#2144",
        "an image without boxes has boxes (0, 4) and gives no NaN",
        {
            COCO: ("test_vision_2144_negative_image_has_no_boxes",),
            BUILDING: ("test_vision_2144_images_without_boxes_train_without_nan",),
        },
    ),
    3: Wish(
        "vision#5098",
        "images without objects are trained on",
        {
            COCO: ("test_vision_5098_images_without_objects_stay_in_the_set",),
            TRAINING: ("test_vision_5098_images_without_boxes_are_trained_on",),
        },
    ),
    4: Wish(
        "vision#2740",
        "boxes without width or height are mended or named when they are read, not in the middle of training",
        {
            COCO: (
                "test_vision_2235_2740_unusable_boxes_are_dropped_and_listed",
                "test_unusable_boxes_are_refused_with_invalid_error",
            ),
            DOCTOR: ("test_a_fault_is_found_named_and_mended",),
        },
    ),
    5: Wish(
        "vision#9162",
        "an image without annotations has every field of the others",
        {COCO: ("test_vision_9162_empty_image_has_every_field",)},
    ),
    6: Wish(
        "vision#8720",
        "a crop moves the boxes with the image",
        {
            HERE: ("test_vision_8720_boxes_move_with_the_cropped_image",),
            AUGMENTATION: ("test_boxes_follow_their_birds",),
        },
    ),
    7: Wish(
        "vision#9092, ppwwyyxx/cocoapi#32",
        "files without `info` do not break pycocotools",
        {COCO: ("test_vision_9092_a_file_without_info_serves_pycocotools",)},
    ),
    8: Wish(
        "vision#1308, vision#2021, tutorials#1028",
        "anchors and pooled maps fit any backbone by themselves",
        {
            BUILDING: (
                "test_vision_1308_levels_and_anchors_follow_the_backbone",
                "test_pooling_knows_its_strides_whatever_image_comes_first",
            )
        },
    ),
    9: Wish(
        "vision#2222, vision#8049",
        "detectors train under autocast, with boxes, suppression and losses in float32",
        {BUILDING: ("test_vision_2222_boxes_scores_and_losses_are_float32_under_autocast",)},
    ),
    10: Wish(
        "albumentations#459, #679, #922, #1497",
        "boxes at the border of the image do not end a run",
        {AUGMENTATION: ("test_albumentations_459_679_922_1497_boxes_at_the_border_do_not_raise",)},
    ),
    11: Wish(
        "albumentations#2513, icevision#328",
        "a crop around a bird keeps a box, and no boxes are still (0, 4)",
        {
            AUGMENTATION: (
                "test_albumentations_2513_a_window_around_a_bird_never_loses_all_boxes",
                "test_icevision_328_image_without_birds_is_varied_and_keeps_empty_boxes",
            )
        },
    ),
    12: Wish(
        "ultralytics#11803",
        "images without labels are varied like the others",
        {AUGMENTATION: ("test_ultralytics_11803_image_without_labels_gets_other_pixels_too",)},
    ),
    13: Wish(
        "cocoapi#558, detectron2#3359, torchmetrics#2560, mmdetection#10951",
        "a limit other than 100 detections is respected, and AP is not -1",
        {
            METRICS: (
                "test_max_detections_other_than_100_are_respected_cocoapi_558",
                "test_ap_beyond_100_detections_is_not_minus_one_torchmetrics_2560",
            )
        },
    ),
    14: Wish(
        "torchmetrics#1024",
        "evaluation is fast (benchmarks/coco_evaluation.py has the figures)",
        {HERE: ("test_torchmetrics_1024_evaluation_gives_the_figures_of_the_reference",)},
    ),
    15: Wish(
        "mmdetection#2361, #4243, #1924",
        "other category names or ids in validation are an error or are matched by name, never an AP of 0",
        {
            COCO: (
                "test_mmdetection_2361_labels_follow_the_names_of_the_training_set",
                "test_mmdetection_4243_a_category_that_was_not_trained_is_refused",
            ),
            DOCTOR: ("test_mmdetection_1924_a_category_only_in_validation_is_an_error",),
            TRAINING: ("test_mmdetection_2361_other_names_in_validation_are_an_error_not_an_ap_of_0",),
        },
    ),
    16: Wish(
        "rf-detr#413, #961, #85",
        "ids from 0, from 1 or with gaps come back in the predictions as they were, and fit the head",
        {
            HERE: ("test_rf_detr_961_85_predictions_carry_the_ids_of_the_file",),
            COCO: ("test_rf_detr_413_category_zero_is_a_category_like_any_other",),
        },
    ),
    17: Wish(
        "rf-detr#1093, mmdetection#2153",
        "DDP finds no unused parameters",
        {
            BUILDING: (
                "test_rf_detr_1093_no_parameter_is_unused",
                "test_mmdetection_2153_plain_ddp_trains_two_steps",
            ),
            PROCESSES: ("test_two_processes_take_the_steps_of_one_and_count_each_image_once",),
        },
    ),
    18: Wish(
        "ultralytics#10326, #13363, #24637",
        "AP is that of pycocotools, also from predictions.json",
        {
            METRICS: ("test_equals_pycocotools_on_any_detection_set_ultralytics_10326",),
            EVALUATE: ("test_pycocotools_gets_our_figures_from_the_file_of_annotations_and_predictions_json",),
        },
    ),
    19: Wish(
        "ultralytics#23973, #17062",
        "a resumed run is the run that never stopped",
        {
            RESUME: (
                "test_ultralytics_23973_a_resumed_run_continues_its_losses",
                "test_sigkill_at_a_random_step_and_resume_is_bit_equal",
                "test_two_processes_killed_and_resumed_are_bit_equal",
            )
        },
    ),
    20: Wish(
        "detectron2#1379, detectron2#5429",
        "early stopping, and the best weights are kept",
        {TRAINING: ("test_detectron2_1379_early_stopping_and_the_best_weights",)},
    ),
    21: Wish(
        "mmdetection#7786, pytorch#13246, RT-DETR#418",
        "memory does not grow with workers x annotations",
        {
            LOADER: (
                "test_mmdetection_7786_pytorch_13246_workers_share_a_million_boxes",
                "test_pytorch_13246_spawned_workers_are_sent_less_than_the_limit",
            ),
            COCO: ("test_mmdetection_7786_annotations_hold_no_object_per_image",),
        },
    ),
    22: Wish(
        "opencv-python#467",
        "one build of OpenCV, which needs no display",
        {HERE: ("test_opencv_python_467_only_one_opencv_without_a_display_is_asked_for",)},
    ),
    23: Wish(
        "xtcocoapi#45",
        "evaluation works with NumPy 2",
        {HERE: ("test_xtcocoapi_45_evaluation_works_with_numpy_2",)},
    ),
    24: Wish(
        "BiFormer#2, #10, #35, #47",
        "BiFormer detects without mmdet, at any size, without NaN",
        {
            HERE: ("test_biformer_2_10_35_47_detectors_train_without_mmdet_and_nan",),
            BUILDING: ("test_vision_2222_boxes_scores_and_losses_are_float32_under_autocast",),
        },
    ),
    25: Wish(
        "detr#444",
        "gaps in the ids of a file do no harm",
        {COCO: ("test_detr_444_gaps_in_ids_become_contiguous_labels",)},
    ),
}


@pytest.mark.parametrize("number", range(1, 26))
def test_every_wish_has_tests_that_exist(number: int) -> None:
    assert WISHES[number].tests
    for file, names in WISHES[number].tests.items():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert set(names) <= defined, file


@pytest.fixture
def write_coco(tmp_path: Path) -> Callable[..., Source]:
    """Writes images and boxes as a COCO file: write(categories by id, [(category, box), ...]), all of one picture."""

    def write(
        categories: dict[int, str], boxes: list[tuple[int, list[float]]], pixels: Any = None
    ) -> tuple[Path, Path]:
        pixels = np.full((80, 120, 3), 90, np.uint8) if pixels is None else pixels
        (tmp_path / "bird.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        document = {
            "images": [{"id": 5, "file_name": "bird.png", "width": pixels.shape[1], "height": pixels.shape[0]}],
            "annotations": [
                {"id": number, "image_id": 5, "category_id": category, "bbox": box, "iscrowd": 0}
                for number, (category, box) in enumerate(boxes, 1)
            ],
            "categories": [{"id": key, "name": name} for key, name in categories.items()],
        }
        path = tmp_path / "birds.json"
        path.write_text(json.dumps(document))
        return path, tmp_path

    return write


def test_vision_8720_boxes_move_with_the_cropped_image(write_coco: Callable[..., Source]) -> None:
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[30:50, 70:95] = 255
    annotations, _ = read_coco([write_coco({1: "bird"}, [(1, [70, 30, 25, 20])], pixels)])
    geometry = AugmentationConfig.off().model_copy(update={"flip": 0.5, "scale": (0.8, 2.0), "crop_size": 64})
    dataset = TrainingDataset(annotations, SizeRule(80, 120), geometry, seed=0)
    shown = 0
    for epoch in range(30):
        image, target = dataset[Key(epoch, 0)]
        rows, columns = np.nonzero(image[0].numpy() > 127)
        for left, top, right, bottom in target["boxes"].tolist():
            shown += 1
            seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose([left, top, right, bottom], seen, atol=1.5)
    assert shown > 10


@pytest.mark.parametrize("ids", [range(1, 11), range(8), (90, 1, 13, 2)])
def test_rf_detr_961_85_predictions_carry_the_ids_of_the_file(ids: Any, write_coco: Callable[..., Source]) -> None:
    boxes = [(key, [2.0 * place, 5.0, 20.0, 20.0]) for place, key in enumerate(ids)]
    annotations, _ = read_coco([write_coco({key: f"species {key}" for key in ids}, boxes)])
    record = annotations[0]
    found = {record.id: Detections(record.boxes_xyxy, np.full(len(record.labels), 0.5), record.labels)}
    results = coco_results(found, annotations.category_ids)
    assert [row["category_id"] for row in results] == list(ids)
    assert pytest.approx(1.0) == evaluate_coco(annotations.to_coco_dict(), results).AP

    model: Any = build_detector(
        ModelConfig(backbone="davit_nano", fpn_channels=64, box_head_width=32, categories=annotations.category_names)
    )
    assert model.roi_heads.box_predictor.cls_score.out_features == len(ids) + 1
    assert sorted(set(annotations.labels.tolist())) == list(range(len(ids)))


def test_torchmetrics_1024_evaluation_gives_the_figures_of_the_reference() -> None:
    from tests.detector.evaluation.reference import run_pycocotools

    rng = np.random.default_rng(0)
    images = range(1, 101)
    truth = [(image, box) for image in images for box in rng.uniform([0, 0, 9, 9], [500, 400, 90, 90], (7, 4)).tolist()]
    document = {
        "info": {},
        "images": [{"id": image, "width": 640, "height": 480} for image in images],
        "categories": [{"id": 1, "name": "bird"}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (image, box) in enumerate(truth, 1)
        ],
    }
    results = [
        {"image_id": image, "category_id": 1, "bbox": box, "score": score}
        for image in images
        for box, score in zip(
            rng.uniform([0, 0, 9, 9], [500, 400, 90, 90], (100, 4)).tolist(), rng.random(100).tolist(), strict=True
        )
    ]
    ours = evaluate_coco(document, results).AP
    assert ours == pytest.approx(run_pycocotools(document, results).stats[0], abs=1e-6)


def test_opencv_python_467_only_one_opencv_without_a_display_is_asked_for() -> None:
    needed = [each for each in requires("hoopoe") or [] if each.startswith("opencv") and "extra ==" not in each]
    assert [each.split(">")[0] for each in needed] == ["opencv-python-headless"]
    assert set(packages_distributions()["cv2"]) == {"opencv-python-headless"}


def test_xtcocoapi_45_evaluation_works_with_numpy_2() -> None:
    assert int(np.__version__.split(".")[0]) >= 2
    truth = {
        "images": [{"id": 1, "width": 64, "height": 64}],
        "categories": [{"id": 1, "name": "bird"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 20, 20], "iscrowd": 0}],
    }
    found = [{"image_id": 1, "category_id": 1, "bbox": [4, 4, 20, 20], "score": 0.5}]
    assert pytest.approx(1.0) == evaluate_coco(truth, found).AP


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_biformer_2_10_35_47_detectors_train_without_mmdet_and_nan(detector: str) -> None:
    config = {"detector": detector, "backbone": "biformer_nano", "fpn_channels": 64, "box_head_width": 32}
    model = build_detector(ModelConfig.model_validate({**config, "train_proposals": 100}))
    target = {"boxes": torch.tensor([[10.0, 12.0, 58.0, 60.0]]), "labels": torch.tensor([0])}
    with torch.autocast("cpu", torch.bfloat16):
        losses = model([torch.rand(3, 75, 101)], [target])  # a size that nothing divides
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert {"mmdet", "mmcv", "mmengine"}.isdisjoint(sys.modules)
