"""`hoopoe evaluate MODEL ...`: how good a detector is on annotated pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from detector.cli.options.devices import add_device_arguments, device_and_precision
from detector.cli.options.models import check_detector
from detector.cli.options.paths import file_of, folder_of, new_folder_of
from detector.cli.options.shared import add_images_argument, add_suppression_argument
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import new_table, results, say

if TYPE_CHECKING:
    from rich.console import Console

    from detector.evaluation.evaluation import Evaluation
    from detector.evaluation.worst import FalseAlarm, Miss


WORST_SHOWN = 5  # of each kind of mistake, by name
EXAMPLES = ("hoopoe evaluate runs/x/best.safetensors --annotations val.json --images photos --output report",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe evaluate`."""
    parser.add_argument("model", metavar="MODEL", help="a detector's file (best.safetensors, .onnx), or coco")
    parser.add_argument(
        "--annotations", type=file_of("COCO boxes", "val.json"), required=True, metavar="JSON", help="COCO boxes"
    )
    add_images_argument(parser)
    parser.add_argument(
        "--output",
        type=new_folder_of("figures and pictures"),
        required=True,
        metavar="DIR",
        help="where figures and pictures go",
    )
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="images at once (default: %(default)s)")
    parser.add_argument(
        "--score-threshold", type=float, metavar="SCORE", help="drop detections below it (default: the detector's)"
    )
    parser.add_rare_argument(
        "--max-detections",
        type=int,
        metavar="N",
        help="of an image, and of each of its categories for AP (default: the detector's, and COCO's 100)",
    )
    parser.add_rare_argument(
        "--group-by", nargs="+", default=[], metavar="ATTRIBUTE", help="also by these of the image records: modality"
    )
    parser.add_argument(
        "--negatives",
        type=folder_of("pictures without birds"),
        metavar="DIR",
        help="other pictures, which surely show no bird: how many boxes are found there?",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--agnostic", action="store_true", help="all annotated categories are `bird`, and what the detector finds too"
    )
    which.add_argument(
        "--categories",
        type=file_of("a mapping of categories", "categories.yaml"),
        metavar="YAML",
        help="maps annotated names to the detector's (default: as trained)",
    )
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument("--tile", action="store_true", help="look for small birds at native resolution too, in tiles")
    seen.add_argument(
        "--tta", action="store_true", help="see pictures mirrored and at other sizes too; 6 to 9 times slower"
    )
    add_suppression_argument(parser)
    parser.add_rare_argument(
        "--workers", type=int, metavar="N", help="processes that read pictures (default: one a core)"
    )
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Detect, measure, write and print."""
    check_detector("MODEL", args.model, "`hoopoe calibrate` measures classifiers")

    from detector.api.evaluate import evaluate
    from detector.models import load_detector

    console = results()
    evaluation = evaluate(
        load_detector(args.model, *device_and_precision(args)),
        args.annotations,
        args.images,
        output=args.output,
        group_by=args.group_by,
        batch_size=args.batch_size,
        workers=args.workers,
        score_threshold=args.score_threshold,
        max_detections=args.max_detections,
        tile=args.tile,
        tta=args.tta,
        suppression=args.suppression,
        categories=args.categories,
        agnostic=args.agnostic,
        negatives=args.negatives,
    )
    _print(console, evaluation)
    if not evaluation.metrics.boxes:
        say(console, "there is no annotated bird in these pictures: no AP can be had")
    _print_worst(console, evaluation)
    _print_false_boxes(console, evaluation)
    crowded = evaluation.crowded_images
    if crowded:
        limit = f"{evaluation.max_detections} boxes of one category, of which AP can count no more"
        say(console, f"{crowded} pictures have more than {limit}: --max-detections raises this limit")
    assert evaluation.found is not None
    speed = f"{evaluation.found.images_per_second:.1f} images/s, reading included"
    say(console, f"{speed}; everything is in {args.output}")
    return 0


def _print_worst(console: Console, evaluation: Evaluation) -> None:
    """Name the files of the worst mistakes, in the order of their pictures."""
    if misses := evaluation.misses[:WORST_SHOWN]:
        say(console, f"largest birds missed from {evaluation.sweep.best_threshold:.2f} up (misses.png has more):")
    for miss in misses:
        width, height = miss.box_xywh[2:]
        say(
            console,
            f"  {_name(evaluation, miss)}: {miss.category}, {width:.0f} x {height:.0f} pixels, {_seen(miss)}",
        )
    if alarms := evaluation.false_alarms[:WORST_SHOWN]:
        say(console, "surest false alarms (false_alarms.png has more):")
    for alarm in alarms:
        say(console, f"  {_name(evaluation, alarm)}: {alarm.category} at {alarm.score:.2f} ({alarm.error})")


def _print_false_boxes(console: Console, evaluation: Evaluation) -> None:
    """Tell of boxes on pictures without birds, and name the worst of `--negatives`."""
    if (own := evaluation.false_on_own) is not None:
        say(console, f"false boxes on pictures of the set without birds: {own}")
    if (others := evaluation.false_on_negatives) is None:
        return
    more = " (false_on_negatives.png has more):" if others.worst else ""
    say(console, f"false boxes on --negatives: {others}{more}")
    for box in others.worst[:WORST_SHOWN]:
        say(console, f"  {box.name}: {box.category} at {box.score:.2f}")


def _name(evaluation: Evaluation, mistake: Miss | FalseAlarm) -> str:
    image = evaluation.images[mistake.image_id]
    return image.file_name or f"image {image.id}"


def _seen(miss: Miss) -> str:
    return "not seen" if miss.score is None else f"seen at {miss.score:.2f}"


def _print(console: Console, evaluation: Evaluation) -> None:
    from rich.markup import escape

    columns = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
    table = new_table("", "images", "boxes", *columns)

    def add(name: str, metrics: Any, counted: bool = True) -> None:
        counts = (str(metrics.images), str(metrics.boxes)) if counted else ("", "")
        values = (getattr(metrics, column) for column in columns)
        table.add_row(escape(name), *counts, *("-" if value is None else f"{value:.3f}" for value in values))

    add("all", evaluation.metrics)
    if len(evaluation.metrics.per_class) > 1:
        add("whatever the category", evaluation.class_agnostic)
        for name, metrics in evaluation.metrics.per_class.items():
            if metrics.AP is not None:
                add(name, metrics, counted=False)
    for key, groups in evaluation.groups.items():
        for name, metrics in groups.items():
            add(f"{key} {name}", metrics)
    console.print(table)
