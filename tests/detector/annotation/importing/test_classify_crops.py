"""Other tools' boxes are classified, with what cannot be used of them counted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from backbones.errors import DataError, MediaError
from detector.annotation.importing.formats import IN_PIXELS, NO_AREA, NO_CATEGORY
from detector.annotation.importing.media import TURNED
from detector.annotation.importing.run import SECOND_RECORD, CropsRequest, ImportOptions, classify_crops
from detector.annotation.options import WorkOptions
from detector.base.orientation import orient
from detector.footage.discovery import media_type
from detector.store.run_json import load_run
from detector.store.writer import FactsWriter
from tests.detector.annotation.conftest import save_photo, save_video
from tests.detector.annotation.store_checks import assert_same_facts, read_store, unpack_vector

SHARED = Path(__file__).parents[5] / "shared" / "data"
INTEROP = SHARED / "interop"
CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


@pytest.fixture
def classify(species, settings, tmp_path):
    """Classifies the boxes of files into a store under the test's folder."""

    def run(name, detections, media, work=None, **options):
        out = tmp_path / name
        request = CropsRequest(detections, media, out, ImportOptions(**options))
        report = classify_crops(request, species, replace(settings, work=work or settings.work))
        return report, read_store(out)

    return run


def write_boxes(path, images):
    content = {"info": {"detector": "md_v5"}, "detection_categories": CATEGORIES, "images": images}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def box(*bbox, category="1", conf=0.5, **extra):
    return {"category": category, "conf": conf, "bbox": list(bbox), **extra}


def test_a_folder_without_media_is_an_error(classify, tmp_path):
    (tmp_path / "media").mkdir()
    with pytest.raises(MediaError, match="no photos or videos"):
        classify("out", [write_boxes(tmp_path / "md.json", [])], tmp_path / "media")


def test_boxes_of_photos_and_videos_become_classified_facts(classify, tmp_path):
    media = tmp_path / "media"
    save_photo(media / "a.jpg", 1)
    save_photo(media / "blank.jpg", 2)
    save_video(media / "sub" / "v.mp4", frames=12)
    boxes = write_boxes(
        tmp_path / "md.json",
        [
            {"file": "a.jpg", "detections": [box(-0.01, 0, 0.51, 0.5), box(0, 0, 1, 1, category="2")]},
            {"file": "blank.jpg", "detections": []},
            {"file": "gone.jpg", "detections": [box(0, 0, 1, 1)]},
            {"file": "broken.jpg", "failure": "image access failure", "detections": None},
            {"file": "../outside.jpg", "detections": []},
            {
                "file": "sub\\v.mp4",
                "frames_processed": [0, 5, 10],
                "frame_rate": 5.0,
                "detections": [
                    box(0.1, 0.1, 0.3, 0.3, frame_number=0),
                    box(0.12, 0.1, 0.3, 0.3, frame_number=10),
                ],
            },
            {"file": "a.jpg", "detections": []},
        ],
    )
    report, facts = classify("out", [boxes], media)
    by_path = {path: rows for (_, path), rows in facts.items()}
    assert (report.files, report.failed) == (6, 3)
    animal, person = by_path["a.jpg"][0].detections
    assert (animal.x, animal.w, animal.label_scores) == (0.0, 0.5, (0.5, 0.0, 0.0))
    assert animal.logits is not None
    assert person.logits is None
    assert by_path["blank.jpg"][0].detections == ()
    assert (by_path["blank.jpg"][0].width, by_path["blank.jpg"][0].height) == (160, 120)
    assert by_path["gone.jpg"][0].failure == "the file is missing in the folder of media"
    assert by_path["broken.jpg"][0].failure == "image access failure"
    assert "leads out" in by_path["../outside.jpg"][0].failure
    video = by_path["sub/v.mp4"]
    assert [(row.frame_number, row.time_s, len(row.detections)) for row in video] == [
        (0, 0.0, 1),
        (5, 1.0, 0),
        (10, 2.0, 1),
    ]
    assert [row.detections[0].track_id for row in video if row.detections] == [0, 0]
    run = load_run(tmp_path / "out")
    assert (run.detector.name, run.detector.sha256, run.detector.categories) == ("md_v5", None, [*CATEGORIES.values()])
    again, same = classify("out", [boxes], media)
    assert (again.files, again.finished_before) == (0, 6)
    assert_same_facts(facts, same)


