import copy
import io
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from backbones.errors import ConfigError
from detector.cli.data_sets import doctor
from detector.cli.main import main
from detector.cli.terminal.parser import CommandParser
from detector.data.coco.reading import read_coco
from detector.data.doctor.document import read_document, write_document
from detector.data.doctor.examination import compare_splits, examine
from detector.data.doctor.picture_scan import scan_picture
from detector.data.doctor.repair import repair
from detector.data.findings import count_by_code
from detector.data.packed import CocoSource

SOUND = {"images_empty": 1}  # what the sound set says of itself: it has one negative


def codes(coco_set):
    return count_by_code(examine(CocoSource(*coco_set.source)).findings)


def mend(coco_set):
    """Mend the set on disk; return the mended document, what was done, and what doctor says of the result."""
    source = CocoSource(*coco_set.source)
    examined = examine(source)
    document, repairs = repair(read_document(source.annotations), examined, examined.findings)
    fixed = coco_set.folder / "fixed.json"
    write_document(document, fixed)
    return document, repairs, examine(CocoSource(fixed, source.images))


def test_an_empty_set_is_said_to_be_empty(coco_set):
    coco_set.document |= {"images": [], "annotations": []}
    assert codes(coco_set) == {"no_boxes": 1}


def test_a_sound_set_is_sound_and_mending_changes_nothing(coco_set):
    assert codes(coco_set) == SOUND
    document, repairs, _ = mend(coco_set)
    assert document == coco_set.document
    assert repairs == []


def test_two_ids_of_one_name_are_told(coco_set):
    coco_set.document["categories"][1]["name"] = "owl"
    assert codes(coco_set) == SOUND | {"category_repeated": 1}
    document, repairs, _ = mend(coco_set)
    assert (document, repairs) == (coco_set.document, [])


# --- each fault: planted, found, named, mended ------------------------------------------------------------------------


def annotation(**keys):
    return lambda s: s.document["annotations"][0].update(keys)


def image(**keys):
    return lambda s: s.document["images"][0].update(keys)


def missing_file(s):
    (s.images / "a.jpg").unlink()


def truncated_file(s):
    path = s.images / "a.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_file(s):
    (s.images / "a.jpg").write_bytes(b"")


def another_file(s):
    (s.images / "a.jpg").write_text("<html>404</html>")


def resized_file(s):
    path = s.images / "a.jpg"
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (48, 32)))


def same_id_other_file(s):
    s.document["images"][1]["id"] = 1


def same_record_twice(s):
    s.document["images"].append(dict(s.document["images"][0]))


def same_file_other_id(s):
    s.document["images"].append(s.document["images"][0] | {"id": 44})
    s.document["annotations"].append({"id": 99, "image_id": 44, "category_id": 1, "bbox": [50, 20, 40, 40]})


def box_twice(s):
    s.document["annotations"].append(s.document["annotations"][0] | {"id": 77, "bbox": [10.2, 10, 40, 40]})


def no_image_size(s):
    del s.document["images"][0]["width"]
    s.document["annotations"][0]["bbox"] = [80, 10, 40, 40]  # can only be judged once the size is known


FAULTS = [
    # plant, code, the record that is named, actions of the repair, images left, boxes left
    (missing_file, "file_missing", "image 1", {"dropped"}, 2, 1),
    (truncated_file, "file_unreadable", "image 1", {"dropped"}, 2, 1),
    (empty_file, "file_unreadable", "image 1", {"dropped"}, 2, 1),
    (another_file, "file_unreadable", "image 1", {"dropped"}, 2, 1),
    (resized_file, "size_wrong", "image 1", {"dropped"}, 2, 1),
    (image(width=64, height=96), "size_wrong", "image 1", {"dropped"}, 2, 1),
    (image(file_name="../images/a.jpg"), "path_escapes", "image 1", {"dropped"}, 2, 1),
    (image(file_name=7), "bad_record", "image 1", {"dropped"}, 2, 1),
    (no_image_size, "size_missing", "image 1", {"resized", "clipped"}, 3, 2),
    (same_id_other_file, "duplicate_image_id", "image 1", {"dropped"}, 1, 0),
    (same_record_twice, "duplicate_image_id", "image 1", {"dropped"}, 3, 2),
    (same_file_other_id, "duplicate_file", "image 44", {"merged"}, 3, 3),
    (annotation(id=12), "duplicate_annotation_id", "annotation 12", {"renumbered"}, 3, 2),
    (annotation(image_id=5), "unknown_image", "annotation 11", {"dropped"}, 3, 1),
    (annotation(category_id=5), "unknown_category", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=["x", 1, 2, 3]), "bad_record", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=[10, 10, 0, 5]), "box_degenerate", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=[10, 10, -4, 5]), "box_degenerate", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=[10, float("nan"), 4, 5]), "box_not_finite", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=[10, 10, 4]), "box_not_finite", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=[200, 10, 40, 5]), "box_outside", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=None), "box_missing", "annotation 11", {"dropped"}, 2, 1),
    (annotation(bbox=[60, 10, 40, 40]), "box_overhangs", "annotation 11", {"clipped"}, 3, 2),
    (box_twice, "duplicate_box", "annotation 77", {"dropped"}, 3, 2),
]


