"""`hoopoe train-species DATA ... --output RUN`: teach a classifier the species that people named."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError
from detector.cli.options.annotation import add_root_argument
from detector.cli.options.decisions import add_kind_argument, parse_kinds
from detector.cli.options.paths import any_of, file_of, folder_of, new_folder_of
from detector.cli.options.shared import add_set_argument
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results

if TYPE_CHECKING:
    from detector.species.learning.boxes import CropSource
    from detector.training.classifier.request import SpeciesRequest

NOTHING = "none"  # as --init: random weights
EXAMPLES = (
    "hoopoe train-species OUT --output runs/species",
    "hoopoe train-species OUT crops/ --init runs/before/species.safetensors --output runs/species",
    "hoopoe train-species --resume runs/species",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe train-species`."""
    parser.epilog = (
        "Afterwards: hoopoe reclassify OUT --species RUN/species.safetensors --calibration RUN/calibration.json. "
        "Ctrl-C and SIGTERM end after the current step and save; --resume goes on exactly there."
    )
    parser.add_argument(
        "data",
        nargs="*",
        type=any_of("named crops"),
        metavar="DATA",
        help="a reviewed folder of `hoopoe annotate` (crops that people named, not the model's own guesses), a COCO "
        "file whose categories are species, or a folder of folders of crops; several count together",
    )
    parser.add_argument(
        "--init",
        default=None,
        metavar="MODEL",
        help="start from this classifier, a published name or a file, and keep its classes; a detector's file: from "
        "its backbone; none: from nothing (default: davit_tiny_il-all)",
    )
    parser.add_argument("--output", type=new_folder_of("the run"), metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--images",
        type=folder_of("the pictures"),
        action="append",
        default=[],
        metavar="DIR",
        help="pictures of the COCO files, in their order (default: `images` beside the file, else its folder)",
    )
    parser.add_argument(
        "--others",
        type=folder_of("crops of what is no bird"),
        action="append",
        default=[],
        metavar="DIR",
        help="crops of what is no bird, which teach it what birds are not; `not_a_bird` in a folder of crops does too",
    )
    parser.add_argument(
        "--val",
        metavar="SHARE|DATA",
        help="the share of crops held out to measure on, whole cameras or events (default: 0.2), or a set of its own",
    )
    parser.add_argument(
        "--only-these", action="store_true", help="drop the classes of --init of which there is no crop here"
    )
    parser.add_argument(
        "--resume", type=folder_of("a run"), metavar="RUN", help="go on with this run; needs no other option"
    )
    parser.add_rare_argument(
        "--config", type=file_of("settings", "mine.yaml"), metavar="YAML", help="a file of settings"
    )
    add_set_argument(parser, "train.epochs=10 or model.freeze_stages=4")
    parser.add_rare_argument(
        "--taxonomy", type=file_of("names of classes", "taxonomy.csv"), metavar="CSV", help="names that no list has"
    )
    add_kind_argument(parser)
    add_root_argument(parser)
    parser.add_rare_argument(
        "--accelerator", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU if any"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would learn from; do not train")


def run(args: argparse.Namespace) -> int:
    """Train, or say what training would be."""
    from detector.config import load_config, parse_config
    from detector.training.classifier.config import SpeciesConfig

    share, validation = _val(args.val)
    overrides = [*args.set, *([] if share is None else [f"data.val={share}"])]
    settings = (
        parse_config("", SpeciesConfig, overrides)
        if args.config is None
        else load_config(args.config, SpeciesConfig, overrides)
    )
    if args.resume is None and not (args.data and args.output):
        missing = " and ".join(name for name, value in (("DATA", args.data), ("--output", args.output)) if not value)
        raise ConfigError(f"{missing} is missing", where="hoopoe train-species", hint="or go on with --resume RUN")
    request = _request(args, settings)
    sources, held_out = _sources(args, validation)
    if args.dry_run:
        return _print_plan(request, sources, held_out)

    from detector.training.classifier.run import train_species_classifier

    ended = train_species_classifier(request, sources, held_out)
    if not ended.trained:
        print(f"this run is finished: the classifier is {ended.classifier}")
        return exit_codes.DONE
    if not ended.position.finished:
        print(f"stopped after step {ended.position.step}; --resume {ended.folder} goes on")
        return exit_codes.interrupted(ended.signal or signal.SIGINT)
    calibration = "" if ended.calibration is None else f" --calibration {ended.calibration}"
    print(f"done: the classifier is {ended.classifier}; its figures are in {ended.folder / 'model_card.md'}")
    print(f"use it: hoopoe reclassify OUT --species {ended.classifier}{calibration}")
    return exit_codes.DONE


def _request(args: argparse.Namespace, settings: Any) -> SpeciesRequest:
    from detector.api.train_species import DEFAULT_INIT
    from detector.base.reporting import warn
    from detector.species.names.crosswalk import load_crosswalk
    from detector.species.names.kinds import Kinds
    from detector.training.classifier.request import SpeciesRequest

    init = DEFAULT_INIT if args.init is None else args.init
    kinds = Kinds(load_crosswalk(args.taxonomy, warn), parse_kinds(args.kind or ()))
    return SpeciesRequest(
        config=settings,
        output=args.resume or args.output,
        init=None if init == NOTHING else init,
        resume=args.resume is not None,
        only_these=args.only_these,
        kinds=kinds,
        accelerator=args.accelerator,
    )


def _sources(args: argparse.Namespace, validation: Path | None) -> tuple[list[CropSource], list[CropSource]]:
    from detector.api.train_species import crop_source
    from detector.cli.options.exporting import parse_disk_roots
    from detector.training.classifier.sources import FolderCrops

    files = [path for path in args.data if path.is_file()]
    if args.images and len(args.images) != len(files):
        problem = f"{len(args.images)} folders of pictures for {len(files)} COCO files"
        raise ConfigError(problem, where="--images", hint="one for each file, in their order")
    pictures = dict(zip(files, args.images, strict=False))
    roots = parse_disk_roots(args.root)
    sources = [crop_source((path, pictures[path]) if path in pictures else path, roots) for path in args.data]
    sources += [FolderCrops(folder, others=True) for folder in args.others]
    return sources, [] if validation is None else [crop_source(validation, roots)]


def _val(text: str | None) -> tuple[float | None, Path | None]:
    """A share, or a set of its own."""
    if text is None:
        return None, None
    try:
        return float(text), None
    except ValueError:
        return None, Path(text)


def _print_plan(request: SpeciesRequest, sources: list[CropSource], validation: list[CropSource]) -> int:
    from rich.markup import escape

    from detector.cli.terminal.tables import new_table
    from detector.training.classifier.run import plan_species

    start, plan = plan_species(request, sources, validation)
    console = results()
    begins = "random weights" if start.source is None else start.source
    size = f"crops of {start.size_hw[1]} x {start.size_hw[0]}"
    print(f"{start.net.name} from {begins}, {len(plan.classes.names)} classes, {size}")
    for line in plan.lines():
        print(line)
    table = new_table("class", "to learn from", "held out")
    new = set(plan.classes.new) if start.class_names else set()
    rows = zip(plan.classes.names, *(plan.counts(held_out=side).tolist() for side in (False, True)), strict=True)
    for name, train, held_out in rows:
        if train or held_out:
            table.add_row(escape(f"{name} (new)" if name in new else name), str(train), str(held_out))
    console.print(table)
    return exit_codes.DONE
