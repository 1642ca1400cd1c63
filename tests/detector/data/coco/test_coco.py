import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from backbones.errors import ConfigError, DataError
from detector.data.coco.categories import CategoryMapping
from detector.data.coco.reading import read_coco
from detector.data.findings import count_by_code


def read(coco_set, **options):
    return read_coco([coco_set.source], **options)


def test_a_file_without_images_is_an_empty_set(coco_set):
    coco_set.document |= {"images": [], "annotations": []}
    annotations, report = read(coco_set)
    assert len(annotations) == 0
    assert annotations.to_coco_dict()["images"] == []
    assert str(report) == "0 images (0 without birds), 0 boxes"


def test_records_arrive_as_they_are(coco_set):
    annotations, report = read(coco_set, attributes=["camera"])
    second = annotations[1]
    assert (second.id, second.width, second.height, second.labels.tolist()) == (2, 96, 64, [1])
    assert second.boxes_xyxy.tolist() == [[1.5, 2, 46.5, 52.25]]
    assert second.path == coco_set.images / "b.jpg"
    assert annotations.areas.tolist() == [900.5, 2261.25]
    assert annotations.category_names == ("owl", "tit")
    assert annotations.attributes["camera"][2] == "cam 3"
    assert (report.images, report.negatives, report.boxes, report.findings) == (3, 1, 2, ())


def test_vision_2144_negative_image_has_no_boxes(coco_set):
    negative = read(coco_set)[0][2]
    assert negative.boxes_xyxy.shape == (0, 4)
    assert negative.boxes_xyxy.dtype == np.float32
    assert negative.labels.shape == (0,)


def test_vision_5098_images_without_objects_stay_in_the_set(coco_set):
    coco_set.document["annotations"] = []
    annotations, report = read(coco_set)
    assert len(annotations) == report.negatives == 3


def test_vision_9162_empty_image_has_every_field(coco_set):
    negative, positive = read(coco_set)[0][2], read(coco_set)[0][0]
    assert vars(negative).keys() == vars(positive).keys()


def test_vision_9092_a_file_without_info_serves_pycocotools(coco_set):
    del coco_set.document["info"], coco_set.document["licenses"]
    reference = COCO()
    reference.dataset = read(coco_set)[0].to_coco_dict()
    reference.createIndex()
    results = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "score": 0.5}]
    assert len(reference.loadRes(results).anns) == 1


def test_detr_444_gaps_in_ids_become_contiguous_labels(coco_set):
    coco_set.document["categories"] = [{"id": 900, "name": "tit"}, {"id": 7, "name": "owl"}]
    for annotation, category in zip(coco_set.document["annotations"], (900, 7), strict=True):
        annotation["category_id"] = category
    annotations, _ = read(coco_set)
    assert annotations.category_names == ("owl", "tit")
    assert annotations.category_ids == (7, 900)
    assert annotations.labels.tolist() == [1, 0]


def test_rf_detr_413_category_zero_is_a_category_like_any_other(coco_set):
    coco_set.document["categories"][0]["id"] = 0
    coco_set.document["annotations"][0]["category_id"] = 0
    annotations, _ = read(coco_set)
    assert annotations.labels.tolist() == [0, 1]
    assert annotations.to_coco_dict()["annotations"][0]["category_id"] == 0


# --- boxes ------------------------------------------------------------------------------------------------------------

BAD_BOXES = [
    ("box_degenerate", [10, 10, -3.0, 5]),
    ("box_degenerate", [10, 10, 0, 5]),
    ("box_degenerate", [10, 10, 5, 1e-9]),
    ("box_not_finite", [10, float("nan"), 5, 5]),
    ("box_not_finite", [10, 10, float("inf"), 5]),
    ("box_not_finite", [10, 10, 5]),
    ("box_not_finite", [10, 10, 5, None]),
    ("box_outside", [96, 10, 5, 5]),
    ("box_outside", [-50, -50, 20, 20]),
    ("box_missing", []),
    ("box_missing", None),
]


