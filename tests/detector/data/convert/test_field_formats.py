"""Exports of the tools that the field annotates with, each from a file as that tool writes it."""

import json
import math

import cv2
import numpy as np
import pytest

from backbones.errors import ConfigError, DataError
from detector.cli.data_sets import convert
from detector.cli.main import main
from detector.data.coco.reading import read_coco
from detector.data.convert.cvat import cvat_to_coco
from detector.data.convert.label_studio import label_studio_to_coco
from detector.data.convert.listed import PictureNames
from detector.data.convert.megadetector import Thresholds, megadetector_to_coco
from detector.data.convert.yolo_lines import Lines

WIDTH, HEIGHT = 200, 100


@pytest.fixture
def images(tmp_path):
    """Pictures of 200 x 100: a.jpg, b.jpg, cam/c d.jpg."""
    folder = tmp_path / "images"
    for name in ("a.jpg", "b.jpg", "cam/c d.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    return folder


def by_picture(document):
    """Name of each picture -> its boxes as (category, rounded bbox, ignored)."""
    names = {each["id"]: each["name"] for each in document["categories"]}
    found = {each["id"]: [] for each in document["images"]}
    for each in document["annotations"]:
        box = tuple(round(value, 2) for value in each["bbox"])
        found[each["image_id"]].append((names[each["category_id"]], box, each["iscrowd"]))
    return {each["file_name"]: found[each["id"]] for each in document["images"]}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("a.jpg", "a.jpg"),
        ("cam/c d.jpg", "cam/c d.jpg"),
        ("C:\\photos\\cam\\c d.jpg", "cam/c d.jpg"),
        ("/data/upload/3/0f9b31aa-a.jpg", "a.jpg"),
        ("/data/local-files/?d=photos/cam/c%20d.jpg", "cam/c d.jpg"),
        ("https://example.org/x/a.jpg?token=1", "a.jpg"),
        ("s3://bucket/cam/c d.jpg", "cam/c d.jpg"),
        ("e.jpg", "cam1/e.jpg"),
        ("x/f.jpg", None),  # there is one in each camera's folder
        ("cam2/f.jpg", "cam2/f.jpg"),
        ("cam2/e.jpg", None),  # of another camera than the one that is there
        ("/data/upload/3/0f9b31aa-e.jpg", "cam1/e.jpg"),  # uploads know no folders
        ("x%20y/cam/c%20d.jpg", "cam/c d.jpg"),
        ("none.jpg", None),
        ("", None),
    ],
)
def test_pictures_are_found_by_the_names_of_other_programs(given, found):
    names = ["a.jpg", "b.jpg", "cam/c d.jpg", "cam1/e.jpg", "cam1/f.jpg", "cam2/f.jpg"]
    assert PictureNames(names).find(given) == found


# --- Label Studio -----------------------------------------------------------------------------------------------------


def region(kind, label, **value):
    stated = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "type": kind, "id": "r"}
    return stated | {"value": {kind: [label], "rotation": 0} | value, "from_name": "label", "to_name": "image"}


def task(name, *regions, number=1, **annotation):
    done = {"id": 1, "result": list(regions), "was_cancelled": False, "ground_truth": False} | annotation
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/0123abcd-{name}"},
        "annotations": [done],
        "predictions": [],
    }


def converted_tasks(images, *tasks):
    path = images.parent / "project.json"
    path.write_text(json.dumps(tasks))
    return label_studio_to_coco(images, path)


def test_no_tasks_are_no_pictures(images):
    document, problems = converted_tasks(images)
    assert (document["images"], problems) == ([], [])


def test_regions_of_label_studio_become_boxes_in_pixels(images):
    rectangle = region("rectanglelabels", "owl", x=10, y=20, width=30, height=40)
    ellipse = region("ellipselabels", "tit", x=50, y=50, radiusX=10, radiusY=20)
    polygon = region("polygonlabels", "tit", points=[[10, 10], [30, 20], [20, 50]])
    about_the_picture = {"type": "choices", "id": "x", "value": {"choices": ["blurred"]}}
    document, problems = converted_tasks(
        images, task("a.jpg", rectangle, ellipse, polygon, about_the_picture), task("b.jpg")
    )
    assert problems == []
    owl, *tits = by_picture(document)["a.jpg"]
    assert owl == ("owl", (20, 20, 60, 40), 0)
    assert tits == [("tit", (80, 30, 40, 40), 0), ("tit", (20, 10, 40, 40), 0)]
    assert by_picture(document)["b.jpg"] == []  # submitted without a region: a negative


