"""Names against the truth: top-1, macro-F1 and their intervals, alone and against another classifier's.

Crops of one event resemble each other, so that intervals come of drawing whole groups (see `evaluation.bootstrap`), and
two classifiers are compared on the same draws: what a group has of its own then weighs on both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.bootstrap import Estimate, draw
from detector.evaluation.species.intervals import Interval, wilson

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

DRAWS = 1000
NONE = -1  # the class of what was given no name, or one that is no class


@dataclass(frozen=True, eq=False)
class NameCounts:
    """Names counted by group and class.

    Attributes:
        right: float64 (G, C), birds of each class that were named so.
        birds: float64 (G, C), birds of each class.
        named: float64 (G, C), birds that were given each class's name.
    """

    right: Floats
    birds: Floats
    named: Floats

    @classmethod
    def of(cls, truth: Integers, said: Integers, groups: Integers, classes: int) -> NameCounts:
        """Count.

        Args:
            truth: int64 (N,), the class of each bird.
            said: int64 (N,), the class that it was given, or NONE.
            groups: int64 (N,), which birds are drawn together, from 0.
            classes: C.
        """
        shape = (int(groups.max(initial=-1)) + 1, classes)
        right, birds, named = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        hit, known = truth == said, said >= 0
        np.add.at(right, (groups[hit], truth[hit]), 1)
        np.add.at(birds, (groups, truth), 1)
        np.add.at(named, (groups[known], said[known]), 1)
        return cls(right, birds, named)

    def top1(self, weights: Floats) -> Floats:
        """The share of right names in each draw: float64 (W,) of weights (W, G); NaN where a draw has no bird."""
        return _ratio(weights @ self.right.sum(axis=1), weights @ self.birds.sum(axis=1))

    def macro_f1(self, weights: Floats) -> Floats:
        """The mean over the species in each draw of F1 = 2 right / (birds + named); NaN where a draw has no bird.

        A species that is only said, and is not there, costs those that are taken for it, and is no species of the mean.
        """
        right, birds, named = (weights @ each for each in (self.right, self.birds, self.named))
        f1 = 2 * right / np.maximum(birds + named, 1)
        there = birds > 0
        return _ratio(np.where(there, f1, 0).sum(axis=1), there.sum(axis=1))


@dataclass(frozen=True)
class ClassFigures:
    """One species.

    Attributes:
        name: Its class.
        birds: How many there are.
        right: How many of them were named so.
        named: How many birds were given its name.
        recall: right / birds, with Wilson's interval.
        precision: right / named; None where nothing was named so.
    """

    name: str
    birds: int
    right: int
    named: int
    recall: Interval
    precision: Interval | None

    @property
    def f1(self) -> float:
        """The harmonic mean of recall and precision."""
        return 2 * self.right / (self.birds + self.named)


@dataclass(frozen=True)
class NamingFigures:
    """How well birds were named.

    Attributes:
        birds: How many.
        groups: Of how many events or cameras.
        top1: The share of right names.
        macro_f1: The mean of the species' F1.
        classes: Of each species that is there.
    """

    birds: int
    groups: int
    top1: Estimate
    macro_f1: Estimate
    classes: tuple[ClassFigures, ...]


@dataclass(frozen=True)
class NamingGain:
    """What one classifier has over another on the same birds, and in how many groups they are not equally often right.

    A gain in so few groups may be chance, whatever its interval says: see `ratios.verdict`.
    """

    top1: Estimate
    macro_f1: Estimate
    differing: int


def measure_names(truth: Integers, said: Integers, groups: Integers, names: tuple[str, ...]) -> NamingFigures:
    """Figures of names.

    Args:
        truth: int64 (N,), the class of each bird.
        said: int64 (N,), the class that it was given, or NONE.
        groups: int64 (N,), birds of one event or camera, which are drawn together; any numbers.
        names: The classes' (C,).
    """
    numbers = _numbered(groups)
    counts = NameCounts.of(truth, said, numbers, len(names))
    weights = group_draws(numbers)
    several = len(counts.birds) > 1
    birds, right, named = (each.sum(axis=0).astype(int).tolist() for each in (counts.birds, counts.right, counts.named))
    classes = tuple(
        ClassFigures(
            name,
            birds[place],
            right[place],
            named[place],
            wilson(right[place], birds[place]),
            wilson(right[place], named[place]) if named[place] else None,
        )
        for place, name in enumerate(names)
        if birds[place]
    )
    return NamingFigures(
        len(truth),
        len(counts.birds),
        Estimate.of(counts.top1(weights), drawn=several),
        Estimate.of(counts.macro_f1(weights), drawn=several),
        classes,
    )


def compare_names(truth: Integers, before: Integers, after: Integers, groups: Integers, classes: int) -> NamingGain:
    """What the second names have over the first, draw by draw; arguments as of `measure_names`."""
    numbers = _numbered(groups)
    weights = group_draws(numbers)
    first, second = (NameCounts.of(truth, said, numbers, classes) for said in (before, after))
    several = len(first.birds) > 1
    return NamingGain(
        Estimate.of(second.top1(weights) - first.top1(weights), drawn=several),
        Estimate.of(second.macro_f1(weights) - first.macro_f1(weights), drawn=several),
        int((first.right != second.right).any(axis=1).sum()),
    )


def group_draws(groups: Integers, draws: int = DRAWS) -> Floats:
    """How often each group (numbered from 0) counts in the set itself and in each draw: float64 (1 + draws, G)."""
    return draw(np.arange(int(groups.max(initial=-1)) + 1), draws).astype(np.float64)


def confusion_counts(truth: Integers, said: Integers, classes: int) -> Integers:
    """int64 (C, C): rows are what birds are, columns what they were called; names that are no class are left out."""
    known = said >= 0
    flat = np.bincount(truth[known] * classes + said[known], minlength=classes * classes)
    return flat.reshape(classes, classes)


def _numbered(groups: Integers) -> Integers:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
