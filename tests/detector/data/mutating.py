"""A change of a valid set, and what changes of COCO documents and of label files share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutation:
    """A change of a valid set.

    Args:
        apply: Changes it, with a random generator.
        harmless: Says the same in another way: everything must be read.
    """

    apply: Callable[..., Any]
    harmless: bool = False


def some(rng, records):
    """One record, a few, or all of them."""
    count = [1, min(3, len(records)), len(records)][int(rng.integers(3))]
    return [records[place] for place in rng.permutation(len(records))[:count]]


def one_of(rng, values):
    return values[int(rng.integers(len(values)))]
