"""What 8 bits lose on annotated birds: AP, recall by size and names, beside the same networks in float32.

    python -m benchmarks.int8 --set NAME DETECTOR TRAIN.json VAL.json [--set ...]
                              --species CLASSIFIER TRAIN.json VAL.json [--write]

A detector is exported by the code of `hoopoe export-model --precision int8`, calibrated on pictures of TRAIN.json,
and evaluated on all of VAL.json, none of which it was calibrated on; both as `hoopoe evaluate` does. Their pictures
lie in a folder `images` beside the file, or one above. Birds found by size: from the score of best F1 of the network in
float32 up, from that of the network itself, and at any score. `--repeat N` exports N times, each calibrated on other
pictures: one bird more or less is often a matter of these, or of rounding.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe
from benchmarks.publishing import publish
from detector.conversion.agreement import sentences
from detector.conversion.crops import Crops, export_classifier_int8
from detector.conversion.detector_int8 import export_detector_int8
from detector.conversion.export import Target
from detector.conversion.photos import CALIBRATING, HELD_OUT, chosen_of
from detector.conversion.quantising import Quantising
from detector.data.config import DataConfig
from detector.data.packed import Annotations
from detector.evaluation.detecting import DetectionOptions
from detector.evaluation.evaluation import Evaluation, evaluate
from detector.evaluation.ground_truth import read_ground_truth
from detector.evaluation.thresholds import recall_by_size
from detector.models.detector import Detector
from detector.models.exported import load_exported
from detector.models.saving import load_detector
from detector.species.calibrating.labelled import Labelling, classify_annotations, crops_of_boxes
from detector.species.classifier import SpeciesClassifier
from detector.species.names.crosswalk import load_crosswalk
from detector.species.names.taxonomy import Taxonomy

INT8 = Target(precision="int8")
OPTIONS = DetectionOptions(batch_size=4, loading=DataConfig(workers=0))


@dataclass(frozen=True)
class BirdSet:
    """A detector, and annotated pictures that it has not seen.

    Attributes:
        name: For the table.
        detector: Its file.
        train: COCO file of pictures to calibrate on.
        val: COCO file of pictures to measure on.
    """

    name: str
    detector: str
    train: Path
    val: Path


def images_of(annotations: Path) -> Path:
    """The folder of a COCO file's pictures."""
    beside = annotations.parent / "images"
    return beside if beside.is_dir() else annotations.parent.parent / "images"


def rows_of(birds: BirdSet, asked: Quantising, folder: Path, repeats: int) -> Iterator[str]:
    """Rows of the table: the detector in float32, then its export in 8 bits, as often as asked."""
    exact = load_detector(birds.detector, "cpu", "fp32")
    truth, _ = read_ground_truth([(birds.val, images_of(birds.val))], exact.meta)
    train, _ = read_ground_truth([(birds.train, images_of(birds.train))], exact.meta)
    reference = evaluate(exact, truth, OPTIONS)
    score = reference.sweep.best_threshold
    yield _row(birds.name, "float32", reference, reference, score)
    for turn in range(repeats):
        fast = _exported(exact, train, asked, folder / f"{birds.name}{turn}", turn)
        yield _row(birds.name, f"{fast.runtime.split()[1]}", evaluate(fast, truth, OPTIONS), reference, score)


def _exported(exact: Detector, train: Annotations, asked: Quantising, folder: Path, turn: int) -> Detector:
    paths = [train[index].path for index in np.random.default_rng(turn).permutation(len(train)).tolist()]
    paths = sorted(paths[: CALIBRATING + HELD_OUT])
    said = export_detector_int8(exact, folder, INT8, asked, chosen_of(paths, folder)).agreement
    print(*sentences(said), sep="\n", flush=True)
    return load_exported(folder, "cpu")


def _row(name: str, precision: str, measured: Evaluation, reference: Evaluation, score: float) -> str:
    metrics, base = measured.metrics.as_dict(), reference.metrics.as_dict()
    given, own = (
        recall_by_size(measured.inputs, measured.matches, each) for each in (score, measured.sweep.best_threshold)
    )
    shares = zip(
        given.recall_at_threshold.tolist(), own.recall_at_threshold.tolist(), given.recall.tolist(), strict=True
    )
    shown = [
        f"{' / '.join(str(round(boxes * share)) for share in found)} of {boxes}" if boxes else ""
        for boxes, found in zip(given.counts.tolist(), shares, strict=True)
    ]
    gain = "" if measured is reference else f"{metrics['AP'] - base['AP']:+.4f}"
    figures = [f"{metrics[key]:.4f}" for key in ("AP", "AP50", "AR100")]
    return f"| {' | '.join([name, precision, figures[0], gain, *figures[1:], *shown])} |"


