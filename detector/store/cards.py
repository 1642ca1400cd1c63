"""The cards of a store: what it knows of each, and how one is called otherwise or taken out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from backbones.errors import ConfigError
from detector.base.names import name_key
from detector.store.facts import with_possible_times
from detector.store.files import open_parquet, write_table
from detector.store.layout import facts_folder, parts
from detector.store.lock import StoreLock
from detector.store.media_ids import current_id
from detector.store.presence import Presence, look_for_cards
from detector.store.reader import MEND_FACTS, open_facts
from detector.store.reviews.log import read_reviews
from detector.store.run_json import load_run, update_card, update_run
from detector.store.writer import GROUP_ROWS

_FORBIDDEN = set('/\\=\n\r\t"')  # a label is part of deployments' names, and of --root CARD=PATH


@dataclass(frozen=True)
class CardSummary:
    """What a store knows of a card.

    Attributes:
        card: Its id.
        label: What a person calls it; the id where nobody did.
        root: Where it was last seen.
        files: Photos and videos.
        failed: Those of which nothing could be seen.
        first: The earliest time, as the camera wrote it; None: no file has one.
        last: The latest.
        presence: What lies at its root now.
    """

    card: str
    label: str
    root: str
    files: int
    failed: int
    first: datetime | None
    last: datetime | None
    presence: Presence


@dataclass(frozen=True)
class Removed:
    """What was taken out: files, and how many reviews of them are kept."""

    files: int
    reviews: int


def list_cards(folder: Path) -> list[CardSummary]:
    """The cards of a store, in the order in which they came.

    Raises:
        DataError: There is no store, or a part of it is damaged.
    """
    run = load_run(folder)
    tallies = {card: _Tally() for card in run.cards}
    for part in parts(facts_folder(folder)):
        with open_facts(part) as file:
            table = with_possible_times(file.read(["card", "path", "captured_at", "failure"]))
        items = table.group_by(["card", "path"]).aggregate(
            [("captured_at", "min"), ("captured_at", "max"), ("failure", "count")]
        )
        for card in pc.unique(items["card"]).to_pylist():
            tallies.setdefault(card, _Tally()).add(items.filter(pc.equal(items["card"], card)))
    presences = look_for_cards(folder, {card: entry.root for card, entry in run.cards.items()})
    return [
        CardSummary(
            card,
            entry.label or card,
            entry.root,
            tallies[card].files,
            tallies[card].failed,
            tallies[card].first,
            tallies[card].last,
            presences[card],
        )
        for card, entry in run.cards.items()
    ]


@dataclass
class _Tally:
    files: int = 0
    failed: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, items: pa.Table) -> None:
        self.files += len(items)
        self.failed += pc.sum(pc.greater(items["failure_count"], 0)).as_py() or 0
        firsts = [time for time in (self.first, pc.min(items["captured_at_min"]).as_py()) if time]
        lasts = [time for time in (self.last, pc.max(items["captured_at_max"]).as_py()) if time]
        self.first, self.last = min(firsts, default=None), max(lasts, default=None)


def rename_card(folder: Path, name: str, label: str) -> None:
    """Call a card otherwise, in tables and in the names of its deployments; its id, and all that joins by it, stays.

    Raises:
        ConfigError: There is no such card, another has that name, or it cannot be one.
    """
    run = load_run(folder)
    card = run.card_id(name)
    label = name_key(label.strip())
    others = {each for other, entry in run.cards.items() if other != card for each in (other, entry.label or other)}
    if not label or _FORBIDDEN & set(label) or not label.isprintable():
        raise ConfigError(f"'{label}' cannot be the name of a card", where="--rename", hint="leave out / \\ = and such")
    if label.casefold() in {name_key(each).casefold() for each in others}:
        raise ConfigError(f"another card is called '{label}'", where="--rename", hint="choose another name")
    update_card(folder, name, label=None if label == card else label)


def remove_card(folder: Path, name: str) -> Removed:
    """Take a card out of a store: what the models saw of it goes, what people said of it is kept.

    Each part is written anew without it, and `run.json` last: one that was killed meanwhile is finished by the next.

    Raises:
        ConfigError: There is no such card.
        HoopoeError: Another process writes to the store.
    """
    with StoreLock(folder):
        run = load_run(folder)
        card = run.card_id(name)
        if card is None:
            cards = ", ".join(entry.label or each for each, entry in run.cards.items()) or "none"
            raise ConfigError(f"the store knows no card '{name}'", where=folder, hint=f"it knows {cards}")
        removed: set[str] = set()
        for part in parts(facts_folder(folder)):
            with open_parquet(part, MEND_FACTS) as file:
                is_its = pc.equal(file.read(["card"])["card"], card)
                if not pc.any(is_its).as_py():
                    continue
                table = file.read()
            removed.update(map(current_id, pc.unique(table.filter(is_its)["media_id"]).to_pylist()))
            kept = table.filter(pc.invert(is_its))
            if len(kept):
                write_table(part, kept, GROUP_ROWS)
            else:
                part.unlink()
        update_run(
            folder, lambda run: run.model_copy(update={"cards": {k: v for k, v in run.cards.items() if k != card}})
        )
        reviews = sum(_item(review.media_id, review.repeat_group) in removed for review in read_reviews(folder))
    return Removed(len(removed), reviews)


def _item(media_id: str | None, repeat_group: str | None) -> str:
    return current_id(media_id or (repeat_group or "").partition(":")[0])
