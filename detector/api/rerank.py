"""`rerank`: what a detector and a classifier say about the birds of a picture, weighed into names."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from backbones.errors import ConfigError
from detector.annotation.stages import may_be_bird
from detector.api.checks import Source, checked_path, checked_share, refuse_unknown
from detector.api.images import Image, is_one, rgb_array
from detector.base.checks import described, expect
from detector.boxes import xyxy_to_xywh
from detector.footage.light import brightness, is_night_ir
from detector.species.calibration import Calibration
from detector.species.classifier import SpeciesClassifier
from detector.species.crops import crops_of
from detector.species.evidence import unseen
from detector.species.joining import merge_label_boxes
from detector.species.names.crosswalk import load_crosswalk
from detector.species.names.kinds import Kinds
from detector.species.names.taxonomy import Taxonomy
from detector.species.naming import NAME_THRESHOLD, Circumstances, plain_name
from detector.species.priors import WHOLE_YEAR, Prior, period_of
from detector.species.rerank import rerank_boxes
from detector.species.rules import NamingRules
from detector.store.records import Candidate
from detector.types import Detections, Kind, TaxonName


@dataclass(frozen=True, eq=False, repr=False)
class NamedBird:
    """A box and what it is called.

    Attributes:
        box_xyxy: float32 (4,), pixels of the picture.
        score: The detector's, of its surest label.
        label: That label.
        kind: Bird, animal, person, vehicle, blank, uncertain or undecided.
        name: Scientific, English and Hebrew names and rank; `display_name` is what people read.
        confidence: Of the name, 0..1; None: it says no more than the detector.
        candidates: The likeliest species with their probabilities.
        reasons: Why it is not named more closely.
        needs_review: Whether a person should look.
    """

    box_xyxy: NDArray[np.float32]
    score: float
    label: str
    kind: Kind
    name: TaxonName
    confidence: float | None
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    needs_review: bool

    @property
    def display_name(self) -> str:
        """What people read: "Northern Wheatear", "unidentified wheatear (Oenanthe sp.)", "person"."""
        return self.name.display_name

    def __repr__(self) -> str:
        sure = "" if self.confidence is None else f" {self.confidence:.2f}"
        return f"NamedBird({self.display_name}{sure})"


class RerankOptions(TypedDict, total=False):
    """By what else birds are named.

    Attributes:
        prior: How often species are seen at the place: eBird's bar chart, or a CSV `scientific_name, period,
            frequency`.
        date: When the picture was taken, as a date or as "2024-05-01"; None: the prior's whole year counts.
        calibration: What `hoopoe calibrate` wrote.
        threshold: The confidence from which a name is given, 0.65; below, the genus, family or order is named.
    """

    prior: Source | None
    date: datetime.date | str | None
    calibration: Source | Calibration | None
    threshold: float


def rerank(
    birds: SpeciesClassifier,
    image: Image,
    detections: Detections,
    **options: Unpack[RerankOptions],
) -> list[NamedBird]:
    """Name what a detector found in a picture: each box that may be a bird is cropped and classified, and what both
    models say is weighed against how often species are seen there and then. It is what `hoopoe annotate` does.

    Args:
        birds: From `load_classifier`.
        image: The picture; what counts as one is as for `predict`.
        detections: What `predict` found in it.
        options: Prior, date, calibration, threshold; see `RerankOptions`.

    Returns:
        A `NamedBird` a box, the surest box first. Boxes of several labels on one bird are one.

    Raises:
        MediaError: The picture cannot be read.
        DataError: The prior or calibration cannot be used, or the detections have no names or lie outside the picture.
        ConfigError: The calibration is another classifier's, or an argument is of the wrong kind.

    Example:
        >>> model, birds = hp.load_detector("coco"), hp.load_classifier("davit_tiny_il-all")
        >>> found = hp.predict(model, "photo.jpg")
        >>> named = hp.rerank(birds, "photo.jpg", found, prior="barchart.txt", date="2024-05-01")
        >>> all(bird.display_name for bird in named)
        True
    """
    expect(birds, SpeciesClassifier, "a classifier", where="birds", hint="load it with load_classifier(...)")
    expect(detections, Detections, "Detections of one picture", where="detections", hint="give predict(model, image)")
    if not is_one(image):
        raise ConfigError("one picture is expected, not several", where="image", hint="call it for each of them")
    refuse_unknown(options, RerankOptions.__annotations__, "rerank")
    rules, period = naming_rules(birds, detections, options), _period(options.get("date"))
    pixels = rgb_array(image)
    size_wh = (pixels.shape[1], pixels.shape[0])
    if not len(detections):
        return []
    _check_inside(detections, size_wh)
    categories = len(detections.category_names)
    boxes, scores = merge_label_boxes(detections.boxes_xyxy, detections.scores, detections.labels, categories)
    logits = np.array(unseen(len(boxes), len(birds.class_names)))
    rows = may_be_bird(detections.category_names, scores, 0.0)
    sides = np.array(size_wh * 2, np.float32)
    shares = xyxy_to_xywh((boxes / sides).astype(np.float32)).astype(np.float32)  # as the store has them
    if len(rows):
        logits[rows] = birds.logits(crops_of(pixels, shares[rows], birds.size_hw)).logits
    long_side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    light = brightness(pixels), is_night_ir(pixels)
    seen = Circumstances.of_image(long_side, 0 if rules.priors else -1, period, *light)
    ranked = rerank_boxes(logits, scores, rules, seen)
    labels = [detections.category_names[label] for label in scores.argmax(axis=1).tolist()]
    return [
        NamedBird(
            box_xyxy=box,
            score=float(score.max()),
            label=label,
            kind=one.kind,
            name=one.name or plain_name(one.kind, label, rules.kinds),
            confidence=one.confidence,
            candidates=one.candidates,
            reasons=one.reasons,
            needs_review=one.needs_review,
        )
        for box, score, label, one in zip(boxes, scores, labels, ranked, strict=True)
    ]


def naming_rules(birds: SpeciesClassifier, detections: Detections, options: RerankOptions) -> NamingRules:
    """By what the boxes are named; tables are read once, unless they change.

    Raises:
        DataError: A table cannot be used, or the detections have no names.
        ConfigError: The calibration is another classifier's.
    """
    detections.names  # noqa: B018 - its check
    prior, calibration = options.get("prior"), options.get("calibration")
    threshold = checked_share(options.get("threshold", NAME_THRESHOLD), "threshold")
    table = None if prior is None else _version(checked_path(prior, "prior"))
    rules = _rules(birds.class_names, detections.category_names, table, threshold)
    if calibration is None:
        return rules
    if not isinstance(calibration, Calibration):
        calibration = Calibration.read(checked_path(calibration, "calibration"))
    if not calibration.fits(birds.sha256):
        problem = f"this calibration was fitted for another classifier than {birds.name}"
        raise ConfigError(problem, where="calibration", hint="run `hoopoe calibrate` with this classifier")
    return replace(rules, calibration=calibration)


@lru_cache(maxsize=8)
def _rules(
    classes: tuple[str, ...], categories: tuple[str, ...], prior: tuple[Path, int, int] | None, threshold: float
) -> NamingRules:
    crosswalk = load_crosswalk(None)
    kinds = Kinds(crosswalk)
    taxonomy = Taxonomy(classes, crosswalk, kinds)
    lists = [] if prior is None else [Prior.read(prior[0]).join(taxonomy.scientific_names, crosswalk)]
    return NamingRules(categories, taxonomy, True, threshold, priors=lists, kinds=kinds)


def _version(path: Path) -> tuple[Path, int, int]:
    """A file as it is now: its path, time and size; zeros where there is none, which reading then says."""
    try:
        facts = path.stat()
    except OSError:
        return path, 0, 0
    return path, facts.st_mtime_ns, facts.st_size


def _period(date: object) -> int:
    if date is None:
        return WHOLE_YEAR
    try:
        if isinstance(date, str):
            date = datetime.datetime.fromisoformat(date).date()
    except ValueError as error:
        raise ConfigError(f"'{date:.40}' is no date", where="date", hint='such as "2024-05-01"') from error
    if not isinstance(date, datetime.date):
        raise ConfigError(f"a date is expected, not {described(date)}", where="date", hint='such as "2024-05-01"')
    return period_of(date)


def _check_inside(detections: Detections, size_wh: tuple[int, int]) -> None:
    """Refuse detections of another, larger picture."""
    if (detections.boxes_xyxy.max(axis=0)[2:] > np.array(size_wh) + 1).any():
        right, bottom = detections.boxes_xyxy.max(axis=0)[2:].tolist()
        problem = f"boxes reach to {right:.0f}, {bottom:.0f} in a picture of {size_wh[0]} x {size_wh[1]}"
        raise ConfigError(problem, where="detections", hint="give the picture in which they were found")
