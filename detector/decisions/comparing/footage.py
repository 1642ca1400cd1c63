"""What a store says of its files, by models alone and with people's words; nothing in the store is changed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from detector.base.content_hash import sha256_of
from detector.decisions.by_portion import decide_here
from detector.decisions.decide import stored_options
from detector.decisions.deciding import PortionDecider
from detector.decisions.facts.portions import plan_portions
from detector.decisions.rules import read_rules
from detector.decisions.tables.writing import DecisionsWriter
from detector.species.learning.learnt import learnt_from
from detector.store.layout import decisions_folder
from detector.store.reader import FactsReader
from detector.store.records import EventRecord, MediaRecord
from detector.store.records_reader import read_events, read_media
from detector.store.reviews.log import Words, read_words
from detector.store.run_file import SpeciesEntry
from detector.store.run_json import load_run


@dataclass(frozen=True, eq=False)
class Footage:
    """A store as it is decided.

    Attributes:
        files: Key of each file's content -> its record; copies are left out.
        events: Independent events.
        threshold: Score from which boxes count.
        learnt: Beginnings of the keys of the files that its classifier learnt from, where its file says so.
    """

    files: Mapping[str, MediaRecord]
    events: tuple[EventRecord, ...]
    threshold: float
    learnt: frozenset[str] = frozenset()


def by_models(folder: Path) -> Footage:
    """What a store would say if nobody had said a word.

    Raises:
        DataError: There is no store, or it is damaged.
        ConfigError: Its options do not fit it.
    """
    return _decided(folder, Words())


def by_people(folder: Path) -> Footage:
    """What a store says with people's words; raises as `by_models`."""
    return _decided(folder, read_words(folder))


def _decided(folder: Path, words: Words) -> Footage:
    """Decide in a folder of its own."""
    run, options = load_run(folder), stored_options(folder)
    rules = read_rules(run, options)
    reader = FactsReader(folder)
    plan = plan_portions(reader, rules.deployments, options.camera_from)
    decider = PortionDecider(reader, plan, options, rules, words, datetime.now())
    contents = reader.contents()
    with tempfile.TemporaryDirectory() as apart:
        target = decisions_folder(Path(apart))
        target.mkdir()
        with DecisionsWriter(target) as writer:
            for result in decide_here(decider):
                writer.add(result.tables)
        files = {
            contents.get(record.media_id) or f"{record.card}/{record.path}": record
            for record in read_media(Path(apart))
            if record.duplicate_of is None
        }
        return Footage(files, tuple(read_events(Path(apart))), options.score_threshold, _learnt(run.species))


def _learnt(species: SpeciesEntry | None) -> frozenset[str]:
    """What a classifier learnt from; nothing where its file is not there now, is another by now, or does not say."""
    learnt = learnt_from(species.source) if species is not None else None
    if species is None or species.source is None or not learnt:
        return frozenset()
    same = species.sha256 in (None, sha256_of(Path(species.source).expanduser()))
    return learnt if same else frozenset()
