"""From S3 to S3, with a server that fails, throttles and cuts requests, comes out what comes out on a disk."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from detector.base.objects.address import Address
from tests.detector.annotation.store_checks import assert_same_facts, read_store, without_file_times
from tests.detector.base.objects.object_server import BUCKET, bring, serving, upload

FORMATS = "csv,events,megadetector,camtrap-dp,crops"


def hoopoe(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "detector.cli.main", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert "secret" not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_objects_to_objects_equals_disk_to_disk(make_card, detector_file, species_file, tmp_path, monkeypatch):
    card = make_card(photos=40, videos=3)
    (card / "torn.jpg").write_bytes((card / "DCIM" / "IMG_0001.JPG").read_bytes()[:500])
    (card / "empty.jpg").write_bytes(b"")
    models = ("--detector", detector_file, "--species", species_file, "--workers", 2)
    local = tmp_path / "local"
    hoopoe("annotate", card, "--output", local, *models)
    hoopoe("decide", local, "--score-threshold", 0.3)
    hoopoe("export", local, "--format", FORMATS)
    with serving(monkeypatch, share=0.05) as server:
        upload(card, "photos/card")
        s3 = __import__("boto3").client("s3")
        for key in ("photos/card/../x.jpg", "photos/card/DCIM/", "photos/card//y.jpg", "photos/card/notes.txt"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
        store = Address("s3", BUCKET, "stores/local")
        said = hoopoe("annotate", f"s3://{BUCKET}/photos/card/", "--output", store, *models)
        assert "s3://bucket/stores/local/results.csv" in said
        hoopoe("decide", store, "--score-threshold", 0.3)
        hoopoe("export", store, "--format", FORMATS)
        again = hoopoe("annotate", f"s3://{BUCKET}/photos/card", "--output", store)
        assert "45 files" in again
        copy = bring(store, tmp_path / "copy")
        assert server.seen["none"] > 20 * server.seen["cuts"] > 0
    assert_same_facts(without_file_times(read_store(copy)), without_file_times(read_store(local)), atol=0)
    files = {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file() and path.name[0] != "."}
    assert files == {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    for name in files:
        if name.endswith((".csv", ".jpg")) and "datapackage" not in name:
            assert (copy / name).read_bytes() == (local / name).read_bytes(), name
    assert "test" not in json.loads((copy / "run.json").read_text())["cards"]["card"]["root"]


@pytest.mark.slow
def test_boxes_and_media_among_objects_equal_those_on_a_disk(make_card, species_file, tmp_path, monkeypatch):
    card = make_card(photos=12, videos=1)
    boxes = [{"category": number, "conf": 0.9, "bbox": [0.1, 0.1, 0.5, 0.5]} for number in ("1", "2")]
    names = [path.relative_to(card).as_posix() for path in sorted(card.rglob("*")) if path.is_file()]
    images = [{"file": name, "detections": boxes[: number % 3]} for number, name in enumerate(names)]
    content = {"images": images, "detection_categories": {"1": "animal", "2": "person"}, "info": {"detector": "md"}}
    (tmp_path / "boxes").mkdir()
    for part in range(2):
        part_of = content | {"images": images[part::2]}
        (tmp_path / "boxes" / f"{part}.json").write_text(json.dumps(part_of), encoding="utf-8")
    common = ("--species", species_file, "--workers", 1)
    files = sorted((tmp_path / "boxes").iterdir())
    hoopoe("classify-crops", "--detections", *files, "--media", card, "--output", tmp_path / "local", *common)
    with serving(monkeypatch, share=0.05) as server:
        upload(card, "card")
        upload(tmp_path / "boxes", "boxes")
        store = Address("s3", BUCKET, "OUT")
        given = ("--detections", f"s3://{BUCKET}/boxes/*.json", "--media", f"s3://{BUCKET}/card")
        hoopoe("classify-crops", *given, "--output", store, *common)
        copy = bring(store, tmp_path / "copy")
        assert server.seen["none"] > 0
    ours, theirs = without_file_times(read_store(copy)), without_file_times(read_store(tmp_path / "local"))
    with_boxes = {("card", image["file"]) for image in images if image["detections"]}
    assert_same_facts({key: ours[key] for key in with_boxes}, {key: theirs[key] for key in with_boxes})
    assert ours.keys() == theirs.keys()
    blank = [rows[0] for key, rows in ours.items() if key not in with_boxes]
    assert blank
    assert all(not row.detections and row.failure is None for row in blank)