def test_a_turned_rectangle_becomes_the_box_around_it(images):
    turned = region(
        "rectanglelabels", "owl", x=50, y=20, width=20, height=20, rotation=90
    )  # 40 x 20 pixels, about (100, 20)
    ((_, box, _),) = by_picture(converted_tasks(images, task("a.jpg", turned))[0])["a.jpg"]
    assert box == pytest.approx((80, 20, 20, 40))


def test_what_nobody_annotated_is_no_negative(images):
    rectangle = region("rectanglelabels", "owl", x=10, y=20, width=30, height=40)
    skipped = task("a.jpg", was_cancelled=True)
    open_task = task("b.jpg") | {"annotations": [], "predictions": [{"result": [rectangle]}]}
    two = task("cam/c d.jpg", rectangle)
    two["annotations"].append(two["annotations"][0] | {"id": 2, "result": []})
    document, problems = converted_tasks(images, skipped, open_task, two)
    assert document["images"] == []
    assert [each.costs_picture for each in problems] == [True] * 3
    two["annotations"][0]["ground_truth"] = True
    document, _ = converted_tasks(images, two)
    assert len(by_picture(document)["cam/c d.jpg"]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "brushlabels"}, "brushlabels is no box"),
        ({"image_rotation": 90}, "was turned by 90 degrees"),
        ({"original_width": 300}, "says 300 x 100, the picture is 200 x 100"),
        ({"value": {"rectanglelabels": ["owl"], "x": 1}}, "lacks numbers"),
        ({"value": {"rectanglelabels": [], "x": 1, "y": 1, "width": 5, "height": 5}}, "needs one"),
        ({"value": {"rectanglelabels": ["owl"], "x": 1, "y": 1, "width": 0, "height": 5}}, "has no area"),
        ({"value": None}, "cannot be read"),
        ({"value": {"rectanglelabels": ["owl"], "x": 10**400, "y": 1, "width": 5, "height": 5}}, "cannot be read"),
    ],
)
def test_a_region_that_cannot_be_used_takes_its_picture_along(images, change, message):
    rectangle = region("rectanglelabels", "owl", x=10, y=20, width=30, height=40)
    document, (problem,) = converted_tasks(
        images, task("a.jpg", rectangle, rectangle | change), task("b.jpg", rectangle)
    )
    assert list(by_picture(document)) == ["b.jpg"]
    assert "task 1" in problem.where
    assert message in problem.message


def test_a_task_without_its_lists_is_left_out(images):
    document, problems = converted_tasks(
        images,
        task("a.jpg") | {"annotations": [{"id": 1}]},
        task("b.jpg", {"type": "rectanglelabels"}),
        task("c d.jpg"),
    )
    assert list(by_picture(document)) == ["cam/c d.jpg"]
    assert [each.message for each in problems] == ["its labels cannot be read"] * 2


def test_json_min_is_read_too(images):
    box = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["owl"]}
    short = {
        "image": "/data/upload/1/0123abcd-a.jpg",
        "id": 7,
        "label": [box | {"original_width": WIDTH, "original_height": HEIGHT}],
    }
    document, problems = converted_tasks(images, short)
    assert (by_picture(document), problems) == ({"a.jpg": [("owl", (20, 20, 60, 40), 0)]}, [])


def test_two_tasks_of_one_picture_are_nobodys(images):
    rectangle = region("rectanglelabels", "owl", x=10, y=20, width=30, height=40)
    document, (problem,) = converted_tasks(images, task("a.jpg", rectangle), task("a.jpg", number=2), task("b.jpg"))
    assert list(by_picture(document)) == ["b.jpg"]
    assert "is there twice" in problem.message


# --- CVAT -------------------------------------------------------------------------------------------------------------


def converted_cvat(images, *elements, tag="annotations"):
    path = images.parent / "annotations.xml"
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?><{tag}><version>1.1</version>{"".join(elements)}</{tag}>')
    return cvat_to_coco(images, path)


def cvat_image(name, *shapes, size=(WIDTH, HEIGHT)):
    return f'<image id="0" name="{name}" width="{size[0]}" height="{size[1]}">{"".join(shapes)}</image>'