def test_a_picture_of_which_a_part_is_lost_is_named_and_kept(coco_set):
    path = coco_set.images / "a.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4] + b"\xff\xd9")
    examined = examine(CocoSource(*coco_set.source))
    assert [(each.code, each.record) for each in examined.findings if each.severity != "info"] == [
        ("file_in_part", "image 1")
    ]
    _, repairs, _ = mend(coco_set)
    assert not repairs


@pytest.mark.skipif(os.name != "posix", reason="the decoders' words cannot be collected")
def test_the_command_names_a_picture_of_which_libjpeg_alone_notices_a_loss(coco_set, capfd):
    path = coco_set.images / "a.jpg"
    data = path.read_bytes()
    middle = len(data) * 3 // 4
    path.write_bytes(
        data[:middle] + bytes(255 - each if 0 < each < 255 else each for each in data[middle:-2]) + data[-2:]
    )
    findings = coco_set.folder / "findings.json"
    words = ["doctor", str(coco_set.source[0]), "--images", str(coco_set.images), "--output", str(findings)]
    assert main(words) == 0
    listed = json.loads(findings.read_text())["sets"][0]["findings"]
    assert [each["record"] for each in listed if each["code"] == "file_in_part"] == ["image 1"]
    assert "JPEG data" not in capfd.readouterr().err


@pytest.mark.parametrize(("plant", "code", "record", "actions", "images", "boxes"), FAULTS)
def test_a_fault_is_found_named_and_mended(coco_set, plant, code, record, actions, images, boxes):
    plant(coco_set)
    examined = examine(CocoSource(*coco_set.source))
    named = [finding.record for finding in examined.findings if finding.code == code]
    assert named == [record]

    document, repairs, again = mend(coco_set)
    assert {each.action for each in repairs} == actions
    assert {finding.code for finding in again.findings if finding.severity != "info"} <= {"no_boxes"}
    assert (len(document["images"]), len(document["annotations"])) == (images, boxes)
    annotations, report = read_coco([again.source], invalid="error")
    assert (len(annotations), report.boxes, report.findings) == (images, boxes, ())
    assert document["licenses"] == coco_set.document["licenses"]
    assert all(record["camera"] for record in document["images"])


def test_all_faults_at_once_are_mended_in_one_go(coco_set, tmp_path):
    for index, plant in enumerate((truncated_file, same_file_other_id, box_twice, annotation(bbox=[0, 0, 0, 0]))):
        other = type(coco_set)(tmp_path / str(index), first_seed=10 * index)
        plant(other)
        shutil.copytree(other.images, coco_set.images / str(index))
        for record in other.document["images"]:
            record |= {"id": record["id"] + 1000 * (index + 1), "file_name": f"{index}/{record['file_name']}"}
        for record in other.document["annotations"]:
            record["image_id"] += 1000 * (index + 1)
        coco_set.document["images"] += other.document["images"]
        coco_set.document["annotations"] += other.document["annotations"]
    _, repairs, again = mend(coco_set)
    assert count_by_code(again.findings) == SOUND
    reasons = {each.reason for each in repairs}
    assert reasons >= {"file_unreadable", "duplicate_file", "duplicate_box", "box_degenerate"}


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 200),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "x", "a.jpg", "b.jpg", "..", "a\\..\\b.jpg"]),
    st.lists(st.one_of(st.floats(), st.integers(-100, 200)), max_size=5),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)
