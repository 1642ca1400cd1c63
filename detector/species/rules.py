"""By what birds are named: the detector's labels, the classifier's classes, a calibration and local lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from detector.species.calibration import Calibration
from detector.species.joining import JoinedLabels, join_labels
from detector.species.names.kinds import Kinds
from detector.species.names.taxonomy import Taxonomy
from detector.species.naming import NAME_THRESHOLD
from detector.species.priors import LocalList
from detector.types import Kind


@dataclass(frozen=True, eq=False)
class NamingRules:
    """By what birds are named.

    Attributes:
        categories: The detector's.
        taxonomy: Of the classifier's classes; of the categories of a species detector without one; None: no names.
        has_classifier: Whether there are logits of the taxonomy's classes.
        threshold: The confidence from which a name is given.
        calibration: Temperature, weight and gate.
        priors: Local lists, joined to the classes.
        kinds: Of the categories.
    """

    categories: Sequence[str]
    taxonomy: Taxonomy | None
    has_classifier: bool = True
    threshold: float = NAME_THRESHOLD
    calibration: Calibration = field(default_factory=lambda: Calibration.model_validate({}))
    priors: Sequence[LocalList] = ()
    kinds: Kinds = field(default_factory=Kinds)

    @cached_property
    def label_kinds(self) -> NDArray[np.int8]:
        """int8 (L,): what each category says about a box, `Kind.code`."""
        return np.array([self.kinds.of(category).code for category in self.categories], np.int8)

    @cached_property
    def names_species(self) -> bool:
        """Whether the detector's categories are species."""
        return names_species(self.categories, self.kinds)

    @cached_property
    def joined(self) -> JoinedLabels | None:
        """The categories among the classes; None where either knows no species."""
        if self.taxonomy is None or not self.names_species:
            return None
        return join_labels(self.categories, self.taxonomy)


def names_species(categories: Sequence[str], kinds: Kinds) -> bool:
    """Whether a detector knows birds by more than "bird"."""
    birds = [name for name in categories if kinds.of(name) == Kind.BIRD]
    rows = [kinds.crosswalk.find(name) for name in birds]
    return any(row is None or row.rank != "class" for row in rows)
