"""The boundaries where boxes, labels, facts and settings of other programs come in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.fuzz.harness import Boundary

NAMES = ("a.jpg", "b.jpg", "cam/c.jpg")
JSON = (b"null", b"true", b"[]", b"{}", b'"x"', b"NaN", b"-Infinity", b"1e999", b"-1", b'"\\ud800"', b"\\u0000", b"1.0")
CATEGORIES = [{"id": 1, "name": "owl"}, {"id": 7, "name": "tit"}]


def make_pictures(folder: Path) -> None:
    for seed, name in enumerate(NAMES):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 96, 3), np.uint8)).save(path)


def coco(**changes: Any) -> dict[str, Any]:
    images = [{"id": n, "file_name": name, "width": 96, "height": 64} for n, name in enumerate(NAMES, 1)]
    boxes = [
        {"id": 11, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 900.5, "iscrowd": 0},
        {
            "id": 12,
            "image_id": 2,
            "category_id": 7,
            "bbox": [1.5, 2, 45, 50.25],
            "iscrowd": 1,
            "segmentation": [[1, 2]],
        },
        {"id": 13, "image_id": 2, "category_id": 7, "bbox": [90, 60, 45, 50.25], "score": 0.5},
    ]
    return {"images": images, "annotations": boxes, "categories": CATEGORIES} | changes


def make_coco(folder: Path) -> Sequence[bytes]:
    make_pictures(folder)
    (folder / "fixed.json").touch()
    return [json.dumps(coco(), indent=1).encode(), json.dumps(coco(annotations=[])).encode("utf-16")]


def read_coco(folder: Path) -> None:
    """Examine, mend, and read what was mended as training does."""
    from detector.data.coco.reading import read_coco
    from detector.data.doctor.document import read_document, write_document
    from detector.data.doctor.examination import examine
    from detector.data.doctor.picture_scan import scan_pictures
    from detector.data.doctor.repair import repair
    from detector.data.packed import CocoSource

    source = CocoSource(folder / "birds.json", folder / "images")
    examined = examine(source, scan_pictures)
    document, _ = repair(read_document(source.annotations), examined, examined.findings)
    write_document(document, folder / "fixed.json")
    annotations, _ = read_coco([(folder / "fixed.json", source.images)])
    boxes, sizes = annotations.boxes_xywh, np.repeat(annotations.sizes_wh, np.diff(annotations.offsets), axis=0)
    assert np.isfinite(boxes).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= sizes + 1e-3).all()


def make_megadetector(folder: Path) -> Sequence[bytes]:
    video = [{"category": "1", "conf": 0.5, "bbox": [0.1, 0.2, 0.3, 0.4], "frame_number": n} for n in (0, 30)]
    images = [
        {"file": "a.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]}]},
        {"file": "cam\\b.mp4", "detections": video, "frames_processed": [0, 30, 60], "frame_rate": 30.0},
        {"file": "c.jpg", "failure": "Failure image access", "detections": None},
    ]
    names = {"1": "animal", "2": "person"}
    file = {"images": images, "detection_categories": names, "info": {"format_version": "1.5", "detector": "MDv5a"}}
    return [json.dumps(file, indent=1).encode()]


def read_boxes(*names: str) -> Any:
    def read(folder: Path) -> None:
        from detector.annotation.importing.reading import read_detections

        imported = read_detections([folder / name for name in names])
        for file in imported:
            assert file.path is not None
            for frame in file.frames:
                assert 0 <= frame.number < 2**31
                assert np.isfinite(frame.boxes_xywh).all()
                assert ((frame.boxes_xywh >= 0) & (frame.boxes_xywh <= 1)).all()
                assert ((frame.scores >= 0) & (frame.scores <= 1)).all()
                assert (frame.labels < len(imported.categories)).all()

    return read


def read_megadetector(folder: Path) -> None:
    """As any boxes; and each record and box that Python itself reads is there, listed, or a failure with a reason."""
    from detector.annotation.importing.megadetector import NO_BOX
    from detector.annotation.importing.reading import read_detections

    path = folder / "boxes.json"
    read_boxes(path.name)(folder)
    try:
        document = json.loads(path.read_bytes())
        categories = document["detection_categories"]
        files = list(read_detections([path]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return  # what Python reads otherwise is held by the properties above
    assert len(files) == len(document["images"])
    for file, record in zip(files, document["images"], strict=True):
        assert file.path == record["file"].replace("\\", "/")
        if file.failure is not None:
            assert not file.frames
            continue
        assert record.get("failure") is None
        empty = sum(categories.get(str(box["category"]), "").lower() == NO_BOX for box in record["detections"])
        there = sum(len(frame.scores) for frame in file.frames)
        assert there + empty + sum(file.left_out.values()) == len(record["detections"])


def make_coco_boxes(folder: Path) -> Sequence[bytes]:
    return [json.dumps(coco(), indent=1).encode()]


def make_results(folder: Path) -> Sequence[bytes]:
    (folder / "birds.json").write_text(json.dumps(coco()))
    rows = [{"image_id": 1, "category_id": 7, "bbox": [10, 10, 40, 40], "score": 0.5}]
    return [json.dumps(rows, indent=1).encode()]


VOC = """<?xml version="1.0" encoding="utf-8"?>
<annotation><filename>a.jpg</filename><size><width>96</width><height>64</height><depth>3</depth></size>
<object><name>owl</name><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>90</xmax><ymax>60.5</ymax></bndbox></object></annotation>
"""


def make_voc(folder: Path) -> Sequence[bytes]:
    make_pictures(folder)
    return [VOC.encode(), VOC.replace("utf-8", "utf-16").encode("utf-16"), VOC.replace("utf-8", "koi8-r").encode()]


def read_voc(folder: Path) -> None:
    from detector.data.convert.voc import voc_to_coco

    document, problems = voc_to_coco(folder / "images", folder)
    check_document(document)
    assert len(document["images"]) + len(problems) >= len(NAMES), "what is left out is listed"


def check_document(document: dict[str, Any]) -> None:
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert all(min(box["bbox"][2:]) >= 0 for box in document["annotations"])


def make_yolo(folder: Path) -> Sequence[bytes]:
    make_pictures(folder)
    return [b"0 0.5 0.5 0.2 0.3\n1 0.1 0.1 0.9 0.1 0.9 0.9\n", b""]


def read_yolo(folder: Path) -> None:
    from detector.data.convert.yolo import yolo_to_coco

    check_document(yolo_to_coco(folder / "images", folder, ["owl", "tit"])[0])


def make_yolo_names(folder: Path) -> Sequence[bytes]:
    return [b"path: x\nnames:\n  0: owl\n  1: tit\nnc: 2\n", b"names: [owl, 'tit']\n"]


def read_yolo_names(folder: Path) -> None:
    from detector.data.convert.yolo import read_yolo_names

    names = read_yolo_names(folder / "data.yaml")
    assert all(isinstance(name, str) for name in names)


def make_mapping(folder: Path) -> Sequence[bytes]:
    return [b"owl: bird\n'*': null\ntit: &t tit\nwren: *t\n"]


def read_mapping(folder: Path) -> None:
    from detector.data.coco.categories import CategoryMapping

    assert CategoryMapping.read(folder / "map.yaml")["owl"] is None or True


def make_calibration(folder: Path) -> Sequence[bytes]:
    from detector.species.calibration import Calibration

    return [Calibration(temperature=1.5).model_dump_json(indent=1).encode()]


def read_calibration(folder: Path) -> None:
    from detector.species.calibration import Calibration

    assert Calibration.read(folder / "calibration.json").temperature > 0


def make_run(folder: Path) -> Sequence[bytes]:
    from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry

    run = RunFile(
        cards={"card": CardEntry(root="/media/card", inputs=["."])},
        detector=DetectorEntry(name="coco", sha256="0" * 64, categories=["bird", "person"]),
        species=SpeciesEntry(name="nano", sha256="1" * 64, classes=["Upupa epops", "Merops apiaster"], size=(64, 64)),
        options={"frame_interval": 1.0, "classify_from": 0.05},
        versions={"hoopoe": "1"},
    )
    return [json.dumps(run.model_dump(mode="json"), indent=1).encode()]


def read_run(folder: Path) -> None:
    from detector.store.run_json import load_run

    load_run(folder)


def make_facts(folder: Path) -> Sequence[bytes]:
    """Rows of facts as JSON; `read_facts` makes a part of them."""
    (folder / "run.json").write_bytes(make_run(folder)[0])
    (folder / "facts").mkdir()
    (folder / "facts" / "part-000000.parquet").touch()
    box = {"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.4, "label_scores": [0.9, 0.0], "track_id": None}
    more = {"logits": "AABB", "embedding": None, "appearance": "A" * 64}
    frame = {
        "media_id": "m0123456789abcdef", "card": "card", "path": "DCIM/a.jpg", "size_bytes": 1000,
        "content_hash": "00ff", "media_type": "photo", "frame_number": 0, "time_s": 0.0, "width": 4000, "height": 3000,
        "captured_at": "2024-05-01T06:30:00", "captured_from": "exif", "modified_at": None, "camera_model": "RECONYX",
        "frame_rate": None, "duration_s": None, "failure": None, "warning": None, "brightness": 0.5, "night": False,
        "moved": None, "detections": [box | more],
    }  # fmt: skip
    video = {"media_id": "m0123456789abcdee", "path": "DCIM/b.mp4", "media_type": "video", "frame_rate": 30.0}
    video |= {"duration_s": 2.0, "captured_from": "container"}
    second = {"frame_number": 30, "time_s": 1.0, "detections": [box | more | {"track_id": 0}]}
    torn = {"media_id": "m0123456789abcded", "path": "DCIM/c.jpg", "failure": "the file is empty", "detections": None}
    rows = [frame, frame | video, frame | video | second, frame | torn]
    return [json.dumps(rows, indent=1).encode()]


def read_facts(folder: Path) -> None:
    """Write the rows as a part of the facts, and decide."""
    from detector.store.reader import FactsReader, finished

    (folder / "facts" / "part-000000.parquet").write_bytes(as_part((folder / "rows.json").read_bytes()))
    finished(folder)
    assert all(row.frame_number >= 0 for item in FactsReader(folder).items() for row in item)
    decide_facts(folder)


def as_part(content: bytes) -> bytes:
    """Rows as Parquet with the columns of facts, else with those that they have; what is no table stays as it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from detector.store.schema import FACTS

    # what Python and Arrow say of rows that make no table; the reader under test is not called here
    unusable = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, pa.ArrowException)
    rows = None
    with suppress(*unusable):
        rows = json.loads(content)
        for row in rows:
            row["captured_at"] = row["captured_at"] and datetime.fromisoformat(row["captured_at"])
            for box in row["detections"] or ():
                for key in ("logits", "embedding", "appearance"):
                    box[key] = box[key] and box[key].encode()
    for schema in (FACTS, None):
        with suppress(*unusable):
            written = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), written)
            return written.getvalue().to_pybytes()
    return content


