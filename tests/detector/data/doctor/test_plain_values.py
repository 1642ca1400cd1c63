"""What other tools write otherwise than COCO has it: read by its one meaning, and written plainly by the doctor."""

import json
import unicodedata

import numpy as np
import pytest

from backbones.errors import DataError
from detector.cli.main import main
from detector.data.coco.parsing import parse_coco
from detector.data.coco.reading import read_coco
from detector.data.dataset import EvaluationDataset
from detector.data.doctor.document import read_document
from detector.data.doctor.examination import examine
from detector.data.packed import Annotations, CocoSource
from detector.data.resizing import SizeRule
from tests.detector.data.conftest import CocoSet, draw_scene, save_jpeg


def read(coco_set: CocoSet) -> Annotations:
    return read_coco([coco_set.source])[0]


def fixed(coco_set: CocoSet, *words: str) -> dict:
    """The copy that the doctor mends, which must have no error left."""
    path, images = coco_set.source
    out = coco_set.folder / "fixed.json"
    assert main(["doctor", str(path), "--images", str(images), "--fix", str(out), *words]) == 0
    return json.loads(out.read_text("utf-8"))


def image_ids_as_texts(document):
    for record in document["annotations"]:
        record["image_id"] = str(record["image_id"])


def file_ids_as_texts(document):
    for record in document["images"]:
        record["id"] = str(record["id"])


def all_numbers_as_texts(document):
    for record in document["images"]:
        record |= {key: str(record[key]) for key in ("width", "height")}
    for record in document["annotations"]:
        record |= {key: str(record[key]) for key in ("category_id", "area", "iscrowd")}
        record["bbox"] = [str(value) for value in record["bbox"]]
    for record in document["categories"]:
        record["id"] = str(record["id"])


def all_numbers_as_floats(document):
    for record in document["images"]:
        record |= {key: float(record[key]) for key in ("id", "width", "height")}
    for record in document["annotations"]:
        record |= {key: float(record[key]) for key in ("id", "image_id", "category_id", "iscrowd")}


def no_annotation_ids(document):
    for record in document["annotations"]:
        del record["id"]


def nulls(document):
    for record in document["annotations"]:
        record |= {"iscrowd": None, "segmentation": None}


