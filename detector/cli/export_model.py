"""`hoopoe export-model MODEL --output DIR --format F`: a model for another runtime."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from backbones.errors import CheckpointError, ConfigError
from detector.cli.options.models import model_kind
from detector.cli.options.paths import file_of, folder_of, new_folder_of
from detector.cli.terminal.parser import CommandParser

if TYPE_CHECKING:
    from detector.conversion.export import Model
    from detector.runtimes.manifest import ExportManifest

EXAMPLES = (
    "hoopoe export-model runs/x --output fast --precision int8 --photos E:/CARD1",
    "hoopoe export-model davit_tiny_il-all --output fast_species --precision bf16",
    "hoopoe export-model runs/x --output for_others --format onnx",
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe export-model`."""
    parser.epilog = "DIR is taken wherever a model's file is. It needs `pip install 'hoopoe[fast]'`."
    parser.add_argument("model", metavar="MODEL", help="a detector (a run, its file, or coco), or a classifier")
    parser.add_argument(
        "--output", type=new_folder_of("the export"), required=True, metavar="DIR", help="the folder of the export"
    )
    parser.add_argument(
        "--format",
        choices=("openvino", "onnx", "aot"),
        default="openvino",
        help="openvino for CPUs, onnx for other programs, aot: a classifier compiled by torch (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "int8"),
        default="fp32",
        help="what it computes in; int8 is the fastest, and is measured (default: %(default)s)",
    )
    parser.add_argument(
        "--photos",
        type=folder_of("the photos"),
        metavar="FOLDER",
        help="your own photos (for a classifier: crops), by which int8 is calibrated and measured",
    )
    parser.add_argument(
        "--annotations",
        type=file_of("COCO boxes", "val.json"),
        metavar="JSON",
        help="their boxes: AP is measured too",
    )
    parser.add_rare_argument(
        "--keep-float",
        nargs="+",
        default=[],
        metavar="LAYERS",
        help="what stays out of 8 bits, as a refusal names it: stem, stage1 ... stage4, fpn, head",
    )
    parser.add_rare_argument("--allow-loss", action="store_true", help="export also what loses too many birds")
    parser.add_rare_argument(
        "--device", default="cpu", metavar="DEVICE", help="for aot: what it is compiled for (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Load, export, and print what was measured."""
    if args.precision == "int8" and args.photos is None:
        problem = "8 bits are calibrated on photos, and none are given"
        raise ConfigError(problem, where="--photos", hint="give a folder of your own photos")
    for option in ("photos", "annotations", "keep_float", "allow_loss"):
        if args.precision != "int8" and getattr(args, option):
            problem = f"nothing is calibrated or measured in {args.precision}"
            raise ConfigError(
                problem, where=f"--{option.replace('_', '-')}", hint="add --precision int8, or leave it out"
            )

    from detector.base.devices import chosen_device
    from detector.conversion.export import Target, export_plain

    target = Target(args.format, args.precision, str(chosen_device(args.device)))
    model = _loaded(args.model)
    if args.precision != "int8":
        _print(export_plain(model, args.output, target), args)
        return 0

    from detector.conversion.int8 import export_int8
    from detector.conversion.quantising import Quantising

    asked = Quantising(args.photos, args.annotations, tuple(args.keep_float), args.allow_loss)
    _print(export_int8(model, args.output, target, asked), args)
    return 0


def _loaded(source: str) -> Model:
    """The model in float32 on the CPU, whichever kind it is."""
    from detector.models.saving import load_detector
    from detector.runtimes.manifest import is_export
    from detector.species.classifier import SpeciesClassifier

    if is_export(source):
        hint = "give the model that it was made from"
        raise CheckpointError("this is an export already", where=source, hint=hint)
    if model_kind(source) == "classifier" or source.endswith(".pt"):
        return SpeciesClassifier.load(source)
    detector = load_detector(source, "cpu", "fp32")
    if detector.runtime != "torch":
        hint = "it is taken as it is, wherever a detector is"
        raise CheckpointError("this detector is in another runtime's form already", where=source, hint=hint)
    return detector


def _print(manifest: ExportManifest, args: argparse.Namespace) -> None:
    from detector.cli.terminal.tables import results, say
    from detector.conversion.agreement import sentences
    from detector.runtimes.loading import TRUSTED

    console = results()
    for sentence in sentences(manifest.agreement):
        say(console, sentence)
    if manifest.runtime == "aot":
        say(console, f"it is machine code, and is loaded where {TRUSTED}={args.output.absolute()} is set")
    option = "--detector" if manifest.kind == "detector" else "--species"
    say(console, f"{args.output}: {manifest.runtime} {manifest.precision}; use it as {option} {args.output}")
