"""`hoopoe deployments INPUT ... --output deployments.csv`: a table of cameras to fill in."""

from __future__ import annotations

import argparse
from collections import Counter

from backbones.errors import ConfigError
from detector.base.reporting import track, warn
from detector.cli.options.paths import any_of, new_file_of
from detector.cli.terminal.parser import CommandParser

EXAMPLES = ("hoopoe deployments E:/CARD1 E:/CARD2 --output deployments.csv",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe deployments`."""
    parser.epilog = (
        "Columns are those of Camtrap DP. Fill in latitude and longitude, timeZone (Asia/Jerusalem, or +02:00 for a "
        "clock without summer time), kind (feeder, water, nest), and clockShift where the clock was wrong "
        "(2016-01-01 00:05=2024-05-03 10:22); then give the table to `annotate` or `decide`. Rows of one deploymentID "
        "are visits to a camera, or cameras (cameraID) at one place. When new cards came, give the store and the "
        "filled table again: rows are added, and what was filled in stays."
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        type=any_of("a card"),
        metavar="INPUT",
        help="cards of photos and videos; or the folder of a store",
    )
    parser.add_argument(
        "--output",
        type=new_file_of("cameras", "deployments.csv"),
        required=True,
        metavar="CSV",
        help="the table to write; to one that is there, the cameras without a row are added",
    )
    parser.add_argument(
        "--camera-from",
        metavar="REGEX",
        help="what in card and folder names the camera, such as 'cam\\d+' (default: the folder above DCIM)",
    )


def run(args: argparse.Namespace) -> int:
    """Look at when and by which camera each file was taken, and write a row a camera; or add those that lack one."""
    from detector.deployments import template
    from detector.deployments.folders import compile_camera
    from detector.deployments.table import read_deployments

    camera_from = compile_camera(args.camera_from).pattern if args.camera_from else None
    known = read_deployments(args.output) if args.output.exists() else []
    if (args.inputs[0] / "run.json").is_file():
        if len(args.inputs) > 1:
            raise ConfigError("a store is given beside other inputs", where=args.inputs[0], hint="give it alone")
        files = list(template.stored_camera_files(args.inputs[0]))
    else:
        from detector.base.pictures import passed_over_words
        from detector.footage.cards import name_cards

        others: Counter[str] = Counter()
        cards = name_cards(args.inputs)
        media = [item for card in cards for item in card.media(pass_over=lambda suffix: others.update((suffix,)))]
        if others:
            warn(passed_over_words(others))
        files = [template.camera_file(item) for item in track(media, "reading times", "files")]
    if not files:
        raise ConfigError(
            "there are no photos or videos", where=args.inputs[0], hint="give the folder of a card, or its parent"
        )
    rows = template.deployment_rows(files, camera_from, known)
    if not args.output.exists():
        template.write_deployments(args.output, rows)
        print(f"{args.output}: {len(rows)} cameras; fill in places, time zones and kinds")
    elif rows:
        template.add_deployments(args.output, rows)
        print(f"{args.output}: {len(rows)} cameras added to {len(known)} rows, which stay as they are")
    else:
        print(f"{args.output}: all cameras have a row already; nothing is changed")
    return 0
