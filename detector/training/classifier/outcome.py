"""The end of a classifier's run: its file, measured on crops that it has not seen, and calibrated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import backbones
from detector.base.files import write_bytes
from detector.evaluation.species.naming import (
    NONE,
    NamingFigures,
    NamingGain,
    compare_names,
    confusion_counts,
    measure_names,
)
from detector.plots.confusion import MOST_CATEGORIES, plot_confusion_matrix
from detector.plots.figures import save_figure
from detector.plots.reliability import plot_reliability
from detector.species.calibrating.fitting import Fit, fit_calibration
from detector.species.calibrating.labelled import NO_BIRD, LabelledLogits
from detector.species.classifier import SpeciesClassifier
from detector.species.learning.classes import OTHER
from detector.species.learning.learnt import DIGITS, NOTE, learnt_from, packed
from detector.training.classifier.session import held_out_logits
from detector.training.classifier.stored import StoredCrops

CLASSIFIER, CALIBRATION, METRICS = "species.safetensors", "calibration.json", "metrics.json"


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same held-out crops.

    Attributes:
        after: The new one.
        before: The one that it started from; None: it started from none that names species.
        gain: What the new one has over it.
    """

    after: NamingFigures
    before: NamingFigures | None = None
    gain: NamingGain | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a run.

    Attributes:
        all: On all held-out crops; None: none was held out.
        known: On those of species that the classifier before knows too, where there are new ones.
        unseen: On those that the classifier before did not learn from either, where it learnt from some.
        seen_before: Held-out crops that the classifier before learnt from; None: it does not say what it learnt from.
        fit: The calibration; None: no crop was held out.
        said: int64 (n,), what the new one calls each held-out bird; None: there is none.
    """

    all: Comparison | None
    known: Comparison | None = None
    unseen: Comparison | None = None
    seen_before: int | None = None
    fit: Fit | None = None
    said: NDArray[np.int64] | None = None


def write_classifier(
    path: Path, like: SpeciesClassifier, crops: StoredCrops, about: Mapping[str, Any], before: frozenset[str]
) -> None:
    """Write the classifier's file.

    Args:
        path: The file.
        like: The classifier.
        crops: What it learnt from.
        about: Further facts of its run.
        before: What the classifier that it started from learnt from, see `learnt_from`: it knows that, too.
    """
    learnt = {crops.contents[row] for row in np.flatnonzero(~crops.held_out).tolist()}
    class_to_idx = {name: place for place, name in enumerate(like.class_names)}
    notes = {NOTE: json.dumps({**about, "learnt_from": packed(before | learnt)})}
    stats = {"mean": list(like.mean), "std": list(like.std)}
    assert isinstance(like.net, backbones.base.Backbone)
    backbones.save_pretrained(path, like.net, class_to_idx=class_to_idx, rgb_stats=stats, notes=notes)


def measure(crops: StoredCrops, after: SpeciesClassifier, before: SpeciesClassifier | None) -> Outcome:
    """Measure on the crops that are held out, and calibrate by them.

    Args:
        crops: The run's.
        after: The classifier, as it is used from its file.
        before: That which it started from, where that names species.
    """
    birds, others = (crops.rows(held_out=True, others=each) for each in (False, True))
    if not len(birds):
        return Outcome(None)
    logits = held_out_logits(after, crops, np.concatenate([birds, others]))
    truth, groups = crops.classes[birds], crops.groups[birds]
    said = logits[: len(birds)].argmax(axis=1)
    earlier = None if before is None else _said_before(before, crops, birds, after.class_names)

    def compare(rows: NDArray[np.bool_]) -> Comparison:
        figures = measure_names(truth[rows], said[rows], groups[rows], after.class_names)
        if earlier is None:
            return Comparison(figures)
        first = measure_names(truth[rows], earlier[rows], groups[rows], after.class_names)
        gain = compare_names(truth[rows], earlier[rows], said[rows], groups[rows], len(after.class_names))
        return Comparison(figures, first, gain)

    everything = np.ones(len(birds), bool)
    known = unseen = None
    seen_before = None
    if before is not None:
        old = np.isin(np.array(after.class_names, dtype=object)[truth], before.class_names)
        known = compare(old) if old.any() and not old.all() else None
        learnt = learnt_from(before.source)
        if learnt is not None:
            fresh = np.array([crops.contents[row][:DIGITS] not in learnt for row in birds.tolist()], bool)
            seen_before = int((~fresh).sum())
            unseen = compare(fresh) if fresh.any() and seen_before else None
    labels = np.where(crops.classes[np.concatenate([birds, others])] == OTHER, NO_BIRD, 0)
    labels[: len(birds)] = truth
    fit = fit_calibration(LabelledLogits(logits, labels, {}, ()), after.sha256)
    return Outcome(compare(everything), known, unseen, seen_before, fit, said)


def write_outcome(root: Path, outcome: Outcome, crops: StoredCrops, names: Sequence[str]) -> None:
    """Write metrics.json, calibration.json and the figures, where there is anything to say; names: of the classes."""
    if outcome.all is None or outcome.fit is None or outcome.said is None:
        return
    outcome.fit.calibration.write(root / CALIBRATION)
    parts = {name: getattr(outcome, name) for name in ("all", "known", "unseen")}
    content = {
        **{name: None if part is None else asdict(part) for name, part in parts.items()},
        "seen_before": outcome.seen_before,
        "temperature": outcome.fit.calibration.temperature,
        "expected_calibration_error": {"before": outcome.fit.before.ece, "after": outcome.fit.after.ece},
    }
    write_bytes(root / METRICS, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    truth = crops.classes[crops.rows(held_out=True, others=False)]
    counts, drawn, left_out = _worth_drawing(truth, outcome.said, names)
    save_figure(plot_confusion_matrix(counts, drawn, left_out), root / "plots" / "confusion.png")
    figure = plot_reliability(outcome.fit.before, outcome.fit.after, outcome.fit.calibration.temperature)
    save_figure(figure, root / "plots" / "reliability.png")


def _worth_drawing(
    truth: NDArray[np.int64], said: NDArray[np.int64], names: Sequence[str]
) -> tuple[NDArray[np.int64], list[str], int]:
    """Confusions of the species that are there or were said; of many, those that are most confused."""
    counts = confusion_counts(truth, said, len(names))
    seen = counts.sum(axis=0) + counts.sum(axis=1)
    mistaken = seen - 2 * np.diag(counts)
    present = np.flatnonzero(seen)
    kept = np.sort(present[np.lexsort((-seen[present], -mistaken[present]))][:MOST_CATEGORIES])
    return counts[np.ix_(kept, kept)], [names[place] for place in kept.tolist()], len(present) - len(kept)


def _said_before(
    before: SpeciesClassifier, crops: StoredCrops, rows: NDArray[np.int64], names: Sequence[str]
) -> NDArray[np.int64]:
    """What the classifier before says of held-out crops, in the classes of the new one; NONE for any other."""
    place_of = {name: place for place, name in enumerate(names)}
    of_class = np.array([place_of.get(name, NONE) for name in before.class_names], np.int64)
    return of_class[held_out_logits(before, crops, rows).argmax(axis=1)]


def as_used(path: Path, like: SpeciesClassifier) -> SpeciesClassifier:
    """The classifier from its file, where and as the other runs."""
    from detector.base.devices import device_of

    return replace(SpeciesClassifier.load(path, device_of(like.net), like.precision), name=path.name)
