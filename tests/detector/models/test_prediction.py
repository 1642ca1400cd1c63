import numpy as np
import pytest
import torch

from backbones.errors import MediaError
from detector.boxes import box_iou
from detector.data.resizing import resize
from detector.models.detector import Detector
from detector.models.prediction import detect

SCORES = {"faster_rcnn": 0.05, "retinanet": 0.005}


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_no_images_give_no_detections(detector: str, make_detector) -> None:
    assert detect(Detector.of(make_detector(detector=detector)), []) == []


@pytest.mark.parametrize("backbone", ["davit_nano", "biformer_nano"])
@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_an_image_gets_the_same_whatever_it_is_given_with(detector, backbone, make_detector, pictures) -> None:
    model = make_detector(detector=detector, backbone=backbone, score_threshold=SCORES[detector])
    together = detect(Detector.of(model), pictures, batch_size=2)
    assert len(together) == len(pictures)
    for picture, found in zip(pictures, together, strict=True):
        [alone] = detect(Detector.of(model), [picture])
        assert len(found) == len(alone) > 0
        np.testing.assert_allclose(found.scores, alone.scores, rtol=1e-4)
        np.testing.assert_allclose(found.boxes_xyxy, alone.boxes_xyxy, rtol=1e-4, atol=0.01)
        np.testing.assert_array_equal(found.labels, alone.labels)


def test_boxes_are_in_the_pixels_of_the_original(make_detector, pictures) -> None:
    model = make_detector()
    large = pictures[1]  # 200 x 240, on its way into the network 96 x 115
    small = resize(large, (96, 115))
    [found], [in_network_pixels] = detect(Detector.of(model), [large]), detect(Detector.of(model), [small])
    scale = np.array([200 / 96, 240 / 115, 200 / 96, 240 / 115])
    np.testing.assert_allclose(found.boxes_xyxy, in_network_pixels.boxes_xyxy * scale, rtol=1e-5)
    np.testing.assert_allclose(found.scores, in_network_pixels.scores, rtol=1e-6)


def test_boxes_lie_in_the_image_the_best_first(make_detector, pictures) -> None:
    for picture, found in zip(pictures, detect(Detector.of(make_detector()), pictures), strict=True):
        height, width = picture.shape[:2]
        assert (found.boxes_xyxy >= 0).all()
        assert (found.boxes_xyxy <= np.array([width, height, width, height])).all()
        assert (np.diff(found.scores) <= 0).all()


def test_the_score_threshold_leaves_out_the_others(make_detector, pictures) -> None:
    model = make_detector()
    [found] = detect(Detector.of(model), pictures[:1])
    threshold = float(np.median(found.scores))
    [best] = detect(Detector.of(model), pictures[:1], score_threshold=threshold)
    np.testing.assert_array_equal(best.scores, found.scores[found.scores >= threshold])


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_with_one_name_each_no_two_detections_overlap_whatever_their_categories(
    detector, make_detector, pictures
) -> None:
    settings = {"detector": detector, "categories": ["a", "b", "c"], "score_threshold": SCORES[detector]}

    def largest_overlap(one_name: bool) -> float:
        overlaps = []
        for found in detect(Detector.of(make_detector(**settings, one_name=one_name)), pictures):
            iou = box_iou(found.boxes_xyxy, found.boxes_xyxy)
            overlaps.append(np.triu(iou, k=1).max())
        return max(overlaps)

    assert largest_overlap(one_name=True) <= 0.5 < largest_overlap(one_name=False)


def test_bfloat16_finds_boxes_in_float32(make_detector, pictures) -> None:
    for found in detect(Detector.of(make_detector(), precision="bf16"), pictures):
        assert found.boxes_xyxy.dtype == found.scores.dtype == np.float32
        assert len(found) > 0


def test_the_model_is_handed_back_as_it_was(make_detector, pictures) -> None:
    model = make_detector(backbone="biformer_nano", batch_norm="frozen", freeze_stages=1)
    before = [module.training for module in model.modules()]
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    detect(Detector.of(model), pictures)
    assert [module.training for module in model.modules()] == before
    assert {True, False} == set(before)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
)
def test_arrays_that_are_no_rgb_image_are_refused(image, make_detector) -> None:
    with pytest.raises(MediaError, match="image 0"):
        detect(Detector.of(make_detector()), [image])


@pytest.mark.gpu
@pytest.mark.parametrize("backbone", ["davit_nano", "biformer_nano"])
@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet"])
def test_the_gpu_finds_what_the_cpu_finds(detector, backbone, make_detector, pictures, monkeypatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    model = make_detector(detector=detector, backbone=backbone, score_threshold=SCORES[detector])
    expected = detect(Detector.of(model), pictures)
    for found, on_cpu in zip(detect(Detector.of(model.cuda()), pictures), expected, strict=True):
        assert len(found) == len(on_cpu) > 0
        np.testing.assert_allclose(found.scores, on_cpu.scores, rtol=1e-3)
        iou = box_iou(found.boxes_xyxy, on_cpu.boxes_xyxy)  # in any order: rounding swaps equal scores
        assert iou.max(axis=1).min() > 0.99
        assert iou.max(axis=0).min() > 0.99