@pytest.mark.parametrize(("code", "bbox"), BAD_BOXES)
def test_vision_2235_2740_unusable_boxes_are_dropped_and_listed(coco_set, code, bbox):
    coco_set.document["annotations"][0]["bbox"] = bbox
    annotations, report = read(coco_set)
    assert annotations.annotation_ids.tolist() == [12]
    assert (report.boxes_dropped, report.boxes_clipped) == (1, 0)
    (finding,) = report.findings
    assert (finding.code, finding.record) == (code, "annotation 11")


@pytest.mark.parametrize(("code", "bbox"), BAD_BOXES)
def test_unusable_boxes_are_refused_with_invalid_error(coco_set, code, bbox):
    coco_set.document["annotations"][0]["bbox"] = bbox
    with pytest.raises(DataError, match=r"birds\.json: annotation 11: .*data\.invalid: repair"):
        read(coco_set, invalid="error")


def test_the_error_reads_as_the_style_guide_has_it(coco_set):
    coco_set.document["annotations"][0]["bbox"] = [10, 10, -3.0, 5]
    with pytest.raises(DataError) as caught:
        read(coco_set, invalid="error")
    assert str(caught.value) == (
        f"{coco_set.json}: annotation 11: bbox width -3.0, height 5; fix the file, or set data.invalid: repair,"
        " which leaves its picture out, since the bird would pass for background"
    )


def test_overhanging_boxes_are_clipped_and_listed(coco_set):
    coco_set.document["annotations"][0] |= {"bbox": [-10, 50, 40, 40], "area": 1600}
    annotations, report = read(coco_set)
    assert annotations.boxes_xywh[0].tolist() == [0, 50, 30, 14]
    assert annotations.areas[0] == 30 * 14
    assert (report.boxes_dropped, report.boxes_clipped) == (0, 1)
    assert "hangs over the frame of 96 x 64" in report.findings[0].message
    with pytest.raises(DataError, match="hangs over"):
        read(coco_set, invalid="error")


def test_rounding_errors_at_the_frame_are_no_fault(coco_set):
    coco_set.document["annotations"][0]["bbox"] = [0.004, -1e-9, 96, 64.0000001]
    annotations, report = read(coco_set, invalid="error")
    assert report.findings == ()
    np.testing.assert_allclose(annotations[0].boxes_xyxy, [[0.004, 0, 96, 64]])


def test_crowds_keep_their_flag_and_leave_a_negative(coco_set):
    coco_set.document["annotations"][0]["iscrowd"] = 1
    annotations, report = read(coco_set)
    assert annotations.is_crowd.tolist() == [True, False]
    assert annotations[0].is_crowd.tolist() == [True]
    assert (report.crowds, report.negatives) == (1, 2)


@pytest.mark.parametrize("area", [None, 0, -5, 1e12])
def test_areas_that_cannot_be_are_those_of_the_boxes(coco_set, area):
    coco_set.document["annotations"][0]["area"] = area
    del coco_set.document["annotations"][1]["area"]
    assert read(coco_set)[0].areas.tolist() == [1600, 45 * 50.25]


# --- contradictions ---------------------------------------------------------------------------------------------------


def spoil(record, **changes):
    def change(document):
        table, index = record
        document[table][index] |= changes

    return change


