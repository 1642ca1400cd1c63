"""`evaluate`: how good a detector is on annotated pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from torch import nn

from detector.api.checks import Source, checked_folder, checked_path, checked_share, checked_whole, refuse_unknown
from detector.api.predict import as_detector
from detector.base.checks import expect
from detector.base.reporting import say, task, warn
from detector.data.config import DataConfig
from detector.data.images import read_image
from detector.data.negatives import read_negatives
from detector.data.packed import Annotations
from detector.evaluation import evaluation as evaluating
from detector.evaluation.card_file import write_model_card
from detector.evaluation.detecting import DetectionOptions
from detector.evaluation.evaluation import Evaluation
from detector.evaluation.ground_truth import read_ground_truth
from detector.evaluation.slices import LOCATION
from detector.evaluation.writer import write_evaluation
from detector.models.detector import Detector, Suppression
from detector.models.saving import load_detector


class EvaluateOptions(TypedDict, total=False):
    """What `evaluate` may be told beside the data.

    Attributes:
        batch_size: Images at once; 8.
        workers: Processes that read images; None: one a core, 0: none.
        score_threshold: Detections below it are left out; None: the detector's own, 0.05.
        max_detections: Of an image, and of each of its categories for AP; None: the detector's, and COCO's 100.
        tile: Look for small birds in tiles at native resolution too.
        tta: See each picture mirrored and at other sizes too, and fuse what is found; not together with `tile`.
        suppression: "soft" lowers the score of a box that overlaps a better one, where "hard" drops it; not with `tta`.
            None: as the detector says.
        categories: YAML file that maps annotated names to the detector's; None: as in its training.
        agnostic: All annotated categories are `bird`, and so are a species detector's.
        negatives: A folder of other pictures, which surely show no bird, to count false boxes in.
    """

    batch_size: int
    workers: int | None
    score_threshold: float | None
    max_detections: int | None
    tile: bool
    tta: bool
    suppression: Suppression | None
    categories: Source | None
    agnostic: bool
    negatives: Source | None


def evaluate(
    detector: Detector | nn.Module | Source,
    annotations: Source,
    images: Source,
    *,
    output: Source | None = None,
    group_by: Sequence[str] = (),
    **options: Unpack[EvaluateOptions],
) -> Evaluation:
    """Measure a detector on annotated pictures: the figures of COCO's protocol, and where they come from.

    Args:
        detector: A detector, a network from `build_detector`, or the path or name of a detector.
        annotations: COCO JSON.
        images: The folder of its pictures.
        output: A folder for figures, pictures of the worst mistakes, `metrics.json`, `predictions.json`
            and `model_card.md`; None writes nothing.
        group_by: Keys of the image records, such as "modality"; each of their values is also measured by itself.
        options: See `EvaluateOptions`.

    Returns:
        `.metrics` (AP, AP50, AP75, APs, APm, APl, AR1 to AR100, and `per_class`), `.class_agnostic`, `.groups`,
        `.sweep` (precision, recall and F1 over the score), `.sizes`, `.errors`, `.misses`, `.false_alarms`,
        `.false_on_own` and `.false_on_negatives` (boxes on pictures without birds, from the score of best F1 up); None
        where there is nothing to measure. What takes long is computed when it is first asked for.

    Raises:
        DataError: The annotations cannot be used, or have boxes of a category that the detector does not know.
        MediaError: A picture cannot be read.
        ConfigError: An option cannot be used.

    Example:
        >>> evaluation = hp.evaluate("runs/birds", "val.json", "photos", workers=0)
        >>> evaluation.metrics.images
        4
        >>> 0 <= evaluation.metrics.AP50 <= 1
        True
    """
    refuse_unknown(options, EvaluateOptions.__annotations__, "evaluate")
    named = isinstance(detector, str) or hasattr(detector, "__fspath__")
    model = load_detector(detector) if named else as_detector(detector)  # type: ignore[arg-type]
    keys = group_by if isinstance(group_by, list | tuple) else [None]
    for key in keys:
        expect(key, str, "a list of keys", where="group_by", hint='such as ["modality"]')
    categories, folder = options.get("categories"), None if output is None else checked_folder(output, "output")
    sources = [(checked_path(annotations, "annotations"), checked_path(images, "images"))]
    truth, report = read_ground_truth(
        sources,
        model.meta,
        categories=None if categories is None else checked_path(categories, "categories"),
        agnostic=options.get("agnostic", False),
        attributes=[*group_by, *([] if LOCATION in group_by else [LOCATION])],
    )
    say(f"{sources[0][0]}: {report}")
    for finding in report.findings:
        if finding.code == "category_repeated":
            warn(f"{finding.where}: {finding.message}; {finding.hint}")
    detecting = _detection_options(options)
    negatives = _negatives(options.get("negatives"), truth)
    with task("detecting", len(truth) + (0 if negatives is None else len(negatives)), "images") as progress:
        evaluation = evaluating.evaluate(
            model, truth, detecting, group_by=group_by, negatives=negatives, advance=progress.advance
        )
    if folder is not None:
        write_evaluation(folder, evaluation, _Pictures(truth).read)
        write_model_card(folder, model, evaluation, truth)
    return evaluation


def _negatives(folder: Source | None, truth: Annotations) -> Annotations | None:
    if folder is None:
        return None
    negatives, left_out = read_negatives([checked_path(folder, "negatives")], truth, to_the_end=True)
    for name, problem in left_out.items():
        warn(f"negatives: {name} is left out: {problem}")
    return negatives


def _detection_options(options: EvaluateOptions) -> DetectionOptions:
    score, most, workers = options.get("score_threshold"), options.get("max_detections"), options.get("workers")
    if workers:
        checked_whole(workers, "workers")
    return DetectionOptions(
        batch_size=checked_whole(options.get("batch_size", 8), "batch_size"),
        loading=DataConfig(workers=workers),
        score_threshold=None if score is None else checked_share(score, "score_threshold"),
        max_detections=None if most is None else checked_whole(most, "max_detections"),
        tile=bool(options.get("tile", False)),
        tta=bool(options.get("tta", False)),
        suppression=options.get("suppression"),
    )


class _Pictures:
    """The pictures of a data set by their ids."""

    def __init__(self, annotations: Annotations) -> None:
        self.annotations = annotations
        self.places = {image: place for place, image in enumerate(annotations.image_ids.tolist())}

    def read(self, image_id: int) -> NDArray[np.uint8]:
        record = self.annotations[self.places[image_id]]
        return read_image(record.path, (record.width, record.height))