TABLES = st.sampled_from(["images", "annotations"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_whatever_is_spoiled_is_mended(coco_set, data):
    document = copy.deepcopy(coco_set.document)
    for _ in range(data.draw(st.integers(1, 4))):
        table = document[data.draw(TABLES)]
        place = data.draw(st.integers(0, len(table) - 1))
        key = data.draw(st.sampled_from(sorted({*table[place], "area"}) if isinstance(table[place], dict) else [None]))
        change = data.draw(st.sampled_from(["set", "delete", "replace", "repeat"]))
        if change == "repeat":
            table.append(copy.deepcopy(table[place]))
        elif change == "replace" or key is None:
            table[place] = data.draw(ANYTHING)
        elif change == "delete":
            table[place].pop(key, None)
        else:
            table[place][key] = data.draw(ANYTHING)
    spoiled = type(coco_set).__new__(type(coco_set))
    spoiled.__dict__ |= vars(coco_set) | {"document": document}
    _, _, again = mend(spoiled)
    assert {finding.code for finding in again.findings if finding.severity != "info"} <= {"no_boxes", "small_boxes"}
    read_coco([again.source], invalid="error")


def test_the_original_is_never_overwritten(coco_set):
    path, images = coco_set.source
    with pytest.raises(ConfigError, match="would overwrite"):
        run(path, "--images", images, "--fix", path)
    assert json.loads(path.read_text()) == coco_set.document


def test_two_names_for_one_category_are_left_to_the_user(coco_set):
    coco_set.document["categories"][1]["id"] = 1
    coco_set.document["annotations"].pop()
    assert "duplicate_category_id" in codes(coco_set)
    assert mend(coco_set)[2].has_errors


def test_one_name_with_two_ids_is_named_where_both_have_boxes(coco_set):
    first = coco_set.document["categories"][0]
    coco_set.document["categories"].append({**first, "id": 90})
    assert "category_repeated" not in codes(coco_set)
    coco_set.document["annotations"].append({**coco_set.document["annotations"][0], "id": 900, "category_id": 90})
    assert codes(coco_set)["category_repeated"] == 1


# --- what is no fault -------------------------------------------------------------------------------------------------


def test_sparse_categories_and_crowds_and_unused_categories_are_mentioned(coco_set):
    coco_set.document["categories"].append({"id": 90, "name": "wren"})
    coco_set.document["annotations"][0]["iscrowd"] = 1
    assert codes(coco_set) == SOUND | {"categories_sparse": 1, "category_unused": 1, "crowd": 1, "images_empty": 1}
    assert not examine(CocoSource(*coco_set.source)).has_errors


def test_a_picture_of_crowds_is_no_negative_and_a_set_of_crowds_an_error(coco_set):
    for box in coco_set.document["annotations"]:
        box["iscrowd"] = 1
    assert codes(coco_set) == SOUND | {"only_crowds": 1}
    assert examine(CocoSource(*coco_set.source)).has_errors


@pytest.mark.parametrize(
    ("orientation", "size", "code"),
    [
        (6, (64, 96), "exif_rotated"),
        (6, (96, 64), "exif_rotated"),
        (3, (96, 64), "exif_ambiguous"),
        (1, (96, 64), None),
    ],
)
def test_exif_rotation_is_told_and_does_not_stop_training(coco_set, orientation, size, code):
    path = coco_set.images / "cam/c.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(io.BytesIO(path.read_bytes())).save(path, exif=exif)
    coco_set.document["images"][2] |= {"width": size[0], "height": size[1]}
    assert codes(coco_set) == SOUND | ({code: 1} if code else {})


def test_two_birds_side_by_side_are_no_duplicates(coco_set):
    first = coco_set.document["annotations"][0]
    coco_set.document["annotations"].append(first | {"id": 77, "bbox": [14, 10, 40, 40]})
    coco_set.document["annotations"].append(first | {"id": 78, "category_id": 2})
    coco_set.document["annotations"].append(first | {"id": 79, "image_id": 2})
    assert codes(coco_set) == SOUND


def test_a_path_outside_the_folder_is_not_even_opened(coco_set):
    opened = []

    def look(paths):
        opened.extend(paths)
        return [scan_picture(path) for path in paths]

    coco_set.document["images"][0]["file_name"] = "../../secret.jpg"
    examine(CocoSource(*coco_set.source), look)
    assert len(opened) == 2


# --- training against validation --------------------------------------------------------------------------------------


@pytest.fixture
def val_set(coco_set, tmp_path):
    return type(coco_set)(tmp_path / "val", first_seed=100)


def compared(coco_set, val_set):
    train, validation = (examine(CocoSource(*each.source)) for each in (coco_set, val_set))
    return train, list(compare_splits(train, validation))


def test_splits_of_unlike_pictures_have_no_leak(coco_set, val_set):
    assert compared(coco_set, val_set)[1] == []


@pytest.mark.parametrize("change", ["copied", "recompressed", "resized", "brightened"])
def test_a_picture_on_both_sides_is_found_and_taken_from_training(coco_set, val_set, change):
    pixels = cv2.imread(str(coco_set.images / "b.jpg"))
    if change == "resized":
        pixels = cv2.resize(pixels, (960, 640), interpolation=cv2.INTER_CUBIC)
        val_set.document["images"][0] |= {"width": 960, "height": 640}
    elif change == "brightened":
        pixels = np.clip(pixels.astype(int) + 3, 0, 255).astype(np.uint8)
    cv2.imwrite(str(val_set.images / "a.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])
    if change == "copied":
        shutil.copy(coco_set.images / "b.jpg", val_set.images / "a.jpg")

    train, findings = compared(coco_set, val_set)
    assert [(finding.code, finding.record) for finding in findings] == [("leaked_image", "image 2")]
    assert "'b.jpg' looks like 'a.jpg'" in findings[0].message
    document, repairs = repair(coco_set.document, train, findings)
    assert [record["id"] for record in document["images"]] == [1, 3]
    assert [each.record for each in repairs] == ["image 2", "annotation 12"]


def test_black_frames_are_not_taken_for_each_other(coco_set, val_set):
    for each in (coco_set, val_set):
        noise = np.random.default_rng(len(str(each.folder))).integers(0, 4, (64, 96, 3), np.uint8)
        cv2.imwrite(str(each.images / "a.jpg"), noise)
    assert compared(coco_set, val_set)[1] == []


def test_mmdetection_1924_a_category_only_in_validation_is_an_error(coco_set, val_set):
    val_set.document["categories"][1]["name"] = "wren"
    (finding,) = compared(coco_set, val_set)[1]
    assert (finding.code, finding.severity) == ("category_not_trained", "error")
    assert "'wren' has boxes" in finding.message


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments):
    parser = CommandParser("hoopoe doctor", "")
    doctor.add_arguments(parser)
    return doctor.run(parser.parse_args([str(each) for each in arguments]))


def test_the_command_exits_with_1_on_errors_and_0_once_mended(coco_set, val_set, capsys):
    missing_file(coco_set)
    json_path, images = coco_set.source
    report = coco_set.folder / "reports/report.json"
    assert run(json_path, "--images", images, "--output", report) == 1
    assert "image 1: 'a.jpg'" in capsys.readouterr().out
    (entry, _) = json.loads(report.read_text())["sets"][0]["findings"]
    assert (entry["code"], entry["record"], entry["severity"]) == ("file_missing", "image 1", "error")

    fixed = coco_set.folder / "fixed.json"
    validation = ("--val-annotations", val_set.write(), "--val-images", val_set.images)
    assert run(json_path, "--images", images, *validation, "--fix", fixed, "--output", report) == 0
    assert [each["record"] for each in json.loads(report.read_text())["repairs"]] == ["image 1", "annotation 11"]
    assert run(fixed, "--images", images) == 0


def test_half_a_validation_set_is_refused(coco_set):
    json_path, images = coco_set.source
    with pytest.raises(ConfigError, match="belong together"):
        run(json_path, "--images", images, "--val-images", images)


def test_the_real_photos_pass(real_birds):
    sources = [
        CocoSource(real_birds / f"annotations/{split}.json", real_birds / "images") for split in ("train", "val")
    ]
    train, validation = map(examine, sources)
    assert not train.has_errors
    assert not validation.has_errors
    # one pair of frames was filmed from the same place, but there is a bird in one only
    assert list(compare_splits(train, validation)) == []


def test_picture_whose_name_is_too_long_for_the_system_is_missing(tmp_path):
    assert scan_picture(tmp_path / f"{'a' * 5000}.jpg").missing