def species_rows(
    classifier: Path, sets: Sequence[Path], folder: Path, repeats: int, keep_float: tuple[str, ...]
) -> Iterator[str]:
    """Rows of the second table: how many annotated birds are named rightly."""
    train, val = sets
    exact = SpeciesClassifier.load(classifier, "cpu", "fp32")
    calibrating, truth = _boxes(train), _boxes(val)
    crops = _crops(calibrating, exact)
    reference = _named(exact, truth)
    yield _species_row("float32", reference, reference)
    for turn in range(repeats):
        some = np.random.default_rng(turn).permutation(len(crops))[:600]
        asked = Quantising(folder, keep_float=keep_float, allow_loss=True)
        export_classifier_int8(exact, folder / f"species{turn}", INT8, asked, Crops.of(crops[some]))
        fast = SpeciesClassifier.load(folder / f"species{turn}", "cpu", "auto")
        yield _species_row("int8", _named(fast, truth), reference)


def _boxes(file: Path) -> Annotations:
    from detector.data.coco.reading import read_coco

    annotations, _ = read_coco([(file, images_of(file))])
    return annotations


def _crops(annotations: Annotations, classifier: SpeciesClassifier) -> NDArray[np.uint8]:
    from detector.data.images import read_image

    records = (annotations[index] for index in range(len(annotations)))
    return np.concatenate(
        [crops_of_boxes(read_image(each.path), each.boxes_xyxy, classifier) for each in records if len(each.boxes_xyxy)]
    )


def _named(classifier: SpeciesClassifier, truth: Annotations) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    taxonomy = Taxonomy(classifier.class_names, load_crosswalk())
    found = classify_annotations(truth, Labelling(classifier, taxonomy, 8), lambda: None)
    return found.logits, found.labels


def _species_row(precision: str, found: tuple[Any, Any], reference: tuple[Any, Any]) -> str:
    logits, labels = found
    right, before = (int((each.argmax(axis=1) == labels).sum()) for each in (logits, reference[0]))
    same = float((logits.argmax(axis=1) == reference[0].argmax(axis=1)).mean())
    points = "" if found is reference else f"{100 * (right - before) / len(labels):+.2f}"
    return f"| {precision} | {right} of {len(labels)} | {100 * right / len(labels):.2f} % | {points} | {same:.4f} |"


def main() -> None:
    """Measure as asked, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    columns = ("NAME", "DETECTOR", "TRAIN", "VAL")
    parser.add_argument("--set", nargs=4, action="append", default=[], metavar=columns, help="annotated birds")
    parser.add_argument("--species", nargs=3, metavar=("CLASSIFIER", "TRAIN", "VAL"), help="and their names")
    parser.add_argument("--repeat", type=int, default=3, help="exports of each (%(default)s)")
    parser.add_argument("--keep-float", nargs="+", default=[], metavar="LAYERS", help="out of 8 bits")
    parser.add_argument("--write", action="store_true", help="write the tables into benchmarks/results")
    args = parser.parse_args()
    sizes = ("< 8 px", "8-16", "16-32", "32-64", "64-96", "> 96 px")
    head = ["birds", "precision", "AP", "difference", "AP50", "AR100", *sizes]
    lines = ["# What 8 bits lose", "", f"Written by `python -m benchmarks.int8 {'--write' * args.write}`.", ""]
    lines += [describe(["torch", "openvino", "nncf"]), "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    print("\n".join(lines), flush=True)

    def show(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    keep_float = tuple(args.keep_float)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, detector, *files in args.set:
            train, val = (Path(each).resolve() for each in files)
            asked = Quantising(images_of(train), keep_float=keep_float, allow_loss=True)
            for row in rows_of(BirdSet(name, detector, train, val), asked, folder, args.repeat):
                show(row)
        if args.species:
            head = ["the demo's species", "named rightly", "top-1", "points", "same name as float32"]
            show(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
            classifier, *files = map(Path, args.species)
            for row in species_rows(classifier, files, folder, args.repeat, keep_float):
                show(row)
    publish(lines, "int8.md", args.write)


if __name__ == "__main__":
    main()
