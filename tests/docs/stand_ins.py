"""What stands in for what the pages name: small models of random weights, noise for photos, all made in seconds.

`NAMES` is the whole list of names that mean something else in the tests than in the pages.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tests.detector.annotation.conftest import spread_labels
from tests.detector.models.onnx.onnx_files import FILES, ULTRALYTICS, picture

NAMES_OF_MEGADETECTOR = ("animal", "person", "vehicle")
NAMES = {  # in a page -> in the tests
    "coco": "stand_ins/coco.safetensors",
    "coco-fast": "stand_ins/coco.safetensors",
    "davit_tiny_il-all": "stand_ins/davit_tiny_il-all.safetensors",
    "biformer_s_il-all": "stand_ins/davit_tiny_il-all.safetensors",
    "faster_rcnn_davit_tiny": "stand_ins/small.yaml",
    "retinanet_davit_tiny": "stand_ins/small.yaml",
}
SPECIES = {"Hoopoe": "Upupa epops", "Great tit": "Parus major", "Common kestrel": "Falco tinnunculus"}
SMALL = """\
model: {backbone: davit_nano, backbone_config: {dims: [16, 32, 64, 128]}, backbone_size: [64, 64], min_size: 64,
  max_size: 64, fpn_channels: 64, box_head_width: 32, train_proposals: 50, proposals: 20, roi_samples: 16}
data: {workers: 0}
train: {epochs: 1, batch_size: 4, warmup_steps: 1}
"""


def make_workshop(folder: Path) -> None:
    """The folder in which a page's commands run: models, cards, a data set, and tables of other programs."""
    _models(folder)
    _foreign(folder)
    for card in ("CARD", "CARD1", "CARD2"):
        _card(folder / card, seed=len(card) + int(card[4:] or 0))
    _data_set(folder)
    _tables(folder)


def _models(folder: Path) -> None:
    """Detectors that find birds wherever they look, and a classifier of three species."""
    import torch

    import backbones
    from detector.models import Detector, ModelConfig, build_detector, save_detector

    (folder / "stand_ins").mkdir()
    (folder / "stand_ins" / "small.yaml").write_text(SMALL)
    narrow = {"dims": (16, 32, 64, 128)}
    small = {"backbone": "davit_nano", "backbone_config": narrow, "backbone_size": (64, 64), "fpn_channels": 64}
    small |= {"box_head_width": 32, "min_size": 64, "max_size": 64, "max_detections": 3, "proposals": 20}
    named = {"stand_ins/coco": ("bird", "other animal", "person", "vehicle"), "runs/birds/best": tuple(SPECIES)}
    for name, categories in named.items():
        torch.manual_seed(0)
        model = build_detector(ModelConfig.model_validate({**small, "categories": categories}))
        spread_labels(model)
        path = folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_detector(path, Detector.of(model))
    net = backbones.create_model("davit_nano", num_classes=len(SPECIES), input_size=(64, 64), config=narrow)
    classes = {name: index for index, name in enumerate(SPECIES)}
    stats = {"mean": [0.5] * 3, "std": [0.25] * 3}
    for path in ("stand_ins/davit_tiny_il-all.safetensors", "species.safetensors"):
        backbones.save_pretrained(folder / path, net, class_to_idx=classes, rgb_stats=stats)


def _foreign(folder: Path) -> None:
    """Detectors of other programs, which find what is red (YOLOX: blue), and a picture of it."""
    mega = replace(FILES["YOLOv8, v11"], metadata={**ULTRALYTICS, "names": str(dict(enumerate(NAMES_OF_MEGADETECTOR)))})
    mega.write(folder / "md_v1000.onnx")
    replace(FILES["YOLOX"], text="family: yolox\nnames: [animal, person, vehicle]\ncolours: rgb\n").write(
        folder / "yolox_s.onnx"
    )
    Image.fromarray(picture((160, 120), (40, 30, 100, 80))).save(folder / "animal.jpg", quality=95)


def _noise(seed: int) -> NDArray[np.uint8]:
    """A blurred picture of 160 x 120 pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.array(Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC))


def _photo(path: Path, seed: int, taken: datetime | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{taken:%Y:%m:%d %H:%M:%S}"
    Image.fromarray(_noise(seed)).save(path, quality=90, exif=exif)


def _card(folder: Path, seed: int) -> None:
    """Two bursts of two photos, and a video."""
    folder = folder / "DCIM" / "100RECNX"
    for number in range(4):
        taken = datetime(2024, 5, 1, 6) + timedelta(hours=number // 2, seconds=number % 2)
        _photo(folder / f"IMG_{number + 1:04d}.JPG", 10 * seed + number, taken)
    with av.open(str(folder / "VID_0005.MP4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(6):
            frame = np.roll(_noise(seed), 3 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _data_set(folder: Path) -> None:
    """photos/, train.json and val.json; the same boxes as YOLO's in labels/ and Pascal VOC's in xml/."""
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(SPECIES)]
    for name, numbers in (("train", range(8)), ("val", range(8, 12))):
        images = [{"id": n, "file_name": f"{n:03d}.jpg", "width": 160, "height": 120} for n in numbers]
        boxes = [
            {"id": n, "image_id": n, "category_id": n % 3 + 1, "bbox": [40, 30, 60, 50], "area": 3000, "iscrowd": 0}
            for n in numbers
        ]
        content = {"images": images, "annotations": boxes, "categories": categories}
        (folder / f"{name}.json").write_text(json.dumps(content))
    for number in range(12):
        _photo(folder / "photos" / f"{number:03d}.jpg", number)
    for name in ("bird", "other", "photo"):
        _photo(folder / f"{name}.jpg", 99)
    (folder / "labels").mkdir()
    (folder / "labels" / "000.txt").write_text("0 0.4375 0.4583 0.375 0.4167\n")
    (folder / "data.yaml").write_text("names: [Hoopoe, Great tit, Common kestrel]\n")
    (folder / "xml").mkdir()
    box = "<bndbox><xmin>41</xmin><ymin>31</ymin><xmax>100</xmax><ymax>80</ymax></bndbox>"
    (folder / "xml" / "000.xml").write_text(
        "<annotation><filename>000.jpg</filename><size><width>160</width><height>120</height><depth>3</depth></size>"
        f"<object><name>Hoopoe</name>{box}</object></annotation>"
    )
    for name in (*SPECIES, "not_a_bird"):
        for number in range(3):
            _photo(folder / "crops" / name / f"{number}.jpg", number)


def _tables(folder: Path) -> None:
    """A bar chart as eBird writes it, and boxes as MegaDetector writes them."""
    rows = [f"{name} ({scientific})\t" + "\t".join(["0.1"] * 48) for name, scientific in SPECIES.items()]
    months = "\tJan\t\t\t\tFeb\t\t\t\tMar"  # and so on: what is read begins below
    sizes = "Sample Size:\t" + "\t".join(["100.0"] * 48) + "\t"
    chart = ["", f"Number of taxa: \t{len(rows)}", "", months, sizes, "", *rows]
    (folder / "ebird_IL__2015_2025_1_12_barchart.txt").write_text("\n".join(chart))
    found = {"category": "1", "conf": 0.9, "bbox": [0.25, 0.25, 0.375, 0.4167]}
    images = [{"file": f"{number:03d}.jpg", "detections": [found]} for number in range(4)]
    info = {"format_version": "1.6", "detector": "md_v1000.0.0-redwood.pt"}
    content = {"info": info, "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"}, "images": images}
    (folder / "megadetector.json").write_text(json.dumps(content))
