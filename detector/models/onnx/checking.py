"""Whether a foreign detector is read rightly: each convention also the other way, and which agrees with a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from backbones.errors import ConfigError
from detector.boxes import box_areas, box_iou, shared_boxes
from detector.models.detector import Detector
from detector.models.onnx.description import BoxForm, Colours, Placing, Unit
from detector.models.onnx.network import OnnxNet
from detector.models.prediction import detect, image_tensor
from detector.types import Detections

CHOICES: dict[str, tuple[Any, ...]] = {
    "colours": get_args(Colours),
    "pixel_max": (1, 255),
    "placing": get_args(Placing),
    "boxes": get_args(BoxForm),
    "unit": get_args(Unit),
}
TOP = 5  # detections that count where no boxes are known
CLEARLY, CLEARLY_BY_SCORE = (
    0.05,
    0.15,
)  # by how much agreement must differ to say something, with known boxes or without


@dataclass(frozen=True, eq=False)
class Trial:
    """A picture seen under one convention.

    Attributes:
        option: The convention that is tried, a key of the YAML.
        value: Its value.
        as_told: Whether this is how the detector is read.
        agreement: 0..1: with known boxes the mean over them of the best overlap times its score; else the mean score
            of the surest detections, times the share of their boxes that lies in the picture.
    """

    option: str
    value: Any
    as_told: bool
    agreement: float


@dataclass(frozen=True)
class Verdict:
    """What a picture says of one convention.

    Attributes:
        option: The convention.
        told: How the detector is read.
        better: What agrees better by far; None: nothing.
        decided: Whether the picture tells the values apart.
        agreement: Of what was told.
        others: Of the other values.
    """

    option: str
    told: Any
    better: Any
    decided: bool
    agreement: float
    others: tuple[tuple[Any, float], ...]


def check_conventions(
    detector: Detector, image: NDArray[np.uint8], known_xyxy: NDArray[np.float32] | None = None
) -> list[Verdict]:
    """What a picture says of how a detector from an ONNX file is read.

    Args:
        detector: From an ONNX file.
        image: RGB (H, W, 3).
        known_xyxy: (N, 4), what is in the picture, in its pixels; None: not known.

    Raises:
        ConfigError: The detector is of another kind.
    """
    trials = list(_trials(detector, onnx_net(detector), image, known_xyxy))
    best = max(trial.agreement for trial in trials)
    clearly = CLEARLY_BY_SCORE if known_xyxy is None else CLEARLY
    return [
        _verdict(option, [trial for trial in trials if trial.option == option], best, clearly)
        for option in _judged(known_xyxy)
    ]


def _judged(known: NDArray[np.float32] | None) -> list[str]:
    """The conventions that a picture can judge: where it lies in the input changes scores a little, either way."""
    return [option for option in CHOICES if known is not None or option != "placing"]


def _verdict(option: str, trials: Sequence[Trial], best: float, clearly: float) -> Verdict:
    """What is to be said of one convention, where the best reading of all agrees so well."""
    told = next(trial for trial in trials if trial.as_told)
    others = sorted((trial for trial in trials if not trial.as_told), key=lambda trial: -trial.agreement)
    ahead = others[0].agreement - told.agreement
    better = ahead > clearly and others[0].agreement > best - clearly
    return Verdict(
        option,
        told.value,
        others[0].value if better else None,
        abs(ahead) > clearly,
        told.agreement,
        tuple((trial.value, trial.agreement) for trial in others),
    )


def onnx_net(detector: Detector) -> OnnxNet:
    """The network of a detector from an ONNX file.

    Raises:
        ConfigError: It is of another kind.
    """
    if isinstance(detector.net, OnnxNet):
        return detector.net
    raise ConfigError("this detector says itself how it is read", where=detector.name, hint="give an .onnx file")


def _trials(
    detector: Detector, net: OnnxNet, image: NDArray[np.uint8], known: NDArray[np.float32] | None
) -> Iterator[Trial]:
    as_told = _agreement(detector, net, image, known)
    for option in _judged(known):
        for value in CHOICES[option]:
            if value == getattr(net.how, option):
                yield Trial(option, value, True, as_told)
                continue
            other = net.read_otherwise(replace(net.how, **{option: value}))
            meta = replace(detector.meta, config=other.config)
            changed = replace(detector, net=other, meta=meta)
            yield Trial(option, value, False, _agreement(changed, other, image, known))


def _agreement(detector: Detector, net: OnnxNet, image: NDArray[np.uint8], known: NDArray[np.float32] | None) -> float:
    if known is not None:
        [found] = detect(detector, [image])
        return _with_known(found, known)
    rule = detector.size_rule
    resized = rule.resize(image, rule.size((image.shape[1], image.shape[0])))
    boxes, scores = net.uncut(image_tensor(resized))
    best = np.argsort(-scores, kind="stable")[:TOP]
    if not len(best):
        return 0.0
    frame = np.array([0, 0, resized.shape[1], resized.shape[0]], np.float32)
    sides = boxes[best, 2:] - boxes[best, :2]
    areas = np.where((sides > 0).all(axis=1), box_areas(boxes[best]), np.inf)
    return float((scores[best] * box_areas(shared_boxes(boxes[best], frame)) / areas).mean())


def _with_known(found: Detections, known: NDArray[np.float32]) -> float:
    if not len(known) or not len(found):
        return 0.0
    return float((box_iou(known, found.boxes_xyxy) * found.scores).max(axis=1).mean())
