"""From labelled boxes to the crops of a run: classes joined, a part held out, all cut and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.base.reporting import task
from detector.species.crops import CONTEXT
from detector.species.learning.boxes import CropSource, Cut, LabelledBox, window_in_patch
from detector.species.learning.classes import LEFT_OUT, OTHER, JoinedClasses, join_classes
from detector.species.learning.parting import GroupBy, Parting, part_crops
from detector.species.names.kinds import Kinds
from detector.training.classifier.stored import PATCH_CONTEXT, PATCH_SCALE, StoredCrop, write_list, write_picture

FEW = 10  # crops of a species; of fewer hardly anything is learnt
SHOWN = 8  # names in a sentence


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run learns from, before a crop is cut.

    Attributes:
        sources: Where crops come from.
        rows: Of each crop that is used, its source and its number there.
        classes: Of the classifier.
        class_of: int64 (N,), of each crop.
        parting: Which are held out.
        left_out: Label -> crops that are not used.
    """

    sources: Sequence[CropSource]
    rows: Sequence[tuple[int, int]]
    classes: JoinedClasses
    class_of: NDArray[np.int64]
    parting: Parting
    left_out: Mapping[str, int]

    def box(self, place: int) -> LabelledBox:
        """One of the crops."""
        source, number = self.rows[place]
        return self.sources[source].boxes[number]

    def counts(self, *, held_out: bool) -> NDArray[np.int64]:
        """Crops of each class on one side."""
        rows = (self.parting.held_out == held_out) & (self.class_of >= 0)
        return np.bincount(self.class_of[rows], minlength=len(self.classes.names))

    def lines(self) -> Iterator[str]:
        """What a person should know of it, in sentences."""
        train, held_out = (self.counts(held_out=side) for side in (False, True))
        others = int((self.class_of == OTHER).sum())
        beside = f", and {others} of what is no bird" if others else ""
        yield f"{int((train + held_out).sum())} crops of {int((train + held_out > 0).sum())} species{beside}"
        yield self.parting.rule
        names, new = self.classes.names, set(self.classes.new)
        without = sum(not count for count in (train + held_out).tolist())
        if new:
            yield f"new classes: {_some([name for name in names if name in new])}"
        if without:
            yield (
                f"{without} of its {len(names)} classes have no crop here: they stay, are not measured, and may come "
                "less often; --only-these drops them"
            )
        few = [f"{name} ({n})" for name, n in zip(names, train.tolist(), strict=True) if 0 < n < FEW]
        if few:
            yield f"fewer than {FEW} crops to learn from: {_some(few)}"
        unmeasured = [name for name, n, m in zip(names, train.tolist(), held_out.tolist(), strict=True) if n and not m]
        if unmeasured:
            yield f"learnt but not measured, as their crops are of too few groups: {_some(unmeasured)}"
        for label, problem in self.classes.problems.items():
            yield f"left out, {self.left_out[label]} crops: {problem}"


def plan_crops(
    sources: Sequence[CropSource],
    validation: Sequence[CropSource],
    known: Sequence[str],
    kinds: Kinds,
    options: PlanOptions,
) -> Plan:
    """Join classes and part what is labelled.

    Args:
        sources: What to learn from.
        validation: What to measure on, where it is a set of its own; then nothing else is held out.
        known: Classes of the classifier before.
        kinds: Of names.
        options: How.

    Raises:
        DataError: There is nothing to learn from, or only one species.
    """
    every = [*sources, *validation]
    rows = [(place, number) for place, source in enumerate(every) for number in range(len(source.boxes))]
    labels = Counter(every[place].boxes[number].label for place, number in rows)
    classes = join_classes(labels, known, kinds, only_these=options.only_these)
    left_out = {label: labels[label] for label in classes.problems}
    rows = [(place, number) for place, number in rows if classes.class_of[every[place].boxes[number].label] != LEFT_OUT]
    used = len(rows)
    measured = {box.content for source in validation for box in source.boxes}
    rows = [row for row in rows if row[0] >= len(sources) or every[row[0]].boxes[row[1]].content not in measured]
    boxes = [every[place].boxes[number] for place, number in rows]
    class_of = np.array([classes.class_of[box.label] for box in boxes], np.int64)
    _refuse_too_little(every, classes, class_of)
    if validation:
        parting = _own_set(rows, boxes, len(sources), used - len(rows))
    else:
        parting = part_crops(boxes, class_of, options.share, options.group_by)
    plan = Plan(every, rows, classes, class_of, parting, left_out)
    if not plan.counts(held_out=False).any():
        raise DataError("nothing is left to learn from: all crops are held out", hint="give other crops to --val")
    return plan


