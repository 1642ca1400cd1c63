"""A detector over a whole data set: detections in original pixels, each image once over all processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch.distributed

from backbones.errors import ConfigError
from detector.data.config import DataConfig
from detector.data.dataset import EvaluationDataset
from detector.data.loader import evaluation_loader
from detector.data.packed import Annotations
from detector.evaluation.ground_truth import BIRD
from detector.evaluation.results import coco_results
from detector.evaluation.views import ViewedDataset, ViewedImage, viewed_loader
from detector.models.building import EVERY_DETECTION
from detector.models.detector import Detector, Suppression
from detector.models.prediction import detect_resized, detect_views, one_name_each
from detector.models.suppressing.soft import with_suppression
from detector.models.tiling import merge_views, tiled_views
from detector.models.tta import augmented_views, fuse_views
from detector.types import Detections


@dataclass(frozen=True)
class DetectionOptions:
    """How a detector goes over a data set.

    Args:
        batch_size: The most images in one pass; they are of one size.
        loading: Workers.
        score_threshold: Detections below it are left out; None: the detector's own.
        max_detections: Detections of an image; None: the detector's own.
        tile: Look for small birds in tiles at native resolution too, as `annotate --tile` does.
        tta: See each picture mirrored and at other sizes too, and fuse what is found (`detector.models.tta`).
        suppression: "soft" lowers the score of a box that overlaps a better one, where "hard" drops it; None: the
            detector's own.
        one_label: Say where birds are, each once, and not which: every label is 0.
        rank: This process. All of them get everything.
        world_size: The number of processes.
    """

    batch_size: int = 8
    loading: DataConfig = field(default_factory=DataConfig)
    score_threshold: float | None = None
    max_detections: int | None = None
    tile: bool = False
    tta: bool = False
    suppression: Suppression | None = None
    one_label: bool = False
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.tile and self.tta:
            problem = "tile and tta look at a picture in ways that do not go together"
            raise ConfigError(problem, hint="take tile for small birds in large pictures, tta for all others")

    def words(self, suppression: Suppression) -> str | None:
        """The options of the command that change what is found, suppression among them; None where there are none."""
        given = {"--tile": self.tile, "--tta": self.tta, "--suppression soft": suppression == "soft"}
        return " ".join(word for word, is_given in given.items() if is_given) or None


@dataclass(frozen=True, eq=False)
class DetectedSet:
    """What a detector found in a data set.

    Args:
        detections: By image id; every image is there.
        seconds: From the first picture that was asked for to the last detection, the reading of pictures included.
        seen_with: `--tile` or `--tta`, where pictures were seen in several views, and `--suppression soft`.
    """

    detections: dict[int, Detections]
    seconds: float
    seen_with: str | None = None

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
        options: Batches, limits, tiles, processes.
        advance: Told of the images of each batch that is done.
    """
    detections: dict[int, Detections] = {}
    detector = with_suppression(detector, options.suppression, tta=options.tta)
    start = time.perf_counter()
    lowest = options.score_threshold
    if options.tta and lowest is not None:  # of fused boxes; a view keeps what may yet be fused
        lowest = min(lowest, detector.meta.config.score_threshold)
    with limited(detector.net, lowest, options.max_detections, one_name=options.one_label):
        batches = _tiled if options.tile else _augmented if options.tta else _whole
        for images, found in batches(detector, annotations, options):
            if options.one_label:
                found = [replace(each, labels=np.zeros_like(each.labels), category_names=(BIRD,)) for each in found]
            detections.update(zip(images, found, strict=True))
            advance(len(found))
    seconds = time.perf_counter() - start
    if options.world_size > 1:
        gathered: list[Any] = [None] * options.world_size
        torch.distributed.all_gather_object(gathered, (detections, seconds))
        detections = {image: each for part, _ in gathered for image, each in part.items()}
        seconds = max(part_seconds for _, part_seconds in gathered)
    return DetectedSet(detections, seconds, options.words(detector.suppression))


Batch = tuple[Sequence[int], list[Detections]]


def _whole(detector: Detector, annotations: Annotations, options: DetectionOptions) -> Iterator[Batch]:
    """Ids and detections of images of one size, as the network sees whole pictures."""
    dataset = EvaluationDataset(annotations, detector.size_rule)
    sizes_wh = dict(zip(annotations.image_ids.tolist(), annotations.sizes_wh.tolist(), strict=True))
    loader = evaluation_loader(
        dataset, options.batch_size, options.loading, rank=options.rank, world_size=options.world_size
    )
    for batch in loader:
        originals = [(sizes_wh[image][0], sizes_wh[image][1]) for image in batch.image_ids]
        yield batch.image_ids, detect_resized(detector, batch.images, originals)


def _tiled(detector: Detector, annotations: Annotations, options: DetectionOptions) -> Iterator[Batch]:
    """Id and detections of one image after the other, found in the whole picture and in tiles of native resolution."""
    for image, found in _viewed(detector, ViewedDataset(annotations, detector.size_rule, tiled_views), options):
        merged = one_name_each(detector, merge_views(image.views, found, image.size_wh))
        yield [image.id], [merged[: options.max_detections]]


def _augmented(detector: Detector, annotations: Annotations, options: DetectionOptions) -> Iterator[Batch]:
    """Id and detections of one image after the other, fused from its views."""
    for image, found in _viewed(detector, ViewedDataset(annotations, detector.size_rule, augmented_views), options):
        fused = fuse_views(detector, image.views, found)
        yield [image.id], [fused if options.score_threshold is None else fused.above(options.score_threshold)]


def _viewed(
    detector: Detector, dataset: ViewedDataset, options: DetectionOptions
) -> Iterator[tuple[ViewedImage, list[Detections]]]:
    """This process's images, and what is found in each of their views."""
    places = list(range(options.rank, len(dataset.annotations), options.world_size))
    for image in viewed_loader(dataset, places, options.loading):
        yield image, detect_views(detector, image.views, image.pictures, options.batch_size)


@contextlib.contextmanager
def limited(
    model: Any, score_threshold: float | None = None, max_detections: int | None = None, *, one_name: bool = False
) -> Iterator[None]:
    """A detector with other limits, where given; as before afterwards.

    Args:
        model: The detector.
        score_threshold: Detections below it are left out.
        max_detections: Detections of an image.
        one_name: Whether a bird that is found under several names counts once.
    """
    part, transform = getattr(model, "roi_heads", model), model.transform  # Faster R-CNN keeps them there
    before = part.score_thresh, part.detections_per_img, transform.nms_iou, transform.max_detections
    if score_threshold is not None:
        part.score_thresh = score_threshold
    if one_name and transform.nms_iou is None:
        transform.nms_iou, transform.max_detections = part.nms_thresh, part.detections_per_img
        part.detections_per_img = EVERY_DETECTION
    if max_detections is not None and transform.nms_iou is None:
        part.detections_per_img = max_detections
    elif max_detections is not None:  # counted after suppression: the built-in coco's classes, or one name a bird
        part.detections_per_img = max(part.detections_per_img, max_detections)
        transform.max_detections = max_detections
    try:
        yield
    finally:
        part.score_thresh, part.detections_per_img, transform.nms_iou, transform.max_detections = before
