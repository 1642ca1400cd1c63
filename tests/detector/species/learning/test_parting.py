"""What is held out: whole groups, the same ones again, near its share of every class, and never all of one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.species.learning.boxes import LabelledBox, window_in_patch
from detector.species.learning.parting import LEAST_CAMERAS, joined_groups, part_crops


def crops(*places: tuple[str, str, str]) -> list[LabelledBox]:
    return [LabelledBox("bird", f"{n}.jpg", content or str(n), camera, event)
            for n, (camera, event, content) in enumerate(places)]  # fmt: skip


def test_nothing_parts_into_nothing() -> None:
    parting = part_crops([], np.zeros(0, np.int64), 0.2, "auto")
    assert len(parting.held_out) == len(parting.groups) == 0


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3), st.integers(0, 30), st.integers(0, 3)), max_size=60),
    st.sampled_from(["auto", "camera", "event"]),
)
def test_no_group_and_no_file_is_on_both_sides_and_each_class_can_be_learnt(rows: list, group_by: str) -> None:
    boxes = crops(*((f"c{camera}", f"e{event}", f"f{file}") for camera, event, file, _ in rows))
    classes = np.array([label for *_, label in rows], np.int64)
    parting = part_crops(boxes, classes, 0.25, group_by)  # type: ignore[arg-type]
    for key in ("content", *(("camera",) if "cameras" in parting.rule.split(":")[1].split(",")[0] else ())):
        sides: dict[str, set[bool]] = {}
        for box, held in zip(boxes, parting.held_out.tolist(), strict=True):
            sides.setdefault(getattr(box, key), set()).add(held)
        assert all(len(each) == 1 for each in sides.values()), key
    for label in np.unique(classes):
        assert not parting.held_out[classes == label].all()


def test_five_cameras_are_kept_whole_fewer_are_parted_by_event() -> None:
    for cameras, word in ((LEAST_CAMERAS, "cameras"), (LEAST_CAMERAS - 1, "events")):
        boxes = crops(*((f"c{n % cameras}", f"e{n}", "") for n in range(40)))
        parting = part_crops(boxes, np.zeros(40, np.int64), 0.2, "auto")
        assert word in parting.rule.split(":")[1]
        assert 0.15 <= parting.held_out.mean() <= 0.25


def test_where_each_species_has_a_camera_of_its_own_events_are_held_out() -> None:
    """As in a folder whose files are named by species: no such "camera" could be held out."""
    classes = np.arange(60) // 10
    boxes = crops(*((f"c{label}", f"e{n}", "") for n, label in enumerate(classes.tolist())))
    parting = part_crops(boxes, classes, 0.2, "auto")
    assert "events" in parting.rule
    assert np.bincount(classes[parting.held_out]).tolist() == [2] * 6
    assert not part_crops(boxes, classes, 0.2, "camera").held_out.any()


def test_the_order_of_crops_changes_nothing() -> None:
    boxes = crops(*((f"c{n % 9}", f"e{n % 18}", "") for n in range(90)))
    classes = np.arange(90) % 4
    order = np.random.default_rng(0).permutation(90)
    first = part_crops(boxes, classes, 0.2, "camera").held_out
    second = part_crops([boxes[n] for n in order], classes[order], 0.2, "camera").held_out
    np.testing.assert_array_equal(first[order], second)


def test_copies_of_a_file_join_their_groups() -> None:
    groups = joined_groups(["a", "b", "c", "d"], ["1", "2", "2", "3"])
    assert groups[1] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_a_window_is_the_crop_within_its_patch_also_at_the_edge_of_the_picture() -> None:
    middle = LabelledBox("bird", "", "", "", "", (0.4, 0.4, 0.2, 0.2))
    left, _, right, _ = window_in_patch(middle, 0.3).tolist()
    np.testing.assert_allclose([left, right], [0.2 / 1.6, 1.4 / 1.6], atol=1e-6)
    corner = LabelledBox("bird", "", "", "", "", (0.0, 0.4, 0.2, 0.2))
    np.testing.assert_allclose(window_in_patch(corner, 0.3)[[0, 2]], [0, 1.1 / 1.3], atol=1e-6)
    assert window_in_patch(LabelledBox("bird", "", "", "", ""), 0.3).tolist() == [0, 0, 1, 1]