@dataclass(frozen=True)
class PlanOptions:
    """How crops are taken.

    Attributes:
        share: That is held out.
        group_by: What is kept together.
        only_these: Leave out classes of the classifier before of which there is no crop.
    """

    share: float
    group_by: GroupBy
    only_these: bool = False


def cut_crops_of(plan: Plan, root: Path, size_hw: tuple[int, int]) -> list[tuple[str, str]]:
    """Cut all crops of a plan into a run's folder; one that cannot be read costs no other.

    Args:
        plan: The plan.
        root: The run's folder.
        size_hw: Of the classifier's crops.

    Returns:
        Pictures that could not be read, and why.

    Raises:
        DataError: Nothing could be read.
    """
    patch = Cut(PATCH_CONTEXT, (round(size_hw[0] * PATCH_SCALE), round(size_hw[1] * PATCH_SCALE)))
    exact = Cut(CONTEXT, size_hw)
    place_of = {row: place for place, row in enumerate(plan.rows)}
    found: dict[int, StoredCrop] = {}
    problems: list[tuple[str, str]] = []
    with task("cutting", len(plan.rows), "crops") as progress:
        for index, source in enumerate(plan.sources):
            held_out = plan.parting.held_out
            cuts = {
                number: exact if held_out[place] else patch
                for place, (of, number) in enumerate(plan.rows)
                if of == index
            }
            for crop in source.cut(cuts) if cuts else ():
                place = place_of[index, crop.number]
                progress.advance(failed=crop.pixels is None)
                if crop.pixels is None:
                    problems.append((plan.box(place).picture, crop.problem or "it cannot be read"))
                    continue
                file = write_picture(root, place, crop.pixels, held_out=bool(held_out[place]))
                found[place] = _stored(plan, place, file)
    if not any(not crop.held_out and crop.class_name for crop in found.values()):
        problem = f"none of {len(plan.rows)} crops to learn from can be read"
        raise DataError(problem, where=problems[0][0] if problems else root, hint=problems[0][1] if problems else "")
    write_list(root, [found[place] for place in sorted(found)])
    return problems


def _stored(plan: Plan, place: int, file: str) -> StoredCrop:
    box, label = plan.box(place), int(plan.class_of[place])
    left, top, right, bottom = window_in_patch(box, PATCH_CONTEXT).tolist()
    return StoredCrop(
        file=file,
        class_name="" if label == OTHER else plan.classes.names[label],
        label=box.label,
        held_out=bool(plan.parting.held_out[place]),
        group=int(plan.parting.groups[place]),
        content=box.content,
        picture=box.picture,
        window=(left, top, right, bottom),
    )


def _own_set(rows: Sequence[tuple[int, int]], boxes: Sequence[LabelledBox], sources: int, both: int) -> Parting:
    """A set of its own to measure on; so many crops to learn from were of the same files, and are left out."""
    in_val = np.array([place >= sources for place, _ in rows], bool)
    groups = np.unique([f"{box.camera}\0{box.event}" for box in boxes], return_inverse=True)[1].astype(np.int64)
    twice = f"; {both} crops to learn from are of the same files, and are left out" if both else ""
    rule = f"{int(in_val.sum())} of {len(rows)} crops are a set of their own to measure on{twice}"
    return Parting(in_val, groups, rule)


def _refuse_too_little(sources: Sequence[CropSource], classes: JoinedClasses, class_of: NDArray[np.int64]) -> None:
    where = ", ".join(source.name for source in sources)
    problems = "; ".join(list(classes.problems.values())[:2])
    present = np.unique(class_of[class_of >= 0])
    if not len(present):
        hint = problems or "review some first (a name that a person gave counts; the model's own guess does not)"
        raise DataError("there is no crop of a species to learn from", where=where, hint=hint)
    if len(present) == 1:
        name = classes.names[present[0]]
        problem = f"all {int((class_of >= 0).sum())} crops are of one species, {name}: every bird would be called so"
        raise DataError(problem, where=where, hint="add crops of the birds that it is taken for")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