def drop(record, key):
    def change(document):
        table, index = record
        del document[table][index][key]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil(("images", 1), id=1), r"image 1: 'b\.jpg' has the id of 'a\.jpg'"),
        (spoil(("annotations", 1), image_id=99), "annotation 12: image_id 99 does not exist"),
        (spoil(("annotations", 1), category_id=99), "annotation 12: category_id 99 does not exist"),
        (spoil(("images", 0), file_name="../../etc/passwd"), "image 1: '../../etc/passwd' leads out"),
        (spoil(("images", 0), file_name="/etc/passwd"), "leads out"),
        (spoil(("images", 0), file_name="..\\..\\boot.ini"), "leads out"),
        (spoil(("images", 0), file_name="C:\\boot.ini"), "leads out"),
        (spoil(("images", 0), file_name="cam/../.."), "leads out"),
        (spoil(("images", 0), file_name=""), "leads out"),
        (spoil(("images", 0), width=0), "image 1: width 0.0, height 64.0"),
        (spoil(("images", 0), height=63.5), "height 63.5"),
        (drop(("images", 0), "width"), "image 1: width None"),
        (drop(("images", 0), "file_name"), "image 1: .*missing required field `file_name`"),
        (drop(("annotations", 0), "image_id"), "annotation 11: .*missing required field `image_id`"),
        (spoil(("annotations", 0), bbox=["left", 2, 3, 4]), r"annotation 11: Expected `float.*bbox\[0\]"),
        (spoil(("annotations", 0), iscrowd=2), "annotation 11: iscrowd or ignore is 2, and neither 0 nor 1"),
        (spoil(("categories", 1), id=1), "category 1: is 'owl' and also 'tit'"),
        (spoil(("categories", 1), name=None), "category 2: Expected `int | float | str`"),
    ],
)
def test_contradictions_are_refused_with_their_record(coco_set, change, message):
    change(coco_set.document)
    with pytest.raises(DataError, match=message) as caught:
        read(coco_set)
    assert caught.value.where.startswith(str(coco_set.json))
    assert caught.value.hint


