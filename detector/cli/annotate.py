"""`hoopoe annotate INPUT ... --output OUT`: find and name the birds in cards of photos and videos."""

import argparse
from dataclasses import replace

from detector.cli.options.annotation import (
    add_result_arguments,
    add_results_argument,
    add_retry_argument,
    add_root_argument,
    add_work_arguments,
    check_arguments,
    check_tables,
    finish,
    run_settings,
    stored_decisions,
)
from detector.cli.options.cluster import add_shard_argument, device_here, list_shard
from detector.cli.options.models import check_classifier, check_detector
from detector.cli.options.paths import any_of, list_given
from detector.cli.terminal.parser import CommandParser

EXAMPLES = (
    "hoopoe annotate E:/CARD1 E:/CARD2 --output OUT --detector coco --species davit_tiny_il-all",
    "hoopoe annotate CARD3 --output OUT",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe annotate`."""
    parser.epilog = "Options that are not given are those of the runs before into OUT."
    card = any_of("a card", objects=True)
    parser.add_argument(
        "inputs", nargs="+", type=card, metavar="INPUT", help="a card: a folder, a file, or s3://BUCKET/FOLDER"
    )
    add_results_argument(parser)
    parser.add_argument("--detector", metavar="MODEL", help="a run of `hoopoe train`, an .onnx file, or coco")
    parser.add_argument("--species", metavar="WEIGHTS", help="a classifier: published name, or file (default: none)")
    parser.add_argument(
        "--speed",
        choices=("exact", "fast"),
        default="exact",
        help="fast: in 8 bits on CPUs, compiled on CUDA",
    )
    parser.add_argument(
        "--frame-interval",
        metavar="S",
        help="seconds between video frames (1.0), all, or keyframes",
    )
    parser.add_argument(
        "--first-pass",
        metavar="MODEL",
        help="a fast detector that looks first, such as coco-fast",
    )
    parser.add_rare_argument(
        "--audit",
        type=int,
        metavar="N",
        help="have the detector look at N random pictures that were passed over, and say what was missed",
    )
    parser.add_rare_argument(
        "--first-pass-threshold",
        type=float,
        metavar="SCORE",
        help="of a box of the first pass, from which the detector looks (default: 0.05)",
    )
    parser.add_rare_argument(
        "--proposals",
        type=int,
        metavar="N",
        help="of a Faster R-CNN: 300 are faster than coco's 1000, and may cost birds in crowded pictures",
    )
    for name, text in (
        ("--tile", "look at native resolution too, for small birds"),
        ("--motion-gate", "pass over video frames in which nothing moved, and photos of bursts"),
        ("--full-decode", "never decode photos at a reduced size"),
        ("--embeddings", "keep the classifier's embeddings"),
    ):
        parser.add_rare_argument(name, action="store_const", const=True, help=text)
    parser.add_rare_argument(
        "--classify-from",
        type=float,
        metavar="SCORE",
        help="classify boxes from this score up (default: all that are kept, from 0.05)",
    )
    parser.add_rare_argument(
        "--list",
        metavar="FILE",
        help="take only the files of INPUT that this names: S3 Inventory's manifest.json, a CSV or Parquet file with a "
        "column url, key or path, a .txt, or - for lines on stdin",
    )
    add_root_argument(parser)
    add_shard_argument(parser)
    add_retry_argument(parser)
    add_result_arguments(parser)
    add_work_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Look at what is new on the cards, decide, export, and print what was found."""
    from detector.cli.options.exporting import parse_roots
    from detector.footage.sampling import parse_sampling

    check_arguments(args)
    given = {
        "frame_interval": None if args.frame_interval is None else parse_sampling(args.frame_interval),
        "tile": args.tile,
        "motion_gate": args.motion_gate,
        "full_decode": args.full_decode,
        "lowest_score": 0.0 if args.score_threshold == 0 else None,
        "classify_from": args.classify_from,
        "embeddings": args.embeddings,
        "first_pass_threshold": args.first_pass_threshold,
        "proposals": args.proposals,
    }
    roots, shard = parse_roots(args.root), list_shard(args)

    from detector.annotation.remembered import models_for, stored_seeing
    from detector.annotation.request import AnnotateRequest, AuditRequest
    from detector.annotation.run import annotate, models_entry
    from detector.api.speed import models_at

    check_detector("--detector", args.detector, "a classifier is given by --species")
    check_detector("--first-pass", args.first_pass, "a classifier is given by --species")
    check_classifier("--species", args.species, "a detector is given by --detector")
    device, precision = device_here(args)
    models = models_for(args.output, args.detector, args.species, device, precision, args.first_pass)
    models = models_at(args.speed, models, args.output, args.inputs)
    check_tables(args, args.output, models_entry(models))
    chosen = {name: value for name, value in given.items() if value is not None}
    seeing = replace(stored_seeing(args.output), **chosen)
    decisions = stored_decisions(args, args.output)
    audit = None if args.audit is None else AuditRequest(args.audit, decisions.score_threshold)
    with list_given(args.list) as listed:
        request = AnnotateRequest(args.inputs, args.output, seeing, roots, audit, shard, listed)
        report = annotate(request, models, run_settings(args, models.device))
    return finish(args, args.output, report)
