"""`hoopoe deployments INPUT ... --output deployments.csv`: a table of cameras to fill in."""

from __future__ import annotations

import argparse
from pathlib import Path

from backbones.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `hoopoe deployments`."""
    parser.epilog = (
        "Columns are those of Camtrap DP. Fill in latitude and longitude, timeZone (Asia/Jerusalem, or +02:00 for a "
        "clock without summer time), kind (feeder, water, nest), and clockShift where the clock was wrong "
        "(2016-01-01 00:05=2024-05-03 10:22); then give the table to `annotate` or `decide`."
    )
    parser.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="cards of photos and videos; or the folder of a store"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="CSV", help="the table to write")
    parser.add_argument(
        "--camera-from",
        metavar="REGEX",
        help="what in card and folder names the camera, such as 'cam\\d+' (default: the folder above DCIM)",
    )


def run(args: argparse.Namespace) -> int:
    """Look at when and by which camera each file was taken, and write a row a camera."""
    from detector.base.folders import compile_camera
    from detector.deployments.template import deployment_rows, taken_of_file, taken_of_store, write_deployments

    camera = compile_camera(args.camera_from) if args.camera_from else None
    if args.output.exists():
        raise ConfigError(
            "there is a table already", where=args.output, mend="choose another --output, or remove the file"
        )
    if (args.inputs[0] / "run.json").is_file():
        if len(args.inputs) > 1:
            raise ConfigError("a store is given beside other inputs", where=args.inputs[0], mend="give it alone")
        rows = deployment_rows(taken_of_store(args.inputs[0]), camera)
    else:
        from rich.progress import track

        from detector.footage.cards import name_cards

        media = [item for card in name_cards(args.inputs) for item in card.media()]
        rows = deployment_rows((taken_of_file(item) for item in track(media, "reading times")), camera)
    if not rows:
        raise ConfigError(
            "there are no photos or videos", where=args.inputs[0], mend="give the folder of a card, or its parent"
        )
    write_deployments(args.output, rows)
    print(f"{args.output}: {len(rows)} cameras; fill in places, time zones and kinds")
    return 0
