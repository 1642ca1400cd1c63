import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import ConfigError, DataError
from detector.cli.data_sets import convert
from detector.cli.terminal.parser import CommandParser
from detector.data.coco.reading import read_coco
from detector.data.config import AugmentationConfig
from detector.data.conventions import Boxes, to_xywh
from detector.data.convert.voc import VocReading, voc_to_coco
from detector.data.convert.yolo import YoloReading, read_yolo_names, yolo_to_coco
from detector.data.convert.yolo_lines import Lines, box_of, read_line
from detector.data.dataset import EvaluationDataset, Key, TrainingDataset
from detector.data.resizing import SizeRule


@pytest.fixture
def folders(tmp_path):
    """Pictures a.jpg (200 x 100) and cam/b.png (50 x 80), and an empty folder for what describes them."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    (images / "cam").mkdir(parents=True)
    (labels / "cam").mkdir(parents=True)
    cv2.imwrite(str(images / "a.jpg"), np.zeros((100, 200, 3), np.uint8))
    cv2.imwrite(str(images / "cam/b.png"), np.zeros((80, 50, 3), np.uint8))
    return images, labels


def boxes(document):
    return [each["bbox"] for each in document["annotations"]]


def run(*arguments):
    parser = CommandParser("hoopoe convert", "")
    convert.add_arguments(parser)
    return convert.run(parser.parse_args([str(each) for each in arguments]))


# --- YOLO -------------------------------------------------------------------------------------------------------------


def test_pictures_without_labels_are_negatives(folders):
    document, problems = yolo_to_coco(*folders, ["owl"])
    assert problems == []
    assert document["annotations"] == []
    assert document["images"] == [
        {"id": 1, "file_name": "a.jpg", "width": 200, "height": 100},
        {"id": 2, "file_name": "cam/b.png", "width": 50, "height": 80},
    ]


def test_yolo_lines_become_boxes(folders):
    images, labels = folders
    (labels / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n\n0 0.1 0.2 0.1 0.2 \n")
    (labels / "cam/b.txt").write_text("0 0.2 0.25 0.8 0.25 0.6 0.75\n")  # a triangle
    document, problems = yolo_to_coco(images, labels, ["owl", "tit"])
    assert problems == []
    assert boxes(document) == [[75, 25, 50, 50], [10, 10, 20, 20], [10, 20, 30, 40]]
    assert [each["category_id"] for each in document["annotations"]] == [2, 1, 1]
    assert [each["image_id"] for each in document["annotations"]] == [1, 1, 2]
    assert document["categories"] == [{"id": 1, "name": "owl"}, {"id": 2, "name": "tit"}]


def test_roboflows_folders_of_images_and_labels_are_read_from_above(folders, tmp_path):
    images, _ = folders
    root = tmp_path / "export"
    for part, name in (("train", "a.jpg"), ("valid", "cam/b.png")):
        picture = root / part / "images" / f"{Path(name).stem}_jpg.rf.0a1b2c{Path(name).suffix}"
        picture.parent.mkdir(parents=True)
        shutil.copy(images / name, picture)
        label = root / part / "labels" / picture.with_suffix(".txt").name
        label.parent.mkdir()
        label.write_text("0 0.5 0.5 0.2 0.2")
    (root / "README.roboflow.txt").write_text("exported via roboflow.com")
    (root / "classes.labels").write_text("owl\n")
    words = ("--images", root, "--labels", root, "--names", root / "classes.labels", "--output", tmp_path / "y.json")
    assert run("yolo", *words) == 0
    document = json.loads((tmp_path / "y.json").read_text())
    assert len(boxes(document)) == 2
    assert [each["name"] for each in document["categories"]] == ["owl"]
    assert [each["file_name"] for each in document["images"]] == [
        "train/images/a_jpg.rf.0a1b2c.jpg",
        "valid/images/b_jpg.rf.0a1b2c.png",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", "4 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "6 numbers"),  # with a score: these are predictions
        ("0 0.5 0.5 0.1 x", "are not numbers"),
        ("2 0.5 0.5 0.1 0.1", "class 2, but the 2 names are numbered 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class -1"),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5"),
        ("0 nan 0.5 0.1 0.1", "not fractions"),
        ("0 100 50 20 20", "are they pixels"),
        ("0 0.5 0.5 0 0.1", "no area"),
        ("0 0.1 0.1 0.5 0.1 0.9 0.1", "no area"),
    ],
)
def test_a_bad_yolo_line_is_named_and_takes_its_picture_along(folders, line, message):
    images, labels = folders
    (labels / "a.txt").write_text(f"0 0.5 0.5 0.25 0.5\n{line}\n1 0.5 0.5 0.25 0.5\n")
    document, (problem,) = yolo_to_coco(images, labels, ["owl", "tit"])
    assert [each["file_name"] for each in document["images"]] == ["cam/b.png"]
    assert boxes(document) == []
    assert problem.where == f"{labels / 'a.txt'}:2"
    assert message in problem.message


def test_what_would_pass_for_a_negative_is_left_out(folders):
    images, labels = folders
    (labels / "a.txt").write_bytes(b"\xff\xfe0\x000\x00")
    (labels / "cam/b.txt").write_text("0 0.5 0.5 0.1 0.1")
    (labels / "c.txt").write_text("0 0.5 0.5 0.1 0.1")
    (labels / "classes.txt").write_text("owl")
    (images / "d.jpg").write_bytes(b"no picture")
    document, problems = yolo_to_coco(images, labels, ["owl"])
    assert [each["file_name"] for each in document["images"]] == ["cam/b.png"]
    assert [each.where for each in problems] == [str(labels / "a.txt"), str(images / "d.jpg"), str(labels / "c.txt")]
    assert [each.costs_picture for each in problems] == [True, True, False]


@pytest.mark.parametrize(("convert", "name"), [("yolo", "cam/c.txt"), ("voc", "cam/c.xml")])
def test_a_picture_without_labels_may_be_that_of_labels_without_a_picture(folders, convert, name):
    images, labels = folders
    (labels / name).write_text("0 0.5 0.5 0.1 0.1" if convert == "yolo" else voc([voc_object()]))
    document, problems = yolo_to_coco(images, labels, ["owl"]) if convert == "yolo" else voc_to_coco(images, labels)
    assert document["images"] == []
    assert [each.costs_picture for each in problems] == [False, True, True]


# --- lines of another kind, told by all of them together --------------------------------------------------------------


def pose_line(rng, points, numbers):
    """A box, and points in it."""
    x, y, w, h = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6), rng.uniform(0.1, 0.3), rng.uniform(0.1, 0.3)
    values = [x, y, w, h]
    for _ in range(points):
        values += [
            x + rng.uniform(-0.5, 0.5) * w,
            y + rng.uniform(-0.5, 0.5) * h,
            *([rng.integers(0, 3)] * (numbers - 2)),
        ]
    return "0 " + " ".join(f"{value:.4f}" for value in values), (x, y, w, h)


def expected_box(box, width=200, height=100):
    x, y, w, h = box
    return [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]


@pytest.mark.parametrize(("points", "numbers"), [(17, 3), (1, 3), (4, 2), (2, 3)])
def test_lines_of_pose_give_their_box_where_the_names_state_the_shape(folders, points, numbers):
    images, labels = folders
    lines, originals = zip(*(pose_line(np.random.default_rng(seed), points, numbers) for seed in range(6)), strict=True)
    (labels / "a.txt").write_text("\n".join(lines))
    document, problems = yolo_to_coco(images, labels, ["owl"], YoloReading(keypoints=(points, numbers)))
    assert problems == []
    np.testing.assert_allclose(boxes(document), [expected_box(box) for box in originals], atol=0.03)
    with pytest.raises(DataError, match=r"a\.txt:1: .* but kpt_shape \[5, 3\] makes"):
        yolo_to_coco(images, labels, ["owl"], YoloReading(keypoints=(5, 3)))


@pytest.mark.parametrize(("points", "numbers"), [(4, 2), (2, 3)])
def test_lines_that_may_be_pose_or_polygon_are_asked_about(folders, points, numbers):
    images, labels = folders
    lines, originals = zip(*(pose_line(np.random.default_rng(seed), points, numbers) for seed in range(6)), strict=True)
    (labels / "a.txt").write_text("\n".join(lines))
    with pytest.raises(
        DataError, match=r"of a box with key points or of a polygon.*--lines keypoints or --lines polygons"
    ):
        yolo_to_coco(images, labels, ["owl"])
    document, _ = yolo_to_coco(images, labels, ["owl"], YoloReading(lines=Lines.KEYPOINTS))
    np.testing.assert_allclose(boxes(document), [expected_box(box) for box in originals], atol=0.03)


def test_oriented_boxes_become_the_boxes_around_them(folders):
    images, labels = folders
    (labels / "a.txt").write_text("0 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5\n1 0.2 0.1 0.3 0.1 0.3 0.2 0.2 0.2\n")
    document, problems = yolo_to_coco(images, labels, ["owl", "tit"])
    assert problems == []
    np.testing.assert_allclose(boxes(document), [[20, 10, 160, 80], [40, 10, 20, 10]])


def test_numbers_of_tracks_are_passed_over_and_scores_are_not(folders):
    images, labels = folders
    (labels / "a.txt").write_text("0 0.5 0.5 0.25 0.5 1\n0 0.4 0.5 0.25 0.5 2\n")
    assert len(boxes(yolo_to_coco(images, labels, ["owl"])[0])) == 2
    (labels / "a.txt").write_text("0 0.5 0.5 0.25 0.5 0.93\n0 0.4 0.5 0.25 0.5 0.2\n")
    with pytest.raises(DataError, match=r"sixth number.*a score, or an angle.*--lines tracks"):
        yolo_to_coco(images, labels, ["owl"])
    assert len(boxes(yolo_to_coco(images, labels, ["owl"], YoloReading(lines=Lines.TRACKS))[0])) == 2


def test_pixels_and_corners_of_yolo_are_told_and_read_on_request(folders):
    images, labels = folders
    (labels / "a.txt").write_text("0 100 50 50 50\n0 150 70 20 20\n")
    with pytest.raises(DataError, match=r"a\.txt:1: 2 of 2 boxes cannot be centre.*in pixels.*--boxes"):
        yolo_to_coco(images, labels, ["owl"])
    document, _ = yolo_to_coco(images, labels, ["owl"], YoloReading(boxes=Boxes.CXCYWH))
    assert boxes(document) == [[75, 25, 50, 50], [140, 60, 20, 20]]
    (labels / "a.txt").write_text("0 0.7 0.6 0.9 1.0\n0 0.1 0.1 0.3 0.2\n")
    with pytest.raises(DataError, match=r"as corners .* in fractions.*--boxes fractions-xyxy"):
        yolo_to_coco(images, labels, ["owl"])


def test_yolo_fractions_are_of_the_upright_picture(folders):
    images, labels = folders
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(images / "a.jpg", exif=exif)
    (labels / "a.txt").write_text("0 0.5 0.5 1 1")
    document, _ = yolo_to_coco(images, labels, ["owl"])
    assert boxes(document) == [[0, 0, 100, 200]]
    assert (document["images"][0]["width"], document["images"][0]["height"]) == (100, 200)


@given(st.tuples(*[st.floats(0.25, 0.75)] * 2), st.tuples(*[st.floats(0.01, 0.5)] * 2), st.integers(1, 5000))
def test_any_yolo_box_keeps_its_centre_and_size(centre, size, width):
    line = read_line(f"0 {centre[0]} {centre[1]} {size[0]} {size[1]}", "a.txt:1", 1)
    x, y, w, h = to_xywh(np.array([box_of(line, None)]), np.array([(width, 100)]), Boxes.FRACTIONS_CXCYWH)[0]
    x1, y1, x2, y2 = x, y, x + w, y + h
    expected = [centre[0] * width, centre[1] * 100, size[0] * width, size[1] * 100]
    np.testing.assert_allclose([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.yaml", "names: [owl, tit]"),
        ("data.yaml", "train: x\nnames:\n  1: tit\n  0: owl\n"),
        ("obj.names", "owl\n\ntit\n"),
    ],
)
def test_names_are_read_from_every_usual_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    assert read_yolo_names(path) == ["owl", "tit"]


@pytest.mark.parametrize(
    "content", ["", "names: 3", "names: {0: owl, 2: tit}", "names: []", "- owl", "names: [a, a]", "a: b: c"]
)
def test_files_without_usable_names_are_refused(tmp_path, content):
    path = tmp_path / "data.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"data\.yaml"):
        read_yolo_names(path)


def test_missing_folders_are_named(folders, tmp_path):
    images, labels = folders
    for arguments in ((tmp_path / "none", labels), (images, tmp_path / "none"), (labels, labels)):
        with pytest.raises(ConfigError):
            yolo_to_coco(*arguments, ["owl"])


# --- Pascal VOC -------------------------------------------------------------------------------------------------------


def voc(objects, size="<size><width>200</width><height>100</height><depth>3</depth></size>"):
    return f"<annotation><filename>a.jpg</filename>{size}{''.join(objects)}</annotation>"


def voc_object(name="owl", corners=(1, 1, 200, 100), extra=""):
    tags = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name>{extra}<bndbox>{tags}</bndbox></object>"


def test_voc_pixels_count_from_one_and_include_the_last(folders):
    images, xmls = folders
    (xmls / "a.xml").write_text(voc([voc_object(), voc_object("tit", (11, 21, 30, 60))]))
    document, problems = voc_to_coco(images, xmls)
    assert problems == []
    assert boxes(document) == [[0, 0, 200, 100], [10, 20, 20, 40]]
    assert document["categories"] == [{"id": 1, "name": "owl"}, {"id": 2, "name": "tit"}]


def test_zero_based_corners_are_used_as_they_are(folders):
    images, xmls = folders
    (xmls / "a.xml").write_text(voc([voc_object(corners=(10.5, 20, 30, 60))]))
    assert boxes(voc_to_coco(images, xmls, VocReading(zero_based=True))[0]) == [[10.5, 20, 19.5, 40]]


def test_difficult_objects_are_ignored_regions_of_the_training_target(folders, tmp_path):
    images, xmls = folders
    hard = voc_object(corners=(11, 21, 30, 60), extra="<difficult>1</difficult>")
    (xmls / "a.xml").write_text(voc([hard, voc_object()]))
    output = tmp_path / "coco.json"
    assert run("voc", "--images", images, "--labels", xmls, "--output", output) == 0
    annotations, report = read_coco([(output, images)], invalid="error")
    assert (report.boxes, report.crowds) == (2, 1)
    rule = SizeRule(100, 200)
    training = TrainingDataset(annotations, rule, AugmentationConfig.off(), seed=0)
    for target in (training[Key(0, 0)].target, EvaluationDataset(annotations, rule)[0].target):
        np.testing.assert_allclose(target["boxes"], [[0, 0, 200, 100]], atol=1e-4)
        np.testing.assert_allclose(target["ignored"], [[10, 20, 30, 60]], atol=1e-4)


def test_a_flat_voc_file_for_pictures_of_two_cameras_is_nobodys(folders):
    images, annotations = folders
    (images / "cam2").mkdir()
    cv2.imwrite(str(images / "cam2/b.png"), np.zeros((80, 50, 3), np.uint8))
    (annotations / "b.xml").write_text("<annotation></annotation>")
    document, problems = voc_to_coco(images, annotations)
    assert [each["file_name"] for each in document["images"]] == ["a.jpg"]
    assert ["may be another picture's" in problem.message for problem in problems] == [True, True]


def test_voc_files_may_lie_flat_or_in_the_same_folders(folders):
    images, xmls = folders
    (xmls / "b.xml").write_text(voc([voc_object(corners=(1, 1, 5, 5))], size=""))
    document, problems = voc_to_coco(images, xmls)
    assert (problems, document["annotations"][0]["image_id"]) == ([], 2)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (voc_object(name=""), "object 2: has no name"),
        (voc_object(corners=(1, 1, "x", 5)), "are not four numbers"),
        ("<object><name>owl</name></object>", "are not four numbers"),
        (voc_object(corners=(50, 1, 40, 5)), "has no area"),
        (voc_object(corners=("nan", 1, 40, 5)), "lies outside any picture"),
        (voc_object(extra="<difficult>maybe</difficult>"), "difficult is 'maybe'"),
    ],
)
def test_a_bad_voc_object_takes_its_picture_along(folders, bad, message):
    images, xmls = folders
    small = voc_object(corners=(150, 60, 180, 90))
    (xmls / "a.xml").write_text(voc([small, bad, small]))
    document, (problem,) = voc_to_coco(images, xmls)
    assert [each["file_name"] for each in document["images"]] == ["cam/b.png"]
    assert problem.where == str(xmls / "a.xml")
    assert message in problem.message


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        ("<annotation>\n<object>", "a.xml:2", "not XML"),
        ("", "a.xml:1", "not XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotation>&x;</annotation>', "a.xml", "cannot be read"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "a.xml", "cannot be read"),
        ("<html/>", "a.xml", "its root is no <annotation>"),
        (voc([voc_object()]).replace("200", "400"), "a.xml", "says 400 x 100, the picture is 200 x 100"),
    ],
)
def test_an_unusable_voc_file_takes_its_picture_along(folders, content, where, message):
    images, xmls = folders
    (xmls / "a.xml").write_text(content)
    document, (problem,) = voc_to_coco(images, xmls)
    assert [each["file_name"] for each in document["images"]] == ["cam/b.png"]
    assert problem.where.endswith(where)
    assert message in problem.message


@pytest.mark.parametrize("stated", [(100, 200), (200, 100)])
def test_the_size_in_the_voc_file_decides_about_exif_rotation(folders, stated):
    images, xmls = folders
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(images / "a.jpg", exif=exif)
    size = f"<size><width>{stated[0]}</width><height>{stated[1]}</height></size>"
    (xmls / "a.xml").write_text(voc([voc_object(corners=(1, 1, *stated))], size))
    document, problems = voc_to_coco(images, xmls)
    assert (problems, boxes(document)) == ([], [[0, 0, *stated]])


def test_boxes_of_voc_that_are_no_corners_are_told_and_read_on_request(folders):
    images, xmls = folders
    (xmls / "a.xml").write_text(voc([voc_object(corners=(150, 20, 30, 60)), voc_object(corners=(10, 60, 20, 30))]))
    with pytest.raises(DataError, match=r"a\.xml: object 1: 2 of 2 .*as left, top, width, height.*--boxes xywh"):
        voc_to_coco(images, xmls)
    document, _ = voc_to_coco(images, xmls, VocReading(boxes=Boxes.XYWH))
    assert boxes(document) == [[150, 20, 30, 60], [10, 60, 20, 30]]


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_asks_for_names(folders, tmp_path):
    images, labels = folders
    for names in ((), ("--names", "owl", "owl")):
        with pytest.raises(ConfigError):
            run("yolo", "--images", images, "--labels", labels, *names, "--output", tmp_path / "coco.json")


def test_the_command_writes_what_can_be_read_back(folders, tmp_path, capsys):
    images, labels = folders
    (labels / "a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    output = tmp_path / "out/coco.json"
    assert run("yolo", "--images", images, "--labels", labels, "--names", "owl", "--output", output) == 0
    annotations, report = read_coco([(output, images)], invalid="error")
    assert (len(annotations), report.boxes, annotations.category_names) == (2, 1, ("owl",))

    (labels / "a.txt").write_text("0 0.5 0.5 0.25 0.5\nowl\n")
    (tmp_path / "data.yaml").write_text("names: [owl]")
    names = ("--names", tmp_path / "data.yaml")
    assert run("yolo", "--images", images, "--labels", labels, *names, "--output", output) == 1
    assert len(json.loads(output.read_text())["images"]) == 1
    assert "a.txt:2: 'owl' are not numbers" in capsys.readouterr().err

    (labels / "a.xml").write_text(voc([voc_object()]))
    assert run("voc", "--images", images, "--labels", labels, "--output", output) == 0
    assert len(json.loads(output.read_text())["annotations"]) == 1
