"""What an ONNX file's network takes and gives: as its family has it, and as the file or a person says else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from backbones.errors import ConfigError
from detector.base.files import read_text
from detector.base.yaml_text import MAX_BYTES
from detector.config import Section, parse_config
from detector.data.resizing import InputRule
from detector.models.config import Name, Share, Side
from detector.models.transform import IMAGENET_MEAN, IMAGENET_STD

Family = Literal["yolov5", "yolov8", "yolov10", "yolox", "rtdetr", "rfdetr"]
Colours = Literal["rgb", "bgr"]
Placing = Literal["centre", "corner", "stretch"]
BoxForm = Literal["cxcywh", "xyxy"]
Unit = Literal["pixels", "shares"]
Resampling = Literal["linear", "smooth"]
Triple = tuple[float, float, float]
Names = Literal["coco"] | tuple[Name | None, ...] | dict[int, Name | None]


@dataclass(frozen=True)
class Conventions:
    """How pictures go in and boxes come out.

    Attributes:
        colours: Order of the channels.
        pixel_max: What white is: 1 or 255.
        placing: Pictures are fitted into the input in its centre or its upper left corner, or stretched to it.
        resampling: `linear`: OpenCV's, which passes over pixels; `smooth`: over all of them.
        boxes: Centre, width and height, or corners.
        unit: Pixels of the input, or shares of its width and height.
        logits: Whether scores are still to be brought into 0..1 by a sigmoid.
        nms_iou: Of boxes of one category that overlap more, the best stays; None: the network has seen to it.
        mean: Taken from the channels, with white as 1.
        std: That they are then divided by.
    """

    colours: Colours = "rgb"
    pixel_max: Literal[1, 255] = 1
    placing: Placing = "centre"
    resampling: Resampling = "linear"
    boxes: BoxForm = "cxcywh"
    unit: Unit = "pixels"
    logits: bool = False
    nms_iou: float | None = None
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    def rule(self, size_wh: tuple[int, int]) -> InputRule:
        """The size that pictures have in an input of this width and height."""
        stretched, corner, linear = self.placing == "stretch", self.placing == "corner", self.resampling == "linear"
        return InputRule.box(size_wh, stretched=stretched, floored=corner, linear=linear)


# as the programs themselves prepare pictures and read outputs: ultralytics/yolov5 (general.py), ultralytics (LetterBox,
# nms.py), YOLOX (data_augment.preproc, demo_utils), RT-DETR (references/deploy), rfdetr (docs, exports/onnx)
FAMILIES: dict[str, Conventions] = {
    "yolov5": Conventions(nms_iou=0.45),
    "yolov8": Conventions(nms_iou=0.7),
    "yolov10": Conventions(boxes="xyxy"),
    "yolox": Conventions("bgr", 255, "corner", nms_iou=0.45),
    "rtdetr": Conventions(placing="stretch", resampling="smooth", unit="shares", logits=True),
    "rfdetr": Conventions(
        placing="stretch", resampling="smooth", unit="shares", logits=True, mean=IMAGENET_MEAN, std=IMAGENET_STD
    ),
}
MEANINGS = {
    "yolov5": "YOLOv5, YOLOv7, MegaDetector v5: (1, boxes, 5 + categories)",
    "yolov8": "YOLOv8, v9, v11, v12, MegaDetector v6 and v1000: (1, 4 + categories, boxes)",
    "yolov10": "YOLOv10, YOLO26, or exported with NMS: (1, boxes, 6)",
    "yolox": "YOLOX: (1, boxes, 5 + categories)",
    "rtdetr": "RT-DETR, D-FINE: boxes and logits, or labels, boxes and scores",
    "rfdetr": "RF-DETR: dets and labels",
}


class OnnxOptions(Section):
    """The YAML beside an ONNX file, FILE.yaml: what the file does not say, or says wrongly."""

    family: Family | None = None
    """Which program's network it is; null: told from the file's metadata and shapes."""

    names: Names | None = None
    """Categories in the order of their numbers, null for one to leave out; `coco` for COCO's; null: the file's."""

    size: Side | tuple[Side, Side] | None = None
    """Side of the input in pixels, or its height and width, where the file leaves it open."""

    colours: Colours | None = None
    """Order of the channels, rgb or bgr; null: the family's."""

    pixel_max: Literal[1, 255] | None = None
    """What white is; null: the family's."""

    placing: Placing | None = None
    """Pictures are fitted into the centre or the corner of the input, or stretch to it; null: the family's."""

    resampling: Resampling | None = None
    """How pictures are made smaller, linear or smooth; null: the family's."""

    boxes: BoxForm | None = None
    """Centre and size (cxcywh) or corners (xyxy); null: the family's."""

    unit: Unit | None = None
    """What boxes are in, pixels of the input or shares of it; null: the family's."""

    logits: bool | None = None
    """Whether a sigmoid is still to be applied to scores; null: the family's."""

    nms_iou: Share | None = None
    """Of boxes of one category that overlap more, the best stays; null: the family's."""

    mean: Triple | None = None
    """Taken from the channels, with white as 1; null: the family's."""

    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    """That they are then divided by; null: the family's."""

    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Detections below this score are dropped."""

    max_detections: Annotated[int, Field(ge=1, le=100_000)] = 300
    """Detections of a picture, the best first."""


def yaml_of(file: Path) -> Path:
    """Where what an ONNX file does not say is written."""
    return file.with_suffix(".yaml")


def read_options(file: Path) -> OnnxOptions:
    """What the YAML beside an ONNX file says; the defaults where there is none.

    Raises:
        ConfigError: It is not valid.
    """
    path = yaml_of(file)
    if not path.is_file():
        return OnnxOptions()
    text = read_text(path, max_bytes=MAX_BYTES, what="description of a detector", error=ConfigError)
    return parse_config(text, OnnxOptions, where=path)


def yaml_to_write(file: Path, family: str = "yolov8", names: str = "[animal, person, vehicle]") -> str:
    """Words that show which YAML to write beside a file."""
    families = "\n".join(f"    #   {name:8}{meaning}" for name, meaning in MEANINGS.items())
    lines = f"    family: {family}\n{families}\n    names: {names}\n    size: 640"
    return (
        f"write {yaml_of(file).name} beside it:\n{lines}\nthen `hoopoe check-detector {file} PHOTO` shows what it finds"
    )
