"""From facts to decisions: everything that depends on thresholds, places, neighbours and people; no model is needed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from backbones.errors import DataError
from detector.base.reporting import Task
from detector.base.stopping import StopRequest
from detector.base.tables.reader import some
from detector.cluster.options import ClusterOptions
from detector.decisions.by_portion import PortionResult, decide_here
from detector.decisions.deciding import PortionDecider
from detector.decisions.facts.portions import plan_portions
from detector.decisions.on_cluster import decide_on_cluster
from detector.decisions.options import DecideOptions
from detector.decisions.rules import read_rules
from detector.decisions.summary import DecisionSummary, join_summaries
from detector.decisions.tables.replacing import replacing_decisions, staging
from detector.decisions.tables.writing import DecisionsWriter
from detector.deployments.matching import Matching
from detector.store.layout import decisions_id
from detector.store.lock import DECISIONS_LOCK, StoreLock
from detector.store.reader import FactsReader
from detector.store.reviews.growing import join_parts
from detector.store.reviews.log import Review, read_words
from detector.store.run_file import AuditEntry
from detector.store.run_json import load_run, update_run


def decide(
    folder: Path,
    options: DecideOptions,
    now: datetime | None = None,
    stop: StopRequest | None = None,
    cluster: ClusterOptions | None = None,
    progress: Task | None = None,
) -> DecisionSummary:
    """Make the decisions of a store anew, in `decisions/*.parquet`; the options are kept in its `run.json`.

    Facts and reviews are not touched, and what people said wins. The same facts, options and reviews give the same
    decisions, whatever the order in which they were written, and whoever makes them: byte for byte.

    Args:
        folder: The store.
        options: See `DecideOptions`.
        now: Local time of today, to tell dates in the future.
        stop: Ends it between two deployments; the decisions before stay.
        cluster: Whose workers decide the deployments of a large store; None: this process.
        progress: Is told how far it is, where a store is so large that it is decided group of cameras by group.

    Raises:
        DataError: There is no store, a part of it is damaged, or a table or file that the options name is wrong.
        ConfigError: Options do not fit the store or each other; or there is no cluster.
        DiskFullError: There is no room; the decisions before stay.
        HoopoeError: Another process writes decisions of this store.
        Ended: `stop` was requested.
    """
    run = load_run(folder)
    rules = read_rules(run, options)
    reader = FactsReader(folder)
    plan = plan_portions(reader, rules.deployments, options.camera_from)
    unmatched = _half_matched(plan.matching, options)

    summaries: list[DecisionSummary] = []
    answered: set[Review] = set()

    def take(result: PortionResult | None) -> None:  # a loop would keep it in memory while the next is made
        if stop is not None:
            stop.heed()
        if result is not None:
            writer.add(result.tables)
            summaries.append(result.summary)
            answered.update(result.answered)
            if progress is not None and progress.total is not None:
                progress.advance()

    with StoreLock(folder, DECISIONS_LOCK) as lock:
        began_ns = lock.path.stat().st_mtime_ns
        join_parts(folder)
        # not before: another process may just have decided with more words than there were then
        decider = PortionDecider(reader, plan, options, rules, read_words(folder), now or datetime.now())
        if progress is not None and len(plan.portions) > 1:
            progress.total, progress.unit = len(plan.portions), "groups of cameras"
        with replacing_decisions(folder) as target:
            with DecisionsWriter(target) as writer, staging(target) as staged:
                if cluster is None or len(plan.portions) == 1:  # a cluster takes seconds to begin
                    results: Iterator[PortionResult | None] = decide_here(decider)
                else:
                    results = decide_on_cluster(decider, cluster, staged)
                deque(map(take, results), maxlen=0)
            for table in target.iterdir():
                os.utime(table, ns=(began_ns, began_ns))  # older than all words that may not be in them
            # before they take their place: a kill while they are hashed would let old exports pass for theirs
            changes = {"decisions": options.model_dump(mode="json"), "decided": decisions_id(target)}
        update_run(folder, lambda run: run.model_copy(update=changes))
    summary = join_summaries(summaries, len(decider.words.all - answered))
    audits = [] if run.audit is None else [audit_words(run.audit)]
    return replace(summary, notes=[*summary.notes, *unmatched, *audits])


def stored_options(folder: Path) -> DecideOptions:
    """The options of the last `decide`; the defaults before the first.

    Raises:
        DataError: There is no store.
    """
    return DecideOptions.model_validate(load_run(folder).decisions)


def audit_words(entry: AuditEntry) -> str:
    """What an audit came to, in a sentence."""
    every = entry.sampled == entry.passed_over
    sample = f"all {entry.sampled:,}" if every else f"{entry.sampled:,} of the {entry.passed_over:,}"
    looked = f"last audit: the detector looked at {sample} pictures that were passed over"
    if entry.missed is None or entry.low is None or entry.high is None:
        return f"{looked}: no bird there, and none elsewhere"
    interval = f" ({entry.confidence:.0%} interval {entry.low:.1%} to {entry.high:.1%}, Clopper-Pearson)"
    return (
        f"{looked}, and {entry.with_birds:,} of them show what is or may be a bird, from {entry.score_threshold:g} up: "
        f"{'' if every else 'about '}{entry.missed:.1%} of all pictures with birds had been passed over"
        f"{'' if every else interval}"
    )


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
            "or say that it is so: --unmatched allow (from Python: unmatched=True)",
        )
    return [f"{Path(options.deployments or '').name} {complaint}" for complaint in complaints]
