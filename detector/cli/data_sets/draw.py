"""`hoopoe draw FOLDER`: draws scenes of birds with known boxes and species, to pretrain a detector on."""

from __future__ import annotations

import argparse

from detector.cli.options.paths import new_folder_of
from detector.cli.options.shared import at_least
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results

SIDE = at_least(4)  # pixels
EXAMPLES = ("hoopoe draw scenes --train 1000 --val 100",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe draw`."""
    parser.add_argument(
        "folder", type=new_folder_of("the scenes"), metavar="FOLDER", help="where images/, train.json and val.json go"
    )
    parser.add_argument("--train", type=at_least(0), default=4000, metavar="N", help="scenes to train on (%(default)s)")
    parser.add_argument("--val", type=at_least(0), default=200, metavar="N", help="scenes to evaluate on (%(default)s)")
    parser.add_argument(
        "--scenes",
        choices=("detector", "species", "demo"),
        default="detector",
        help="detector: also small birds far away and thermal pictures; species: birds near enough to be told apart; "
        "demo: fewer and larger ones (%(default)s)",
    )
    parser.add_argument(
        "--size", type=SIDE, nargs=2, default=(256, 256), metavar=("W", "H"), help="of the pictures (256 256)"
    )
    parser.add_argument(
        "--smallest", type=SIDE, metavar="PIXELS", help="length of the smallest birds (of the scenes: 7, 10 or 40)"
    )
    parser.add_argument("--workers", type=at_least(1), metavar="N", help="processes that draw (default: one a core)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other scenes (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Draw and write."""
    import os
    from dataclasses import replace

    from detector.base.reporting import track
    from detector.synthetic.dataset import SceneSet, write_synthetic_dataset
    from detector.synthetic.scenes import DEMO_SCENES, DETECTOR_SCENES, SPECIES_SCENES

    config = {"detector": DETECTOR_SCENES, "species": SPECIES_SCENES, "demo": DEMO_SCENES}[args.scenes]
    if args.smallest is not None:
        config = replace(config, smallest=args.smallest)
    console = results()
    width, height = args.size
    files = write_synthetic_dataset(
        args.folder,
        args.train,
        args.val,
        SceneSet(args.seed, (width, height), config),
        workers=args.workers or os.cpu_count() or 1,
        progress=lambda numbers: track(numbers, "drawing", "scenes"),
    )
    for file in files.values():
        console.print(f"{file}, pictures in {args.folder / 'images'}", highlight=False, soft_wrap=True)
    return 0
