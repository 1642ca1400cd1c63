"""`hoopoe train CONFIG ...`: train a detector on COCO boxes, or go on with a run."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.errors import ConfigError, DownloadError
from detector.cli.options.models import check_detector
from detector.cli.options.paths import file_of, folder_of, new_folder_of
from detector.cli.options.shared import add_set_argument, at_least
from detector.cli.terminal import exit_codes
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import new_table, results

if TYPE_CHECKING:
    from detector.base.objects.address import Place
    from detector.training.resolving import Request


GROUPS_SHOWN = 4
OVERFIT_PASSES = 0.5  # AP on images learnt by heart; a set-up that works has 0.9 and more in time


EXAMPLES = (
    "hoopoe train nano --train-annotations train.json --train-images photos --val-annotations "
    "val.json --val-images photos --output runs/first",
    "hoopoe train --resume runs/first",
    "hoopoe train --resume runs/first --set train.epochs=100",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe train`."""
    parser.epilog = (
        "Several machines: the same command on each, with --nodes 2 --rendezvous FIRST_HOST:29500 and --node-rank 0 or "
        "1; or by srun or torchrun. Ctrl-C and SIGTERM end after the current step and save; --resume goes on exactly "
        "there."
    )
    parser.add_argument("config", nargs="?", metavar="CONFIG", help="a shipped configuration's name, or a YAML file")
    for name, what in (("train", "train on"), ("val", "evaluate on after each epoch")):
        parser.add_argument(
            f"--{name}-annotations",
            type=file_of("COCO boxes", f"{name}.json", objects=True),
            action="append",
            default=[],
            metavar="JSON",
            help=f"COCO boxes to {what}; give it again for further sets",
        )
        parser.add_argument(
            f"--{name}-images",
            type=folder_of("the pictures", objects=True),
            action="append",
            default=[],
            metavar="DIR",
            help="the folder of their pictures, in the same order",
        )
    parser.add_argument("--output", type=new_folder_of("the run"), metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="RUN",
        help="go on with the run in --output, if there is one; or with RUN, which needs no other option; --set "
        "train.epochs=N makes it longer: from there on the learning rate is that of a run of N epochs",
    )
    parser.add_argument(
        "--init",
        metavar="DETECTOR",
        help="start from this detector, also with other categories; coco: from torchvision's, what fits",
    )
    parser.add_argument(
        "--negatives",
        type=folder_of("pictures without birds"),
        action="append",
        default=[],
        metavar="DIR",
        help="pictures that surely show no bird, to learn what none is (data.negatives)",
    )
    parser.add_rare_argument(
        "--folds",
        type=at_least(2),
        metavar="K",
        help="part the training set into K parts of whole cameras, and train K detectors, each evaluated on the part "
        "that it has not seen: mean and spread of AP",
    )
    parser.add_rare_argument(
        "--group-by",
        default="camera",
        metavar="KEY",
        help="what --folds keeps together: camera (location, else folder), event, or a key of the image records "
        "(default: %(default)s)",
    )
    add_set_argument(parser, "train.lr=2e-4")
    _add_devices(parser)
    parser.add_rare_argument(
        "--cache",
        type=new_folder_of("copies"),
        metavar="DIR",
        help="where copies are kept of annotations and pictures in object storage (default: objects/ beside RUN)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print model, data, schedule and memory; do not train")
    parser.add_rare_argument(
        "--overfit", type=at_least(1), metavar="N", help="as a check, train and evaluate on N training images, unvaried"
    )


def _add_devices(parser: CommandParser) -> None:
    """Declare where the processes of a run are."""
    parser.add_rare_argument(
        "--accelerator", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU if any"
    )
    parser.add_argument(
        "--devices", type=at_least(1), default=1, metavar="N", help="GPUs, or CPU processes (default: 1)"
    )
    parser.add_rare_argument(
        "--nodes", type=at_least(1), default=1, metavar="M", help="machines (default: 1); srun and torchrun say it"
    )
    parser.add_rare_argument(
        "--node-rank", type=at_least(0), metavar="K", help="which of the machines this is; 0 is the first, which writes"
    )
    parser.add_rare_argument(
        "--rendezvous", metavar="HOST:PORT", help="a name and a free port of the first machine, where all meet"
    )


def run(args: argparse.Namespace) -> int:
    """Train, or say what training would be."""
    from detector.config import load_config
    from detector.training.config import Config

    _complete(args)
    if args.init is not None:
        check_detector("--init", args.init, f"a classifier starts the backbone: --set model.weights={args.init}")
    config = load_config(args.config, Config, args.set)  # before torch is imported: a typing error shows at once
    from detector.training.machines.placing import Meeting, is_first_process, meet
    from detector.training.resolving import Request
    from detector.training.run import train_detector

    if not args.dry_run:
        meet(args.devices, Meeting(args.nodes, args.node_rank, args.rendezvous))
    request = Request(
        config=config,
        train=_pairs(args.train_annotations, args.train_images, "train"),
        validation=_pairs(args.val_annotations, args.val_images, "val"),
        output=args.output,
        resume=bool(args.resume),
        init=args.init,
        negatives=args.negatives,
        overfit=args.overfit,
        accelerator=args.accelerator,
        devices=args.devices,
        nodes=args.nodes,
        cache=args.cache,
    )
    speaks = is_first_process()
    try:
        if args.dry_run:
            return _print_dry_run(request, args.folds, args.group_by) if speaks else 0
        if args.folds is not None:
            return _train_folds(request, args.folds, args.group_by)
        ended = train_detector(request)
    except DownloadError as error:
        hint = f"{error.hint}; or start from random weights: --set model.weights=null"
        raise DownloadError(error.problem, where=error.where, hint=hint) from error
    if not speaks:
        return 0
    if not ended.trained:
        print(f"this run is finished: the detector is {ended.best}")
        return 0
    if not ended.position.finished:
        print(f"stopped after step {ended.position.step}; give --resume to go on")
        return exit_codes.interrupted(ended.signal or signal.SIGINT)
    best = "" if ended.position.best is None else f" ({request.config.train.best} {ended.position.best:.3f})"
    print(f"done: the detector is {ended.best}{best}")
    return _overfit_code(args.overfit, ended.position.best)


