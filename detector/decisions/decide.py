"""From facts to decisions: everything that depends on thresholds, places, neighbours and people; no model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.base.tables.reader import some
from detector.base.times import add_ms
from detector.decisions.events import Events, event_id, find_events
from detector.decisions.facts.captures import captures_of
from detector.decisions.facts.copies import Originals, originals_among
from detector.decisions.facts.planning import plan_portions
from detector.decisions.facts.portion import Portion
from detector.decisions.facts.table import FactsTable, read_facts
from detector.decisions.individuals.features import look_at
from detector.decisions.individuals.linking import Individuals, find_individuals, linkable
from detector.decisions.individuals.repeats import LISTED_DAYS, REPEAT_SCORE, find_repeats, left_out
from detector.decisions.individuals.sequences import find_sequences
from detector.decisions.made import Made
from detector.decisions.naming.averaging import name_individuals
from detector.decisions.naming.verdicts import BoxDecisions, apply_reviews, decide_boxes
from detector.decisions.nested import find_nested
from detector.decisions.options import COUNT, DecideOptions
from detector.decisions.rules import Rules, read_rules
from detector.decisions.summarise import join_summaries, summarise
from detector.decisions.summary import DecisionSummary
from detector.decisions.tables.chunks import decisions_id, replacing_decisions
from detector.decisions.tables.writing import DecisionsWriter
from detector.deployments.effort import watch
from detector.deployments.matching import Matching
from detector.deployments.placement import Placement, place_media
from detector.species.naming import Circumstances
from detector.species.priors import WHOLE_YEAR, period_of
from detector.store.lock import DECISIONS_LOCK, StoreLock
from detector.store.reader import FactsReader
from detector.store.reviews.log import Review, latest_reviews
from detector.store.run_json import load_run, update_run
from detector.types import KINDS

NEST = "nest"
LONGEST_MS = 2.0**62  # of an independence: longer than any calendar


def decide(folder: Path, options: DecideOptions, now: datetime | None = None) -> DecisionSummary:
    """Make the decisions of a store anew, in `decisions/*.parquet`; the options are kept in its `run.json`.

    Facts and reviews are not touched, and what people said wins. The same facts, options and reviews give the same
    decisions, whatever the order in which they were written.

    Args:
        folder: The store.
        options: See `DecideOptions`.
        now: Local time of today, to tell dates in the future.

    Raises:
        DataError: There is no store, a part of it is damaged, or a table or file that the options name is wrong.
        ConfigError: Options do not fit the store or each other.
        DiskFullError: There is no room; the decisions before stay.
        HoopoeError: Another process writes decisions of this store.
    """
    rules = read_rules(load_run(folder), options)
    reader = FactsReader(folder)
    plan = plan_portions(reader, rules.deployments, options.camera_from)
    unmatched = _half_matched(plan.matching, options)
    reviews = latest_reviews(folder)
    now = now or datetime.now()

    def decide_portion(portion: Portion | None) -> tuple[DecisionSummary, set[int]]:
        made = _make(reader, portion, plan.originals, plan.matching, options, rules, reviews, now)
        writer.add(made)
        return summarise(made), made.lost_reviews

    with StoreLock(folder, DECISIONS_LOCK):
        with replacing_decisions(folder) as target, DecisionsWriter(target) as writer:
            summaries, lost = zip(*map(decide_portion, plan.portions), strict=True)
        made = {"decisions": options.model_dump(mode="json"), "decided": decisions_id(folder)}
        update_run(folder, lambda run: run.model_copy(update=made))
    summary = join_summaries(summaries, len(set.intersection(*lost)))
    return replace(summary, notes=[*summary.notes, *unmatched])


def stored_options(folder: Path) -> DecideOptions:
    """The options of the last `decide`; the defaults before the first.

    Raises:
        DataError: There is no store.
    """
    return DecideOptions.model_validate(load_run(folder).decisions)


def _make(
    reader: FactsReader,
    portion: Portion | None,
    originals: Originals | None,
    matching: Matching,
    options: DecideOptions,
    rules: Rules,
    reviews: Sequence[Review],
    now: datetime,
) -> Made:
    categories = rules.naming.categories
    facts = read_facts(reader, len(categories), portion)
    placed = place_media(
        captures_of(facts),
        matching,
        now,
        disk_times=options.time_from == "mtime",
        count_outside=options.outside_period == COUNT,
    )
    box_media = facts.box_media

    sequence, photo_order = find_sequences(placed.row, placed.moments_ms, placed.known, facts.is_video)
    repeat = _repeats(facts, placed, sequence, options)
    shown = look_at(reader, facts, rules.naming, linkable(facts, sequence) | (repeat >= 0))
    individuals = find_individuals(facts, sequence, photo_order, placed.moments_ms, _sizes(facts), shown)
    circumstances = _circumstances(facts, placed, individuals, rules)
    ranked = name_individuals(reader, facts, individuals, circumstances, rules.naming)

    taken = left_out(
        repeat, facts.xywh, individuals, shown.surely_bird, placed.timestamp[box_media], options.repeat_days
    )
    boxes = decide_boxes(facts, individuals, ranked, rules.naming, repeat, taken)
    lost = apply_reviews(boxes, facts, individuals, ranked, repeat, reviews, rules.naming, options.score_threshold)
    counted = boxes.counted(facts.score, options.score_threshold)
    blank = ~facts.failed & (np.bincount(box_media[counted], minlength=len(facts.media)) == 0)
    duplicate_of = (originals or originals_among(facts.media, facts.failed)).copies(facts.media, facts.failed)
    single = duplicate_of.is_null().to_numpy(zero_copy_only=False)

    in_events = counted & (placed.known & single & ~placed.outside)[box_media]
    into_video = (facts.time_s[facts.box_frame] * 1000).astype(np.int64)
    key = boxes.kind.astype(np.int64) * (len(boxes.table.names) + 1) + boxes.table.ranks()[boxes.name]
    nested = find_nested(facts.xywh, facts.score, facts.box_frame, key, counted)
    events = find_events(
        placed.deployment[box_media],
        key,
        placed.moments_ms[box_media] + into_video,
        facts.box_frame,
        box_media,
        in_events,
        nested,
        _independence(placed, options),
    )
    return Made(
        options=options,
        rules=rules,
        facts=facts,
        placed=placed,
        sequence=sequence,
        individuals=individuals,
        repeat=repeat,
        ranked=ranked,
        boxes=boxes,
        counted=counted,
        nested=nested,
        blank=blank,
        duplicate_of=duplicate_of,
        times=add_ms(placed.timestamp[box_media], into_video),
        events=events,
        event_ids=_event_ids(facts, placed, events, boxes),
        watches=[watch(placed.visits_of(index), options.gap_days) for index in range(len(placed.ids))],
        lost_reviews=lost,
    )


def _sizes(facts: FactsTable) -> NDArray[np.float64]:
    """Width and height of items (M, 2) in pixels; 1 where they are not known."""
    sides = [pc.fill_null(facts.media[name], 1).to_numpy() for name in ("width", "height")]
    return np.stack(sides, axis=1).astype(np.float64)


def _repeats(
    facts: FactsTable, placed: Placement, sequence: NDArray[np.int64], options: DecideOptions
) -> NDArray[np.int64]:
    looked_at = np.array(
        [
            options.repeats and (options.repeats_at_nests or placed.row_of(index).kind != NEST)
            for index in range(len(placed.ids))
        ],
        bool,
    )
    box_media = facts.box_media
    camera = placed.deployment[box_media]
    use = looked_at[camera] & (facts.score >= REPEAT_SCORE) if len(camera) else np.zeros(0, bool)
    return find_repeats(
        facts.xywh,
        facts.appearance,
        facts.has_appearance,
        np.where(use, camera, -1),
        facts.box_frame,
        sequence[box_media],
        placed.timestamp[box_media],
        min(LISTED_DAYS, options.repeat_days),
    )


def _circumstances(facts: FactsTable, placed: Placement, individuals: Individuals, rules: Rules) -> Circumstances:
    count = len(individuals.size)
    of_box = individuals.of_box
    first_media = facts.box_media[individuals.first_box]
    rows = placed.row[first_media]
    used = np.unique(placed.row).tolist()
    prior_of_row = np.full(len(placed.rows), -1, np.int32)
    prior_of_row[used] = [rules.prior_of(placed.rows[index]) for index in used]
    sides = (facts.xywh[:, 2:] * _sizes(facts)[facts.box_media]).max(axis=1, initial=0)
    longest = np.zeros(count, np.float32)
    np.maximum.at(longest, of_box, sides)
    unknown_size = ~pc.is_valid(facts.media["width"]).to_numpy()[first_media]
    return Circumstances(
        prior=prior_of_row[rows],
        period=_periods(placed.timestamp[first_media]),
        long_side_px=np.where(unknown_size, np.inf, longest).astype(np.float32),
        brightness=_mean(facts.brightness[facts.box_frame], individuals).astype(np.float32),
        night=_mean(facts.night[facts.box_frame], individuals) > 0.5,
    )


def _mean(values: NDArray[np.float32], individuals: Individuals) -> NDArray[np.float64]:
    """Means by individual of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    owner = individuals.of_box[known]
    count = np.bincount(owner, minlength=len(individuals.size))
    total = np.bincount(owner, weights=values[known], minlength=len(individuals.size))
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _periods(times: NDArray[np.datetime64]) -> NDArray[np.int32]:
    periods = np.full(len(times), WHOLE_YEAR, np.int32)
    known = ~np.isnat(times)
    days, place = np.unique(times[known].astype("datetime64[D]"), return_inverse=True)
    periods[known] = np.array([period_of(day) for day in days.tolist()], np.int32)[place]
    return periods


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


def _half_matched(matching: Matching, options: DecideOptions) -> list[str]:
    """What a person should know of rows that no file belongs to.

    Raises:
        DataError: There are also files without a row: the table's names are probably not those of cards and folders.
    """
    complaints = matching.complaints()
    if complaints and matching.unlisted and not options.unmatched:
        names = sorted({row.deployment_id for row in matching.unlisted})
        raise DataError(
            f"some rows match no file, and some cameras have no row: {some(complaints)}; without a row: {some(names)}",
            where=options.deployments,
            hint="correct the columns card and folder, as a spreadsheet may have changed them; "
            "or say that it is so: --unmatched allow",
        )
    return [f"{Path(options.deployments or '').name} {complaint}" for complaint in complaints]
