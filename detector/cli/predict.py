"""`hoopoe predict IMAGE ... --model DETECTOR`: what a detector finds in pictures."""

import argparse
from pathlib import Path

from backbones.errors import ConfigError, HoopoeError
from detector.cli.options.devices import add_device_arguments, device_and_precision
from detector.cli.options.paths import each_of, new_folder_of
from detector.cli.terminal.messages import print_error
from detector.cli.terminal.parser import CommandParser

EXAMPLES = (
    "hoopoe predict photo.jpg --model coco",
    "hoopoe predict photos --model runs/x --output found.csv",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe predict`."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", type=each_of("pictures"), help="a picture")
    parser.add_argument(
        "--model", required=True, metavar="DETECTOR", help="a detector's file (best.safetensors), or coco"
    )
    parser.add_argument(
        "--output",
        type=new_folder_of("drawn pictures"),
        metavar="DIR",
        help="write the pictures with their boxes here, as PNG",
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.2,
        metavar="SCORE",
        help="show detections with at least this score (default: %(default)s)",
    )
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table of all detections; a picture that cannot be read does not cost the others."""
    if not 0 <= args.score_threshold <= 1:
        problem = f"a score is between 0 and 1, not {args.score_threshold}"
        raise ConfigError(problem, where="--score-threshold", hint="such as 0.2")

    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track
    from rich.table import Column, Table

    from detector.data.images import read_image
    from detector.models import detect, load_detector
    from detector.plots.detections import draw_detections
    from detector.plots.files import save_image

    device, precision = device_and_precision(args)
    detector = load_detector(args.model, device, precision)
    table = Table(Column("picture", overflow="fold"), "category", "score", "x1", "y1", "x2", "y2")
    outputs = output_paths(args.images, args.output) if args.output else [None] * len(args.images)
    failures: list[HoopoeError] = []
    console = Console(stderr=True)
    steps = track(args.images, "Detecting", console=console, transient=True, disable=not console.is_terminal)
    for path, output in zip(steps, outputs, strict=True):
        try:
            image = read_image(path)
            [found] = detect(detector, [image], score_threshold=args.score_threshold)
        except HoopoeError as error:
            failures.append(error)
            continue
        names = found.names
        for row, (name, score, box) in enumerate(zip(names, found.scores, found.boxes_xyxy, strict=True)):
            corners = (f"{corner:.0f}" for corner in box)
            table.add_row("" if row else escape(str(path)), escape(name), f"{score:.2f}", *corners)
        if not names:
            table.add_row(escape(str(path)), "nothing")
        table.add_section()
        if output is not None:
            save_image(draw_detections(image, found.boxes_xyxy, names, found.scores), output)

    if table.row_count:
        Console().print(table)
    for failure in failures:
        print_error(failure)
    return 1 if failures else 0


def output_paths(images: list[Path], folder: Path) -> list[Path]:
    """A path in the folder for each picture, named after it; never that of a picture, and never one path twice."""
    paths: list[Path] = []
    taken = {image.stem.lower() for image in images if image.parent.resolve() == folder.resolve()}
    for image in images:
        name, number = image.stem, 1
        while name.lower() in taken:  # Windows and macOS tell no capitals from small letters
            number += 1
            name = f"{image.stem}_{number}"
        taken.add(name.lower())
        paths.append(folder / f"{name}.png")
    return paths