def _complete(args: argparse.Namespace) -> None:
    """Fill in what `--resume RUN` leaves out: configuration and data are those that the run's folder names.

    Raises:
        ConfigError: Something is missing that nothing says.
    """
    if isinstance(args.resume, str):
        folder = Path(args.resume)
        if args.config is None and not (folder / "config.yaml").exists() and args.output is not None:
            args.config = args.resume  # `train --resume CONFIG --output RUN`
        elif args.output not in (None, folder):
            raise ConfigError("two runs are named", where="--output", hint=f"leave it out: --resume names {folder}")
        else:
            from detector.training.records.run_folder import RunFolder

            args.output = folder
            args.config = args.config or str(folder / "config.yaml")
            if not args.train_annotations and not _complete_folds(args, folder):
                run = RunFolder(folder)
                known = run.data_files()
                if not run.last.exists():  # it begins again
                    args.init = args.init or run.data_summary().get("init")
                args.negatives = args.negatives or [images for _, images in known.pop("negatives", [])]
                for name, files in known.items():
                    setattr(args, f"{name}_annotations", [annotations for annotations, _ in files])
                    setattr(args, f"{name}_images", [images for _, images in files])
    needed = {"CONFIG": args.config, "--output": args.output, "--train-annotations": args.train_annotations}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        hint = "give it; or go on with a run by --resume RUN"
        raise ConfigError(f"{', '.join(missing)} is missing", where="hoopoe train", hint=hint)


def _complete_folds(args: argparse.Namespace, folder: Path) -> bool:
    """Fill in what a folder of folds says; False: it is none."""
    from detector.training.folds import folds_of

    known = folds_of(folder)
    if known is None:
        return False
    args.train_annotations = [Path(file) for file, _ in known["sources"]["train"]]
    args.train_images = [Path(images) for _, images in known["sources"]["train"]]
    args.negatives = args.negatives or [Path(each) for each in known["sources"]["negatives"]]
    args.folds, args.group_by, args.init = len(known["folds"]), known["group_by"], args.init or known["init"]
    return True


def _train_folds(request: Request, count: int, group_by: str) -> int:
    from rich.markup import escape

    from detector.training.folds import FIGURES, SPREAD, make_folds, summarise_folds, train_folds

    folds = make_folds(request, count, group_by)
    stopped = train_folds(request, folds, tell=print)
    if stopped is not None:
        print(f"stopped after step {stopped.position.step} of {stopped.folder.name}; give --resume to go on")
        return exit_codes.interrupted(stopped.signal or signal.SIGINT)
    summary, console = summarise_folds(request.output, folds), results()
    table = new_table("fold", group_by, "images", "boxes", *FIGURES, texts=2)
    for row in summary["figures"]:
        named = ", ".join(row["groups"][:GROUPS_SHOWN]) + (", ..." if len(row["groups"]) > GROUPS_SHOWN else "")
        table.add_row(str(row["fold"]), escape(named), str(row["images"]), str(row["boxes"]), *map(_figure, _of(row)))
    table.add_row("mean", "", "", "", *map(_figure, _of(summary["mean"])))
    table.add_row("spread", f"({SPREAD})", "", "", *map(_figure, _of(summary["spread"])))
    console.print(table)
    print(f"figures and groups are in {request.output / 'folds.json'}, the detectors in its folders fold1, fold2 ...")
    return 0


def _of(figures: Mapping[str, float | None]) -> list[float | None]:
    from detector.training.folds import FIGURES

    return [figures[name] for name in FIGURES]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _overfit_code(images: int | None, best: float | None) -> int:
    """The exit code of a run; a check that has failed says so."""
    if images is None or (best is not None and best >= OVERFIT_PASSES):
        return exit_codes.DONE
    print(
        f"the check has failed: on the very {images} images that it was trained on, the detector reaches "
        f"{0 if best is None else best:.3f} of {OVERFIT_PASSES}. Either it was trained too short (set train.epochs "
        "higher), the learning rate does not suit (train.lr), or boxes do not lie where birds are (`hoopoe doctor`, "
        "and plots/examples.png of the run)"
    )
    return exit_codes.FAULTS


def _print_dry_run(request: Request, folds: int | None, group_by: str) -> int:
    from detector.training.dry_run import describe_folds, describe_run

    console = results()
    for topic in describe_run(request) if folds is None else describe_folds(request, folds, group_by):
        console.print(f"[bold]{topic.name}[/]")
        for line in topic.lines:
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _pairs(annotations: list[Place], images: list[Place], name: str) -> list[tuple[Place, Place]]:
    if len(annotations) != len(images):
        problem = f"{len(annotations)} annotation files and {len(images)} image folders"
        hint = f"give one --{name}-images for each --{name}-annotations, in the same order"
        raise ConfigError(problem, where=f"--{name}-annotations", hint=hint)
    return list(zip(annotations, images, strict=True))
