"""The demo's card: drawn, annotated by calibrated models, and what the second look at each bird is worth there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detector.cli.demo.run import Demo
    from detector.data.sample import Sample
    from detector.store.records import DetectionRecord
    from detector.synthetic.card import DrawnFile

EXPORTS = "megadetector,csv,events,images,videos,report"
SHOWN_FROM = 0.2  # the score from which boxes count, as in `annotate`
FOUND_IOU = 0.5  # a box that overlaps a drawn bird by so much has found it


def calibrate(demo: Demo) -> None:
    """Fit what the second look decides by, on the scenes kept for evaluation and on drawn mammals."""
    val = ("--annotations", demo.data / "val.json", "--images", demo.images)
    found = ("--detections", demo.evaluation / "predictions.json", "--others", demo.mammals / "val")
    demo.command("calibrate", "--species", demo.species, *val, *found, "--output", demo.calibration)


def annotate_card(demo: Demo) -> None:
    """Draw a card of two cameras, annotate it, and compare the names with what was drawn."""
    from detector.synthetic.card import draw_card

    files = draw_card(demo.card, demo.seed)
    videos = sum(file.path.endswith(".MP4") for file in files)
    demo.say(f"{len(files) - videos} photos and {videos} videos of two cameras in {demo.card}; one photo is torn off")
    best = demo.detector / "best.safetensors"
    models = ("--detector", best, "--species", demo.species, "--calibration", demo.calibration)
    # the torn file makes it end with 1: done, but not all could be read
    demo.command("annotate", demo.card, "--output", demo.annotated, *models, "--export", EXPORTS, accepted=(0, 1))
    show_second_look(demo, files)


@dataclass
class _Counts:
    """Species -> drawn birds, those found, those whose name is right by the detector and by the second look."""

    drawn: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    by_detector: Counter[str] = field(default_factory=Counter)
    by_second_look: Counter[str] = field(default_factory=Counter)


def show_second_look(demo: Demo, files: list[DrawnFile]) -> None:
    """Print how many of the birds were found, and named rightly by the detector and after the second look."""
    from rich.table import Table

    counts = count_names(demo, files)
    table = Table("species", "drawn", "found", "named rightly by the detector", "after the second look")
    for species in sorted(counts.drawn):
        table.add_row(species, *(str(each[species]) for each in vars(counts).values()))
    table.add_section()
    table.add_row("all", *(str(each.total()) for each in vars(counts).values()))
    demo.console.print(table)


def count_names(demo: Demo, files: list[DrawnFile]) -> _Counts:
    """Compare the store of the annotated card with what was drawn, bird by bird."""
    from detector.species.names.crosswalk import shipped_crosswalk
    from detector.store.records_reader import read_media
    from detector.synthetic.plumages import PLUMAGES

    crosswalk = shipped_crosswalk()
    drawn = {file.path: file for file in files}
    counts = _Counts()
    for record in read_media(demo.annotated):
        for number in record.frames:
            shot = drawn[record.path].shots[number]
            boxes = [found for found in record.shown(SHOWN_FROM) if found.frame_number == number]
            for label, box in zip(shot.labels, matched(shot, boxes), strict=True):
                species = PLUMAGES[label].name
                counts.drawn[species] += 1
                if box is None:
                    continue
                row = crosswalk.find(species)
                assert row is not None
                counts.found[species] += 1
                counts.by_detector[species] += box.label == species
                counts.by_second_look[species] += [row.scientific_name] == [each.name for each in box.candidates[:1]]
    return counts


def matched(shot: Sample, boxes: Sequence[DetectionRecord]) -> list[DetectionRecord | None]:
    """Of each drawn bird the box that overlaps it most, or None where none does enough."""
    import numpy as np

    from detector.boxes import box_iou, xywh_to_xyxy

    if not boxes:
        return [None] * len(shot.labels)
    shares = np.array([[box.x, box.y, box.w, box.h] for box in boxes], np.float32)
    overlaps = box_iou(shot.boxes_xyxy, xywh_to_xyxy(shares) * np.tile(np.array(shot.size_wh, np.float32), 2))
    return [boxes[int(row.argmax())] if row.max() >= FOUND_IOU else None for row in overlaps]
