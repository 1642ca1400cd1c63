"""Boxes drawn on pictures, closeups and contact sheets, pixel by pixel where it matters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.plots.contact_sheet import CAPTION_PX, GAP_PX, closeup, contact_sheet
from detector.plots.detections import TRUTH_COLOUR, draw_detections


def grey(height=200, width=300):
    return np.full((height, width, 3), 128, dtype=np.uint8)


def test_no_boxes_leave_the_picture_as_it_is():
    image = grey()
    drawn = draw_detections(image, [], [], [])
    np.testing.assert_array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_the_argument_is_not_drawn_on():
    image = grey()
    draw_detections(image, [[20, 60, 80, 120]], ["heron"], [0.9])
    assert (image == 128).all()


def test_lines_lie_around_the_box_and_not_on_the_bird():
    drawn = draw_detections(grey(), [[50, 60, 100, 120]])
    assert (drawn[60:120, 50:100] == 128).all()
    assert (drawn[59, 50:100] != 128).any(axis=-1).all()
    assert (drawn[60:120, 49] != 128).any(axis=-1).all()
    assert (drawn[120, 50:100] != 128).any(axis=-1).all()


def test_lines_grow_with_the_picture():
    def line_width(drawn):
        return int((drawn[drawn.shape[0] // 2] != 128).any(axis=-1).sum()) / 2

    small = draw_detections(grey(300, 300), [[100, 100, 200, 200]])
    large = draw_detections(grey(3000, 3000), [[1000, 1000, 2000, 2000]])
    assert line_width(large) > 4 * line_width(small)


def test_the_ground_truth_has_its_own_colour():
    drawn = draw_detections(grey(), [[10, 60, 40, 90]], ["heron"], [0.9], truth_xyxy=[[150, 60, 200, 90]])
    assert drawn[75, 149].tolist() == list(TRUTH_COLOUR)
    assert not (drawn[:, :100] == TRUTH_COLOUR).all(axis=-1).any()


def test_a_label_has_the_same_colour_in_every_picture():
    one = draw_detections(grey(), [[50, 60, 100, 120]], ["heron"])
    two = draw_detections(grey(), [[10, 10, 20, 20], [50, 60, 100, 120]], ["crane", "heron"])
    assert one[90, 49].tolist() == two[90, 49].tolist()


def test_the_common_detectors_labels_differ_in_colour():
    names = ["bird", "other animal", "person", "vehicle", "animal"]
    colours = {tuple(draw_detections(grey(), [[50, 60, 100, 120]], [name])[90, 49]) for name in names}
    assert len(colours) == len(names)


@pytest.mark.parametrize("box", [[0, 0, 300, 200], [250, 0, 299, 20], [0, 180, 20, 200], [-50, -50, 20, 20]])
def test_names_of_boxes_at_the_border_are_inside_the_picture(box):
    with_name = draw_detections(grey(), [box], ["Great Cormorant"], [0.87])
    without = draw_detections(grey(), [box], [""])
    changed = np.argwhere((with_name != without).any(axis=-1))
    size = np.ptp(changed, axis=0)
    assert size[0] > 8, "the whole height of the name"
    assert size[1] > 80, "the whole width of the name"


def test_a_box_outside_the_picture_shows_nothing():
    np.testing.assert_array_equal(draw_detections(grey(), [[400, 10, 450, 50]], ["heron"], [0.9]), grey())


@settings(deadline=None, max_examples=60)
@given(
    box=st.lists(st.floats(-500, 800), min_size=4, max_size=4),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_any_box_on_any_picture_is_drawn_without_complaint(box, size):
    left, right = sorted(box[:2])
    top, bottom = sorted(box[2:])
    drawn = draw_detections(grey(*size), [[left, top, right, bottom]], ["לבן צוואר"], [0.5])
    assert drawn.shape == (*size, 3)


@pytest.mark.parametrize(("labels", "scores"), [(["a"], None), (None, [0.5])])
def test_a_name_and_a_score_for_each_box_or_none_at_all(labels, scores):
    with pytest.raises(ValueError, match="2 boxes with 1"):
        draw_detections(grey(), [[0, 0, 5, 5], [5, 5, 9, 9]], labels, scores)


@pytest.mark.parametrize("box", [[100, 80, 110, 90], [0, 0, 8, 8], [290, 190, 300, 200], [120, 0, 180, 200]])
def test_a_closeup_shows_the_box_where_it_says(box):
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    view = closeup(image, box, 192)
    left, top, right, bottom = view.place([box])[0].round().astype(int)
    inner = view.image_rgb[top + 3 : bottom - 3, left + 3 : right - 3]
    assert inner.size
    assert (inner > 200).all()
    outer = view.image_rgb.copy()
    outer[max(top - 3, 0) : bottom + 3, max(left - 3, 0) : right + 3] = 0
    assert (outer < 60).all()


def test_a_small_bird_is_shown_with_its_surroundings():
    assert closeup(grey(), [100, 80, 105, 85], 240).scale == pytest.approx(240 / 96)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (4, 1), (5, 2)])
def test_a_contact_sheet_has_room_for_all_tiles(count, rows):
    sheet = contact_sheet([grey(100, 100)] * count, ["image 1: a caption much longer than its tile"] * count, 100)
    assert sheet.shape == (rows * (100 + CAPTION_PX + GAP_PX) + GAP_PX, 4 * (100 + GAP_PX) + GAP_PX, 3)
    assert (sheet[GAP_PX : GAP_PX + 100, GAP_PX : GAP_PX + 100] == 128).all()


def test_an_unreadable_picture_has_an_empty_frame_that_says_so():
    sheet = contact_sheet([None], ["image 1"], 200)
    frame = sheet[GAP_PX : GAP_PX + 200, GAP_PX : GAP_PX + 200]
    assert (frame[-1] == 225).all()
    assert frame.min() < 100, "words"


def test_an_empty_contact_sheet_says_none():
    assert contact_sheet([], []).min() < 100
