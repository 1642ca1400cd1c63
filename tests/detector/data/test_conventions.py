"""What the four numbers of a box mean, told over all boxes of a file together."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones.errors import DataError
from detector.cli.main import main
from detector.data.coco.reading import read_coco
from detector.data.conventions import Boxes, misread, to_xywh

# independent of the code under test: how each convention writes left, top, width and height
LAYOUTS = {
    "xywh": lambda x, y, w, h: (x, y, w, h),
    "xyxy": lambda x, y, w, h: (x, y, x + w, y + h),
    "cxcywh": lambda x, y, w, h: (x + w / 2, y + h / 2, w, h),
}
FACTORS = {"pixels": lambda side: 1.0, "fractions": lambda side: 1 / side, "percents": lambda side: 100 / side}


def written(boxes_xywh, frames_wh, convention):
    """Boxes as a file of a convention has them."""
    rows = []
    for box, (width, height) in zip(boxes_xywh.tolist(), frames_wh.tolist(), strict=True):
        a, b, c, d = LAYOUTS[convention.layout](*box)
        factor = FACTORS[convention.unit]
        rows.append((a * factor(width), b * factor(height), c * factor(width), d * factor(height)))
    return np.array(rows).reshape(-1, 4)


def sound_boxes(rng, count, frame_wh=(640, 480), largest=0.4):
    """Boxes all over frames, some of them at the edges."""
    frames = np.tile(frame_wh, (count, 1))
    sides = rng.uniform(0.02, largest, (count, 2)) * frames
    starts = np.clip(rng.uniform(-0.05, 1.05, (count, 2)) * (frames - sides), 0, frames - sides)
    return np.concatenate([starts, sides], axis=1), frames


def test_no_boxes_are_not_misread():
    assert misread(np.zeros((0, 4)), np.zeros((0, 2), int)) is None


@pytest.mark.parametrize("convention", list(Boxes))
def test_each_convention_comes_back_as_pixels(convention):
    boxes, frames = sound_boxes(np.random.default_rng(0), 50)
    np.testing.assert_allclose(to_xywh(written(boxes, frames, convention), frames, convention), boxes)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("convention", [each for each in Boxes if each != Boxes.XYWH])
def test_a_file_of_another_convention_is_told(convention, seed):
    boxes, frames = sound_boxes(np.random.default_rng(seed), 120)
    found = misread(written(boxes, frames, convention), frames)
    assert found is not None
    assert convention in found.meant
    assert {each.unit for each in found.meant} == {convention.unit}


@pytest.mark.parametrize("expected", [Boxes.FRACTIONS_CXCYWH, Boxes.XYXY])
@pytest.mark.parametrize("layout", ["xywh", "xyxy", "cxcywh"])
def test_other_layouts_than_those_of_yolo_and_voc_are_told(expected, layout):
    other = next(each for each in Boxes if (each.layout, each.unit) == (layout, expected.unit))
    boxes, frames = sound_boxes(np.random.default_rng(1), 200)
    found = misread(written(boxes, frames, other), frames, expected)
    assert (found is None) if other == expected else (found is not None and other in found.meant)


def test_pixels_are_no_fractions():
    boxes, frames = sound_boxes(np.random.default_rng(1), 20)
    found = misread(written(boxes, frames, Boxes.CXCYWH), frames, Boxes.FRACTIONS_CXCYWH)
    assert found is not None
    assert Boxes.CXCYWH in found.meant


@st.composite
def sound_sets(draw):
    """Boxes of at least a pixel, anywhere within frames of any size, which may differ."""
    count = draw(st.integers(1, 40))
    frames = [(draw(st.integers(2, 5000)), draw(st.integers(2, 5000)))] * count
    if draw(st.booleans()):
        frames = [(draw(st.integers(2, 5000)), draw(st.integers(2, 5000))) for _ in range(count)]
    reach = draw(st.sampled_from([1.0, 0.3, 0.05]))  # all of a frame, or the corner of a feeder
    boxes = []
    for width, height in frames:
        x, y = draw(st.floats(0, reach * (width - 1))), draw(st.floats(0, reach * (height - 1)))
        boxes.append([x, y, draw(st.floats(1, width - x)), draw(st.floats(1, height - y))])
    boxes = np.array(boxes)
    areas = boxes[:, 2:].prod(axis=1) * draw(st.sampled_from([1.0, 0.7, np.nan]))  # boxes', masks', or none
    return boxes, np.array(frames), areas


@given(sound_sets())
def test_a_sound_set_is_never_called_something_else(sound):
    boxes, frames, areas = sound
    assert misread(boxes, frames, areas=areas) is None


def test_stated_areas_tell_per_cents_in_small_pictures_too():
    boxes, frames = sound_boxes(np.random.default_rng(6), 10, (128, 128))
    percents = written(boxes, frames, Boxes.PERCENTS)
    assert misread(percents, frames) is None
    found = misread(percents, frames, areas=boxes[:, 2:].prod(axis=1))
    assert found is not None
    assert found.meant[0] == Boxes.PERCENTS


def test_boxes_that_hang_over_by_a_large_hand_are_no_centres():
    boxes, frames = sound_boxes(np.random.default_rng(3), 200)
    at_edge = boxes[:, 0] + boxes[:, 2] > 639
    assert at_edge.sum() >= 3
    boxes[at_edge, 2] += 12  # overshoots the picture's edge, and others touch its left
    assert misread(boxes, frames) is None


def test_one_wild_box_does_not_hide_what_the_others_tell():
    boxes, frames = sound_boxes(np.random.default_rng(4), 100)
    corners = written(boxes, frames, Boxes.XYXY)
    corners[17] = (5000, 10, 5, 5)
    found = misread(corners, frames)
    assert found is not None
    assert found.meant[0] == Boxes.XYXY


# --- through the doctor -----------------------------------------------------------------------------------------------


@pytest.fixture
def many_boxes(coco_set):
    """A set of 60 boxes on three pictures of 96 x 64, and their boxes."""
    boxes, frames = sound_boxes(np.random.default_rng(5), 60, (96, 64))
    coco_set.document["annotations"] = [
        {"id": n, "image_id": n % 3 + 1, "category_id": 1, "bbox": box.tolist(), "iscrowd": 0}
        for n, box in enumerate(boxes, 1)
    ]
    return coco_set, boxes, frames


@pytest.mark.parametrize("convention", [each for each in Boxes if each not in ("xywh", "percents-xyxy", "percents")])
def test_another_convention_is_refused_by_name_and_converted_on_request(many_boxes, convention, capsys):
    coco_set, boxes, frames = many_boxes
    for record, box in zip(coco_set.document["annotations"], written(boxes, frames, convention), strict=True):
        record["bbox"] = box.tolist()
    path, images = coco_set.source
    out = coco_set.folder / "fixed.json"
    fix = ["doctor", str(path), "--images", str(images), "--fix", str(out)]
    if convention.unit != "percents":  # of pictures as small as this, per cents may be pixels
        with pytest.raises(DataError, match=r"birds\.json: annotation \d+: \d+ of 60 boxes cannot be left") as caught:
            read_coco([(path, images)])
        assert convention.words in str(caught.value)
        assert "--boxes CONVENTION" in str(caught.value)
        assert main(fix) == 2
        assert not out.exists()
    assert main([*fix, "--boxes", convention.value]) == 0
    mended = [record["bbox"] for record in json.loads(out.read_text())["annotations"]]
    np.testing.assert_allclose(mended, boxes, atol=1e-6)
    read_coco([(out, images)], invalid="error")


def test_a_set_that_looks_misread_can_be_kept(many_boxes):
    coco_set, boxes, frames = many_boxes
    for record, box in zip(coco_set.document["annotations"], written(boxes, frames, Boxes.XYXY), strict=True):
        record["bbox"] = box.tolist()
    path, images = coco_set.source
    out = coco_set.folder / "fixed.json"
    words = ["doctor", str(path), "--images", str(images), "--fix", str(out), "--boxes", "xywh"]
    assert main(words) == 0
    read_coco([(out, images)], invalid="error")
