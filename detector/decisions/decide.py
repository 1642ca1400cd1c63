"""From facts to decisions: everything that depends on thresholds, places, neighbours and people; no model is needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from detector.decisions import tables
from detector.decisions.clocks import utc_offsets
from detector.decisions.deployments import Deployment
from detector.decisions.effort import Watch, watch
from detector.decisions.events import Events, event_id, find_events
from detector.decisions.facts_table import FactsTable, read_facts
from detector.decisions.linking import Individuals, find_individuals
from detector.decisions.naming import KINDS, Circumstances, Names, name_individuals
from detector.decisions.options import DecideOptions
from detector.decisions.repeats import REPEAT_SCORE, find_repeats
from detector.decisions.rules import Rules, read_rules
from detector.decisions.sequences import find_sequences
from detector.decisions.summary import DecisionSummary, DeploymentSummary, NameSummary
from detector.decisions.times import Placed, place_media
from detector.decisions.verdicts import BoxDecisions, apply_reviews, decide_boxes
from detector.species.priors import WHOLE_YEAR, period_of
from detector.store import schema
from detector.store.reader import FactsReader
from detector.store.reviews import latest_reviews
from detector.store.run_file import RunFile
from detector.store.run_json import load_run, write_run

NEST = "nest"


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
    """
    run = load_run(folder)
    rules = read_rules(run, options)
    made = _make(folder, run, options, rules, now or datetime.now())
    with tables.replacing_decisions(folder) as target:
        _write(target, made)
    write_run(folder, load_run(folder).model_copy(update={"decisions": options.model_dump(mode="json")}))
    return _summary(made)


def stored_options(folder: Path) -> DecideOptions:
    """The options of the last `decide`; the defaults before the first.

    Raises:
        DataError: There is no store.
    """
    return DecideOptions.model_validate(load_run(folder).decisions)


@dataclass(frozen=True, eq=False)
class _Made:
    """All decisions, as arrays; see the functions that make them."""

    options: DecideOptions
    rules: Rules
    facts: FactsTable
    placed: Placed
    sequence: NDArray[np.int64]
    individuals: Individuals
    repeat: NDArray[np.int64]
    names: Names
    boxes: BoxDecisions
    counted: NDArray[np.bool_]
    blank: NDArray[np.bool_]
    duplicate_of: NDArray[np.int64]
    times: NDArray[np.datetime64]
    events: Events
    event_ids: pa.Array
    watches: list[Watch]
    lost_reviews: int


def _make(folder: Path, run: RunFile, options: DecideOptions, rules: Rules, now: datetime) -> _Made:
    categories = rules.naming.categories
    facts = read_facts(folder, len(categories))
    placed = place_media(facts, rules.deployments, options.camera_from, now)
    box_media = facts.box_media

    sequence, photo_order = find_sequences(placed.deployment, placed.moments_ms, placed.known, facts.is_video)
    individuals = find_individuals(facts, sequence, photo_order, _sizes(facts))
    repeat = _repeats(facts, placed, sequence, options)
    circumstances = _circumstances(facts, placed, individuals, rules)
    names = name_individuals(FactsReader(folder), facts, individuals, circumstances, rules.naming)

    boxes = decide_boxes(facts, individuals, names, categories, repeat, rules.naming.weight)
    reviews = latest_reviews(folder)
    lost = apply_reviews(
        boxes, facts, individuals, names, repeat, reviews, rules.crosswalk, categories, options.score_threshold
    )
    counted = boxes.counted(facts.score, options.score_threshold)
    blank = ~facts.failed & (np.bincount(box_media[counted], minlength=len(facts.media)) == 0)
    duplicate_of = _duplicates(facts)

    in_events = counted & placed.known[box_media] & (duplicate_of[box_media] < 0)
    seconds = facts.time_s[facts.box_frame] * 1000
    with np.errstate(invalid="ignore"):
        into_video = np.where(np.isfinite(seconds), seconds, 0).astype(np.int64)
    events = find_events(
        placed.deployment[box_media],
        boxes.kind.astype(np.int64) * (len(names.table.names) + 1) + names.table.ranks()[boxes.name],
        placed.moments_ms[box_media] + into_video,
        facts.box_frame,
        box_media,
        in_events,
        _independence(placed, options),
    )
    return _Made(
        options=options,
        rules=rules,
        facts=facts,
        placed=placed,
        sequence=sequence,
        individuals=individuals,
        repeat=repeat,
        names=names,
        boxes=boxes,
        counted=counted,
        blank=blank,
        duplicate_of=duplicate_of,
        times=placed.timestamp[box_media] + into_video.astype("timedelta64[ms]"),
        events=events,
        event_ids=_event_ids(facts, placed, events, names, boxes),
        watches=_watches(placed, options),
        lost_reviews=lost,
    )


def _sizes(facts: FactsTable) -> NDArray[np.float64]:
    """Width and height of items (M, 2) in pixels; 1 where they are not known."""
    sides = [pc.fill_null(facts.media[name], 1).to_numpy() for name in ("width", "height")]
    return np.stack(sides, axis=1).astype(np.float64)


