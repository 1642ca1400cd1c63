"""A detector over a whole data set: detections in original pixels, each image once over all processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch.distributed

from detector.data.config import DataConfig
from detector.data.dataset import EvaluationDataset
from detector.data.loader import evaluation_loader
from detector.data.packed import Annotations
from detector.evaluation.results import coco_results
from detector.models.detector import Detector
from detector.models.prediction import detect_resized
from detector.types import Detections


@dataclass(frozen=True)
class DetectionOptions:
    """How a detector goes over a data set.

    Args:
        batch_size: The most images in one pass; they are of one size.
        loading: Workers.
        score_threshold: Detections below it are left out; None: the detector's own.
        max_detections: Detections of an image; None: the detector's own.
        rank: This process. All of them get everything.
        world_size: The number of processes.
    """

    batch_size: int = 8
    loading: DataConfig = field(default_factory=DataConfig)
    score_threshold: float | None = None
    max_detections: int | None = None
    rank: int = 0
    world_size: int = 1


@dataclass(frozen=True, eq=False)
class DetectedSet:
    """What a detector found in a data set.

    Args:
        detections: By image id; every image is there.
        seconds: From the first picture that was asked for to the last detection, the reading of pictures included.
    """

    detections: dict[int, Detections]
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Speed over all processes."""
        return len(self.detections) / max(self.seconds, 1e-9)

    def coco_results(self, annotations: Annotations) -> list[dict[str, Any]]:
        """COCO results, images in the order of the annotations."""
        ordered = {int(image): self.detections[int(image)] for image in annotations.image_ids}
        return coco_results(ordered, annotations.category_ids)


def detect_all(
    detector: Detector,
    annotations: Annotations,
    options: DetectionOptions,
    advance: Callable[[int], None] = lambda images: None,
) -> DetectedSet:
    """Detect in every image of a data set.

    Args:
        detector: The detector, without wrappers; used in evaluation mode and handed back as it was.
        annotations: The data set; its boxes are not looked at.
        options: Batches, limits, processes.
        advance: Told of the images of each batch that is done.
    """
    dataset = EvaluationDataset(annotations, detector.size_rule)
    loader = evaluation_loader(
        dataset, options.batch_size, options.loading, rank=options.rank, world_size=options.world_size
    )
    sizes_wh = dict(zip(annotations.image_ids.tolist(), annotations.sizes_wh.tolist(), strict=True))
    detections: dict[int, Detections] = {}
    start = time.perf_counter()
    with limited(detector.net, options.score_threshold, options.max_detections):
        for batch in loader:
            originals = [(sizes_wh[image][0], sizes_wh[image][1]) for image in batch.image_ids]
            found = detect_resized(detector, batch.images, originals)
            detections.update(zip(batch.image_ids, found, strict=True))
            advance(len(found))
    seconds = time.perf_counter() - start
    if options.world_size > 1:
        gathered: list[Any] = [None] * options.world_size
        torch.distributed.all_gather_object(gathered, (detections, seconds))
        detections = {image: each for part, _ in gathered for image, each in part.items()}
        seconds = max(part_seconds for _, part_seconds in gathered)
    return DetectedSet(detections, seconds)


@contextlib.contextmanager
def limited(model: Any, score_threshold: float | None = None, max_detections: int | None = None) -> Iterator[None]:
    """A detector with another score threshold and number of detections per image, where given; as before afterwards."""
    part = getattr(model, "roi_heads", model)  # Faster R-CNN keeps them there
    joined = hasattr(model.transform, "max_detections")  # the built-in coco's, after its classes are joined
    before = part.score_thresh, part.detections_per_img
    before_joined = model.transform.max_detections if joined else None
    if score_threshold is not None:
        part.score_thresh = score_threshold
    if max_detections is not None:
        part.detections_per_img = max(before[1], max_detections) if joined else max_detections
        if joined:
            model.transform.max_detections = max_detections
    try:
        yield
    finally:
        part.score_thresh, part.detections_per_img = before
        if joined:
            model.transform.max_detections = before_joined