def test_a_record_that_failed_keeps_the_time_of_its_file(classify, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2024:05:01 06:30:15"
    (tmp_path / "media").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "media" / "a.jpg", exif=exif)
    failed = {"failure": "image access failure", "detections": None}
    images = [{"file": "a.jpg", **failed}, {"file": "20240502_070000.jpg", **failed}]
    _, store = classify("out", [write_boxes(tmp_path / "md.json", images)], tmp_path / "media")
    taken = {rows[0].path: (rows[0].captured_at, rows[0].failure) for rows in store.values()}
    assert taken["a.jpg"] == (datetime(2024, 5, 1, 6, 30, 15), "image access failure")
    assert taken["20240502_070000.jpg"][0] == datetime(2024, 5, 2, 7)


def test_a_folder_of_crops_has_one_box_a_picture(classify, tmp_path):
    save_photo(tmp_path / "crops" / "x" / "1.jpg", 1)
    save_photo(tmp_path / "crops" / "2.jpg", 2)
    report, facts = classify("out", [tmp_path / "crops"], tmp_path / "crops")
    assert report.files == 2
    for rows in facts.values():
        [found] = rows[0].detections
        assert (found.x, found.y, found.w, found.h) == (0, 0, 1, 1)
        assert found.logits is not None
    with pytest.raises(DataError, match="folder of crops"):
        classify("other", [tmp_path / "crops", tmp_path / "crops"], tmp_path / "crops")


def test_boxes_from_annotate_give_the_same_logits_again(classify, run, make_card, tmp_path):
    card = make_card(photos=3)
    _, seen = run("seen", card)
    images = []
    for (_, path), rows in seen.items():
        boxes = [
            box(b.x, b.y, b.w, b.h, category="1" if b.label_scores[0] else "2", frame_number=row.frame_number)
            for row in rows
            for b in row.detections
        ]
        images.append({"file": path, "detections": boxes})
    _, imported = classify("imported", [write_boxes(tmp_path / "md.json", images)], card)
    checked = 0
    for key, rows in seen.items():
        for row, twin in zip((row for row in rows if row.detections), imported[key], strict=True):
            for one, other in zip(row.detections, twin.detections, strict=True):
                assert (one.logits is None) == (other.logits is None)
                if one.logits is not None:
                    checked += 1
                    np.testing.assert_allclose(unpack_vector(one.logits), unpack_vector(other.logits), atol=0.02)
    assert checked


@pytest.mark.skipif(not INTEROP.is_dir(), reason="needs other tools' real files")
@pytest.mark.parametrize(
    "name",
    [
        "megadetector/megadetector_expected_output_DRAFT.json",
        "zamba/ena24_small_md_annotations.json",
        "zamba/megadetector_output.json",
        "zamba/ena24_small_coco_annotations.json",
        "animl/md_md_gt.json",
    ],
)
def test_every_real_file_of_another_tool_goes_in(classify, name, tmp_path):
    footage, media = SHARED / "footage" / "lila_camera_traps", tmp_path / "media"
    listed = {image.get("file", image.get("file_name")) for image in json.loads((INTEROP / name).read_text())["images"]}
    relative = sorted(path for path in listed if not path.startswith("/"))
    for seed, path in enumerate(relative):
        (media / path).parent.mkdir(parents=True, exist_ok=True)
        if (footage / path).is_file():
            shutil.copy(footage / path, media / path)
        elif media_type(path) == "video":
            save_video(media / path, frames=3, seed=seed)
        else:
            save_photo(media / path, seed)
    if not relative:  # paths of another machine
        save_photo(media / "other.jpg", 1)
        with pytest.raises(MediaError, match="are not there"):
            classify("out", [INTEROP / name], media)
        return
    report, facts = classify("out", [INTEROP / name], media)
    assert len(facts) == report.files == len(listed)
    assert {path for (_, path), rows in facts.items() if rows[0].failure is None} >= set(relative)
    if name.startswith("megadetector"):
        assert any(found.logits for rows in facts.values() for row in rows for found in row.detections or ())


