"""`hoopoe quickstart train.json photos`: a first detector of one's own, trained and evaluated in minutes."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from backbones.errors import ConfigError, DataError
from detector.cli.options.paths import file_of, folder_of, new_folder_of
from detector.cli.options.shared import at_least
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.running import CommandFailedError, run_command

CONFIG, NEXT_CONFIG = "nano", "faster_rcnn_davit_tiny"
SHOWINGS = 2500  # of pictures, while it trains: minutes on a CPU
EPOCHS = (1, 30)
EXAMPLES = (
    "hoopoe quickstart train.json photos",
    "hoopoe quickstart train.json photos --val-annotations val.json --val-images photos",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe quickstart`."""
    parser.epilog = (
        f"The configuration is `{CONFIG}`, a small one for a first try; it starts from the detector of drawn birds "
        "that ships. Without --val-annotations a fifth of the pictures is kept for evaluation: whole folders, or else "
        "what names begin with, or else neighbours by name, so that no burst is in both parts. Stopped, the same "
        "command goes on."
    )
    parser.add_argument("annotations", type=file_of("COCO boxes", "train.json"), metavar="JSON", help="COCO boxes")
    parser.add_argument("images", type=folder_of("the pictures"), metavar="DIR", help="the folder of their pictures")
    parser.add_argument("--val-annotations", type=file_of("COCO boxes"), metavar="JSON", help="boxes to evaluate on")
    parser.add_argument("--val-images", type=folder_of("the pictures"), metavar="DIR", help="their pictures")
    parser.add_argument(
        "--output",
        type=new_folder_of("the detector and its figures"),
        default=Path("runs/quickstart"),
        metavar="OUT",
        help="folder to write to (%(default)s)",
    )
    parser.add_argument(
        "--epochs", type=at_least(1), metavar="N", help="passes over the pictures (default: by their number)"
    )


def run(args: argparse.Namespace) -> int:
    """Split, train, evaluate, and say what may come next; the first step that fails ends it with its exit code."""
    from detector.config import shipped_folder

    if (args.val_annotations is None) != (args.val_images is None):
        raise ConfigError("--val-annotations and --val-images belong together", hint="give both or neither")
    detector, report = args.output / "detector", args.output / "report"
    train, val, pictures = _parts(args)
    val_images = args.val_images or args.images
    epochs = args.epochs or min(max(SHOWINGS // max(pictures, 1), EPOCHS[0]), EPOCHS[1])
    data = ("--train-annotations", train, "--train-images", args.images)
    settings = ("--init", shipped_folder() / "demo_start.safetensors", "--set", f"train.epochs={epochs}")
    evaluation = ("--val-annotations", val, "--val-images", val_images)
    try:
        run_command("train", CONFIG, *data, *evaluation, "--output", detector, *settings, "--resume")
        best = detector / "best.safetensors"
        run_command("evaluate", best, "--annotations", val, "--images", val_images, "--output", report)
    except CommandFailedError as failed:
        return failed.code
    _print_end(args, best, report, (*data, *evaluation))
    return 0


def _parts(args: argparse.Namespace) -> tuple[Path, Path, int]:
    """The annotations to train and to evaluate on, and how many pictures are trained on."""
    from detector.data.coco.splitting import part_of, split_by_groups
    from detector.data.doctor.document import read_document, write_document

    document = read_document(args.annotations)
    try:
        names = {image["id"]: image["file_name"] for image in document["images"]}
        boxes = Counter(names[box["image_id"]] for box in document["annotations"] if box["image_id"] in names)
    except (KeyError, TypeError) as error:
        hint = f"`hoopoe doctor {args.annotations} --images {args.images}` says what is wrong"
        raise DataError("these are no COCO boxes", where=args.annotations, hint=hint) from error
    if args.val_annotations is not None:
        return args.annotations, args.val_annotations, len(names)
    split = split_by_groups(list(names.values()), boxes)
    print(split.rule)
    paths = []
    for part, wanted in (("train", split.train), ("val", split.val)):
        paths.append(args.output / f"{part}.json")
        write_document(part_of(document, wanted), paths[-1])
    return paths[0], paths[1], len(split.train)


def _print_end(args: argparse.Namespace, best: Path, report: Path, data: tuple[object, ...]) -> None:
    import shlex

    metrics = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    figures = ", ".join(f"{name} {metrics[name]:.2f}" for name in ("AP50", "AP") if metrics[name] is not None)
    words = shlex.join(map(str, data))
    for line in (
        "",
        f"On {metrics['images']} pictures that it has not seen: {figures or 'no boxes to measure by'}.",
        "This small detector tells whether the set-up works, not how well birds can be found.",
        "",
        "Where to look:",
        f"  {best}  the detector",
        f"  {report / 'misses.png'}, {report / 'false_alarms.png'}  its worst mistakes: are the boxes right?",
        f"  {report / 'metrics.json'}  its figures",
        "Next:",
        f"  hoopoe doctor {args.annotations} --images {args.images}",
        f"  hoopoe predict {args.images} --model {best} --output {args.output / 'found.csv'}",
        f"  hoopoe train {NEXT_CONFIG} {words} --output {args.output / NEXT_CONFIG}",
    ):
        print(line)
