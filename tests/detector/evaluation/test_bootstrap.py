import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detector.evaluation.bootstrap import (
    Estimate,
    average_precision,
    draw,
    mean_of_categories,
    rankings,
    recall,
)
from detector.evaluation.inputs import EvaluationInputs
from detector.evaluation.matching import match


def random_set(seed: int, images: int = 30) -> tuple[dict, list[dict]]:
    """Birds of two categories with crowds, found at random places and scores; some images are empty."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 5)):
            x, y, w, h = *rng.uniform(0, 200, 2), *rng.uniform(10, 140, 2)
            category = int(rng.integers(1, 3))
            common = {"image_id": image, "category_id": category}
            crowd = int(rng.random() < 0.1)
            box = {"bbox": [x, y, w, h], "area": w * h, "iscrowd": crowd, "id": len(annotations) + 1}
            annotations.append(common | box)
            for _ in range(rng.integers(0, 3)):
                moved = [x + rng.normal(0, w / 8), y + rng.normal(0, h / 8), w, h]
                results.append(common | {"bbox": moved, "score": float(rng.random())})
        if rng.random() < 0.5:
            alarm = {"image_id": image, "category_id": int(rng.integers(1, 3)), "score": float(rng.random())}
            results.append(alarm | {"bbox": [*rng.uniform(0, 200, 2).tolist(), 30.0, 30.0]})
    categories = [{"id": 1, "name": "robin"}, {"id": 2, "name": "wren"}]
    listed = [{"id": image} for image in range(1, images + 1)]
    return {"images": listed, "annotations": annotations, "categories": categories}, results


def pycocotools_ap(truth: dict, results: list[dict], iou: float = 0.5, area: str = "all") -> float:
    coco = COCO()
    coco.dataset = {"info": {}, **truth}
    coco.createIndex()
    evaluator = COCOeval(coco, coco.loadRes(results), "bbox")
    evaluator.params.iouThrs = np.array([iou])
    evaluator.evaluate()
    evaluator.accumulate()
    precision = evaluator.eval["precision"][0, :, :, ["all", "small", "medium", "large"].index(area), -1]
    return float(precision[precision > -1].mean())


def our_ap(inputs: EvaluationInputs, weights: np.ndarray, iou: float = 0.5, area: tuple | None = None) -> np.ndarray:
    ranked = rankings(inputs, match(inputs, iou), area)
    return mean_of_categories([average_precision(each, weights) for each in ranked])


def test_nothing_to_find_is_no_figure() -> None:
    inputs = EvaluationInputs.from_coco({"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1}]}, [])
    weights = draw(np.zeros(1, dtype=np.int64))
    assert np.isnan(our_ap(inputs, weights)).all()
    assert np.isnan(recall(np.zeros(0, bool), np.zeros(0, np.int64), weights)).all()
    assert Estimate.of(our_ap(inputs, weights), drawn=True) == Estimate(None)
    assert draw(np.zeros(0, dtype=np.int64), draws=3).shape == (4, 0)


def test_birds_that_nothing_found_have_an_ap_of_zero() -> None:
    truth, _ = random_set(0)
    assert our_ap(EvaluationInputs.from_coco(truth, []), draw(np.arange(30)))[0] == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("iou", [0.5, 0.75])
def test_ap_of_the_whole_set_is_that_of_pycocotools(seed: int, iou: float) -> None:
    truth, results = random_set(seed)
    inputs = EvaluationInputs.from_coco(truth, results)
    assert our_ap(inputs, draw(np.arange(30)), iou)[0] == pytest.approx(pycocotools_ap(truth, results, iou), abs=1e-9)


@pytest.mark.parametrize(("area", "limits"), [("medium", (32.0**2, 96.0**2)), ("large", (96.0**2, np.inf))])
def test_ap_by_size_is_near_that_of_pycocotools_which_matches_each_size_anew(area: str, limits: tuple) -> None:
    truth, results = random_set(3, images=100)
    inputs = EvaluationInputs.from_coco(truth, results)
    ours = our_ap(inputs, draw(np.arange(100)), area=limits)[0]
    assert ours == pytest.approx(pycocotools_ap(truth, results, area=area), abs=0.02)


def test_the_interval_is_that_of_a_bootstrap_which_copies_pictures_and_evaluates_each_draw() -> None:
    truth, results = random_set(1)
    cameras = np.arange(30) // 5
    weights = draw(cameras, draws=40)
    slow = []
    for counts in weights:
        copied: dict = {"images": [], "annotations": [], "categories": truth["categories"]}
        found = []
        for image, count in enumerate(counts.tolist(), 1):
            for _ in range(count):
                new = {"image_id": len(copied["images"]) + 1}
                copied["images"].append({"id": new["image_id"]})
                boxes = [each for each in truth["annotations"] if each["image_id"] == image]
                copied["annotations"] += [
                    each | new | {"id": len(copied["annotations"]) + n} for n, each in enumerate(boxes, 1)
                ]
                found += [each | new for each in results if each["image_id"] == image]
        slow.append(pycocotools_ap(copied, found))
    ours = our_ap(EvaluationInputs.from_coco(truth, results), weights)
    np.testing.assert_allclose(ours, slow, atol=1e-9)
    estimate = Estimate.of(ours, drawn=True)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.percentile(slow[1:], [2.5, 97.5])))


def test_a_large_set_in_pieces_gives_the_same(monkeypatch) -> None:
    truth, results = random_set(2)
    inputs, weights = EvaluationInputs.from_coco(truth, results), draw(np.arange(30), draws=20)
    whole = our_ap(inputs, weights)
    monkeypatch.setattr("detector.evaluation.bootstrap.ROWS_AT_ONCE", 100)
    np.testing.assert_array_equal(our_ap(inputs, weights), whole)


def test_pictures_of_a_camera_are_drawn_together_and_as_many_cameras_as_there_are() -> None:
    cameras = np.array([3, 3, 7, 3, 9])
    weights = draw(cameras, draws=50)
    assert (weights[0] == 1).all(), "the first is the set itself"
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] == weights[:, 3]).all()
    assert (weights[:, [0, 2, 4]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(weights, draw(cameras, draws=50))


def test_what_was_never_drawn_has_no_interval() -> None:
    assert Estimate.of(np.array([0.5, 0.5, 0.5]), drawn=False) == Estimate(0.5)
    assert Estimate.of(np.array([0.5, np.nan, np.nan]), drawn=True) == Estimate(0.5)