def test_the_error_counts_what_else_is_wrong(coco_set):
    for annotation in coco_set.document["annotations"]:
        annotation["image_id"] = 99
    with pytest.raises(DataError, match="and 1 more fault"):
        read(coco_set)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"images": [], "annotations": [', "not JSON"),
        (b"\x89PNG", "not JSON"),
        (b"[]", "not COCO annotations"),
        (b"{}", "missing required field `images`"),
        (b'{"images": [], "annotations": []}', "missing required field `categories`"),
        (b'{"images": {}, "annotations": [], "categories": []}', "Expected `array`"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "birds.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_coco([(path, tmp_path)])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: there is no such file"):
        read_coco([(tmp_path / "none.json", tmp_path)])


def test_no_source_and_no_such_option_are_refused(coco_set):
    with pytest.raises(DataError, match="no annotation file"):
        read_coco([])
    with pytest.raises(ConfigError, match=r"data\.invalid is 'drop'"):
        read(coco_set, invalid="drop")


def test_python_nan_is_found_but_never_inside_a_name(coco_set):
    coco_set.document["annotations"][0]["bbox"] = [float("-inf"), 1, 2, 3]
    coco_set.document["categories"][1]["name"] = 'a "NaN, Infinity" bird'
    annotations, report = read(coco_set)
    assert annotations.category_names[1] == 'a "NaN, Infinity" bird'
    assert count_by_code(report.findings) == {"box_not_finite": 1}


def test_a_byte_order_mark_does_no_harm(coco_set):
    coco_set.write()
    coco_set.json.write_bytes(b"\xef\xbb\xbf" + coco_set.json.read_bytes())
    assert len(read_coco([(coco_set.json, coco_set.images)])[0]) == 3


def test_windows_paths_are_read_everywhere(coco_set):
    coco_set.document["images"][2]["file_name"] = "cam\\c.jpg"
    assert read(coco_set)[0].path(2).exists()


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_written_as_floats_are_the_same_ids(coco_set):
    for annotation in coco_set.document["annotations"]:
        annotation["image_id"] = float(annotation["image_id"])
    assert read(coco_set)[0].labels.tolist() == [0, 1]


def test_text_ids_are_numbered_and_keep_their_boxes(coco_set):
    for image in coco_set.document["images"]:
        image["id"] = f"uuid-{image['id']}"
    for annotation in coco_set.document["annotations"]:
        annotation |= {"image_id": f"uuid-{annotation['image_id']}", "id": f"uuid-{annotation['id']}"}
    annotations, report = read(coco_set)
    assert report.image_ids_renumbered
    assert annotations.image_ids.tolist() == [1, 2, 3]
    assert annotations.annotation_ids.tolist() == [1, 2]
    assert annotations[1].labels.tolist() == [1]


@pytest.mark.parametrize("new_id", [0, 12, -1])
def test_annotation_ids_that_pycocotools_would_trip_over_are_numbered_afresh(coco_set, new_id):
    coco_set.document["annotations"][0]["id"] = new_id  # to pycocotools, a match with annotation 0 is no match
    assert read(coco_set)[0].annotation_ids.tolist() == [1, 2]


# --- categories -------------------------------------------------------------------------------------------------------


def test_class_agnostic_reading_has_one_category(coco_set):
    annotations, _ = read(coco_set, mapping=CategoryMapping.agnostic("bird"))
    assert annotations.category_names == ("bird",)
    assert annotations.labels.tolist() == [0, 0]


def test_a_mapping_file_renames_merges_and_drops(coco_set, tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text("owl: strix\ntit: null\n")
    annotations, report = read(coco_set, mapping=CategoryMapping.read(path))
    assert annotations.category_names == ("strix",)
    assert annotations.annotation_ids.tolist() == [11]
    assert (report.boxes_unmapped, report.negatives) == (1, 2)


@pytest.mark.parametrize("content", ["", "- owl", "1: owl", "owl: [1]", "a: b: c", "owl: {a: b}"])
def test_a_mapping_file_that_maps_nothing_is_refused(tmp_path, content):
    path = tmp_path / "mapping.yaml"
    path.write_text(content)
    with pytest.raises(DataError, match=r"mapping\.yaml"):
        CategoryMapping.read(path)


def test_mmdetection_2361_labels_follow_the_names_of_the_training_set(coco_set):
    annotations, _ = read(coco_set, category_names=("wren", "tit", "owl"))
    assert annotations.category_names == ("wren", "tit", "owl")
    assert annotations.labels.tolist() == [2, 1]


def test_predictions_can_use_the_ids_of_the_file_whatever_the_labels(coco_set):
    coco_set.document["categories"] = [{"id": 17, "name": "owl"}, {"id": 2, "name": "tit"}]
    coco_set.document["annotations"][0]["category_id"] = 17
    assert read(coco_set, category_names=("wren", "tit", "owl"))[0].category_ids == (18, 2, 17)
    assert read(coco_set, mapping=CategoryMapping({"owl": "strix"}))[0].category_ids == (2, 17)
    assert read(coco_set, mapping=CategoryMapping.agnostic())[0].category_ids == (18,)


def test_mmdetection_4243_a_category_that_was_not_trained_is_refused(coco_set):
    with pytest.raises(DataError, match="category 'tit' has boxes, but the categories in use are owl"):
        read(coco_set, category_names=("owl",))


def test_an_untrained_category_without_boxes_does_no_harm(coco_set):
    del coco_set.document["annotations"][1]
    assert read(coco_set, category_names=("owl",))[0].labels.tolist() == [0]


# --- several files ----------------------------------------------------------------------------------------------------


def test_files_are_joined_by_the_names_of_their_categories(coco_set, tmp_path):
    other = type(coco_set)(tmp_path / "other", first_seed=10)
    other.document["categories"] = [{"id": 1, "name": "wren"}, {"id": 2, "name": "owl"}]
    annotations, report = read_coco([coco_set.source, other.source])
    assert annotations.category_names == ("owl", "tit", "wren")
    assert annotations.labels.tolist() == [0, 1, 2, 0]
    assert annotations.source_index.tolist() == [0, 0, 0, 1, 1, 1]
    assert annotations.path(3) == other.images / "a.jpg"
    assert annotations.image_ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert report.image_ids_renumbered


def test_a_picture_that_two_files_describe_is_refused(coco_set, tmp_path):
    tits = tmp_path / "tits.json"
    tits.write_text(json.dumps(coco_set.document | {"annotations": coco_set.document["annotations"][1:]}))
    with pytest.raises(DataError, match=r"tits\.json: image 1: 'a\.jpg' is also a picture of .*birds\.json"):
        read_coco([coco_set.source, (tits, coco_set.images)])


def test_distinct_ids_survive_joining(coco_set, tmp_path):
    other = type(coco_set)(tmp_path / "other", first_seed=10)
    for image in other.document["images"]:
        image["id"] += 100
    for annotation in other.document["annotations"]:
        annotation["image_id"] += 100
    annotations, report = read_coco([coco_set.source, other.source])
    assert annotations.image_ids.tolist() == [1, 2, 3, 101, 102, 103]
    assert not report.image_ids_renumbered


# --- any file ---------------------------------------------------------------------------------------------------------


@st.composite
def coco_documents(draw):
    """Sound documents: sparse ids in any order, images without boxes, boxes in any order."""
    width, height = draw(st.integers(20, 4000)), draw(st.integers(20, 4000))
    ids = st.lists(st.integers(1, 2**40), unique=True, max_size=5)
    image_ids, category_ids = draw(ids), draw(st.lists(st.integers(0, 10**6), unique=True, min_size=1, max_size=5))
    images = [{"id": each, "file_name": f"{each}.jpg", "width": width, "height": height} for each in image_ids]
    annotations = []
    for annotation_id in draw(ids) if image_ids else []:
        x, y = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
        box = [x, y, draw(st.floats(1, width - x - 1)), draw(st.floats(1, height - y - 1))]
        annotations.append(
            {
                "id": annotation_id,
                "image_id": draw(st.sampled_from(image_ids)),
                "category_id": draw(st.sampled_from(category_ids)),
                "bbox": box,
                "area": draw(st.floats(0.1, 1e7)),
                "iscrowd": draw(st.integers(0, 1)),
            }
        )
    categories = [{"id": each, "name": f"species {each}"} for each in category_ids]
    return {"images": images, "annotations": annotations, "categories": categories}


def by_id(records):
    return sorted(records, key=lambda record: record["id"])


@given(document=coco_documents())
def test_any_sound_file_comes_back_exactly(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("any") / "birds.json"
    path.write_text(json.dumps(document))
    annotations, report = read_coco([(path, path.parent)], invalid="error")
    back = annotations.to_coco_dict()
    assert report.findings == ()
    assert back["images"] == document["images"]
    assert by_id(back["annotations"]) == by_id(document["annotations"])
    assert by_id(back["categories"]) == by_id(document["categories"])


@given(document=coco_documents(), data=st.data())
def test_any_selection_keeps_each_image_with_its_boxes(tmp_path_factory, document, data):
    path = tmp_path_factory.mktemp("any") / "birds.json"
    path.write_text(json.dumps(document))
    annotations, _ = read_coco([(path, path.parent)])
    places = data.draw(st.lists(st.integers(0, len(annotations) - 1), max_size=6) if len(annotations) else st.just([]))
    selected = annotations.select(places)
    assert len(selected) == len(places)
    for new, old in zip(range(len(places)), places, strict=True):
        for field, value in vars(annotations[old]).items():
            if field != "row":
                np.testing.assert_array_equal(getattr(selected[new], field), value)


def test_pycocotools_agrees_on_the_real_photos(real_birds):
    path = real_birds / "annotations/train.json"
    annotations, report = read_coco([(path, real_birds / "images")], attributes=["modality"])
    reference = COCO(str(path))
    assert (report.images, report.boxes, report.negatives, report.findings) == (478, 785, 95, ())
    for index in range(len(annotations)):
        image = annotations[index]
        records = reference.loadAnns(reference.getAnnIds([image.id]))
        np.testing.assert_array_equal(
            annotations.annotation_ids[image.row :][: len(records)], [r["id"] for r in records]
        )
        assert reference.imgs[image.id]["modality"] == annotations.attributes["modality"][index]
        assert image.path.exists()


def test_mmdetection_7786_annotations_hold_no_object_per_image(coco_set):
    annotations, _ = read(coco_set)
    per_image = [value for value in vars(annotations).values() if isinstance(value, list | tuple | dict)]
    assert all(len(value) < len(annotations) for value in per_image)
    assert all(array.dtype != object for array in vars(annotations).values() if isinstance(array, np.ndarray))


def test_the_fingerprint_follows_the_data_and_not_the_folder(coco_set, tmp_path):
    moved = type(coco_set)(tmp_path / "elsewhere")
    first = read(coco_set)[0].fingerprint()
    assert read(moved)[0].fingerprint() == first
    moved.document["annotations"][0]["bbox"][0] += 0.25
    assert read(moved)[0].fingerprint() != first
