"""What the second look is worth: species by the detector alone, by the classifier alone, and by both.

    python -m benchmarks.species --detector runs/demo/detector/best.safetensors --species runs/demo/species.safetensors
        --data runs/demo/data [--bursts 100] [--seed 0] [--write]

Temperature, weight and gate are fitted on the data's val.json and on drawn mammals, as `hoopoe calibrate` does. Then a
card is drawn: bursts of four photos, each of one bird in a new pose at a new place, their species drawn by the
frequencies of an invented region (four species are common there, four occasional, four absent). `hoopoe annotate` looks
at the card once, and `hoopoe decide` names what it saw in several ways: by the options that a user has, so that what is
measured is what ships. Without tracks, each photo is a camera's of its own. The prior is the region's list, read from a
CSV as a user's would be. Mammals and birds are cut out by their true boxes, as if a detector had called them "animal".
The tables are printed, and written to benchmarks/results/second_look.md with --write.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import ExifTags, Image

from benchmarks.machine import describe
from benchmarks.publishing import publish
from detector.annotation.options import CPU_CROPS, SeeingOptions
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.boxes import xywh_to_xyxy, xyxy_to_xywh
from detector.data.coco.reading import read_coco
from detector.data.config import DataConfig
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.evaluation.coco import evaluate_coco
from detector.evaluation.detecting import DetectionOptions, detect_all
from detector.models import Detector, load_detector
from detector.species.calibrating.detected import classify_detections, found_truth
from detector.species.calibrating.fitting import Fit, fit_calibration
from detector.species.calibrating.labelled import NO_BIRD, LabelledLogits, Labelling, classify_annotations
from detector.species.calibrating.reliability import reliability, top_confidence
from detector.species.calibration import Calibration
from detector.species.classifier import SpeciesClassifier
from detector.species.crops import crop_boxes, cut_crops
from detector.species.names.taxonomy import Taxonomy
from detector.species.naming import NAME_THRESHOLD
from detector.species.posterior import posterior
from detector.species.rules import names_species
from detector.store.facts import FactRow, FoundBox
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.records_reader import read_media
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import load_run, write_run
from detector.store.schema import LOWEST_SCORE, pack_vector
from detector.store.writer import FactsWriter
from detector.synthetic.mammals import draw_mammal_scene
from detector.synthetic.plumages import PLUMAGES
from detector.synthetic.scenes import DEMO_SCENES, draw_scene
from detector.types import media_id

OUTPUT = "second_look.md"
BURST = 4  # pictures
FIRST = datetime(2024, 5, 1)  # of the first burst
ANY_SPECIES = 1e-6  # a threshold from which every bird has a species
FREQUENCIES = np.repeat([0.4, 0.1, 0.0], 4)  # of the twelve species in the invented region
ONE_BIRD = replace(DEMO_SCENES, counts=(0, 1))  # the demo's birds, one at a time
MAMMALS = 200  # to fit the gate on, and as many to try it on
BURSTS_STREAM, FIT_STREAM, TRY_STREAM = 11, 12, 13  # of random numbers, beside those of the data set

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Drawn pictures: a box and its class each, and the burst that each belongs to."""

    images: list[Pixels]
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    bursts: NDArray[np.int64]


@dataclass(frozen=True)
class Way:
    """A way to name birds: what is known of the models, and the options of `decide`."""

    title: str
    options: DecideOptions
    detector_knows_species: bool = True
    classifier: bool = True


def draw_bursts(count: int, size_wh: tuple[int, int], class_of: NDArray[np.int64], seed: int) -> Pictures:
    """Draw bursts of birds by the region's frequencies; `class_of` is the class of each plumage."""
    rng = np.random.default_rng([seed, BURSTS_STREAM])
    species = rng.choice(len(FREQUENCIES), count, p=FREQUENCIES / FREQUENCIES.sum())
    waiting: dict[int, list[tuple[Pixels, NDArray[np.float32]]]] = {each: [] for each in range(len(FREQUENCIES))}
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


