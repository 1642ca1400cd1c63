"""`hoopoe calibrate --species WEIGHTS ...`: make confidences mean what they say, on labelled pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError
from detector.base.reporting import task, warn
from detector.cli.options.decisions import add_kind_argument, parse_kinds
from detector.cli.options.devices import add_device_arguments, device_and_precision
from detector.cli.options.models import check_classifier
from detector.cli.options.paths import file_of, folder_of, new_file_of
from detector.cli.terminal.parser import CommandParser
from detector.cli.terminal.tables import results

if TYPE_CHECKING:
    from detector.species.calibrating.fitting import Fit
    from detector.species.calibrating.labelled import Labelling


EXAMPLES = ("hoopoe calibrate --species davit_tiny_il-all --crops CROPS --output calibration.json",)


def add_arguments(parser: CommandParser) -> None:
    """Declare the options of `hoopoe calibrate`."""
    parser.add_argument("--species", required=True, metavar="WEIGHTS", help="the classifier: published name or file")
    labelled = parser.add_mutually_exclusive_group(required=True)
    labelled.add_argument(
        "--crops", type=folder_of("labelled crops"), metavar="DIR", help="a folder a class; non-birds in not_a_bird"
    )
    labelled.add_argument(
        "--annotations",
        type=file_of("COCO boxes", "val.json"),
        metavar="JSON",
        help="COCO boxes with species as categories",
    )
    parser.add_argument(
        "--images",
        type=folder_of("the pictures"),
        metavar="DIR",
        help="with --annotations: the folder of their pictures",
    )
    parser.add_argument(
        "--detections",
        type=file_of("detections", "predictions.json"),
        metavar="JSON",
        help="with --annotations: a detector's predictions.json, for w",
    )
    parser.add_argument(
        "--others",
        type=folder_of("crops of what is no bird"),
        metavar="DIR",
        help="with --annotations: crops of what is no bird, for the gate",
    )
    parser.add_argument(
        "--taxonomy",
        type=file_of("names of classes", "taxonomy.csv"),
        metavar="CSV",
        help="names of classes that the shipped table lacks",
    )
    add_kind_argument(parser)
    parser.add_argument(
        "--output",
        type=new_file_of("the calibration", "calibration.json"),
        required=True,
        metavar="JSON",
        help="the calibration; a figure beside it",
    )
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Classify what is labelled, fit, write and print."""
    if (args.annotations is None) != (args.images is None):
        raise ConfigError("pictures and their boxes come together", hint="give --annotations with --images")
    if args.detections is not None and args.annotations is None:
        raise ConfigError("detections are compared with annotated boxes", hint="give --annotations with --detections")
    if args.others is not None and args.annotations is None:
        raise ConfigError("--others stands beside --annotations", hint="put those pictures into CROPS/not_a_bird")
    if args.output.suffix == ".png":
        raise ConfigError("the calibration is JSON", where=args.output, hint="name it calibration.json")

    from detector.annotation.options import WorkOptions
    from detector.base.devices import device_of
    from detector.plots.figures import save_figure
    from detector.plots.reliability import plot_reliability
    from detector.species.calibrating.fitting import fit_calibration
    from detector.species.calibrating.labelled import Labelling
    from detector.species.classifier import load_classifier
    from detector.species.names.crosswalk import load_crosswalk
    from detector.species.names.kinds import Kinds
    from detector.species.names.taxonomy import Taxonomy

    check_classifier("--species", args.species, "`hoopoe annotate --detector` finds birds by it")
    device, precision = device_and_precision(args)
    classifier = load_classifier(args.species, device, precision)
    batch_size = WorkOptions.chosen(
        device_of(classifier.net)
    ).crop_batch_size  # of `annotate`: the same crops get the same logits
    crosswalk = load_crosswalk(args.taxonomy, warn)
    taxonomy = Taxonomy(classifier.class_names, crosswalk, Kinds(crosswalk, parse_kinds(args.kind or ())))
    console = results()
    crops, detected = _classified(args, Labelling(classifier, taxonomy, batch_size))
    fit = fit_calibration(crops, classifier.sha256, detected)
    fit.calibration.write(args.output)
    figure = plot_reliability(fit.before, fit.after, fit.calibration.temperature)
    picture = args.output.with_suffix(".png")
    save_figure(figure, picture)
    _print(console, fit)
    console.print(f"written: {args.output}, {picture}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _classified(args: argparse.Namespace, labelling: Labelling) -> tuple[Any, Any]:
    """The labelled crops' logits, and those of the detections or None."""
    from detector.data.coco.reading import read_coco
    from detector.species.calibrating.detected import classify_detections
    from detector.species.calibrating.labelled import (
        classify_annotations,
        classify_folder,
        crops_in_folder,
        crops_of_others,
    )

    if args.crops is not None:
        crops = crops_in_folder(args.crops)
        with task("classifying", len(crops), "pictures") as progress:
            return classify_folder(crops, labelling, progress.advance), None
    annotations, _ = read_coco([(args.annotations, args.images)])
    results = None if args.detections is None else _read_results(args.detections)
    others = [] if args.others is None else crops_of_others(args.others)
    total = len(annotations) * (1 if results is None else 2) + len(others)
    with task("classifying", total, "pictures") as progress:
        labelled = classify_annotations(annotations, labelling, progress.advance)
        if others:
            labelled = labelled.and_others(classify_folder(others, labelling, progress.advance))
        if results is None:
            return labelled, None
        return labelled, classify_detections(annotations, results, labelling, progress.advance)


def _read_results(path: Path) -> list[dict[str, Any]]:
    import msgspec

    from backbones.errors import DataError
    from detector.base.json_text import parse_json

    hint = "give the predictions.json that `hoopoe evaluate` wrote"
    results = parse_json(path, what="file of detections", hint=hint)

    class Result(msgspec.Struct):
        image_id: int
        category_id: int
        bbox: tuple[float, float, float, float]
        score: float

    try:
        msgspec.convert(results, list[Result])
    except msgspec.ValidationError as error:
        raise DataError(f"these are no COCO results: {error}", where=path, hint=hint) from None
    return results


def _print(console: Any, fit: Fit) -> None:
    from rich.table import Table

    table = Table("confidence", "n before", "right", "n after", "right")
    edges = fit.before.edges
    for row in range(len(edges) - 1):
        cells = [f"{edges[row]:.1f} to {edges[row + 1]:.1f}"]
        for each in (fit.before, fit.after):
            right = f"{each.accuracy[row]:.0%}" if each.counts[row] else "-"
            cells += [str(each.counts[row]), right]
        table.add_row(*cells)
    console.print(table)
    temperature = fit.calibration.temperature
    lines = [f"temperature {temperature:.3f}; expected calibration error {fit.before.ece:.3f} -> {fit.after.ece:.3f}"]
    lines += [f"warning: {warning}" for warning in fit.warnings]
    for line in (*lines, *fit.advice):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
