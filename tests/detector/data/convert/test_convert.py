import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import ConfigError
from detector.cli import convert
from detector.cli.terminal.parser import CommandParser
from detector.data.coco.reading import read_coco
from detector.data.convert.voc import voc_to_coco
from detector.data.convert.yolo import parse_line, read_yolo_names, yolo_to_coco


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
def test_a_bad_yolo_line_costs_only_itself_and_is_named(folders, line, message):
    images, labels = folders
    (labels / "a.txt").write_text(f"0 0.5 0.5 0.25 0.5\n{line}\n1 0.5 0.5 0.25 0.5\n")
    document, (problem,) = yolo_to_coco(images, labels, ["owl", "tit"])
    assert len(boxes(document)) == 2
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
    line = f"0 {centre[0]} {centre[1]} {size[0]} {size[1]}"
    _, (x1, y1, x2, y2) = parse_line(line, 1, (width, 100))
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
    assert boxes(voc_to_coco(images, xmls, zero_based=True)[0]) == [[10.5, 20, 19.5, 40]]


def test_difficult_objects_become_crowds(folders):
    images, xmls = folders
    (xmls / "a.xml").write_text(voc([voc_object(extra="<difficult>1</difficult>"), voc_object()]))
    assert [each["iscrowd"] for each in voc_to_coco(images, xmls)[0]["annotations"]] == [1, 0]


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
        (voc_object(corners=("nan", 1, 40, 5)), "has no area"),
    ],
)
def test_a_bad_voc_object_costs_only_itself(folders, bad, message):
    images, xmls = folders
    (xmls / "a.xml").write_text(voc([voc_object(), bad, voc_object()]))
    document, (problem,) = voc_to_coco(images, xmls)
    assert len(boxes(document)) == 2
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
    assert "a.txt:2: 1 numbers" in capsys.readouterr().err

    (labels / "a.xml").write_text(voc([voc_object()]))
    assert run("voc", "--images", images, "--labels", labels, "--output", output) == 0
    assert len(json.loads(output.read_text())["annotations"]) == 1