def test_shapes_of_cvat_become_boxes(images):
    box = '<box label="owl" occluded="0" xtl="10.5" ytl="20" xbr="40" ybr="60" z_order="0"></box>'
    turned = '<box label="owl" xtl="80" ytl="40" xbr="120" ybr="60" rotation="90.00"></box>'
    hard = '<box label="tit" xtl="1" ytl="2" xbr="11" ybr="12"><attribute name="difficult">true</attribute></box>'
    polygon = '<polygon label="tit" points="10.00,10.00;30.0,20.0;20.0,50.0"/>'
    ellipse = '<ellipse label="tit" cx="100" cy="50" rx="20" ry="10"/>'
    document, problems = converted_cvat(
        images,
        cvat_image("images/a.jpg", box, turned, hard, polygon, ellipse, '<tag label="rain"/>'),
        cvat_image("b.jpg"),
    )
    assert problems == []
    assert by_picture(document) == {
        "a.jpg": [
            ("owl", (10.5, 20, 29.5, 40), 0),
            ("owl", (90, 30, 20, 40), 0),
            ("tit", (1, 2, 10, 10), 1),
            ("tit", (10, 10, 20, 40), 0),
            ("tit", (80, 40, 40, 20), 0),
        ],
        "b.jpg": [],
    }


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<box label="owl" xtl="x" ytl="20" xbr="40" ybr="60"/>', "no number"),
        ('<box label="owl" xtl="50" ytl="20" xbr="40" ybr="60"/>', "has no area"),
        ('<box xtl="10" ytl="20" xbr="40" ybr="60"/>', "is no box"),
        ('<cuboid label="owl"/>', "is no box"),
        ('<points label="owl" points="1,2"/>', "is no box"),
    ],
)
def test_a_shape_that_cannot_be_used_takes_its_picture_along(images, shape, message):
    document, (problem,) = converted_cvat(images, cvat_image("a.jpg", shape), cvat_image("b.jpg"))
    assert list(by_picture(document)) == ["b.jpg"]
    assert message in problem.message
    assert "image 0 'a.jpg'" in problem.where


def test_other_files_are_no_cvat(images):
    with pytest.raises(DataError, match="its root is no <annotations>"):
        converted_cvat(images, tag="annotation")
    with pytest.raises(DataError, match="an export of a video"):
        converted_cvat(images, '<track id="0" label="owl"/>')
    assert "says 300 x 100" in converted_cvat(images, cvat_image("a.jpg", size=(300, 100)))[1][0].message


# --- MegaDetector -----------------------------------------------------------------------------------------------------


def converted_results(images, *records, thresholds=Thresholds()):  # noqa: B008
    names = {"1": "animal", "2": "person", "3": "vehicle"}
    path = images.parent / "md.json"
    path.write_text(json.dumps({"images": records, "detection_categories": names, "info": {"format_version": "1.5"}}))
    return megadetector_to_coco(images, path, thresholds)


def found(score, category="1", box=(0.1, 0.2, 0.3, 0.4)):
    return {"category": category, "conf": score, "bbox": list(box)}


def test_sure_boxes_are_taught_unsure_ones_ignored_and_the_rest_is_nothing(images):
    document, problems = converted_results(
        images,
        {"file": "a.jpg", "detections": [found(0.9), found(0.3, "2"), found(0.05)]},
        {"file": "b.jpg", "detections": []},
        {"file": "cam\\c d.jpg", "detections": [found(0.9, box=(-0.001, 0, 0.5, 1.0005))]},
        {"file": "v.mp4", "detections": [found(0.9)]},
    )
    assert problems == []
    assert by_picture(document) == {
        "a.jpg": [("animal", (20, 20, 60, 40), 0), ("person", (20, 20, 60, 40), 1)],
        "b.jpg": [],
        "cam/c d.jpg": [("animal", (0, 0, 99.8, 100), 0)],
    }


def test_a_record_of_another_camera_is_not_that_of_this_one(images):
    document, problems = converted_results(
        images,
        {"file": "card/cam2/c d.jpg", "detections": [found(0.9)]},
        {"file": "card/cam/c d.jpg", "detections": []},
    )
    assert by_picture(document) == {"cam/c d.jpg": []}
    assert ["cam2" in problem.where for problem in problems] == [True]


def test_thresholds_are_the_users(images):
    record = {"file": "a.jpg", "detections": [found(0.9), found(0.3)]}
    document, _ = converted_results(images, record, thresholds=Thresholds(taught=0.3, ignored=0.3))
    assert [ignored for _, _, ignored in by_picture(document)["a.jpg"]] == [0, 0]
    with pytest.raises(ConfigError, match=r"ignored from 0\.6 and taught from 0\.5"):
        Thresholds(0.5, 0.6)