def boxed(names):
    return [{"file": name, "detections": [box(0, 0, 0.5, 0.5)]} for name in names]


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["media/a.jpg", "media/b.jpg"], "give --media {parent}"),
        (["D:\\survey\\a.jpg", "D:\\survey\\b.jpg"], "remove 'D:/survey/' from the paths"),
        (["gone.jpg", "lost.jpg"], "in which the paths"),
        (["A.JPG", "B.JPG"], "the folder spells it a.jpg"),
    ],
)
def test_the_wrong_folder_of_media_makes_no_failures(classify, tmp_path, names, hint):
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        save_photo(tmp_path / "media" / name, seed)
    with pytest.raises(MediaError, match=r"2 of the 3 files that md\.json names are not there") as error:
        classify("out", [write_boxes(tmp_path / "md.json", boxed([*names, "c.jpg"]))], tmp_path / "media")
    assert hint.format(parent=tmp_path) in error.value.hint
    assert read_store(tmp_path / "out") == {}


def test_media_that_go_away_midway_make_no_failures(classify, tmp_path, monkeypatch):
    for seed in range(20):
        save_photo(tmp_path / "media" / f"{seed}.jpg", seed)
    boxes = write_boxes(tmp_path / "md.json", boxed([f"{seed}.jpg" for seed in range(20)]))
    add = FactsWriter.add

    def add_and_move(self, rows):
        add(self, rows)
        if len(self.finished) == 1:
            for file in (tmp_path / "media").iterdir():
                file.rename(tmp_path / file.name)

    monkeypatch.setattr(FactsWriter, "add", add_and_move)
    work = WorkOptions(batch_size=1, crop_batch_size=1, workers=1)
    with pytest.raises(MediaError, match="is gone"):
        classify("out", [boxes], tmp_path / "media", work=work)
    assert not any(rows[0].failure for rows in read_store(tmp_path / "out").values())


def test_boxes_that_cannot_be_used_are_counted(classify, tmp_path):
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        save_photo(tmp_path / "media" / name, seed)
    images = [
        {"file": "a.jpg", "detections": [box(0, 0, 0.5, 0.5), box(0.5, 0.5, 0, 0.1), box(0, 0, 1, 1, category="9")]},
        {"file": "b.jpg", "detections": [box(40, 40, 100, 100)]},
        {"file": "c.jpg", "detections": []},
        {"file": "./a.jpg", "detections": [box(0, 0, 1, 1)]},
    ]
    report, facts = classify("out", [write_boxes(tmp_path / "md.json", images)], tmp_path / "media")
    assert len(facts["media", "a.jpg"][0].detections) == 1
    assert "have no area" in facts["media", "a.jpg"][0].warning
    assert (report.failures, report.all_well) == ({IN_PIXELS: 1}, False)  # it must not look blank
    assert sorted(report.notes) == sorted(
        f"1 {what}: left out" for what in (NO_AREA, NO_CATEGORY, IN_PIXELS, SECOND_RECORD)
    )
    save_photo(tmp_path / "media" / "later.jpg", 9)
    report, _ = classify("out", [write_boxes(tmp_path / "md.json", images[:1])], tmp_path / "media")
    assert report.notes[-1] == "3 photos and videos in the folder of media have no record"
    in_pixels = write_boxes(tmp_path / "pixels.json", images[1:2])
    with pytest.raises(DataError, match="pixels"):
        classify("other", [in_pixels], tmp_path / "media")
    with pytest.raises(DataError, match="names no files"):
        classify("other", [write_boxes(tmp_path / "empty.json", [])], tmp_path / "media")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_pictures_as_stored_are_turned_with_them(classify, tmp_path, orientation):
    """Some annotation tools do not know EXIF; a record's size tells whether its picture was turned."""
    stored = np.zeros((96, 128, 3), np.uint8)
    stored[16:32, 96:120] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (tmp_path / "media").mkdir()
    Image.fromarray(stored).save(tmp_path / "media" / "a.jpg", exif=exif, quality=95)
    upright = orient(stored, orientation)
    y, x = (axis.nonzero()[0] for axis in (upright.any(axis=(1, 2)), upright.any(axis=(0, 2))))
    expected = np.array([x[0] / len(upright[0]), y[0] / len(upright)])
    swaps = orientation >= 5
    box_of_record = [96, 16, 24, 16] if swaps else [x[0], y[0], len(x), len(y)]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 128, "height": 96}],
        "categories": [{"id": 1, "name": "bird"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [float(side) for side in box_of_record]}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    report, facts = classify("out", [tmp_path / "coco.json"], tmp_path / "media")
    [found] = facts["media", "a.jpg"][0].detections
    assert np.allclose([found.x, found.y], expected)
    assert (report.notes == [f"1 records: {TURNED}"]) == swaps