def draw_mammals(size_wh: tuple[int, int], rng: Generator) -> list[tuple[Pixels, NDArray[np.float32]]]:
    """Pictures of a mammal, with the box (1, 4) of what can be seen of it."""
    return [draw_mammal_scene(rng, size_wh) for _ in range(MAMMALS)]


def classify_boxes(
    classifier: SpeciesClassifier, images: Sequence[Pixels], boxes: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Logits of all boxes (M, 4) of each image."""
    crops = [
        cut_crops(image, crop_boxes(each, (image.shape[1], image.shape[0])), classifier.size_hw)
        for image, each in zip(images, boxes, strict=True)
    ]
    return classifier.logits(np.concatenate(crops)).logits


def write_card(folder: Path, pictures: Pictures) -> None:
    """A photo a picture, b0001/p0/IMG.png ...: those of a burst a second after each other, bursts an hour."""
    for number, (image, burst) in enumerate(zip(pictures.images, pictures.bursts.tolist(), strict=True)):
        place = number % BURST
        exif = Image.Exif()
        exif[ExifTags.Base.DateTime] = f"{FIRST + timedelta(hours=burst, seconds=place):%Y:%m:%d %H:%M:%S}"
        file = folder / f"b{burst:04}/p{place}/IMG.png"
        file.parent.mkdir(parents=True)
        Image.fromarray(image).save(file, exif=exif)


def annotate_card(folder: Path, detector: str, species: str) -> None:
    """Annotate the folder's card into its store."""
    device = torch.device("cpu")
    request = AnnotateRequest([folder / "card"], folder / "store", SeeingOptions(full_decode=True))
    annotate(request, Models.of(detector, species, device, "fp32"), RunSettings(quiet=True))


def ways_of(calibration: Path, alone: Path, prior: Path, knows_species: bool) -> list[Way]:
    """All ways that are measured; calibrations as fitted and of a classifier alone."""
    fitted: dict[str, Any] = {"calibration": str(calibration)}
    listed = {**fitted, "priors": [str(prior)]}
    together, apart = {"camera_from": r"(b\d+)"}, {"camera_from": r"(b\d+/p\d)"}
    options = DecideOptions.model_validate
    ways = [
        Way("the classifier alone", options({"calibration": str(alone), **apart}), detector_knows_species=False),
        Way("both (the second look)", options({**fitted, **apart})),
        Way("with a prior", options({**listed, **apart})),
        Way("with tracks (here: bursts)", options({**fitted, **together})),
        Way("with tracks and a prior", options({**listed, **together})),
    ]
    if knows_species:
        ways.insert(0, Way("the detector's own labels", options(apart), classifier=False))
    return ways


def decided(store: Path, way: Way, threshold: float) -> list[MediaRecord]:
    """The photos as they are decided, in the order of their bursts."""
    folder = store.with_name("decided")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(store, folder)
    run = load_run(folder)
    assert run.detector is not None
    if not way.detector_knows_species:
        run = run.model_copy(update={"detector": run.detector.model_copy(
            update={"categories": ["bird"] * len(run.detector.categories)})})  # fmt: skip
    write_run(folder, run if way.classifier else run.model_copy(update={"species": None}))
    decide(folder, way.options.model_copy(update={"name_threshold": threshold, "score_threshold": LOWEST_SCORE}))
    return sorted(read_media(folder), key=lambda record: record.path)


def measure(pictures: Pictures, store: Path, way: Way, species: Sequence[str | None]) -> str:
    """A row of the table: COCO's figures over species, and how many of the found birds are named, and rightly."""
    records = decided(store, way, ANY_SPECIES)
    images = [{"id": index, "width": each.width, "height": each.height} for index, each in enumerate(records)]
    boxes = xyxy_to_xywh(pictures.boxes_xyxy.astype(np.float64)).tolist()
    truths = [
        {"id": index + 1, "image_id": index, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for index, (label, box) in enumerate(zip(pictures.classes.tolist(), boxes, strict=True))
    ]
    results: list[dict[str, Any]] = [
        {
            "image_id": index,
            "category_id": species.index(each.name),
            "bbox": xywh.tolist(),
            "score": each.score if each.species_score is None else each.species_score,
        }
        for index, record in enumerate(records)
        for each, xywh in zip(record.detections, boxes_xywh(record), strict=True)
        if each.name in species
    ]
    categories = [{"id": index, "name": str(name)} for index, name in enumerate(species)]
    metrics = evaluate_coco({"images": images, "annotations": truths, "categories": categories}, results)
    likeliest = found_birds(pictures, records)
    named = [each for each in found_birds(pictures, decided(store, way, NAME_THRESHOLD)) if each[0].rank == "species"]
    right, of_named = (
        sum(bird.name == species[pictures.classes[at]] for bird, at in birds) / max(len(birds), 1)
        for birds in (likeliest, named)
    )
    return (
        f"| {way.title} | {metrics.AP or 0:.3f} | {metrics.AP50 or 0:.3f} | {right:.1%} | "
        f"{len(named) / max(len(likeliest), 1):.1%} | {of_named:.1%} |"
    )


def boxes_xywh(record: MediaRecord) -> NDArray[np.float64]:
    """The boxes (N, 4) of a photo, in pixels."""
    shares = np.array([[each.x, each.y, each.w, each.h] for each in record.detections]).reshape(-1, 4)
    return shares * np.tile([record.width or 1, record.height or 1], 2)


def found_birds(pictures: Pictures, records: Sequence[MediaRecord]) -> list[tuple[DetectionRecord, int]]:
    """The surest box that found the bird of each picture in which one did, and the picture's number."""
    birds = []
    for index, record in enumerate(records):
        surest = np.argsort([-each.score for each in record.detections], kind="stable").astype(int)
        corners = xywh_to_xyxy(boxes_xywh(record)).astype(np.float32)[surest]
        found = surest[found_truth(corners, pictures.boxes_xyxy[[index]]) >= 0]
        birds += [(record.detections[found[0]], index)] if len(found) else []
    return birds


def write_prior(path: Path, taxonomy: Taxonomy, class_of: NDArray[np.int64]) -> None:
    """The region's list."""
    rows = [f"{taxonomy.scientific_names[each]},,{value}" for each, value in zip(class_of, FREQUENCIES, strict=True)]
    path.write_text("scientific_name,period,frequency\n" + "\n".join(rows) + "\n", encoding="utf-8")


def fit_on(
    data: Path, detector: Detector, classifier: SpeciesClassifier, taxonomy: Taxonomy, seed: int
) -> tuple[Fit, tuple[int, int]]:
    """Fit temperature, weight and gate on val.json and drawn mammals; also the size of the data's pictures."""
    annotations, _ = read_coco([(data / "val.json", data / "images")])
    size_wh = (int(annotations.sizes_wh[0][0]), int(annotations.sizes_wh[0][1]))
    labelling = Labelling(classifier, taxonomy, CPU_CROPS)
    birds = classify_annotations(annotations, labelling, lambda: None)
    mammals = draw_mammals(size_wh, np.random.default_rng([seed, FIT_STREAM]))
    logits = classify_boxes(classifier, *zip(*mammals, strict=True))
    crops = birds.and_others(LabelledLogits(logits, np.full(len(mammals), NO_BIRD), {}, ()))
    found = detect_all(detector, annotations, DetectionOptions(loading=DataConfig(workers=0)))
    of_name = dict(zip(annotations.category_names, annotations.category_ids, strict=True))
    # the category of an agnostic detector gets a new id
    ids = [of_name.get(name, max(of_name.values()) + 1) for name in detector.categories]
    results = found.coco_results(replace(annotations, category_ids=tuple(ids)))
    detected = classify_detections(annotations, results, labelling, lambda: None)
    return fit_calibration(crops, classifier.sha256, detected), size_wh


def gate_row(folder: Path, what: str, logits: NDArray[np.float32], classes: Sequence[str], calibration: Path) -> str:
    """A row: what the gate says of boxes that a detector calls animals, and how many get a species' name."""
    write_run(folder, RunFile(
        cards={"card": CardEntry(root=str(folder))},
        detector=DetectorEntry(name="animals", categories=["animal"]),
        species=SpeciesEntry(name="classifier", classes=list(classes)),
    ))  # fmt: skip
    with FactsWriter(folder) as writer:
        for number, each in enumerate(logits):
            path = f"{number:05}.jpg"
            box = FoundBox(x=0.4, y=0.4, w=0.2, h=0.2, label_scores=(1.0,), logits=pack_vector(each))
            row = FactRow(
                media_id("card", path), "card", path, 1, path, "photo", width=1000, height=1000, detections=(box,)
            )
            writer.add([row])
    decide(folder, DecideOptions.model_validate({"calibration": str(calibration)}))
    found = [each for record in read_media(folder) for each in record.detections]
    shares = [sum(each.kind == kind for each in found) for kind in ("bird", "uncertain", "animal")]
    shares.append(sum(each.rank == "species" for each in found))
    return f"| {what} | {len(found)} | " + " | ".join(f"{share / len(found):.0%}" for share in shares) + " |"


def main() -> None:
    """Fit, draw, measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--detector", required=True, help="a detector's file, of species or of birds")
    parser.add_argument("--species", required=True, help="a classifier of the drawn species")
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and val.json")
    parser.add_argument("--bursts", type=int, default=100, help="bursts of four pictures (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other pictures (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write benchmarks/results/{OUTPUT}")
    args = parser.parse_args()

    detector = load_detector(args.detector, precision="fp32")
    classifier = SpeciesClassifier.load(args.species)
    taxonomy = Taxonomy(classifier.class_names)
    class_of = np.array([classifier.class_names.index(plumage.name) for plumage in PLUMAGES])
    fit, size_wh = fit_on(args.data, detector, classifier, taxonomy, args.seed)

    pictures = draw_bursts(args.bursts, size_wh, class_of, args.seed)
    birds = classify_boxes(classifier, pictures.images, list(pictures.boxes_xyxy[:, None]))
    mammals = draw_mammals(size_wh, np.random.default_rng([args.seed, TRY_STREAM]))
    mammal_logits = classify_boxes(classifier, *zip(*mammals, strict=True))
    plain, scaled = (
        reliability(*top_confidence(posterior(birds, t), pictures.classes)) for t in (1.0, fit.calibration.temperature)
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_card(folder / "card", pictures)
        annotate_card(folder, args.detector, args.species)
        calibration, alone, prior = folder / "calibration.json", folder / "alone.json", folder / "region.csv"
        fit.calibration.write(calibration)
        Calibration.model_validate({"weight": 1.0}).write(alone)
        write_prior(prior, taxonomy, class_of)
        ways = ways_of(calibration, alone, prior, names_species(detector.categories, taxonomy.kinds))
        table = [measure(pictures, folder / "store", way, taxonomy.scientific_names) for way in ways]
        gates = [
            gate_row(folder / what, what, logits, classifier.class_names, calibration)
            for what, logits in (("mammals", mammal_logits), ("birds", birds))
        ]
    lines = [
        "# The second look",
        "",
        f"{len(pictures.images)} drawn photos of one bird each in bursts of {BURST}, looked at by "
        f"{Path(args.detector).name} with {len(detector.categories)} categories. T = "
        f"{fit.calibration.temperature:.2f} (n = {fit.calibration.bird_crops}), w = {fit.calibration.weight:.2f} "
        f"(n = {fit.calibration.detector_boxes}); the docstring of `benchmarks/species.py` says how.",
        "",
        f"| species by | mAP | AP50 | found birds whose likeliest species is right | named to species (from "
        f"{NAME_THRESHOLD}) | of these right |",
        "|---|---|---|---|---|---|",
        *table,
        "",
        "| of true boxes | n | are birds to the gate | uncertain | not birds | get a species' name |",
        "|---|---|---|---|---|---|",
        *gates,
        "",
        f"Calibration error (ECE) of the classifier on true boxes: {plain.ece:.3f} before, {scaled.ece:.3f} after.",
        "",
        describe(("torch", "torchvision", "numpy")),
        "",
        "`python -m benchmarks.species --detector DETECTOR --species WEIGHTS --data DATA --write`",
    ]
    print("\n".join(lines))
    publish(lines, OUTPUT, args.write)


if __name__ == "__main__":
    main()
