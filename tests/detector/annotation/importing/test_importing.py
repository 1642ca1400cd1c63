"""Boxes of other tools: every dialect goes in, and one bad record costs one file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from backbones.errors import DataError
from detector.annotation.importing.formats import (
    IN_PIXELS,
    NO_AREA,
    NO_CATEGORY,
    ImportedFile,
    imported_frame,
    path_under,
)
from detector.annotation.importing.media import MediaFolder, as_upright
from detector.annotation.importing.megadetector import MOST_FRAMES
from detector.annotation.importing.reading import read_detections
from detector.base.objects.address import Address
from detector.base.objects.service import put_object
from detector.types import MediaItem

INTEROP = Path(__file__).parents[5] / "shared" / "data" / "interop"
CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


def written(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def megadetector(path, *images, categories=CATEGORIES, **info):
    return written(path, {"info": info, "detection_categories": categories, "images": list(images)})


def box(*bbox, category="1", conf=0.5, **extra):
    return {"category": category, "conf": conf, "bbox": list(bbox), **extra}


def test_a_file_without_images_is_empty(tmp_path):
    imported = read_detections([megadetector(tmp_path / "md.json")])
    assert (len(imported), list(imported)) == (0, [])
    assert imported.categories == ("animal", "person", "vehicle")


def test_boxes_that_overhang_are_clipped_and_those_without_area_left_out(tmp_path):
    boxes = [box(-0.01, 0.2, 0.11, 0.9), box(0.5, 0.5, 0.0, 0.1), box(1.2, 0.1, 0.2, 0.2)]
    [file] = read_detections([megadetector(tmp_path / "md.json", {"file": "a.jpg", "detections": boxes})])
    assert np.allclose(file.frames[0].boxes_xywh, [[0, 0.2, 0.1, 0.8]])
    assert file.left_out == {NO_AREA: 2}


def test_boxes_in_pixels_are_told_and_do_not_make_a_picture_blank(tmp_path):
    boxes = [box(40, 40, 100, 100), box(0.1, 0.1, 0.2, 0.2), box(0, 0, 1, 1, category="7")]
    [file] = read_detections([megadetector(tmp_path / "md.json", {"file": "a.jpg", "detections": boxes})])
    assert (file.failure, file.frames) == (IN_PIXELS, ())
    assert file.left_out == {IN_PIXELS: 1, NO_CATEGORY: 1}


def test_utf_16_as_powershell_writes_it_is_read(tmp_path):
    path = megadetector(tmp_path / "md.json", {"file": "a.jpg", "detections": []})
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-16")
    assert [file.path for file in read_detections([path])] == ["a.jpg"]


def test_unknown_and_empty_categories_are_no_detections(tmp_path):
    boxes = [box(0, 0, 1, 1, category="0"), box(0, 0, 1, 1, category="9"), box(0, 0, 1, 1, category="2")]
    path = megadetector(
        tmp_path / "md.json", {"file": "a.jpg", "detections": boxes}, categories={"0": "empty", **CATEGORIES}
    )
    imported = read_detections([path])
    [file] = imported
    assert [imported.categories[label] for label in file.frames[0].labels] == ["person"]


def test_failures_and_bad_records_cost_their_own_file(tmp_path):
    path = megadetector(
        tmp_path / "md.json",
        {"file": "broken.jpg", "failure": "image access failure", "detections": None},
        {"file": "silent.jpg"},
        {"file": "odd.jpg", "detections": [{"category": "1", "conf": 0.5, "bbox": [1, 2, 3]}]},
        {"file": "sub\\good.jpg", "detections": []},
    )
    broken, silent, odd, good = read_detections([path])
    assert broken.failure == "image access failure"
    assert silent.failure
    assert "md.json" in odd.failure
    assert "bbox" in odd.failure
    assert (good.path, good.failure, len(good.frames[0].scores)) == ("sub/good.jpg", None, 0)


def test_frames_of_a_video_come_by_number(tmp_path):
    boxes = [box(0, 0, 1, 1, frame_number=30), box(0, 0, 0.5, 1, frame_number=0), box(0, 0, 1, 0.5, frame=30)]
    video = {"file": "v.mp4", "frame_rate": 30.0, "frames_processed": [0, 15, 30], "detections": boxes}
    [file] = read_detections([megadetector(tmp_path / "md.json", video)])
    assert [(frame.number, len(frame.scores)) for frame in file.frames] == [(0, 1), (15, 0), (30, 2)]


def test_files_are_joined_by_the_names_of_their_categories(tmp_path):
    one = megadetector(tmp_path / "1.json", {"file": "a.jpg", "detections": [box(0, 0, 1, 1)]})
    two = megadetector(
        tmp_path / "2.json",
        {"file": "a.jpg", "detections": []},
        {"file": "b.jpg", "detections": [box(0, 0, 1, 1, category="7")]},
        categories={"7": "bird", "8": "animal"},
    )
    imported = read_detections([one, two])
    names = [(file.path, [imported.categories[label] for label in file.frames[0].labels]) for file in imported]
    assert names == [("a.jpg", ["animal"]), ("a.jpg", []), ("b.jpg", ["bird"])]


COCO = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 200, "height": 100}, {"id": 9, "file_name": "b.jpg"}],
    "categories": [{"id": 3, "name": "bird"}, {"id": 40, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 40, "bbox": [20, 10, 100, 50]},
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [20, 10, 100, 50]},
        {"id": 3, "image_id": 7, "category_id": 3, "bbox": [0, 0, 200, 100], "iscrowd": 1},
    ],
}


def test_coco_annotations_become_shares_of_the_picture(tmp_path):
    a, b = read_detections([written(tmp_path / "coco.json", COCO)])
    assert np.allclose(a.frames[0].boxes_xywh, [[0.1, 0.1, 0.5, 0.5]])
    assert (a.frames[0].labels.tolist(), a.frames[0].scores.tolist()) == ([1], [1.0])
    assert b.failure == "its COCO record states no width and height"


def test_coco_results_count_instead_of_annotations(tmp_path):
    results = written(
        tmp_path / "results.json", [{"image_id": 7, "category_id": 3, "bbox": [0, 0, 20, 10], "score": 0.25}]
    )
    a, b = read_detections([results, written(tmp_path / "coco.json", COCO)])
    assert (a.frames[0].labels.tolist(), a.frames[0].scores.tolist()) == ([0], [0.25])
    assert len(b.frames[0].scores) == 0
    with pytest.raises(DataError, match="names no files"):
        read_detections([results])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ('{"instances": []}', "neither MegaDetector's results nor COCO"),
        ('{"images": [{"file": 3}], "detection_categories": {}}', r"images\[0\].*names no file"),
        ('{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 1}]}', r"annotations\[0\]"),
    ],
)
def test_errors_name_the_file_and_the_record(tmp_path, content, words):
    path = tmp_path / "odd.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=words) as caught:
        list(read_detections([path]))
    assert "odd.json" in str(caught.value)


def test_paths_are_taken_relative_to_the_media(tmp_path):
    assert path_under(tmp_path, "sub\\a.jpg") == "sub/a.jpg"
    assert path_under(tmp_path, f"{tmp_path}/sub/a.jpg") == "sub/a.jpg"
    assert path_under(tmp_path, "./a.jpg") == "a.jpg"
    assert [path_under(tmp_path, path) for path in ("/other/a.jpg", "../a.jpg", "C:\\a.jpg", ".")] == [None] * 4


@pytest.mark.skipif(not INTEROP.is_dir(), reason="needs other tools' real files")
@pytest.mark.parametrize(
    ("name", "files", "boxes"),
    [
        ("megadetector/megadetector_expected_output_DRAFT.json", 31, None),
        ("zamba/ena24_small_md_annotations.json", 19, None),
        ("zamba/megadetector_output.json", 5, 3),
        ("zamba/ena24_small_coco_annotations.json", 19, None),
        ("animl/md_md_gt.json", 1, 2),
    ],
)
def test_real_files_of_other_tools_are_read(name, files, boxes):
    path = INTEROP / name
    imported = read_detections([path])
    read = list(imported)
    content = json.loads(path.read_text())
    stated = sum(len(image.get("detections") or ()) for image in content["images"]) + len(
        content.get("annotations", ())
    )
    assert len(read) == len(content["images"])
    assert sum(len(frame.scores) for file in read for frame in file.frames) == (stated if boxes is None else boxes)
    for file in read:
        for frame in file.frames:
            assert frame.boxes_xywh.min(initial=0) >= 0
            assert (frame.boxes_xywh[:, :2] + frame.boxes_xywh[:, 2:]).max(initial=0) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"frames_processed": list(range(MOST_FRAMES + 1))}, "length"),
        ({"frames_processed": 3_000_000}, "array"),
        ({"frames_processed": [2**31]}, "frames_processed"),
        ({"detections": [box(0, 0, 0.5, 0.5, frame_number=2**31)]}, "frame_number"),
        ({"detections": [box(0, 0, 0.5, 0.5, conf="high")]}, "conf"),
    ],
)
def test_a_record_that_claims_what_cannot_be_fails_alone(tmp_path, record, said):
    odd = {"file": "a.mp4", "detections": []} | record
    first, second = read_detections([megadetector(tmp_path / "md.json", odd, {"file": "b.jpg", "detections": []})])
    assert (first.path, first.frames) == ("a.mp4", ())
    assert said in first.failure
    assert (second.path, second.failure, len(second.frames)) == ("b.jpg", None, 1)


def test_names_longer_than_the_system_allows_are_files_that_are_not_there(tmp_path):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.jpg").touch()
    place = MediaFolder.of(tmp_path / "media", tmp_path / "out")
    for name in ("n" * 300 + ".jpg", "d/" * 3000 + "a.jpg", "n" * 300 + "/a.jpg"):
        assert place.item(name).size_bytes == 0


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"images": ' + "[" * 100_000, '{"images": [], "detection_categories": 3}']
)
def test_deep_or_odd_json_is_an_error_with_its_file(tmp_path, text):
    path = tmp_path / "md.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"md\.json"):
        read_detections([path])


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs are POSIX's")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "md.json")
    with pytest.raises(DataError, match="pipe"):
        read_detections([tmp_path / "md.json"])


def test_an_object_that_is_gone_or_empty_says_nothing_of_its_size():
    frame = imported_frame(0, [[0.1, 0.1, 0.2, 0.2]], [0.9], [0])
    file = ImportedFile("a.jpg", (frame,), size_wh=(100.0, 80.0))
    item = MediaItem("card", "a.jpg", "photo", 0, Address("memory", "of-boxes", "a.jpg"))
    assert as_upright(file, item) == (file, None)
    put_object(Address("memory", "of-boxes", "a.jpg"), b"")
    assert as_upright(file, item) == (file, None)