def decide_facts(folder: Path) -> None:
    import tempfile

    from detector.decisions.decide import decide
    from detector.decisions.options import DecideOptions

    with tempfile.TemporaryDirectory() as place:
        import shutil

        store = Path(place) / "store"
        shutil.copytree(folder, store)
        decide(store, DecideOptions.model_validate({}))


RECORDS = (
    Boundary("coco", "birds.json", make_coco, read_coco, JSON, examples=25),
    Boundary("megadetector", "boxes.json", make_megadetector, read_megadetector, JSON, examples=100),
    Boundary("coco-boxes", "birds.json", make_coco_boxes, read_boxes("birds.json"), JSON, examples=100),
    Boundary("coco-results", "results.json", make_results, read_boxes("birds.json", "results.json"), JSON),
    Boundary("voc", "a.xml", make_voc, read_voc, (b"<!DOCTYPE a>", b"&x;", b"idna", b"hex", b"utf-7", b"shift_jis")),
    Boundary("yolo", "a.txt", make_yolo, read_yolo),
    Boundary("yolo-names", "data.yaml", make_yolo_names, read_yolo_names, (b"&a ", b"*a", b"- ", b"? ")),
    Boundary("mapping", "map.yaml", make_mapping, read_mapping, (b"&a ", b"*a", b"- ", b"? ")),
    Boundary("calibration", "calibration.json", make_calibration, read_calibration, JSON),
    Boundary("run-json", "run.json", make_run, read_run, JSON),
    Boundary("facts", "rows.json", make_facts, read_facts, JSON, examples=20),
)
