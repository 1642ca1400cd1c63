"""`hoopoe classify-crops --detections FILE ...`: name the birds in boxes that another tool found."""

import argparse
from pathlib import Path

from backbones.errors import ConfigError
from detector.cli.options.annotation import (
    add_result_arguments,
    add_results_argument,
    add_retry_argument,
    add_species_argument,
    add_work_arguments,
    check_arguments,
    check_tables,
    finish,
    run_settings,
)
from detector.cli.options.cluster import add_shard_argument, device_here, list_shard
from detector.cli.options.models import check_classifier
from detector.cli.options.paths import any_of, folder_of
from detector.cli.terminal.parser import CommandParser

EXAMPLES = ("hoopoe classify-crops --detections md.json --media PHOTOS --species davit_tiny_il-all --output OUT",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe classify-crops`."""
    parser.add_argument(
        "--detections",
        nargs="+",
        type=any_of("boxes", objects=True),
        required=True,
        metavar="FILE",
        help="MegaDetector's JSON, COCO annotations, COCO results with their annotations, or a folder of crops; "
        "addresses of files too, also s3://BUCKET/FOLDER/*.json",
    )
    parser.add_argument(
        "--media",
        type=folder_of("the photos and videos", objects=True),
        metavar="DIR",
        help="the folder, or s3://BUCKET/FOLDER, in which the files lie that FILE names",
    )
    add_species_argument(parser)
    add_results_argument(parser)
    parser.add_rare_argument(
        "--classify-from",
        type=float,
        metavar="SCORE",
        help="classify boxes from this score up (default: 0.05)",
    )
    parser.add_rare_argument(
        "--lowest-score", type=float, metavar="SCORE", help="leave out boxes with a lower score (default: none)"
    )
    parser.add_rare_argument(
        "--only",
        type=lambda text: tuple(filter(None, text.split(","))),
        default=(),
        metavar="CATEGORY,...",
        help="leave out boxes of other categories, such as person and vehicle (default: none)",
    )
    parser.add_rare_argument("--embeddings", action="store_true", help="keep the classifier's embeddings")
    add_shard_argument(parser)
    add_retry_argument(parser)
    add_result_arguments(parser)
    add_work_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Classify, decide, export, and print what was found."""
    check_arguments(args)
    folders = (path for path in args.detections if isinstance(path, Path) and path.is_dir())
    media = args.media or next(folders, None)
    if media is None:
        raise ConfigError("files of boxes name media", where="--media", hint="give the folder in which they lie")

    from detector.annotation.importing.run import CropsRequest, ImportOptions, classify_crops
    from detector.annotation.run import species_entry
    from detector.base.devices import device_of
    from detector.species.classifier import load_classifier
    from detector.store.run_file import RunFile
    from detector.store.schema import LOWEST_SCORE

    check_classifier("--species", args.species, "`hoopoe annotate --detector` finds birds by it")
    device, precision = device_here(args)
    species = load_classifier(args.species, device, precision)
    check_tables(args, args.output, RunFile(species=species_entry(species)))
    classify_from = LOWEST_SCORE if args.classify_from is None else args.classify_from
    options = ImportOptions(classify_from, args.embeddings, args.lowest_score, args.only)
    request = CropsRequest(args.detections, media, args.output, options, list_shard(args))
    report = classify_crops(request, species, run_settings(args, device_of(species.net)))
    return finish(args, args.output, report)