def polygons_without_boxes(document):
    for record in document["annotations"]:
        x, y, width, height = record.pop("bbox")
        record["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height]]


SAID_OTHERWISE = [
    image_ids_as_texts,
    file_ids_as_texts,
    all_numbers_as_texts,
    all_numbers_as_floats,
    no_annotation_ids,
    nulls,
    polygons_without_boxes,
]


@pytest.mark.parametrize("change", SAID_OTHERWISE)
def test_what_has_one_meaning_is_read_as_if_it_were_plain(coco_set, change):
    plain = read(coco_set)
    change(coco_set.document)
    other = read(coco_set)
    for name in ("image_ids", "boxes_xywh", "labels", "is_crowd", "sizes_wh", "areas"):
        np.testing.assert_array_equal(getattr(other, name), getattr(plain, name), err_msg=name)


@pytest.mark.parametrize("change", SAID_OTHERWISE)
def test_what_has_one_meaning_is_written_plainly(coco_set, change):
    plain = json.loads(json.dumps(coco_set.document))
    change(coco_set.document)
    document = fixed(coco_set)
    assert len(document["images"]) == 3
    for record, before in zip(document["annotations"], plain["annotations"], strict=True):
        for key in ("category_id", "bbox", "iscrowd"):
            assert (record[key] or 0) == (before[key] or 0)
        assert type(record["category_id"]) is int
        assert all(type(value) in (int, float) for value in record["bbox"])
        assert record["image_id"] in [each["id"] for each in document["images"]]
        assert type(record["id"]) is int


def test_a_text_crowd_flag_is_a_number_and_no_reason_to_lose_a_bird(coco_set):
    coco_set.document["annotations"][0]["iscrowd"] = "0"
    coco_set.document["annotations"][1]["iscrowd"] = "1"
    assert read(coco_set).is_crowd.tolist() == [False, True]


@pytest.mark.parametrize("key", ["iscrowd", "ignore"])
def test_ignored_regions_reach_the_training_target(coco_set, key):
    coco_set.document["annotations"][0][key] = 1
    target = EvaluationDataset(read(coco_set), SizeRule(64, 96))[0].target
    assert target["boxes"].shape == (0, 4)
    assert target["ignored"].tolist() == [[10, 10, 50, 50]]


def test_names_in_another_unicode_form_are_found_and_written_as_the_disk_has_them(coco_set):
    name = "Rötel.jpg"
    save_jpeg(coco_set.images / unicodedata.normalize("NFD", name), draw_scene(0))
    coco_set.document["images"][0]["file_name"] = unicodedata.normalize("NFC", name)
    assert fixed(coco_set)["images"][0]["file_name"] == unicodedata.normalize("NFD", name)


def test_names_written_as_in_an_address_are_told_and_written_as_the_disk_has_them(coco_set):
    save_jpeg(coco_set.images / "c d/e f.jpg", draw_scene(0))
    coco_set.document["images"][0]["file_name"] = "c%20d/e%20f.jpg"
    codes = [each.code for each in examine(CocoSource(*coco_set.source)).findings]
    assert codes == ["file_misnamed", "images_empty"]
    assert fixed(coco_set)["images"][0]["file_name"] == "c d/e f.jpg"


def test_a_name_with_a_percent_sign_is_a_name(coco_set):
    save_jpeg(coco_set.images / "50%20.jpg", draw_scene(0))
    save_jpeg(coco_set.images / "50 .jpg", draw_scene(9))
    coco_set.document["images"][0]["file_name"] = "50%20.jpg"
    assert fixed(coco_set) == coco_set.document


@pytest.mark.parametrize("name", ["A.JPG", "https://example.org/x/a.jpg", "other/a.jpg", "a.jpg/../cam%2Fc.JPG"])
def test_a_file_that_is_missing_is_named_with_the_one_that_is_there(coco_set, name):
    coco_set.document["images"][0]["file_name"] = name
    finding, _ = examine(CocoSource(*coco_set.source)).findings
    assert finding.code == "file_missing"
    assert finding.message.endswith(f", '{'cam/c.jpg' if 'cam' in name else 'a.jpg'}' does")


def test_an_infinite_area_is_none(coco_set):
    path, images = coco_set.source
    path.write_text(path.read_text().replace("900.5", "1e999"))
    annotations, report = read_coco([(path, images)], invalid="error")
    assert annotations.areas.tolist() == [1600, 2261.25]
    assert report.findings == ()
    coco_set.document["annotations"][0]["area"] = None
    assert read_document(path) == coco_set.document


@pytest.mark.parametrize(
    ("written", "codes"),
    [('"bbox": [10', ["box_not_finite"]), ('"width": 96', ["size_missing"]), ('"file_name": "a.jpg"', [])],
)
def test_an_infinite_number_elsewhere_is_at_fault_where_it_is_needed(coco_set, written, codes):
    path, _ = coco_set.source
    infinite = written.replace("10", "-1e999").replace("96", "1E+400").replace("a.jpg", "1e999.jpg")
    path.write_text(path.read_text().replace(written, infinite, 1))
    assert [each.code for each in parse_coco(path).findings] == codes


# --- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "name"), [("cp1252", "Blåmes œ.jpg"), ("latin-1", "Rötel.jpg"), ("cp1255", "עורב.jpg")]
)
def test_a_file_in_a_code_page_is_read_by_what_its_file_names_prove(coco_set, page, name):
    save_jpeg(coco_set.images / name, draw_scene(0))
    coco_set.document["images"][0]["file_name"] = name
    coco_set.document["categories"][0]["name"] = name.removesuffix(".jpg")
    path, images = coco_set.source
    path.write_bytes(json.dumps(coco_set.document, ensure_ascii=False).encode(page))
    annotations, _ = read_coco([(path, images)], invalid="error")
    assert annotations.file_names[0] == name
    assert annotations.category_names[0] == name.removesuffix(".jpg")
    assert annotations.path(0).exists()
    assert read_document(path, images) == coco_set.document


