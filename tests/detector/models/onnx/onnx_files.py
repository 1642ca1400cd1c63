"""Small ONNX files of every layout; each finds the red square in a picture, if pictures come as it wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray

SIDE = 64  # of the input
SCORE = 0.9
NAMES = ("animal", "person", "vehicle")
BIRDS = "{0: 'bird', 1: 'person', 2: 'vehicle'}"
CELLS = 64 + 16 + 4  # of YOLOX at strides 8, 16, 32


@dataclass(frozen=True)
class File:
    """How a file wants its pictures, and where it gives boxes; the square is of the first of three categories."""

    ends: str
    inputs: str = "float[1,3,64,64] images"
    outputs: str = "float[1,N,M] output0"
    least_red: float = 0.8
    metadata: dict[str, str] = field(default_factory=dict)
    text: str = ""  # of the YAML beside it

    def write(self, path: Path) -> Path:
        """The file, and what is beside it."""
        text = '<ir_version: 8, opset_import: ["" : 17]>\n'
        text += f"finder ({self.inputs}) => ({self.outputs}) {{\n{FINDS.format(least=self.least_red)}{self.ends}\n}}"
        model = onnx.parser.parse_model(text)
        onnx.helper.set_model_props(model, self.metadata)
        onnx.save(model, str(path))
        if self.text:
            path.with_suffix(".yaml").write_text(self.text)
        return path


# corners and centre of what is red, (B, 1) each, and the score: 0 where nothing is
FINDS = """
  first = Constant <value_ints = [0]> ()
  red = Gather <axis = 1> (images, first)
  least = Constant <value_float = {least}> ()
  bright = Greater (red, least)
  mask = Cast <to = 1> (bright)
  columns = ReduceMax <axes = [1, 2], keepdims = 0> (mask)
  lines = ReduceMax <axes = [1, 3], keepdims = 0> (mask)
  xi = ArgMax <axis = 1> (columns)
  yi = ArgMax <axis = 1> (lines)
  ui = ArgMax <axis = 1, select_last_index = 1> (columns)
  vi = ArgMax <axis = 1, select_last_index = 1> (lines)
  one = Constant <value_float = 1.0> ()
  half = Constant <value_float = 0.5> ()
  x1 = Cast <to = 1> (xi)
  y1 = Cast <to = 1> (yi)
  uf = Cast <to = 1> (ui)
  vf = Cast <to = 1> (vi)
  x2 = Add (uf, one)
  y2 = Add (vf, one)
  w = Sub (x2, x1)
  h = Sub (y2, y1)
  xs = Add (x1, x2)
  ys = Add (y1, y2)
  cx = Mul (xs, half)
  cy = Mul (ys, half)
  any = ReduceMax <axes = [1], keepdims = 1> (columns)
  score = Constant <value_float = 0.9> ()
  found = Mul (any, score)
  none = Sub (any, any)
  sure = Sub (one, none)
  middle = Constant <value_ints = [1]> ()
  side = Constant <value_float = 64.0> ()
"""


def rows(values: str, count: int, last: str = "") -> str:
    """A table (B, count, values) whose first row is what was found; zeros in the others."""
    return f"""
  row = Concat <axis = 1> ({values})
  table = Unsqueeze (row, middle)
  ends = Constant <value_ints = [0, 0, 0, 0, {count - 1}, 0]> ()
  {"padded" if last else "output0"} = Pad (table, ends)
  {last}
"""


COLUMNS = rows("cx, cy, w, h, found, none, none", 2000, "output0 = Transpose <perm = [0, 2, 1]> (padded)")
OBJECTNESS = rows("cx, cy, w, h, found, sure, none, none", 2000)
READY = rows("x1, y1, x2, y2, found, none", 300)
RAW = """
  eight = Constant <value_float = 8.0> ()
  gx = Div (cx, eight)
  gy = Div (cy, eight)
  gw0 = Div (w, eight)
  gh0 = Div (h, eight)
  gw = Log (gw0)
  gh = Log (gh0)
"""
SHARES = """
  sx = Div (cx, side)
  sy = Div (cy, side)
  sw = Div (w, side)
  sh = Div (h, side)
