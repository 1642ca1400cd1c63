"""`hoopoe show ANNOTATIONS --images DIR`: sheets of pictures as training sees them, and of what the doctor found."""

from __future__ import annotations

import argparse

from detector.cli.options.paths import file_of, new_folder_of
from detector.cli.options.shared import add_images_argument, add_set_argument, at_least
from detector.cli.terminal.parser import CommandParser

EXAMPLES = (
    "hoopoe show train.json --images photos --output sheets",
    "hoopoe show train.json --images photos --output sheets --config nano --set data.augmentation.mosaic=0.5",
    "hoopoe show train.json --images photos --output sheets --findings",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe show`."""
    parser.epilog = "Boxes are green, ignored regions of another colour."
    parser.add_argument(
        "annotations", type=file_of("COCO boxes", "train.json"), metavar="ANNOTATIONS", help="a COCO JSON"
    )
    add_images_argument(parser)
    parser.add_argument(
        "--output", type=new_folder_of("the sheets"), required=True, metavar="FOLDER", help="where the sheets go"
    )
    parser.add_argument(
        "--config", metavar="CONFIG", help="a shipped configuration's name, or a YAML file (default: the defaults)"
    )
    add_set_argument(parser, "data.augmentation.crop_size=512")
    parser.add_argument("--count", type=at_least(1), default=24, metavar="N", help="pictures on a sheet (%(default)s)")
    parser.add_argument("--epoch", type=at_least(0), default=0, metavar="E", help="as seen in this epoch (%(default)s)")
    parser.add_argument("--plain", action="store_true", help="nothing varied, as evaluation sees them")
    parser.add_argument("--findings", action="store_true", help="also look at every picture, and show what is wrong")


def run(args: argparse.Namespace) -> int:
    """Draw the sheets and say where they are."""
    from detector.config import load_config, parse_config
    from detector.training.config import Config

    config = load_config(args.config, Config, args.set) if args.config else parse_config("", Config, args.set)
    from detector.plots.files import save_image
    from detector.training.data import read_data
    from detector.training.pictures.decoder_words import decoders_heard
    from detector.training.pictures.sheets import training_sheet

    if args.findings:  # first, for they may say why the set cannot be read
        _show_findings(args)
    data = read_data([(args.annotations, args.images)], [], config.data)
    with decoders_heard():
        sheet = training_sheet(data.train, config, args.count, args.epoch, varied=not args.plain)
    path = args.output / ("plain.png" if args.plain else "training.png")
    save_image(sheet, path)
    for line in data.lines():
        print(line)
    print(path)
    return 0


def _show_findings(args: argparse.Namespace) -> None:
    from detector.data.doctor.examination import examine
    from detector.data.packed import CocoSource
    from detector.plots.files import save_image
    from detector.training.pictures.scanning import Scanner
    from detector.training.pictures.sheets import findings_sheet

    examined = examine(CocoSource(args.annotations, args.images), Scanner())
    path = args.output / "findings.png"
    save_image(findings_sheet(examined, examined.findings), path)
    print(path)