def test_an_encoding_that_nothing_proves_is_an_error(coco_set):
    coco_set.document["categories"][0]["name"] = "Rötel"
    path, images = coco_set.source
    path.write_bytes(json.dumps(coco_set.document, ensure_ascii=False).encode("cp1252"))
    with pytest.raises(DataError, match=r"categories\[0\]: is not in UTF-8: save the file as UTF-8"):
        read_coco([(path, images)])
    with pytest.raises(DataError, match="not in UTF-8"):
        read_document(path, images)


# --- losses -----------------------------------------------------------------------------------------------------------


def test_a_bird_whose_box_must_go_takes_its_picture_along(coco_set):
    coco_set.document["annotations"].append(
        {"id": 13, "image_id": 1, "category_id": 2, "bbox": [60, 10, 0, 9], "iscrowd": 0}
    )
    annotations, report = read_coco([coco_set.source])
    assert annotations.image_ids.tolist() == [2, 3]
    assert (report.images, report.images_dropped, report.boxes_dropped) == (2, 1, 1)
    assert "1 images left out, because they have boxes that cannot be used" in str(report)
    assert [each["id"] for each in fixed(coco_set, "--allow-losses")["images"]] == [2, 3]


def test_more_than_a_few_per_cent_are_never_lost_without_being_asked_for(coco_set, capsys):
    for record in coco_set.document["annotations"]:
        record["bbox"] = [5, 5, 0, 0]
    with pytest.raises(DataError, match="2 of 3 images have boxes that cannot be used"):
        read_coco([coco_set.source])
    path, images = coco_set.source
    out = coco_set.folder / "fixed.json"
    assert main(["doctor", str(path), "--images", str(images), "--fix", str(out)]) == 1
    assert not out.exists()
    assert "was not written: 2 of 3 pictures (67%) would be lost" in capsys.readouterr().out


def test_an_annotation_of_no_picture_may_be_a_bird_of_any(coco_set, capsys):
    coco_set.document["annotations"] += [
        coco_set.document["annotations"][0] | {"id": 100 + n, "bbox": [10, 2 * n, 5, 2]} for n in range(30)
    ]
    coco_set.document["annotations"][-1]["image_id"] = 99
    path, images = coco_set.source
    out = coco_set.folder / "fixed.json"
    assert main(["doctor", str(path), "--images", str(images), "--fix", str(out)]) == 1
    assert "1 annotations name no picture of the file" in capsys.readouterr().out
    assert len(fixed(coco_set, "--allow-losses")["annotations"]) == 31


def test_a_category_that_is_dropped_anyway_costs_no_picture(coco_set):
    from detector.data.coco.categories import CategoryMapping

    coco_set.document["annotations"][0]["bbox"] = None
    annotations, report = read_coco([coco_set.source], mapping=CategoryMapping({"owl": None}))
    assert (len(annotations), report.images_dropped) == (3, 0)


# --- categories -------------------------------------------------------------------------------------------------------


def test_an_empty_picture_of_coco_camera_traps_is_a_negative(coco_set):
    coco_set.document["categories"].append({"id": 0, "name": "empty"})
    coco_set.document["annotations"].append({"id": "x", "image_id": 3, "category_id": 0})
    annotations, report = read_coco([coco_set.source], invalid="error")
    assert (len(annotations), report.negatives, annotations.category_names) == (3, 1, ("owl", "tit"))


def test_roboflows_root_is_no_category(coco_set):
    root = {"id": 0, "name": "birds", "supercategory": "none"}
    coco_set.document["categories"] = [
        root,
        *(each | {"supercategory": "birds"} for each in coco_set.document["categories"]),
    ]
    assert read(coco_set).category_names == ("owl", "tit")
    coco_set.document["annotations"][0]["category_id"] = 0
    assert read(coco_set).category_names == ("birds", "owl", "tit")
