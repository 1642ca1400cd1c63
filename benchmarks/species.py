"""What the second look is worth: species by the detector alone, by the classifier alone, and by both.

    python -m benchmarks.species --detector runs/demo/detector/best.safetensors --species runs/demo/species.safetensors
        --data runs/demo/data [--bursts 100] [--seed 0] [--write]

Temperature, weight and gate are fitted on the data's val.json and on drawn mammals. Everything is then measured on
pictures that are drawn for it: bursts of four pictures, each of one bird in a new pose at a new place, their species
drawn by the frequencies of an invented region (four species are common there, four occasional, four absent). In every
picture of a burst the surest box is taken for the burst's bird, right or wrong. The prior is the region's list, read
from a CSV as a user's would be. Mammals are cut out by their true boxes, as if a detector had called them "animal". The
tables are printed, and written to benchmarks/results/second_look.md with --write.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.machine import describe
from detector.annotation.options import CPU_CROPS
from detector.boxes import xyxy_to_xywh
from detector.data.coco import read_coco
from detector.data.config import DataConfig
from detector.data.mammals import draw_mammal_scene
from detector.data.plumages import PLUMAGES
from detector.data.scenes import DEMO_SCENES, draw_scene
from detector.evaluation.coco import CocoMetrics, evaluate_coco
from detector.models import load_detector
from detector.models.prediction import predict
from detector.species.classifier import SpeciesClassifier
from detector.species.crops import crop_boxes, cut_crops
from detector.species.fitting import Fit, fit_calibration
from detector.species.fusion import join_labels, merge_label_boxes, species_scores
from detector.species.gate import energy, gate
from detector.species.labelled import (
    NO_BIRD,
    LabelledLogits,
    Labelling,
    classify_annotations,
    classify_detections,
    found_truth,
)
from detector.species.naming import name_birds
from detector.species.posterior import average_logits, posterior
from detector.species.priors import WHOLE_YEAR, Prior
from detector.species.reliability import reliability, top_confidence
from detector.species.taxonomy import Taxonomy
from detector.store.schema import LOWEST_SCORE
from detector.training.evaluation import detect_all
from detector.types import Detections

OUTPUT = Path(__file__).parent / "results" / "second_look.md"
BURST = 4  # pictures
FREQUENCIES = np.repeat([0.4, 0.1, 0.0], 4)  # of the twelve species in the invented region
ONE_BIRD = replace(DEMO_SCENES, counts=(0, 1))  # the demo's birds, one at a time
MAMMALS = 200  # to fit the gate on, and as many to try it on
BURSTS_STREAM, FIT_STREAM, TRY_STREAM = 11, 12, 13  # of random numbers, beside those of the data set

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Drawn pictures: a box and its class each, and the burst that each belongs to."""

    images: list[Image]
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    bursts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """All joined boxes of the pictures, the surest of each picture first: (N, ...) each.

    `bird` is the burst for the surest box of a picture, and a number of its own for every other; `truth` is the class
    of the bird that the box found, or -1.
    """

    pictures: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float32]
    label_scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    bird: NDArray[np.int64]
    truth: NDArray[np.int64]


def draw_bursts(count: int, size_wh: tuple[int, int], class_of: NDArray[np.int64], seed: int) -> Pictures:
    """Draw bursts of birds by the region's frequencies; `class_of` is the class of each plumage."""
    rng = np.random.default_rng([seed, BURSTS_STREAM])
    species = rng.choice(len(FREQUENCIES), count, p=FREQUENCIES / FREQUENCIES.sum())
    waiting: dict[int, list[tuple[Image, NDArray[np.float32]]]] = {each: [] for each in range(len(FREQUENCIES))}
    images, boxes = [], []
    for each in species.tolist():
        while len(waiting[each]) < BURST:
            scene = draw_scene(rng, size_wh, ONE_BIRD)
            if len(scene.labels):
                waiting[int(scene.labels[0])].append((scene.image, scene.boxes_xyxy[0]))
        for _ in range(BURST):
            image, box = waiting[each].pop()
            images.append(image)
            boxes.append(box)
    return Pictures(images, np.array(boxes), class_of[species.repeat(BURST)], np.arange(count).repeat(BURST))


def draw_mammals(size_wh: tuple[int, int], rng: Generator) -> list[tuple[Image, NDArray[np.float32]]]:
    """Pictures of a mammal, with the box (1, 4) of what can be seen of it."""
    return [draw_mammal_scene(rng, size_wh) for _ in range(MAMMALS)]