@pytest.mark.parametrize(
    "record",
    [
        {"failure": "Failure image access", "detections": None},
        {"detections": [found(math.nan)]},
        {"detections": [found(0.9, "7")]},
        {"detections": [found(0.9, box=(10, 20, 30, 40))]},
        {"detections": [found(0.9, box=(0.1, 0.2, 0, 0.4))]},
        {"detections": [found(0.9, box=(1.05, 0.2, 0.03, 0.4))]},  # beyond the edge: nothing is left of it
        {"detections": [found(0.9, box=(10**400, 0.2, 0.03, 0.4))]},
        {"detections": [{"category": "1", "conf": 0.9}]},
        {"detections": 7},
    ],
)
def test_a_record_that_cannot_be_used_takes_its_picture_along(images, record):
    document, (problem,) = converted_results(images, {"file": "a.jpg", **record}, {"file": "b.jpg", "detections": []})
    assert list(by_picture(document)) == ["b.jpg"]
    assert problem.costs_picture


# --- dialects of COCO, read as they are -------------------------------------------------------------------------------


def test_coco_camera_traps_with_boxes_is_read_and_what_has_a_name_only_is_left_out(images, capsys):
    document = {
        "info": {"version": "1"},
        "images": [
            {"id": "x/a", "file_name": "a.jpg", "seq_id": "s", "location": "L1", "datetime": "2024-01-01 00:00:00"},
            {"id": "x/b", "file_name": "b.jpg", "seq_id": "s", "location": "L1"},
            {
                "id": "x/c",
                "file_name": "cam/c d.jpg",
                "seq_id": "t",
                "location": "L2",
                "width": WIDTH,
                "height": HEIGHT,
            },
        ],
        "annotations": [
            {
                "id": "1",
                "image_id": "x/a",
                "category_id": 3,
                "bbox": [10.0, 20.0, 30.0, 40.0],
                "sequence_level_annotation": False,
            },
            {"id": "2", "image_id": "x/b", "category_id": 0},
            {"id": "3", "image_id": "x/c", "category_id": 3, "sequence_level_annotation": True},
        ],
        "categories": [{"id": 0, "name": "empty"}, {"id": 3, "name": "deer"}],
    }
    path, fixed = images.parent / "cct.json", images.parent / "fixed.json"
    path.write_text(json.dumps(document))
    words = ["doctor", str(path), "--images", str(images), "--fix", str(fixed), "--allow-losses"]
    assert main(words) == 0
    annotations, report = read_coco([(fixed, images)], invalid="error", attributes=("location",))
    assert annotations.category_names == ("deer",)
    assert [annotations.file_names[place] for place in range(len(annotations))] == ["a.jpg", "b.jpg"]
    assert (report.boxes, report.negatives) == (1, 1)
    assert annotations.attributes["location"][0] == "L1"


def test_pictures_that_coco_camera_traps_do_not_label_are_no_negatives(images, capsys):
    names = ("a.jpg", "b.jpg", "cam/c d.jpg")
    document = {
        "images": [{"id": name, "file_name": name, "width": WIDTH, "height": HEIGHT} for name in names],
        "annotations": [
            {"id": "1", "image_id": "a.jpg", "category_id": 3, "bbox": [10.0, 20.0, 30.0, 40.0]},
            {"id": "2", "image_id": "b.jpg", "category_id": 0},
        ],
        "categories": [{"id": 0, "name": "empty"}, {"id": 3, "name": "deer"}],
    }
    path, fixed = images.parent / "cct.json", images.parent / "fixed.json"
    path.write_text(json.dumps(document))
    annotations, report = read_coco([(path, images)])
    assert [annotations.file_names[place] for place in range(len(annotations))] == ["a.jpg", "b.jpg"]
    assert "1 images left out, because they have no label" in str(report)
    assert main(["doctor", str(path), "--images", str(images), "--fix", str(fixed)]) == 0
    assert "image_unlabelled" in capsys.readouterr().out
    assert [each["file_name"] for each in json.loads(fixed.read_text())["images"]] == ["a.jpg", "b.jpg"]

    document["annotations"][1]["category_id"] = 3  # now nobody says that any picture is empty
    document["annotations"][1]["bbox"] = [0, 0, 9, 9]
    path.write_text(json.dumps(document))
    assert read_coco([(path, images)])[1].negatives == 1

    document["annotations"] = [{"id": "2", "image_id": "b.jpg", "category_id": 0}]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="no label among labelled blanks"):
        read_coco([(path, images)])


