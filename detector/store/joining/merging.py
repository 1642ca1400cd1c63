"""Several stores into one: what the machines of a queue made, each of its part of the files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from backbones.errors import ConfigError
from detector.base.files import atomic_path
from detector.base.objects.address import Place
from detector.base.reporting import track
from detector.store.files import open_parquet, write_table
from detector.store.layout import facts_folder, overlay_folder, overlay_folders, parts, reviews_folder
from detector.store.lock import StoreLock
from detector.store.marks import marks_of
from detector.store.media_ids import MediaIds, current_id
from detector.store.reader import MEND_FACTS, MEND_OVERLAY, open_facts
from detector.store.run_file import CardEntry, RunFile
from detector.store.run_json import differences, load_run, merge_run, read_run, update_run
from detector.store.schema import OVERLAY
from detector.store.writer import GROUP_ROWS, FactsWriter


@dataclass
class Merged:
    """What came of stores.

    Attributes:
        files: Photos and videos that came into the new one.
        known: Those that were there before, or are in several.
        notes: What a person should know.
    """

    files: int = 0
    known: int = 0
    notes: list[str] = field(default_factory=list)


def merge(stores: Sequence[Path], output: Path, roots: Mapping[str, Place] | None = None) -> Merged:
    """Put the facts and reviews of stores into one; decisions are made anew afterwards.

    Of a file that several hold the first counts that could read it. A merge that was killed goes on with the same call.

    Args:
        stores: Those to merge; they stay as they are.
        output: The new one, or one that is there, whose own facts then come first.
        roots: Card id to its folder, where it is at another in each store.

    Raises:
        ConfigError: They were made by other models or options, or other cards have one id.
        DataError: One of them is no store, or damaged.
        HoopoeError: Another process writes to one of them.
    """
    taken = [os.path.realpath(each) for each in (*stores, output)]
    if len(set(taken)) < len(taken):
        raise ConfigError("a store is given twice", where=output, hint="give each once, and a new folder as --output")
    runs = {store: load_run(store) for store in stores}
    before = read_run(output)
    known = runs if before is None or not parts(facts_folder(output)) else {output: before, **runs}
    run = _together(known, {card: str(root) for card, root in (roots or {}).items()})
    with ExitStack() as locks:
        for store in stores:
            locks.enter_context(StoreLock(store))
        writer = locks.enter_context(FactsWriter(output))
        merge_run(output, run)
        merged = _Merger(writer).merged(stores)
        for store in stores:
            _copy_reviews(store, output)
        update_run(output, lambda now: now.model_copy(update={"species": run.species, "decided": None}))
    decisions = {store: each.decisions for store, each in runs.items() if each.decisions}
    if any(each != run.decisions for each in decisions.values()):
        others = ", ".join(store.name for store, each in decisions.items() if each != run.decisions)
        merged.notes.append(f"it is decided as {next(iter(decisions)).name} was; {others} had other options")
    return merged


def _together(runs: Mapping[Path, RunFile], roots: Mapping[str, str]) -> RunFile:
    """What all stores were made from.

    Raises:
        ConfigError: From other things.
    """
    first, run = next(iter(runs.items()))
    cards: dict[str, CardEntry] = {}
    for store, each in runs.items():
        if different := list(differences(run, each)):
            problem = f"{store} was made otherwise than {first}: {'; '.join(different)}"
            raise ConfigError(problem, where=store, hint="merge stores of the same models and options")
        for card, entry in each.cards.items():
            entry = entry.model_copy(update={"root": roots.get(card, entry.root)})
            other = cards.get(card)
            if other is not None and os.path.realpath(other.root) != os.path.realpath(entry.root):
                problem = f"card '{card}' is {entry.root} in {store.name}, and {other.root} in another store"
                hint = (
                    f"if it is the same card, say where it is: --root {card}=PATH; other cards are annotated together"
                )
                raise ConfigError(problem, where=store, hint=hint)
            cards[card] = entry if other is None else _both(other, entry)
    species = next((each.species for each in runs.values() if each.species and each.species.overlay), run.species)
    decisions = next((each.decisions for each in runs.values() if each.decisions), {})
    versions = {name: version for each in runs.values() for name, version in each.versions.items()}
    return run.model_copy(
        update={"cards": cards, "species": species, "decisions": decisions, "versions": versions}
        | {"audit": None, "exports": {}, "decided": None}
    )


def _both(one: CardEntry, other: CardEntry) -> CardEntry:
    """A card of which stores hold other files."""
    inputs = list(dict.fromkeys([*one.inputs, *other.inputs])) if one.inputs and other.inputs else []
    return one.model_copy(update={"inputs": inputs, "label": one.label or other.label})


@dataclass
class _Merger:
    """Copies parts into a store, without what it holds already."""

    writer: FactsWriter

    def merged(self, stores: Sequence[Path]) -> Merged:
        work = [(store, part) for store in stores for part in parts(facts_folder(store))]
        had, total = len(self.writer.finished), MediaIds()
        staging = self.writer.staging()
        for read in (True, False):  # what could be read first: it counts before failures of other stores
            for store, part in track(work, "merging" if read else "merging failures", "parts"):
                self._take(store, part, read, staging / f"{'seen' if read else 'failed'}-{part.name}", total)
        files = len(self.writer.finished) - had
        return Merged(files, len(total) - files)

    def _take(self, store: Path, part: Path, read: bool, staged: Path, total: MediaIds) -> None:
        with open_facts(part) as file:
            columns = file.read(["media_id", "failure"])
        ids = pa.array([current_id(item) for item in columns["media_id"].to_pylist()], pa.string())
        total.update_from(pa.chunked_array([ids]))
        known = pa.array([item in self.writer.finished for item in ids.to_pylist()], pa.bool_())
        wanted = pc.and_(pc.equal(pc.is_null(columns["failure"]).combine_chunks(), read), pc.invert(known))
        if not pc.any(wanted, min_count=0).as_py():
            return
        if pc.all(wanted).as_py():
            with atomic_path(staged) as unfinished:
                shutil.copyfile(part, unfinished)
        else:
            with open_facts(part) as file:
                write_table(staged, file.read().filter(wanted), GROUP_ROWS)  # with the marks of the part
        name = self.writer.next_name()
        part_id = marks_of(part, MEND_FACTS).part
        for overlay in overlay_folders(store):  # before the part, which never is there without them
            _copy_overlay(overlay / part.name, part_id, overlay_folder(self.writer.folder, overlay.name) / name)
        self.writer.adopt(staged, pc.unique(ids.filter(wanted)).to_pylist())


def _copy_overlay(path: Path, part: str, target: Path) -> None:
    """Copy the logits that lie over a part, if there are some of just this one."""
    if not path.exists() or marks_of(path, MEND_OVERLAY).part != part:
        target.unlink(missing_ok=True)  # of a merge that was killed
        return
    with open_parquet(path, MEND_OVERLAY, OVERLAY):
        pass
    with atomic_path(target) as unfinished:
        shutil.copyfile(path, unfinished)


def _copy_reviews(store: Path, output: Path) -> None:
    """What people said; the same part in two stores is one."""
    for path in sorted(reviews_folder(store).glob("*.parquet")):
        target = reviews_folder(output) / path.name
        if not target.exists():
            with atomic_path(target) as unfinished:
                shutil.copyfile(path, unfinished)
