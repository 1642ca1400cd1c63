"""`hoopoe demo`: the whole way from drawn scenes to a detector of bird species and an annotated card, in minutes."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.options.paths import new_folder_of
from detector.cli.options.shared import at_least
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results

EXAMPLES = ("hoopoe demo",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe demo`."""
    parser.epilog = "Run again, it starts afresh in the same folder."
    parser.add_argument(
        "--output", type=new_folder_of("the demo"), default=Path("runs/demo"), help="folder to write to (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other birds (%(default)s)")
    parser.add_argument("--scenes", type=at_least(1), default=1200, help="scenes to draw for training (%(default)s)")
    parser.add_argument(
        "--classifier-epochs",
        type=at_least(1),
        default=14,
        help="passes of the classifier over their birds (%(default)s)",
    )
    parser.add_argument(
        "--epochs", type=at_least(1), help="passes of each detector over the scenes (default: as configured)"
    )


def run(args: argparse.Namespace) -> int:
    """Take one step after the other; the first that fails ends the demo with its exit code."""
    from detector.cli.demo.card import annotate_card, calibrate
    from detector.cli.demo.classifier import show_species, train_species
    from detector.cli.demo.detector import compare_detectors, draw_training_data, train_detectors
    from detector.cli.demo.run import CommandFailedError, Demo

    demo = Demo(args.output, args.seed, args.scenes, args.classifier_epochs, args.epochs, results())
    steps = (
        ("Draw scenes of twelve invented species", draw_training_data),
        ("Train a species classifier on their birds", train_species),
        ("See what it says of birds that it has not seen", show_species),
        ("Train and evaluate the same detector from the classifier, and from nothing", train_detectors),
        ("What a classifier is worth as a backbone", compare_detectors),
        ("Calibrate the second look", calibrate),
        ("Annotate a card of two cameras with them, and see what the second look at each bird is worth", annotate_card),
    )
    demo.start_afresh()
    try:
        for number, (title, step) in enumerate(steps, start=1):
            demo.announce(f"{number}. {title}")
            step(demo)
    except CommandFailedError as failed:
        return failed.code
    demo.say_where_to_look()
    return 0