def test_roboflows_coco_export_is_read_as_it_is(images):
    document = {
        "info": {"year": "2024", "description": "Exported from roboflow.com"},
        "licenses": [{"id": 1, "url": "", "name": "CC BY 4.0"}],
        "categories": [
            {"id": 0, "name": "birds", "supercategory": "none"},
            {"id": 1, "name": "owl", "supercategory": "birds"},
        ],
        "images": [
            {"id": 0, "license": 1, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH, "date_captured": "x"}
        ],
        "annotations": [
            {
                "id": 0,
                "image_id": 0,
                "category_id": 1,
                "bbox": [10, 20, 30.5, 40],
                "area": 1220,
                "segmentation": [],
                "iscrowd": 0,
            }
        ],
    }
    path = images.parent / "_annotations.coco.json"
    path.write_text(json.dumps(document))
    annotations, _ = read_coco([(path, images)], invalid="error")
    assert annotations.category_names == ("owl",)
    assert annotations.boxes_xywh.tolist() == [[10, 20, 30.5, 40]]


def test_cvats_coco_export_is_read_as_it_is(images):
    extra = {"segmentation": [], "attributes": {"occluded": False, "rotation": 0.0}}
    document = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": ""},
        "categories": [{"id": 1, "name": "owl", "supercategory": ""}, {"id": 2, "name": "tit", "supercategory": ""}],
        "images": [{"id": 1, "width": WIDTH, "height": HEIGHT, "file_name": "a.jpg", "license": 0, "flickr_url": ""}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "area": 1200.0, "bbox": [10.0, 20.0, 30.0, 40.0], "iscrowd": 0}
            | extra
        ],
    }
    path = images.parent / "instances_default.json"
    path.write_text(json.dumps(document))
    annotations, report = read_coco([(path, images)], invalid="error")
    assert (annotations.category_names, report.boxes, report.findings) == (("owl", "tit"), 1, ())


def test_the_command_offers_what_there_is():
    assert tuple(Lines) == convert.LINES
    assert (Thresholds().taught, Thresholds().ignored) == (convert.TAUGHT_FROM, convert.IGNORED_FROM)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_each_format_and_lets_the_doctor_look(images, tmp_path, capsys):
    rectangle = region("rectanglelabels", "owl", x=10, y=20, width=30, height=40)
    converted_tasks(images, task("a.jpg", rectangle, rectangle), task("b.jpg"))
    converted_cvat(images, cvat_image("a.jpg", '<box label="owl" xtl="20" ytl="20" xbr="80" ybr="60"/>'))
    converted_results(images, {"file": "a.jpg", "detections": [found(0.9)]})
    for name, file in (("label-studio", "project.json"), ("cvat", "annotations.xml"), ("megadetector", "md.json")):
        output = tmp_path / f"{name}.json"
        words = ["convert", name, "--images", str(images), "--labels", str(tmp_path / file), "--output", str(output)]
        assert main(words) == 0
        annotations, _ = read_coco([(output, images)], invalid="error")
        assert annotations.boxes_xywh[0].tolist() == [20, 20, 60, 40]
        assert ("duplicate_box" in capsys.readouterr().out) == (name == "label-studio")


def test_the_command_writes_nothing_when_no_picture_is_there(images, tmp_path, capsys):
    converted_results(images, {"file": "elsewhere.jpg", "detections": [found(0.9)]})
    output = tmp_path / "out.json"
    words = ["convert", "megadetector", "--images", str(images), "--labels", str(tmp_path / "md.json")]
    assert main([*words, "--output", str(output), "--allow-losses"]) == 1
    assert not output.exists()
    assert "there is no picture in" in capsys.readouterr().out


def test_the_command_writes_nothing_when_too_much_would_be_left_out(images, tmp_path, capsys):
    converted_tasks(images, task("a.jpg", was_cancelled=True), task("b.jpg", was_cancelled=True), task("cam/c d.jpg"))
    output = tmp_path / "out.json"
    words = ["convert", "label-studio", "--images", str(images), "--labels", str(tmp_path / "project.json")]
    words += ["--output", str(output)]
    assert main(words) == 1
    assert not output.exists()
    assert "2 of 3 pictures (67%) would be left out" in capsys.readouterr().out
    assert main([*words, "--allow-losses"]) == 1
    assert len(json.loads(output.read_text())["images"]) == 1
