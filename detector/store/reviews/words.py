"""The last words of people, by what they say: what a thing is, where its box lies, its sex and age, how many there are.

A word on one of these leaves the others as they were: who adds a sex does not take a name away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from detector.store.reviews.review import NOTED, WITHDRAWN, Review, Target

KINDS = ("identity", "place", "sex", "life_stage", "count")  # of words, as `Words` has them


@dataclass(frozen=True)
class Words:
    """The last word on each target that was not withdrawn, oldest first: later ones win where targets overlap.

    Attributes:
        identity: What something is, or that it is nothing, or no repeat; `noted`: it is a drawn box, and nobody said.
        place: Where a box lies, drawn or moved.
        sex: Of a bird.
        life_stage: Of a bird.
        count: How many individuals.
    """

    identity: tuple[Review, ...] = ()
    place: tuple[Review, ...] = ()
    sex: tuple[Review, ...] = ()
    life_stage: tuple[Review, ...] = ()
    count: tuple[Review, ...] = ()

    @cached_property
    def all(self) -> frozenset[Review]:
        """Each of them once."""
        return frozenset((*self.identity, *self.place, *self.sex, *self.life_stage, *self.count))

    @cached_property
    def drawn(self) -> frozenset[Target]:
        """The boxes that people drew."""
        return frozenset(review.target for review in self.place if review.is_drawn)


@dataclass
class _Latest:
    """The last word on each target."""

    of_target: dict[Target, Review] = field(default_factory=dict)
    of_item: dict[str | None, set[Target]] = field(default_factory=dict)

    def say(self, review: Review) -> None:
        self.of_target.pop(review.target, None)
        self.of_target[review.target] = review
        self.of_item.setdefault(review.media_id, set()).add(review.target)

    def withdraw(self, review: Review) -> None:
        targets = self.of_item.get(review.media_id, set())
        for target in [target for target in targets if review.covers(self.of_target[target])]:
            del self.of_target[target]
            targets.remove(target)


def latest_words(reviews: Sequence[Review]) -> Words:
    """The last words among reviews, which are given oldest first."""
    kept = standing(reviews)
    latest = {name: _Latest() for name in KINDS}
    for review in kept:
        if review.verdict == WITHDRAWN:
            for each in latest.values():
                each.withdraw(review)
            continue
        for name in sayings(review):
            latest[name].say(review)
    identity = latest["identity"].of_target
    # a drawn box of which nobody said what it is was said to be something nevertheless, and when it was drawn
    unnamed = [each for each in latest["place"].of_target.values() if each.is_drawn and each.target not in identity]
    words = {name: tuple(each.of_target.values()) for name, each in latest.items()}
    words["identity"] = tuple(sorted([*identity.values(), *unnamed], key=lambda review: review.reviewed_at))
    return Words(**words)


def sayings(review: Review) -> dict[str, object]:
    """What a review says of each of `KINDS`; one that withdraws takes back all of them."""
    if review.verdict == WITHDRAWN:
        return dict.fromkeys(KINDS, WITHDRAWN)
    count = None if review.count is None else (review.count, review.name)
    said: dict[str, object] = {"place": review.xywh, "sex": review.sex, "life_stage": review.life_stage, "count": count}
    identity: dict[str, object] = {} if review.verdict == NOTED else {"identity": (review.verdict, review.name)}
    return identity | {name: value for name, value in said.items() if value is not None}


def standing(reviews: Iterable[Review]) -> list[Review]:
    """The reviews, oldest first, without those that were taken back by their `said_id`, and without those withdrawals.

    A withdrawal that was itself withdrawn takes nothing back.
    """
    said = list(reviews)
    taken: set[str] = set()
    for review in reversed(said):  # the last first: it may take back a withdrawal
        if review.withdraws is not None and review.said_id not in taken:
            taken.add(review.withdraws)
    return [review for review in said if review.withdraws is None and (review.said_id or "") not in taken]