"""
LOGITS = """
  twenty = Constant <value_float = 20.0> ()
  ten = Constant <value_float = 10.0> ()
  up = Mul (any, twenty)
  logit = Sub (up, ten)
  low = Sub (none, ten)
"""


def _two(boxes: str, logits: str, values: str) -> str:
    """Boxes and scores of 100 queries, of which the first is what was found."""
    return f"""{SHARES}{LOGITS}
  brow = Concat <axis = 1> (sx, sy, sw, sh)
  srow = Concat <axis = 1> ({values})
  btable = Unsqueeze (brow, middle)
  stable = Unsqueeze (srow, middle)
  ends = Constant <value_ints = [0, 0, 0, 0, 99, 0]> ()
  {boxes} = Pad (btable, ends)
  least_logit = Constant <value_float = -10.0> ()
  {logits} = Pad (stable, ends, least_logit)
"""


THREE = """
  told0 = Cast <to = 1> (orig_target_sizes)
  told = Div (told0, side)
  twice = Concat <axis = 1> (told, told)
  corners = Concat <axis = 1> (x1, y1, x2, y2)
  original = Mul (corners, twice)
  boxes = Unsqueeze (original, middle)
  scores = Identity (found)
  labels = Cast <to = 7> (none)
"""
NAMED = {"names": "{0: 'bird', 1: 'person', 2: 'vehicle'}", "stride": "32"}
ULTRALYTICS = {**NAMED, "task": "detect", "imgsz": "[64, 64]", "description": "Ultralytics YOLO11n model"}
YAML = "names: [bird, person, vehicle]\n"
NORMALISED = (0.8 - 0.485) / 0.229
TWO = "float[1,N,4] {boxes}, float[1,N,M] {logits}"

FILES = {
    "YOLOv8, v11": File(COLUMNS, metadata=ULTRALYTICS),
    "YOLOv8, open size and batch": File(COLUMNS, inputs="float[B,3,H,W] images", metadata=ULTRALYTICS),
    "YOLOv5": File(OBJECTNESS, metadata=NAMED),
    "YOLOv8, nothing said": File(COLUMNS, text=f"family: yolov8\n{YAML}"),
    "YOLOv10, or with NMS": File(READY, metadata=ULTRALYTICS),
    "YOLOX": File(
        RAW + rows("gx, gy, gw, gh, found, sure, none, none", CELLS), least_red=200.0, text=f"family: yolox\n{YAML}"
    ),
    "YOLOX, decoded": File(
        rows("cx, cy, w, h, found, sure, none, none", CELLS), least_red=200.0, text=f"family: yolox\n{YAML}"
    ),
    "RT-DETR of Ultralytics": File(
        SHARES + rows("sx, sy, sw, sh, found, none, none", 300),
        metadata={**ULTRALYTICS, "description": "Ultralytics rtdetr-l model"},
    ),
    "RT-DETR of Ultralytics since 8.4": File(
        SHARES + rows("sx, sy, sw, sh, found, none", 300), metadata={**ULTRALYTICS, "head": "RTDETRDecoder"}
    ),
    "RT-DETR of transformers": File(
        _two("pred_boxes", "logits", "logit, low, low"),
        outputs=TWO.format(boxes="pred_boxes", logits="logits"),
        text=YAML,
    ),
    "RT-DETR, D-FINE with postprocessor": File(
        THREE,
        inputs="float[1,3,64,64] images, int64[1,2] orig_target_sizes",
        outputs="float[1,N,4] boxes, float[1,N] scores, int64[1,N] labels",
        text=YAML,
    ),
    "RF-DETR": File(
        _two("dets", "labels", "logit, low, low, low"),
        outputs=TWO.format(boxes="dets", logits="labels"),
        least_red=NORMALISED,
        text=YAML,
    ),
}
BGR = ("YOLOX", "YOLOX, decoded")  # and of 255: what is red for them is blue for others


def picture(size_wh: tuple[int, int], box: tuple[int, int, int, int], *, blue: bool = False) -> NDArray[np.uint8]:
    """A dark picture with a red square, or a blue one."""
    image = np.full((size_wh[1], size_wh[0], 3), 30, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = (0, 60, 250) if blue else (250, 60, 0)
    return image