def classify_boxes(
    classifier: SpeciesClassifier, images: Sequence[Image], boxes: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Logits of all boxes (M, 4) of each image."""
    crops = [
        cut_crops(image, crop_boxes(each, (image.shape[1], image.shape[0])), classifier.size_hw)
        for image, each in zip(images, boxes, strict=True)
    ]
    return classifier.logits(np.concatenate(crops)).logits


def look_again(
    pictures: Pictures, detections: Sequence[Detections], classifier: SpeciesClassifier, num_labels: int
) -> Boxes:
    """Join the boxes of several labels, classify their crops, and link the surest of each picture by its burst."""
    merged = [
        merge_label_boxes(found.boxes_xyxy, found.scores, found.labels, num_labels)
        for found in (each.above(LOWEST_SCORE) for each in detections)
    ]
    counts = np.array([len(boxes) for boxes, _ in merged])
    at = np.arange(len(merged)).repeat(counts)
    first = np.concatenate([np.arange(count) == 0 for count in counts])
    found = np.concatenate(
        [found_truth(boxes, pictures.boxes_xyxy[[index]]) for index, (boxes, _) in enumerate(merged)]
    )
    return Boxes(
        pictures=at,
        boxes_xyxy=np.concatenate([boxes for boxes, _ in merged]),
        label_scores=np.concatenate([scores for _, scores in merged]),
        logits=classify_boxes(classifier, pictures.images, [boxes for boxes, _ in merged]),
        bird=np.where(first, pictures.bursts[at], len(pictures.images) + np.arange(len(at))),
        truth=np.where(found >= 0, pictures.classes[at], -1),
    )


def rank_species(
    boxes: Boxes, taxonomy: Taxonomy, categories: Sequence[str], fit: Fit, log_prior: NDArray[np.float32]
) -> dict[str, NDArray[np.floating]]:
    """Scores (N, C) of every way to name birds."""
    joined = join_labels(categories, taxonomy)
    knows_species = len(categories) - len(joined.unjoined) > 1
    d = joined.class_scores(boxes.label_scores) if knows_species else boxes.label_scores.max(axis=1, initial=0)
    temperature, weight = fit.calibration.temperature, fit.calibration.weight
    means, group = average_logits(boxes.logits, boxes.bird)

    def second_look(logits: NDArray[np.float32], prior: NDArray[np.float32] | None) -> NDArray[np.float32]:
        return species_scores(d, posterior(logits, temperature, prior), weight)

    ways: dict[str, NDArray[np.floating]] = {}
    if knows_species:
        given = boxes.label_scores[:, joined.label_of_class]
        ways["the detector's own labels"] = np.where(joined.label_of_class >= 0, given, 0)
    ways["the plain classifier (T = 1)"] = posterior(boxes.logits)
    ways["second look"] = second_look(boxes.logits, None)
    ways["second look, prior"] = second_look(boxes.logits, log_prior)
    ways["second look, tracks"] = second_look(means[group], None)
    ways["second look, tracks and prior"] = second_look(means[group], log_prior)
    return ways


def measure(pictures: Pictures, boxes: Boxes, scores: NDArray[np.floating]) -> tuple[CocoMetrics, float]:
    """COCO's figures over species, and the share of the found birds whose species ranks first."""
    images = [
        {"id": index, "width": image.shape[1], "height": image.shape[0]} for index, image in enumerate(pictures.images)
    ]
    truth_xywh = xyxy_to_xywh(pictures.boxes_xyxy.astype(np.float64))
    annotations = [
        {"id": index + 1, "image_id": index, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for index, (label, box) in enumerate(zip(pictures.classes.tolist(), truth_xywh.tolist(), strict=True))
    ]
    categories = [{"id": index, "name": str(index)} for index in range(scores.shape[1])]
    results: list[dict[str, Any]] = [
        {"image_id": image, "category_id": label, "bbox": box, "score": score}
        for image, box, row in zip(
            boxes.pictures.tolist(), xyxy_to_xywh(boxes.boxes_xyxy.astype(np.float64)).tolist(), scores.tolist(),
            strict=True,
        )
        for label, score in enumerate(row)
        if score > 0
    ]  # fmt: skip
    metrics = evaluate_coco({"images": images, "annotations": annotations, "categories": categories}, results)
    found = boxes.truth >= 0
    return metrics, float((scores[found].argmax(axis=1) == boxes.truth[found]).mean())


def read_prior(taxonomy: Taxonomy, class_of: NDArray[np.int64]) -> NDArray[np.float32]:
    """The region's log prior (C,), by way of a CSV."""
    rows = [f"{taxonomy.scientific_names[each]},,{value}" for each, value in zip(class_of, FREQUENCIES, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "region.csv"
        path.write_text("scientific_name,period,frequency\n" + "\n".join(rows), encoding="utf-8")
        return Prior.read(path).log_prior(taxonomy.scientific_names, WHOLE_YEAR)


def fit_on(
    data: Path, model: Any, categories: Sequence[str], classifier: SpeciesClassifier, taxonomy: Taxonomy, seed: int
) -> tuple[Fit, tuple[int, int]]:
    """Fit temperature, weight and gate on val.json and drawn mammals; also the size of the data's pictures."""
    annotations, _ = read_coco([(data / "val.json", data / "images")])
    size_wh = (int(annotations.sizes_wh[0][0]), int(annotations.sizes_wh[0][1]))
    labelling = Labelling(classifier, taxonomy, CPU_CROPS)
    birds = classify_annotations(annotations, labelling, lambda: None)
    mammals = draw_mammals(size_wh, np.random.default_rng([seed, FIT_STREAM]))
    logits = classify_boxes(classifier, *zip(*mammals, strict=True))
    crops = birds.and_others(LabelledLogits(logits, np.full(len(mammals), NO_BIRD), {}, ()))
    found = detect_all(model, annotations, DataConfig(workers=0), batch_size=8, precision="fp32")
    of_name = dict(zip(annotations.category_names, annotations.category_ids, strict=True))
    ids = [of_name.get(name, max(of_name.values()) + 1) for name in categories]  # an agnostic detector's: a new one
    results = found.coco_results(replace(annotations, category_ids=tuple(ids)))
    detected = classify_detections(annotations, results, labelling, lambda: None)
    return fit_calibration(crops, classifier.sha256, detected), size_wh


def gate_rows(fit: Fit, taxonomy: Taxonomy, mammals: NDArray[np.float32], birds: NDArray[np.float32]) -> list[str]:
    """A row for mammals and one for birds: what is given a species' name, and what the gate says."""
    rows = []
    for what, logits in (("mammals", mammals), ("birds", birds)):
        ranks = [each.rank for each in name_birds(posterior(logits, fit.calibration.temperature), taxonomy)]
        species = np.array(ranks) == "species"
        kinds = gate(["undecided"] * len(logits), energy(logits), fit.calibration.gate)
        shares = [species.mean(), *((species & (kinds == kind)).mean() for kind in ("bird", "uncertain"))]
        shares += [(kinds == kind).mean() for kind in ("bird", "uncertain", "animal")]
        rows.append(f"| {what} | {len(logits)} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    return rows


def main() -> None:
    """Fit, draw, measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--detector", required=True, help="a detector's file, of species or of birds")
    parser.add_argument("--species", required=True, help="a classifier of the drawn species")
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and val.json")
    parser.add_argument("--bursts", type=int, default=100, help="bursts of four pictures (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other pictures (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write {OUTPUT.relative_to(Path(__file__).parents[1])}")
    args = parser.parse_args()

    model, meta = load_detector(args.detector)
    classifier = SpeciesClassifier.load(args.species)
    taxonomy = Taxonomy(classifier.class_names)
    class_of = np.array([classifier.class_names.index(plumage.name) for plumage in PLUMAGES])
    fit, size_wh = fit_on(args.data, model, meta.category_names, classifier, taxonomy, args.seed)

    pictures = draw_bursts(args.bursts, size_wh, class_of, args.seed)
    boxes = look_again(pictures, predict(model, pictures.images), classifier, len(meta.category_names))
    ways = rank_species(boxes, taxonomy, meta.category_names, fit, read_prior(taxonomy, class_of))
    mammals = draw_mammals(size_wh, np.random.default_rng([args.seed, TRY_STREAM]))
    mammal_logits = classify_boxes(classifier, *zip(*mammals, strict=True))

    found = boxes.truth >= 0
    if not found.any():
        raise SystemExit("the detector found none of the drawn birds: there is nothing to name")
    birds, truth = boxes.logits[found], boxes.truth[found]
    plain, scaled = (
        reliability(*top_confidence(posterior(birds, t), truth)) for t in (1.0, fit.calibration.temperature)
    )
    lines = [
        "# The second look",
        "",
        f"{len(pictures.images)} drawn pictures of one bird each in bursts of {BURST}; {found.sum()} birds were found "
        f"(IoU 0.5) by {Path(args.detector).name} with {len(meta.category_names)} categories. T = "
        f"{fit.calibration.temperature:.2f} (n = {fit.calibration.bird_crops}), w = {fit.calibration.weight:.2f} "
        f"(n = {fit.calibration.detector_boxes}); the docstring of `benchmarks/species.py` says how.",
        "",
        "| species by | mAP | AP50 | found birds named rightly |",
        "|---|---|---|---|",
    ]
    for way, scores in ways.items():
        metrics, top1 = measure(pictures, boxes, scores)
        lines.append(f"| {way} | {metrics.AP or 0:.3f} | {metrics.AP50 or 0:.3f} | {top1:.1%} |")
    lines += [
        "",
        "| of true boxes | n | named to species, without the gate | with it, as birds | with it, as uncertain "
        "| are birds to the gate | uncertain | not birds |",
        "|---|---|---|---|---|---|---|---|",
        *gate_rows(fit, taxonomy, mammal_logits, birds),
        "",
        f"Calibration error (ECE) of the classifier on found birds: {plain.ece:.3f} before, {scaled.ece:.3f} after.",
        "",
        describe(("torch", "torchvision", "numpy")),
        "",
        "`python -m benchmarks.species --detector DETECTOR --species WEIGHTS --data DATA --write`",
    ]
    print("\n".join(lines))
    if args.write:
        OUTPUT.parent.mkdir(exist_ok=True)
        OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
