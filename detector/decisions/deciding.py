"""The decisions on a portion of a store, step by step, before they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from detector.base.times import add_ms
from detector.decisions.counting import count_individuals
from detector.decisions.decided import Decisions
from detector.decisions.events import Events, Sights, event_id, find_events
from detector.decisions.facts.captures import captures_of
from detector.decisions.facts.copies import originals_among
from detector.decisions.facts.peoples_boxes import as_people_see_it, with_drawn_boxes
from detector.decisions.facts.portions import Plan, Portion
from detector.decisions.facts.reading import read_facts
from detector.decisions.facts.table import FactsTable
from detector.decisions.individuals.features import read_features
from detector.decisions.individuals.linking import find_individuals, linkable
from detector.decisions.individuals.repeats import LISTED_DAYS, REPEAT_SCORE, CameraBoxes, find_repeats, left_out
from detector.decisions.individuals.sequences import find_sequences
from detector.decisions.naming.averaging import name_individuals
from detector.decisions.naming.boxes import Basis, BoxDecisions, decide_boxes
from detector.decisions.naming.circumstances import circumstances_of
from detector.decisions.naming.noting import note_sex_and_age
from detector.decisions.naming.reviewing import apply_reviews, blank_words
from detector.decisions.naming.targets import targets_of
from detector.decisions.nested import ToldApart, find_nested
from detector.decisions.options import COUNT, DecideOptions
from detector.decisions.rules import Rules
from detector.deployments.effort import watch
from detector.deployments.placement import Placement, place_media
from detector.store.reader import FactsReader
from detector.store.reviews.log import Review, Words
from detector.types import KINDS

NEST = "nest"
LONGEST_MS = 2.0**62  # of an independence: longer than any calendar


@dataclass(frozen=True, eq=False)
class Unreviewed:
    """What is decided before any person's word.

    Attributes:
        basis: What decisions on boxes rest on.
        placed: Deployment and time of items.
        sequence: int64 (M,), of each item the first item of its sequence.
        boxes: What models and neighbours say of each box.
    """

    basis: Basis
    placed: Placement
    sequence: NDArray[np.int64]
    boxes: BoxDecisions


@dataclass(frozen=True, eq=False)
class PortionDecider:
    """Decides portions of a store.

    Attributes:
        reader: Of its facts.
        plan: How it is divided.
        options: Of `hoopoe decide`.
        rules: Read from the files that the options name.
        words: What people said.
        now: Local time of today.
    """

    reader: FactsReader
    plan: Plan
    options: DecideOptions
    rules: Rules
    words: Words
    now: datetime

    def decide(self, portion: Portion | None) -> Decisions:
        """The decisions on a portion, or on the whole store; raises as `before_words`."""
        return self.with_words(self.before_words(portion), self.words)

    def before_words(self, portion: Portion | None) -> Unreviewed:
        """What models and neighbours say of a portion, or of the whole store; the boxes that people drew are in it.

        Raises:
            DataError: A part of the facts is damaged.
            ConfigError: A deployment does not say which prior is its own.
        """
        options, rules, words = self.options, self.rules.naming, self.words
        facts = with_drawn_boxes(read_facts(self.reader, len(rules.categories), portion), words.place)
        placed = self._place(facts)
        sequence, photo_order = find_sequences(placed.row, placed.moments_ms, placed.known, facts.is_video)
        on_camera = _camera_boxes(facts, placed, sequence, options)
        repeat = find_repeats(on_camera, min(LISTED_DAYS, options.repeat_days))
        features = read_features(self.reader, facts, rules, linkable(facts, sequence) | (repeat >= 0))
        individuals = find_individuals(facts, sequence, photo_order, placed.moments_ms, features)
        seen = circumstances_of(facts, placed, individuals, self.rules)
        ranked = name_individuals(self.reader, facts, individuals, seen, rules)

        suppressed = left_out(repeat, on_camera, individuals, features.surely_bird, options.repeat_days)
        basis = Basis(facts, individuals, ranked, repeat, rules)
        return Unreviewed(basis, placed, sequence, decide_boxes(basis, suppressed))

    def with_words(self, unreviewed: Unreviewed, words: Words) -> Decisions:
        """The decisions once people have spoken.

        Args:
            unreviewed: From `before_words`, when just the same boxes were drawn.
            words: What people said.
        """
        options, placed, repeat = self.options, unreviewed.placed, unreviewed.basis.repeat
        facts = unreviewed.basis.facts
        facts, placed_by = as_people_see_it(facts, words.place, targets_of(facts, repeat, words.place))
        basis = replace(unreviewed.basis, facts=facts)
        reviewed, lost = apply_reviews(unreviewed.boxes, basis, words.identity, options.score_threshold)
        counted = reviewed.counted(facts.score, options.score_threshold)
        boxes = note_sex_and_age(reviewed, basis, words, counted)
        originals = self.plan.originals or originals_among(facts.media, facts.failed)
        duplicate_of = originals.copies(facts.media, facts.failed)
        single = duplicate_of.is_null().to_numpy(zero_copy_only=False)
        key = boxes.kind.astype(np.int64) * (len(boxes.table.names) + 1) + boxes.table.ranks()[boxes.name]
        apart = ToldApart(facts.drawn, np.stack([boxes.sex, boxes.life_stage]))
        nested = find_nested(facts.xywh, facts.score, facts.box_frame, key, counted, apart)
        count = count_individuals(boxes, basis, words.count, counted, nested, key)
        sights = Sights(
            deployment=placed.deployment[facts.box_media],
            key=key,
            moments_ms=placed.moments_ms[facts.box_media] + _into_video_ms(facts),
            frame=facts.box_frame,
            media=facts.box_media,
            counts=counted & (placed.known & single & ~placed.outside)[facts.box_media],
            count=count,
        )
        events = find_events(sights, _independence(placed, options))
        blank = ~facts.failed & (np.bincount(facts.box_media[counted], minlength=len(facts.media)) == 0)
        return Decisions(
            options=options,
            rules=self.rules,
            facts=facts,
            placed=placed,
            sequence=unreviewed.sequence,
            individuals=basis.individuals,
            repeat=repeat,
            ranked=basis.ranked,
            boxes=boxes,
            counted=counted,
            nested=nested,
            count=count,
            placed_by=placed_by,
            blank=blank,
            blank_word=blank_words(facts, words.identity, blank),
            duplicate_of=duplicate_of,
            times=add_ms(placed.timestamp[facts.box_media], _into_video_ms(facts)),
            events=events,
            event_ids=_event_ids(facts, placed, events, boxes),
            watches=[watch(placed.visits_of(index), options.gap_days) for index in range(len(placed.ids))],
            words=words,
            lost_reviews=lost | _without_boxes(facts, repeat, words),
        )

    def _place(self, facts: FactsTable) -> Placement:
        return place_media(
            captures_of(facts),
            self.plan.matching,
            self.now,
            disk_times=self.options.time_from == "mtime",
            count_outside=self.options.outside_period == COUNT,
        )


def _camera_boxes(
    facts: FactsTable, placed: Placement, sequence: NDArray[np.int64], options: DecideOptions
) -> CameraBoxes:
    """The boxes of cameras that are checked for repeats."""
    checked = [
        options.repeats and (options.repeats_at_nests or placed.row_of(index).kind != NEST)
        for index in range(len(placed.ids))
    ]
    camera = placed.deployment[facts.box_media]
    use = np.array(checked, bool)[camera] & (facts.score >= REPEAT_SCORE) if len(camera) else np.zeros(0, bool)
    return CameraBoxes(
        facts.xywh,
        facts.appearance,
        facts.has_appearance,
        np.where(use, camera, -1),
        facts.box_frame,
        sequence[facts.box_media],
        placed.timestamp[facts.box_media],
    )


def _into_video_ms(facts: FactsTable) -> NDArray[np.int64]:
    """How far into its video each box (B,) is."""
    return (facts.time_s[facts.box_frame] * 1000).astype(np.int64)


def _without_boxes(facts: FactsTable, repeat: NDArray[np.int64], words: Words) -> set[Review]:
    """Words on place, sex, age and number that are of no box here."""
    noted = {*words.place, *words.sex, *words.life_stage, *words.count}
    reviews = sorted(noted, key=lambda review: review.reviewed_at)
    return {review for review, boxes in zip(reviews, targets_of(facts, repeat, reviews), strict=True) if not len(boxes)}


def _independence(placed: Placement, options: DecideOptions) -> NDArray[np.int64]:
    minutes = [
        options.independence_by_kind.get(placed.row_of(index).kind or "", options.independence_min)
        for index in range(len(placed.ids))
    ]
    return np.round(np.minimum(np.array(minutes, np.float64), LONGEST_MS / 60_000) * 60_000).astype(np.int64)


def _event_ids(facts: FactsTable, placed: Placement, events: Events, boxes: BoxDecisions) -> pa.Array:
    media = facts.media["media_id"].take(pa.array(facts.box_media[events.first_box])).to_pylist()
    texts = [
        event_id(placed.ids[deployment], KINDS[kind], boxes.table.names[name], item, frame)
        for deployment, kind, name, item, frame in zip(
            events.deployment.tolist(),
            boxes.kind[events.first_box].tolist(),
            boxes.name[events.first_box].tolist(),
            media,
            facts.frame_number[facts.box_frame[events.first_box]].tolist(),
            strict=True,
        )
    ]
    return pa.array(texts, pa.string())
