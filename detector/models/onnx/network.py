"""A detector in an ONNX file as a network by torchvision's call convention, so that all that runs ours runs it too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import batched_nms

from backbones.errors import CheckpointError, ConfigError
from detector.data.resizing import InputRule
from detector.models.config import ModelConfig
from detector.models.onnx.categories import Categories
from detector.models.onnx.description import Conventions, yaml_of
from detector.models.onnx.layouts import Layout, corners_in_pixels, fits, read_raw
from detector.models.onnx.session import ImageSession
from detector.models.transform import NormalizeAndPad

GREY = 114  # beside the picture, of 255: all of the YOLOs
NO_PROBABILITY = 1e-3  # by which a score may pass 0..1: float16 rounds


class OnnxConfig(ModelConfig):
    """What a detector in an ONNX file is; of a network's architecture nothing is known."""

    rule: InputRule

    @property
    def size_rule(self) -> InputRule:
        """Which size a picture has in the network."""
        return self.rule


class OnnxNet(nn.Module):
    """Pictures in, boxes, scores and labels out, as of torchvision's detectors in evaluation mode.

    Args:
        session: The file, or its export.
        layout: Where boxes and scores stand in its outputs.
        how: How pictures go in and boxes come out.
        categories: By the network's numbers.
        config: Limits, and the size of the input.
        stride: To a multiple of which an open input's sides are filled up; None: they are fixed.
    """

    def __init__(
        self,
        session: ImageSession,
        layout: Layout,
        how: Conventions,
        categories: Categories,
        config: OnnxConfig,
        stride: int | None,
    ) -> None:
        super().__init__()
        self.session, self.layout, self.how, self.categories = session, layout, how, categories
        self.config, self.stride = config, stride
        self.score_thresh, self.nms_thresh = config.score_threshold, config.nms_iou
        self.detections_per_img = config.max_detections
        self.transform = NormalizeAndPad(how.mean, how.std, 0)
        # it has no weights that torch knows, and its pictures come on the CPU
        self.where = nn.Parameter(torch.zeros(0), requires_grad=False)

    def __deepcopy__(self, memo: dict[int, object]) -> OnnxNet:
        return self  # it has no weights that could be changed, and a runtime's network cannot be copied

    def forward(self, images: list[Tensor], targets: Any = None) -> list[dict[str, Tensor]]:
        """Detections of images, each (3, H, W) of uint8, or of floats in 0..1, no larger than the input.

        Raises:
            ConfigError: It is in training mode.
            CheckpointError: ONNX Runtime fails, or gives what are no scores.
        """
        if self.training:
            hint = "train a detector of Hoopoe's, and give it this one's boxes"
            raise ConfigError("a detector in an ONNX file cannot be trained", where=self.session.file, hint=hint)
        pixels = [_pixels(image) for image in images]
        found: list[dict[str, Tensor]] = []
        batch = self.session.input.batch
        while len(found) < len(pixels):
            size_wh = self._size_wh([(each.shape[1], each.shape[0]) for each in pixels])
            chunk = pixels[len(found) : len(found) + (batch or len(pixels))]
            outputs = self._outputs(chunk, size_wh)
            found += [self._found(outputs, place, each, size_wh) for place, each in enumerate(chunk)]
        return found

    def _size_wh(self, sizes_wh: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """Of the input: fixed, or what the pictures fill, as YOLOs have it whose input is open."""
        rule = self.config.rule
        if self.stride is None or rule.stretched:
            return rule.width, rule.height
        width, height = (max(sides) for sides in zip(*sizes_wh, strict=True))
        return -(-width // self.stride) * self.stride, -(-height // self.stride) * self.stride

    def _batch(self, pictures: Sequence[NDArray[np.uint8]], size_wh: tuple[int, int]) -> NDArray[Any]:
        """Pictures as the network takes them: (B, 3, H, W), filled up where its batch is fixed."""
        count = self.session.input.batch or len(pictures)
        canvas = np.full((count, size_wh[1], size_wh[0], 3), GREY, np.uint8)
        for place, picture in enumerate(pictures):
            left, top = self._corner(picture, size_wh)
            canvas[place, top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        if self.how.colours == "bgr":
            canvas = canvas[..., ::-1]
        planes = np.ascontiguousarray(canvas.transpose(0, 3, 1, 2))
        if self.session.input.dtype is np.uint8:
            return planes
        values = planes.astype(np.float32) / np.float32(255)
        mean, std = (np.array(each, np.float32)[:, None, None] for each in (self.how.mean, self.how.std))
        if mean.any() or (std != 1).any():
            values = (values - mean) / std
        return values if self.how.pixel_max == 1 else values * np.float32(255)

    def _outputs(
        self, pictures: Sequence[NDArray[np.uint8]], size_wh: tuple[int, int]
    ) -> dict[str, NDArray[np.float32]]:
        """What the network gives for pictures.

        Raises:
            CheckpointError: It has other shapes than were told.
        """
        batch = self._batch(pictures, size_wh)
        outputs = self.session.run(batch)
        if not fits(self.layout, outputs, len(batch), size_wh):
            given = ", ".join(f"{name} {list(outputs[name].shape)}" for name in self.layout.outputs)
            problem = f"for this picture it gives other outputs than it was read by ({given})"
            hint = "export the detector again, for pictures of one size"
            raise CheckpointError(problem, where=self.session.file, hint=hint)
        return outputs

    def _corner(self, picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> tuple[int, int]:
        """Left and top of a picture in the input."""
        if self.how.placing != "centre":
            return 0, 0
        return (size_wh[0] - picture.shape[1]) // 2, (size_wh[1] - picture.shape[0]) // 2

    def input_of(self, image: Tensor) -> NDArray[Any]:
        """What the network is given for an image alone."""
        picture = _pixels(image)
        return self._batch([picture], self._size_wh([(picture.shape[1], picture.shape[0])]))

    def uncut(self, image: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (N, 4) and scores (N,) of an image before suppression, not cut off at its border, in its pixels."""
        picture = _pixels(image)
        size_wh = self._size_wh([(picture.shape[1], picture.shape[0])])
        outputs = self._outputs([picture], size_wh)
        boxes, scores, _ = self._scored(outputs, 0, picture, size_wh)
        return boxes, scores

    def read_otherwise(self, how: Conventions) -> OnnxNet:
        """The same network by other conventions."""
        rule = self.config.rule
        config = self.config.model_copy(update={"rule": how.rule((rule.width, rule.height))})
        return OnnxNet(self.session, self.layout, how, self.categories, config, self.stride).eval()

    def _found(
        self, outputs: dict[str, NDArray[np.float32]], place: int, picture: NDArray[np.uint8], size_wh: tuple[int, int]
    ) -> dict[str, Tensor]:
        """The detections of one picture of a batch, boxes in its own pixels; they are cut at its border in the end."""
        boxes, scores, labels = self._scored(outputs, place, picture, size_wh)
        found = self._suppressed(boxes, scores, labels)
        sides = torch.tensor((picture.shape[1], picture.shape[0]) * 2)
        inside = torch.minimum(found["boxes"].clamp(min=0), sides)
        has_area = (inside[:, 2:] > inside[:, :2]).all(dim=1)
        kept = {**found, "boxes": inside}
        return {name: values[has_area][: self.detections_per_img] for name, values in kept.items()}

    def _scored(
        self, outputs: dict[str, NDArray[np.float32]], place: int, picture: NDArray[np.uint8], size_wh: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Boxes (N, 4) in the pixels of a picture, scores and labels (N,) of all that reach the lowest score."""
        raw = read_raw(self.layout, outputs, place, len(self.categories.of_class), size_wh)
        class_scores = _sigmoid(raw.scores) if self.how.logits and self.layout.form == "two" else raw.scores
        scores = self.categories.scores(self._checked(class_scores))
        best = scores.max(axis=1, initial=0)
        rows = np.flatnonzero((best > self.score_thresh) & np.isfinite(raw.boxes).all(axis=1))
        boxes = corners_in_pixels(raw.boxes[rows], self.how, size_wh)
        boxes = boxes - np.array(self._corner(picture, size_wh) * 2, np.float32)
        return boxes, best[rows], scores[rows].argmax(axis=1)

    def _suppressed(
        self, boxes_xyxy: NDArray[np.float32], scores: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> dict[str, Tensor]:
        boxes, values, numbers = (torch.from_numpy(np.ascontiguousarray(each)) for each in (boxes_xyxy, scores, labels))
        if self.how.nms_iou is None:
            kept = torch.argsort(values, descending=True, stable=True)
        else:
            kept = batched_nms(boxes, values, numbers, self.nms_thresh)
        return self.transform.finished({"boxes": boxes[kept], "scores": values[kept], "labels": numbers[kept]})

    def _checked(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores in 0..1; what is no number counts as 0.

        Raises:
            CheckpointError: They are none.
        """
        finite = np.nan_to_num(scores, nan=0, posinf=0, neginf=0)
        low, high = finite.min(initial=0), finite.max(initial=0)
        if low < -NO_PROBABILITY or high > 1 + NO_PROBABILITY:
            problem = f"scores lie between {low:.3g} and {high:.3g}, and not in 0..1"
            hint = f"say in {yaml_of(self.session.file).name} the family, and `logits: true` if these are logits"
            raise CheckpointError(problem, where=self.session.file, hint=hint)
        return finite.clip(0, 1)


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) of uint8, or of floats in 0..1, as (H, W, 3) of uint8."""
    if image.dtype != torch.uint8:
        image = (image * 255).round().clamp(0, 255).to(torch.uint8)
    return image.detach().cpu().permute(1, 2, 0).numpy()


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(torch.from_numpy(np.ascontiguousarray(logits)).sigmoid())