def _repeats(
    facts: FactsTable, placed: Placed, sequence: NDArray[np.int64], options: DecideOptions
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
    )


def _circumstances(facts: FactsTable, placed: Placed, individuals: Individuals, rules: Rules) -> Circumstances:
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


def _duplicates(facts: FactsTable) -> NDArray[np.int64]:
    """Of each item (M) the first one with the same content, or -1; files that cannot be read are no copies."""
    hashes = pc.fill_null(facts.media["content_hash"], "")
    codes = hashes.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    original = first[inverse]
    copies = (original != np.arange(len(codes))) & (pc.not_equal(hashes, "").to_numpy()) & ~facts.failed
    return np.where(copies, original, -1)


def _independence(placed: Placed, options: DecideOptions) -> NDArray[np.int64]:
    minutes = [
        options.independence_by_kind.get(placed.row_of(index).kind or "", options.independence_min)
        for index in range(len(placed.ids))
    ]
    return np.round(np.array(minutes, np.float64) * 60_000).astype(np.int64)


def _event_ids(facts: FactsTable, placed: Placed, events: Events, names: Names, boxes: BoxDecisions) -> pa.Array:
    media = facts.media["media_id"].take(pa.array(facts.box_media[events.first_box])).to_pylist()
    texts = [
        event_id(placed.ids[deployment], KINDS[kind], names.table.names[name].display_name, item)
        for deployment, kind, name, item in zip(
            events.deployment.tolist(),
            boxes.kind[events.first_box].tolist(),
            boxes.name[events.first_box].tolist(),
            media,
            strict=True,
        )
    ]
    return pa.array(texts, pa.string())


def _watches(placed: Placed, options: DecideOptions) -> list[Watch]:
    watches = []
    for name, items in zip(placed.ids, placed.by_deployment() if placed.ids else [], strict=True):
        rows = [row for row in placed.rows if row.deployment_id == name]
        start = min((row.start for row in rows if row.start), default=None)
        end = max((row.end for row in rows if row.end), default=None)
        watches.append(watch(placed.timestamp[items], start, end, options.gap_days))
    return watches


def _write(target: Path, made: _Made) -> None:
    facts, placed = made.facts, made.placed
    ids = pa.array(list(placed.ids), pa.string())
    deployment = pa.DictionaryArray.from_arrays(pa.array(placed.deployment.astype(np.int32)), ids)
    tables.write_chunks(
        target / "media.parquet",
        schema.MEDIA,
        tables.media_chunks(
            facts,
            placed.timestamp,
            placed.offset_min,
            placed.has_offset,
            deployment,
            made.sequence,
            made.blank,
            made.duplicate_of,
        ),
    )
    tables.write_chunks(
        target / "detections.parquet",
        schema.DETECTIONS,
        tables.detection_chunks(
            facts,
            made.individuals,
            made.names,
            made.boxes,
            made.rules.naming.categories,
            made.event_ids,
            made.events,
            made.repeat,
        ),
    )
    events = tables.event_rows(
        facts,
        made.events,
        made.names,
        made.boxes,
        ids,
        made.event_ids,
        made.times,
        placed.offset_min,
        placed.has_offset,
    )
    pq.write_table(events, target / "events.parquet", **tables.PARQUET)
    tables.write_records(target / "repeats.parquet", schema.REPEATS, _repeat_rows(made))
    tables.write_records(target / "effort.parquet", schema.EFFORT, _effort_rows(made))
    tables.write_records(target / "deployments.parquet", schema.DEPLOYMENTS, _deployment_rows(made))


def _repeat_rows(made: _Made) -> list[dict[str, Any]]:
    facts, boxes = made.facts, made.boxes
    rows = []
    repeated = np.flatnonzero(made.repeat >= 0)
    order = repeated[np.argsort(made.repeat[repeated], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(made.repeat[order])) + 1):
        if not len(members):
            continue
        first = int(made.repeat[members[0]])
        media = np.unique(facts.box_media[members])
        times = np.sort(made.placed.timestamp[media][made.placed.known[media]])
        label, _ = Counter(facts.label[members].tolist()).most_common(1)[0]
        reviewer = int(boxes.reviewer[first])
        rows.append(
            {
                "repeat_group": tables.box_name(facts, first),
                "deployment_id": made.placed.ids[made.placed.deployment[facts.box_media[first]]],
                **dict(zip("xywh", facts.xywh[first].tolist(), strict=True)),
                "label": made.rules.naming.categories[label],
                "boxes": len(members),
                "media": len(media),
                "first": times[0] if len(times) else None,
                "last": times[-1] if len(times) else None,
                "suppressed": bool(boxes.suppressed[members].any()),
                "reviewed_by": boxes.reviewers[reviewer] if reviewer >= 0 else None,
            }
        )
    return sorted(rows, key=lambda row: (row["deployment_id"], -row["boxes"]))


