"""Decisions of a store on which people are working: after a word only its deployment is decided again.

Nothing that is decided reaches from one deployment to another, so that names and counts are those of `decide`, which
remains what writes the tables. What models and neighbours say is kept of the deployments that were asked for last, for
words do not change it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from detector.base.stopping import StopRequest
from detector.decisions.decide import stored_options
from detector.decisions.decided import Decisions
from detector.decisions.deciding import PortionDecider, Unreviewed
from detector.decisions.facts.portions import Plan, plan_portions
from detector.decisions.rules import read_rules
from detector.decisions.summary import DecisionSummary, join_summaries, summarise_decisions
from detector.decisions.tables.chunks import detection_chunks, media_chunks
from detector.store.reader import FactsReader
from detector.store.records import MediaRecord
from detector.store.records_reader import media_of_tables
from detector.store.reviews.growing import GrowingReviews
from detector.store.reviews.log import Review, Words
from detector.store.run_json import load_run

KEPT = 4  # deployments whose boxes stay in memory, some 400 bytes a photo


@dataclass(frozen=True)
class LiveAnswer:
    """What is decided now.

    Attributes:
        media: The files that were asked for, by id.
        summary: Of the whole store.
    """

    media: dict[str, MediaRecord]
    summary: DecisionSummary


class LiveDecisions:
    """Decides deployments again as people speak. Not for several threads at once.

    The first call of `again` decides the whole store once; later ones the deployments of their files alone.

    Args:
        folder: A store; its options are those of its last `decide`.
        now: Local time of today.

    Raises:
        DataError: There is no store, or it is damaged.
        ConfigError: Its options do not fit it.
    """

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        self._reader = FactsReader(folder)
        options = stored_options(folder)
        rules = read_rules(load_run(folder), options)
        plan = plan_portions(self._reader, rules.deployments, options.camera_from, most_frames=0)
        self._reviews = GrowingReviews(folder)
        self._decider = PortionDecider(self._reader, plan, options, rules, Words(), now or datetime.now())
        self._portion_of = _portions_by_item(self._reader, plan)
        self._before: OrderedDict[int, tuple[frozenset[Review], Unreviewed]] = OrderedDict()
        self._summaries: dict[int, tuple[DecisionSummary, set[Review]]] = {}

    def again(self, media_ids: Iterable[str], stop: StopRequest | None = None) -> LiveAnswer:
        """Decide the deployments of these files again, with all that was said until now.

        Raises:
            DataError: The store is damaged.
            Ended: `stop` was requested, between two deployments.
        """
        ids = set(media_ids)
        words = self._reviews.words()
        asked = {self._portion_of[item] for item in ids if item in self._portion_of}
        media: dict[str, MediaRecord] = {}
        for number in range(len(self._decider.plan.portions)):
            if stop is not None:
                stop.heed()
            if number in asked or number not in self._summaries:
                decided = self._decide(number, words, keep=number in asked)
                own = {review for review in decided.lost_reviews if self._portion_of.get(review.item) == number}
                self._summaries[number] = summarise_decisions(decided), own
                if number in asked:
                    records = media_of_tables(media_chunks(decided), detection_chunks(decided))
                    media |= {record.media_id: record for record in records if record.media_id in ids}
        summaries, lost = zip(*(self._summaries[number] for number in sorted(self._summaries)), strict=True)
        nowhere = {review for review in words.all if review.item not in self._portion_of}
        return LiveAnswer(media, join_summaries(summaries, len(nowhere.union(*lost))))

    def _decide(self, number: int, words: Words, keep: bool) -> Decisions:
        drawn = frozenset(
            review for review in words.place if review.is_drawn and self._portion_of.get(str(review.media_id)) == number
        )
        known = self._before.pop(number, None)
        if known is None or known[0] != drawn:
            decider = replace(self._decider, words=Words(place=tuple(drawn)))
            known = drawn, decider.before_words(self._decider.plan.portions[number])
        if keep:
            self._before[number] = known
        while len(self._before) > KEPT:
            self._before.popitem(last=False)
        return self._decider.with_words(known[1], words)


def _portions_by_item(reader: FactsReader, plan: Plan) -> dict[str, int]:
    """The number of each file's portion."""
    of_folder = {folder: number for number, each in enumerate(plan.portions) if each for folder in each.folders}
    items: dict[str, int] = {}
    for part in reader.parts():
        for batch in reader.batches(part, ["media_id", "card", "path"]):
            columns = (batch[name].to_pylist() for name in ("media_id", "card", "path"))
            for item, card, path in zip(*columns, strict=True):
                items[item] = of_folder.get((card, path.rpartition("/")[0]), 0)
    return items
