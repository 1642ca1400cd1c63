"""`hoopoe predict PICTURES ... --model DETECTOR`: what a detector finds in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.errors import ConfigError, HoopoeError
from detector.cli.options.devices import add_device_arguments, device_and_precision
from detector.cli.options.models import check_detector
from detector.cli.options.paths import each_of, new_folder_of
from detector.cli.options.shared import add_suppression_argument
from detector.cli.terminal import exit_codes
from detector.cli.terminal.messages import print_error
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    from detector.cli.pictures.files import Found
    from detector.cli.pictures.listing import Listed

EXAMPLES = (
    "hoopoe predict photo.jpg --model coco",
    "hoopoe predict photos --model runs/x --output found.csv --drawn boxes",
)
KEPT_FROM = 0.2  # scores, as in the tables of `annotate`


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe predict`."""
    parser.epilog = (
        "Without --output it prints a table. JSON is MegaDetector's format, which Timelapse and `classify-crops` read; "
        "CSV has a row a box, in pixels, and a row for each picture in which nothing was found."
    )
    what = "a picture, or a folder of pictures and folders"
    parser.add_argument("images", nargs="+", metavar="PICTURES", type=each_of("pictures"), help=what)
    parser.add_argument(
        "--model", required=True, metavar="DETECTOR", help="a run of `hoopoe train`, an .onnx file, or coco"
    )
    parser.add_argument("--output", type=each_of("results"), metavar="FILE", help="write a .json or .csv of all boxes")
    parser.add_argument(
        "--drawn", type=new_folder_of("drawn pictures"), metavar="DIR", help="write the pictures with their boxes"
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=KEPT_FROM,
        metavar="SCORE",
        help="keep detections with at least this score (default: %(default)s)",
    )
    parser.add_argument(
        "--tta", action="store_true", help="see pictures mirrored and at other sizes too; 6 to 9 times slower"
    )
    add_suppression_argument(parser)
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Detect, and print or write what was found; a picture that cannot be read does not cost the others."""
    if not 0 <= args.score_threshold <= 1:
        problem = f"a score is between 0 and 1, not {args.score_threshold}"
        raise ConfigError(problem, where="--score-threshold", hint="such as 0.2")

    from detector.api.predict import predict
    from detector.cli.pictures.files import Found, check_output, write_boxes
    from detector.cli.pictures.listing import list_pictures, read_each
    from detector.models import load_detector
    from detector.plots.detections import draw_detections
    from detector.plots.files import save_image

    if args.output is not None:
        check_output(args.output, "; --drawn DIR draws the boxes")
    check_detector("--model", args.model, f"`hoopoe classify --model {args.model}` names the birds of pictures")
    pictures = list_pictures(args.images)
    detector = load_detector(args.model, *device_and_precision(args))
    drawn: dict[Listed, Path] = {}
    if args.drawn is not None:
        drawn = dict(zip(pictures, output_paths([each.path for each in pictures], args.drawn), strict=True))
    found: list[tuple[Listed, Found]] = []
    errors: list[HoopoeError] = []

    def failed(picture: Listed, error: HoopoeError) -> None:
        errors.append(error)
        found.append((picture, Found(picture.name, failure=error.problem)))

    how = {"tta": args.tta, "suppression": args.suppression}
    for picture, image in read_each(pictures, "detecting", failed):
        boxes = predict(detector, image, score_threshold=args.score_threshold, **how)
        found.append((picture, Found(picture.name, (image.shape[1], image.shape[0]), boxes)))
        if picture in drawn:
            save_image(draw_detections(image, boxes.boxes_xyxy, boxes.names, boxes.scores), drawn[picture])

    if args.output is None:
        _print_table(found)
    else:
        write_boxes(args.output, [each for _, each in found], detector.name, detector.categories, args.score_threshold)
        _print_counts(args.output, [each for _, each in found])
    if args.drawn is not None:
        print(f"pictures with their boxes: {args.drawn}")
    for error in errors:
        print_error(error)
    return exit_codes.FAULTS if errors else exit_codes.DONE


def _print_table(found: list[tuple[Listed, Found]]) -> None:
    from rich.markup import escape

    from detector.cli.terminal.tables import new_table, results

    table = new_table("picture", "category", "score", "x1", "y1", "x2", "y2", texts=2)
    for picture, each in found:
        boxes = each.detections
        if boxes is None:
            continue
        for row, (name, score, box) in enumerate(zip(boxes.names, boxes.scores, boxes.boxes_xyxy, strict=True)):
            corners = (f"{corner:.0f}" for corner in box)
            table.add_row("" if row else escape(str(picture.path)), escape(name), f"{score:.2f}", *corners)
        if not len(boxes):
            table.add_row(escape(str(picture.path)), "nothing")
    if table.row_count:
        results().print(table)


def _print_counts(output: Path, found: list[Found]) -> None:
    seen = [each.detections for each in found if each.detections is not None]
    boxes, with_boxes = sum(map(len, seen)), sum(len(each) > 0 for each in seen)
    failed = f", {len(found) - len(seen)} could not be read" if len(seen) < len(found) else ""
    print(f"{output}: {boxes} boxes in {with_boxes} of {len(found)} pictures{failed}")


def output_paths(pictures: list[Path], folder: Path) -> list[Path]:
    """A path in the folder for each picture, named after it; never that of a picture, and never one path twice."""
    paths: list[Path] = []
    taken = {path.stem.lower() for path in pictures if path.parent.resolve() == folder.resolve()}
    for path in pictures:
        name, number = path.stem, 1
        while name.lower() in taken:  # Windows and macOS tell no capitals from small letters
            number += 1
            name = f"{path.stem}_{number}"
        taken.add(name.lower())
        paths.append(folder / f"{name}.png")
    return paths