def _effort_rows(made: _Made) -> list[dict[str, Any]]:
    facts, placed = made.facts, made.placed
    rows = []
    is_video, failed, known = facts.is_video, facts.failed, placed.known
    for name, items, watched in zip(
        placed.ids, placed.by_deployment() if placed.ids else [], made.watches, strict=True
    ):
        rows.append(
            {
                "deployment_id": name,
                **vars(watched),
                "gaps": [vars(gap) for gap in watched.gaps],
                "media": len(items),
                "photos": int((~is_video[items]).sum()),
                "videos": int(is_video[items].sum()),
                "blank": int(made.blank[items].sum()),
                "failed": int(failed[items].sum()),
                "without_time": int((~known[items]).sum()),
            }
        )
    return rows


def _deployment_rows(made: _Made) -> list[dict[str, Any]]:
    facts, placed = made.facts, made.placed
    models = facts.media["camera_model"]
    rows = []
    for index, (name, items, watched) in enumerate(
        zip(placed.ids, placed.by_deployment() if placed.ids else [], made.watches, strict=True)
    ):
        row = placed.row_of(index)
        found = [model for model in pc.unique(models.take(pa.array(items))).to_pylist() if model]
        rows.append(
            {
                "deployment_id": name,
                "listed": row.listed,
                "location_name": row.location_name,
                "latitude": row.latitude,
                "longitude": row.longitude,
                "start": watched.start,
                "end": watched.end,
                "start_offset_min": _offset_at(row, watched.start),
                "end_offset_min": _offset_at(row, watched.end),
                "camera_model": row.camera_model or (found[0] if len(found) == 1 else None),
                "kind": row.kind,
                "time_zone": row.time_zone,
                "details": list(row.details),
            }
        )
    return rows


def _offset_at(row: Deployment, moment: datetime | None) -> int | None:
    if row.zone is None or moment is None:
        return None
    return int(utc_offsets(np.array([moment], "datetime64[ms]"), row.zone).minutes[0])


def _summary(made: _Made) -> DecisionSummary:
    facts, placed, boxes, events = made.facts, made.placed, made.boxes, made.events
    failed, counted = facts.failed, made.counted
    by_deployment = np.bincount(events.deployment, minlength=len(placed.ids))
    deployments = [
        DeploymentSummary(
            row["deployment_id"],
            row["media"],
            row["blank"],
            row["failed"],
            row["days"],
            row["active_days"],
            watched.gaps,
            int(by_deployment[index]),
        )
        for index, (row, watched) in enumerate(zip(_effort_rows(made), made.watches, strict=True))
    ]
    listed = {row.deployment_id for row in placed.rows if row.listed}
    lists = zip(made.rules.prior_files, made.rules.naming.priors, strict=True)
    taxonomy = made.rules.naming.taxonomy
    return DecisionSummary(
        photos=int((~facts.is_video).sum()),
        videos=int(facts.is_video.sum()),
        failed=int(failed.sum()),
        blank=int(made.blank.sum()),
        duplicates=int((made.duplicate_of >= 0).sum()),
        without_time=int((~placed.known).sum()),
        sequences=len(np.unique(made.sequence)),
        detections=int(counted.sum()),
        events=len(events.count),
        needs_review=int((counted & boxes.needs_review).sum()),
        repeat_groups=len(np.unique(made.repeat[made.repeat >= 0])),
        repeated=int((boxes.suppressed & (made.repeat >= 0)).sum()),
        reviewed=int((boxes.reviewer >= 0).sum()),
        lost_reviews=made.lost_reviews,
        names=_name_summaries(made),
        deployments=deployments,
        unlisted=[name for name in placed.ids if name not in listed],
        clock_problems=placed.problems,
        not_on_list=[(str(path), each.unmatched) for path, each in lists],
        unknown_classes=taxonomy.unlisted if taxonomy else (),
    )


def _name_summaries(made: _Made) -> list[NameSummary]:
    boxes, events = made.boxes, made.events
    span = len(made.names.table.names)
    key = boxes.kind.astype(np.int64) * span + boxes.name
    keys, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    detections = np.bincount(inverse[made.counted], minlength=len(keys))
    review = np.bincount(inverse[made.counted & boxes.needs_review], minlength=len(keys))
    of_event = inverse[events.first_box]
    count = np.bincount(of_event, minlength=len(keys))
    largest = np.zeros(len(keys), np.int64)
    np.maximum.at(largest, of_event, events.count)
    places = np.unique(of_event * (len(made.placed.ids) + 1) + events.deployment) // (len(made.placed.ids) + 1)
    cameras = np.bincount(places, minlength=len(keys))
    summaries = [
        NameSummary(
            made.names.table.names[boxes.name[first[index]]].display_name,
            KINDS[boxes.kind[first[index]]],
            int(count[index]),
            int(largest[index]),
            int(cameras[index]),
            int(detections[index]),
            int(review[index]),
        )
        for index in range(len(keys))
        if detections[index]
    ]
    return sorted(summaries, key=lambda each: (-each.events, -each.detections, each.display_name))
