"""COCO exports: loaded and evaluated by pycocotools, and checked against the rules of COCO Camera Traps."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from megadetector.data_management.integrity_check_json_db import IntegrityCheckOptions, integrity_check_json_db
from pycocotools.coco import COCO

from detector.exports.coco import write_coco
from detector.exports.coco_camera_traps import write_coco_camera_traps
from detector.exports.source import ExportOptions
from detector.store.run_file import DetectorEntry, RunFile
from tests.detector.evaluation.reference import run_pycocotools

NAMELESS = dict.fromkeys(("name", "rank", "confidence", "species_score"), None)
WORDS = ["bird", "human", "hoopoe"]


def export(tmp_path, source, write=write_coco, **options):
    [path] = write(source, tmp_path, ExportOptions(**options))
    return path


def test_an_empty_store_loads(tmp_path, make):
    coco = COCO(str(export(tmp_path, make.source())))
    assert coco.getImgIds() == []
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["bird", "animal", "person", "vehicle"]


def test_boxes_are_pixels_and_species_follow_the_detectors_categories(tmp_path, make):
    media = [make.media("a.jpg", make.detection(), make.person(box=1)), make.media("b.jpg"), make.failure("c.jpg")]
    coco = COCO(str(export(tmp_path, make.source(media))))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a.jpg", "b.jpg"]
    bird, person = coco.loadAnns(coco.getAnnIds())
    assert bird["bbox"] == [160, 240, 80, 120]
    assert (bird["category_id"], person["category_id"]) == (5, 3)
    assert coco.cats[5]["name"] == "Oenanthe lugens"
    assert (bird["score"], bird["detector_score"]) == (0.8, 0.9)
    assert person["score"] == 0.9


def test_without_a_classifier_categories_are_the_detectors_also_where_a_label_is_a_species(tmp_path, make):
    run = make.run().model_copy(update={"species": None})
    coco = COCO(str(export(tmp_path, make.source([make.media("a.jpg", make.detection())], run=run))))
    [bird] = coco.loadAnns(coco.getAnnIds())
    assert (coco.cats[bird["category_id"]]["name"], bird["score"]) == ("bird", 0.9)


def test_videos_are_their_sampled_frames(tmp_path, make):
    found = make.detection(frame_number=30, time_s=1.0)
    coco = COCO(str(export(tmp_path, make.source([make.video("v.mp4", found)]))))
    images = coco.loadImgs(coco.getImgIds())
    assert [image["file_name"] for image in images] == [f"v.mp4/frame{number:06d}.jpg" for number in (0, 30, 60)]
    [annotation] = coco.loadAnns(coco.getAnnIds())
    assert annotation["image_id"] == images[1]["id"]


def test_the_export_evaluates_to_the_detections_own_ap(tmp_path, make):
    rng = np.random.default_rng(0)
    labels = ("crane", "heron")
    run = RunFile(detector=DetectorEntry(name="x", categories=list(labels)), cards=make.run().cards)
    media, results, truth = [], [], {"info": {}, "images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": 11 * (k + 1), "name": name} for k, name in enumerate(labels)]
    for index in range(30):
        image_id, detections = 1000 - index, []
        truth["images"].append({"id": image_id, "file_name": f"{index}.jpg", "width": 640, "height": 480})
        for box in range(4):
            x, y, w, h = rng.uniform(0, 0.5), rng.uniform(0, 0.5), rng.uniform(0.05, 0.4), rng.uniform(0.05, 0.4)
            label = int(rng.integers(2))
            number, pixels = 4 * index + box + 1, [x * 640, y * 480, w * 640, h * 480]
            truth["annotations"].append(
                {"id": number, "image_id": image_id, "category_id": 11 * (label + 1), "bbox": pixels, "iscrowd": 0}
                | {"area": pixels[2] * pixels[3]}
            )
            guess = np.float32([x, y, w, h]) + rng.normal(0, 0.01, 4).astype(np.float32)
            score, label = np.float32(rng.uniform(0.001, 1)), label if rng.random() < 0.8 else 1 - label
            values = dict(zip("xywh", guess.tolist(), strict=True)) | {"score": score.item(), "label": labels[label]}
            detections.append(make.detection(**NAMELESS, **values, box=box))
            scaled = (guess.astype(float) * [640, 480, 640, 480]).tolist()
            result = {"image_id": image_id, "category_id": 11 * (label + 1), "bbox": scaled, "score": score.item()}
            results.append(result)
        media.append(make.media(f"{index}.jpg", *detections))
    exported = json.loads(export(tmp_path, make.source(media, run=run), score_threshold=0.0).read_text())

    ids = {image["file_name"]: image["id"] for image in truth["images"]}
    image_ids = {image["id"]: ids[image["file_name"]] for image in exported["images"]}
    category_ids = {one["id"]: 11 * (labels.index(one["name"]) + 1) for one in exported["categories"]}
    joined = [
        {
            "image_id": image_ids[one["image_id"]],
            "category_id": category_ids[one["category_id"]],
            "bbox": one["bbox"],
            "score": one["score"],
        }
        for one in exported["annotations"]
    ]
    direct, ours = (run_pycocotools(truth, each).stats for each in (results, joined))
    assert 0.05 < direct[0] < 0.95
    np.testing.assert_allclose(ours, direct, atol=1e-3)


def camera_traps(tmp_path, source, **options):
    return json.loads(export(tmp_path, source, write_coco_camera_traps, **options).read_text())


def test_camera_traps_of_an_empty_store(tmp_path, make):
    exported = camera_traps(tmp_path, make.source())
    assert exported["images"] == exported["annotations"] == []
    assert exported["categories"][0] == {"id": 0, "name": "empty"}


def test_camera_traps_have_text_ids_sequences_and_empties(tmp_path, make):
    start = datetime(2024, 3, 1, 6, 30)
    # the counter of the camera began anew within the burst
    burst = [
        make.media("IMG_0001.JPG", make.detection(), sequence_id="s1", timestamp=start + timedelta(seconds=1)),
        make.media("IMG_0002.JPG", sequence_id="s2", timestamp=start + timedelta(hours=1)),
        make.failure("IMG_0003.JPG"),
        make.media("IMG_9999.JPG", sequence_id="s1", timestamp=start),
        make.video("V.MP4", make.detection(frame_number=60), sequence_id="s3"),
    ]
    exported = camera_traps(tmp_path, make.source(burst))
    images = {image["file_name"]: image for image in exported["images"]}
    places = {name: (one["seq_id"], one["frame_num"], one["seq_num_frames"]) for name, one in images.items()}
    assert places == {
        "IMG_0001.JPG": ("s1", 1, 2),
        "IMG_0002.JPG": ("s2", 0, 1),
        "IMG_9999.JPG": ("s1", 0, 2),
        "V.MP4/frame000000.jpg": ("s3", 0, 3),
        "V.MP4/frame000030.jpg": ("s3", 1, 3),
        "V.MP4/frame000060.jpg": ("s3", 2, 3),
    }
    assert images["IMG_0001.JPG"]["datetime"] == "2024-03-01 06:30:01"
    assert images["IMG_0001.JPG"]["location"] == "CAM1"
    for records in (exported["images"], exported["annotations"]):
        assert all(isinstance(record["id"], str) for record in records)
        assert len({record["id"] for record in records}) == len(records)
    annotated = {one["image_id"]: one for one in exported["annotations"]}
    assert annotated.keys() == {image["id"] for image in images.values()}
    empty = annotated[images["IMG_0002.JPG"]["id"]]
    assert empty["category_id"] == 0
    assert "bbox" not in empty
    assert annotated[images["IMG_0001.JPG"]["id"]]["bbox"] == [160, 240, 80, 120]


def test_megadetectors_database_checker_accepts_camera_traps(tmp_path, make):
    media = [make.media("a.jpg", make.detection()), make.media("b.jpg"), make.video("v.mp4", make.detection())]
    path = export(tmp_path, make.source(media), write_coco_camera_traps)
    options = IntegrityCheckOptions()
    options.validateBoxes, options.requireInfo, options.verbose = "error", True, False
    categories, _, found = integrity_check_json_db(str(path), options)  # raises at what is against the format
    assert not found["validation_errors"]
    assert {one["name"]: one["_count"] for one in categories if one["_count"]} == {"empty": 3, "Oenanthe lugens": 2}


def test_a_persons_word_wins_over_the_detectors_label(tmp_path, make):
    """Also of a box that a person drew, which has none."""
    run = make.run().model_copy(update={"species": None, "detector": DetectorEntry(name="x", categories=WORDS)})
    by = {"reviewed_by": "Noa", "label": "bird"}
    hoopoe = {"name": "Upupa epops", "rank": "species"}
    found = [
        make.detection(**by, kind="person", **NAMELESS),
        make.detection(**by, kind="vehicle", **NAMELESS),
        make.detection(**by | {"label": "drawn"}, **NAMELESS),
        make.detection(**by | {"label": "drawn"}, kind="uncertain", **NAMELESS),
        make.detection(**by, kind="uncertain", **NAMELESS),
        make.detection(**by, **hoopoe, confidence=1.0),
        make.detection(**by | {"label": "hoopoe"}, **hoopoe),
        make.detection(**by, name="Oenanthe lugens", rank="species", confidence=1.0),
    ]
    boxes = [replace(each, box=number) for number, each in enumerate(found)]
    for write in (write_coco, write_coco_camera_traps):
        content = json.loads(export(tmp_path, make.source([make.media("a.jpg", *boxes)], run=run), write).read_text())
        names = {one["id"]: one["name"] for one in content["categories"]}
        assert [names[one["category_id"]] for one in content["annotations"]] == [
            "human", "vehicle", "bird", "animal", "bird", "hoopoe", "hoopoe", "Oenanthe lugens",
        ]  # fmt: skip
