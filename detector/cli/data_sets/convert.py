"""`hoopoe convert FORMAT`: boxes in other formats to a COCO JSON, which the doctor then looks at."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError
from detector.cli.data_sets.doctor import CONVENTIONS
from detector.cli.options.paths import any_of, new_file_of
from detector.cli.options.shared import add_images_argument
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    from detector.data.convert.building import Problem
    from detector.data.findings import Finding

EXAMPLES = (
    "hoopoe convert yolo --images photos --labels labels --names data.yaml --output train.json",
    "hoopoe convert label-studio --images photos --labels project-1.json --output train.json",
    "hoopoe convert megadetector --images photos --labels md.json --score-threshold 0.6 --output train.json",
)
# of `detector.data.convert`, which takes its time to be imported
LINES = ("boxes", "polygons", "keypoints", "tracks")
TAUGHT_FROM, IGNORED_FROM = 0.5, 0.1
FORMATS = ("yolo", "voc", "label-studio", "cvat", "megadetector")


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe convert`."""
    parser.epilog = (
        "A picture whose labels cannot be read is left out, listed with its file and line, and makes the exit code 1. "
        "COCO files of Roboflow, CVAT, Label Studio and camera traps (COCO Camera Traps) need no conversion."
    )
    parser.add_argument("format", choices=FORMATS, help="what the labels are")
    add_images_argument(parser)
    parser.add_argument(
        "--labels",
        type=any_of("the labels"),
        required=True,
        metavar="PATH",
        help="yolo, voc: the folder of the text or XML files; others: the JSON or annotations.xml",
    )
    parser.add_argument(
        "--output",
        type=new_file_of("the COCO boxes", "train.json"),
        required=True,
        metavar="JSON",
        help="the COCO file to write",
    )
    parser.add_argument(
        "--names", nargs="+", metavar="NAME", help="yolo: data.yaml, a text file with a name a line, or the names"
    )
    parser.add_argument(
        "--lines",
        choices=LINES,
        metavar="KIND",
        help=f"yolo: what a line holds after its class, where all lines together do not tell: {', '.join(LINES)}",
    )
    parser.add_argument(
        "--boxes",
        choices=CONVENTIONS,
        metavar="CONVENTION",
        help=f"yolo, voc: what a box's four numbers are, where not the format's: {', '.join(CONVENTIONS)}",
    )
    parser.add_argument(
        "--zero-based", action="store_true", help="voc: corners count from 0, and exclude the last pixel"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=TAUGHT_FROM,
        metavar="SCORE",
        help="megadetector: boxes are taught from this score on (default: %(default)s)",
    )
    parser.add_argument(
        "--ignore-from",
        type=float,
        default=IGNORED_FROM,
        metavar="SCORE",
        help="megadetector: from this score on, they are ignored, neither taught nor background (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-losses", action="store_true", help="write the file even if more than a few pictures are left out"
    )


def run(args: argparse.Namespace) -> int:
    """Convert, write, list what was left out, and let the doctor look at the result."""
    from detector.data.doctor.document import write_document
    from detector.data.findings import are_too_many

    document, problems = _convert(args)
    for problem in problems:
        print(f"left out: {problem}" if problem.costs_picture else f"not used: {problem}", file=sys.stderr)
    lost = sum(problem.costs_picture for problem in problems)
    total = lost + len(document["images"])
    if not document["images"]:
        print(f"{args.output} was not written: there is no picture in {args.images} whose labels can be used")
        return 1
    if are_too_many(lost, total) and not args.allow_losses:
        count = f"{lost} of {total} pictures ({lost / total:.0%})"
        print(
            f"{args.output} was not written: {count} would be left out. Mend the labels, or allow it by --allow-losses."
        )
        return 1
    write_document(document, args.output)
    counts = ", ".join(f"{len(document[key])} {key}" for key in ("images", "annotations", "categories"))
    print(f"{args.output}: {counts}" + (f"; {lost} pictures left out" if lost else ""))
    findings = _examine(document, args.output, args.images)
    return int(bool(problems) or any(finding.severity == "error" for finding in findings))


def _convert(args: argparse.Namespace) -> tuple[dict[str, Any], list[Problem]]:
    from detector.data.conventions import Boxes
    from detector.data.convert.cvat import cvat_to_coco
    from detector.data.convert.label_studio import label_studio_to_coco
    from detector.data.convert.megadetector import Thresholds, megadetector_to_coco
    from detector.data.convert.voc import VocReading, voc_to_coco
    from detector.data.convert.yolo import YoloReading, yolo_to_coco
    from detector.data.convert.yolo_lines import Lines

    boxes = Boxes(args.boxes) if args.boxes else None
    if args.format == "voc":
        return voc_to_coco(args.images, args.labels, VocReading(args.zero_based, boxes))
    if args.format == "yolo":
        names, keypoints = _names(args.names)
        lines = Lines(args.lines) if args.lines else None
        return yolo_to_coco(args.images, args.labels, names, YoloReading(lines, boxes, keypoints))
    if args.format == "cvat":
        return cvat_to_coco(args.images, args.labels)
    if args.format == "label-studio":
        return label_studio_to_coco(args.images, args.labels)
    return megadetector_to_coco(args.images, args.labels, Thresholds(args.score_threshold, args.ignore_from))


def _examine(document: dict[str, Any], path: Path, images: Path) -> list[Finding]:
    """What the doctor finds in the new file; the pictures have just been looked at."""
    from rich.console import Console

    from detector.cli.data_sets.doctor import print_findings
    from detector.data.doctor.examination import examine
    from detector.data.doctor.picture_scan import PictureScan
    from detector.data.packed import CocoSource

    size_of = {images / each["file_name"]: (each["width"], each["height"]) for each in document["images"]}
    findings = examine(CocoSource(path, images), lambda files: [PictureScan(size_of[file]) for file in files]).findings
    told = [finding for finding in findings if finding.severity != "info"]
    if told:
        print_findings(Console(), told)
    return findings


def _names(words: list[str] | None) -> tuple[list[str], tuple[int, int] | None]:
    """Names by class number, and the shape of key points where a data.yaml states one."""
    from detector.data.convert.yolo import read_keypoint_shape, read_yolo_names

    if not words:
        raise ConfigError("YOLO's labels hold numbers only", hint="give --names data.yaml, or the names themselves")
    if len(words) == 1 and (Path(words[0]).is_file() or Path(words[0]).suffix in (".yaml", ".yml", ".txt", ".names")):
        return read_yolo_names(Path(words[0])), read_keypoint_shape(Path(words[0]))
    if len(set(words)) < len(words):
        raise ConfigError("a name is given twice", where="--names", hint="give one name a class number")
    return words, None
