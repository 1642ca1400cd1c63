"""The model card of a species classifier: what it learnt from, how good it is on what, and what nobody has tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.base.files import write_bytes
from detector.evaluation.model_card import card_table, escaped, estimate_text, names_listed
from detector.evaluation.species.intervals import Interval
from detector.species.classifier import SpeciesClassifier
from detector.training.classifier.config import SpeciesConfig
from detector.training.classifier.outcome import Comparison, Outcome
from detector.training.classifier.stored import StoredCrops

NAME = "model_card.md"
FEW_BIRDS = 20  # below, a share says little: one bird is 5 % of it and more


@dataclass(frozen=True)
class SpeciesCard:
    """What a card is written from.

    Attributes:
        classifier: As it is used from its file.
        init: Name of what it started from; None: random weights.
        crops: What it learnt from.
        rule: How these were parted, in words.
        outcome: How good it is.
        config: Of the run.
    """

    classifier: SpeciesClassifier
    init: str | None
    crops: StoredCrops
    rule: str
    outcome: Outcome
    config: SpeciesConfig

    def write(self, folder: Path) -> None:
        """Write `model_card.md`."""
        parts = (self._model(), self._data(), self._figures(), self._use(), self._limits(), self._licence())
        write_bytes(folder / NAME, ("\n\n".join("\n".join(part) for part in parts) + "\n").encode())

    def _model(self) -> Iterator[str]:
        net, classifier = self.classifier.net, self.classifier
        yield f"# Model card: {escaped(classifier.name)}"
        yield ""
        yield f"- Species classifier of crops: {getattr(net, 'name', 'unknown')}, {len(classifier.class_names)} classes"
        yield f"- Weights that it started from: {'random' if self.init is None else escaped(Path(self.init).name)}"
        yield f"- Input: RGB crops, {classifier.size_hw[1]} x {classifier.size_hw[0]} pixels"
        yield f"- Parameters: {sum(each.numel() for each in net.parameters()) / 1e6:.2f} million"
        yield f"- SHA-256 of its file: {classifier.sha256}"

    def _data(self) -> Iterator[str]:
        crops, names = self.crops, self.classifier.class_names
        train, held_out = (
            np.bincount(crops.classes[crops.rows(held_out=side, others=False)], minlength=len(names))
            for side in (False, True)
        )
        yield "## Training data"
        yield ""
        yield f"- Crops of birds: {int(train.sum())} to learn from, {int(held_out.sum())} held out"
        others = [len(crops.rows(held_out=side, others=True)) for side in (False, True)]
        yield f"- Crops of what is no bird: {others[0]} to learn from, {others[1]} held out"
        yield f"- Held out: {escaped(self.rule)}"
        yield f"- Fingerprint of the list of crops: {crops.fingerprint}"
        yield ""
        rows = [(name, str(n), str(m)) for name, n, m in zip(names, train.tolist(), held_out.tolist(), strict=True)]
        yield from card_table(("class", "to learn from", "held out"), [row for row in rows if row[1:] != ("0", "0")])

    def _figures(self) -> Iterator[str]:
        yield "## Figures"
        yield ""
        everything = self.outcome.all
        if everything is None:
            yield "No crop was held out: nobody knows how good it is."
            return
        after = everything.after
        yield (
            f"On {after.birds} held-out crops of {after.groups} groups (cameras or events), by the likeliest class of "
            "all, without a threshold, a prior or other frames. In brackets: 95 % intervals, of draws of whole groups "
            "with replacement (none where there is one group); per class Wilson's, which takes crops for independent, "
            "and so is rather too narrow. Recall: the share of these birds that is named so; precision: the share of "
            "what is named so that is right."
        )
        yield from _comparison(everything)
        if self.outcome.known is not None:
            yield ""
            yield "On crops of species that the classifier before knows too:"
            yield from _comparison(self.outcome.known)
        if self.outcome.unseen is not None:
            yield ""
            yield f"The classifier before learnt from {self.outcome.seen_before} of these crops. On the others:"
            yield from _comparison(self.outcome.unseen)
        elif self.outcome.seen_before:
            yield ""
            yield "The classifier before learnt from all of these crops, which flatters both."
        yield ""
        rows = [
            (each.name, str(each.birds), _share(each.recall), _share(each.precision), f"{each.f1:.3f}")
            for each in after.classes
        ]
        yield from card_table(("class", "crops", "recall", "precision", "F1"), rows)
        fit = self.outcome.fit
        if fit is not None:
            yield ""
            yield (
                f"Temperature {fit.calibration.temperature:.3f} (calibration.json), fitted on the same crops: expected "
                f"calibration error {fit.before.ece:.3f} before, {fit.after.ece:.3f} after."
            )

    def _use(self) -> Iterator[str]:
        yield "## Intended use"
        yield ""
        yield (
            "To name birds in crops of camera traps like those it learnt from, for lists and counts that a person "
            "reviews. Not for decisions that nobody looks over."
        )

    def _limits(self) -> Iterator[str]:
        yield "## Limits"
        yield ""
        everything = self.outcome.all
        measured = {} if everything is None else {each.name: each.birds for each in everything.after.classes}
        few = [f"{name} ({n})" for name, n in measured.items() if n < FEW_BIRDS]
        untested = [name for name in self.classifier.class_names if name not in measured]
        if few:
            yield f"- Measured on fewer than {FEW_BIRDS} crops: {names_listed(few)}"
        if untested:
            yield f"- Not measured here: {names_listed(untested)}"
        yield "- Crops are of boxes that people named: what nobody looked at, or could name, is not among them."
        yield "- Other places, seasons, cameras and species than in the data are untested."

    def _licence(self) -> Iterator[str]:
        yield "## Licence"
        yield ""
        licences = (("These weights", self.config.train.licence), ("The crops and names", self.config.data.licence))
        for what, licence in licences:
            yield f"- {what}: {escaped(licence) if licence else 'not stated'}"
        if self.init is not None:
            yield "- The weights it started from: see their own card"


def _comparison(compared: Comparison) -> Iterator[str]:
    yield ""
    before, gain = compared.before, compared.gain
    rows = [
        (
            title,
            estimate_text(getattr(compared.after, name)),
            estimate_text(getattr(before, name)) if before else "-",
            estimate_text(getattr(gain, name), signed=True) if gain else "-",
        )
        for title, name in (("Named rightly (top-1)", "top1"), ("Macro-F1", "macro_f1"))
    ]
    yield from card_table(("figure", "this classifier", "the one before", "gain"), rows)


def _share(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.share:.3f} ({interval.low:.3f} to {interval.high:.3f})"
