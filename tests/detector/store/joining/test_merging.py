"""Stores of the parts of a run become the store of the whole; what does not go together is refused by name."""

from __future__ import annotations

from datetime import datetime

import pytest

from backbones.errors import ConfigError, DataError, HoopoeError
from detector.store.facts import FactRow, FoundBox, OverlayRow
from detector.store.joining import merging
from detector.store.joining.merging import merge
from detector.store.lock import StoreLock
from detector.store.reader import FactsReader
from detector.store.reviews.log import append_reviews, read_reviews
from detector.store.reviews.review import Review
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import load_run, write_run
from detector.store.writer import FactsWriter, OverlayWriter
from detector.types import media_id
from tests.detector.annotation.store_checks import read_store

DETECTOR = DetectorEntry(name="d", sha256="1" * 64, categories=["bird"])
SPECIES = SpeciesEntry(name="s", sha256="2" * 64, classes=["a"])


def row(number: int, failure: str | None = None, card: str = "card") -> FactRow:
    path = f"{number:04d}.jpg"
    boxes = None if failure else (FoundBox(0.1, 0.2, 0.3, 0.4, (0.9,), logits=b"ab"),)
    return FactRow(media_id(card, path), card, path, 1, "h", "photo", failure=failure, detections=boxes)


@pytest.fixture
def make(tmp_path):
    """Makes a store of some photos; negative numbers failed."""

    def made(name, numbers, card="card", root="/cards/card", **changes):
        entry = CardEntry(root=root)
        run = RunFile(cards={card: entry}, detector=DETECTOR, species=SPECIES, options={"tile": False})
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, run.model_copy(update=changes))
        with FactsWriter(tmp_path / name) as writer:
            for number in numbers:
                writer.add([row(abs(number), "it is damaged" if number < 0 else None, card)])
                if number % 3 == 0:
                    writer.flush()
        return tmp_path / name

    return made


def test_empty_stores_make_an_empty_one(make, tmp_path):
    assert merge([make("a", []), make("b", [])], tmp_path / "all").files == 0
    assert read_store(tmp_path / "all") == {}


def test_parts_of_a_run_become_the_whole(make, tmp_path):
    whole = make("whole", range(20))
    stores = [make(f"part{n}", range(n, 20, 3)) for n in range(3)]
    merged = merge(stores, tmp_path / "all")
    assert (merged.files, merged.known, merged.notes) == (20, 0, [])
    assert read_store(tmp_path / "all") == read_store(whole)
    assert load_run(tmp_path / "all").cards == load_run(whole).cards | {
        "card": CardEntry(root="/cards/card", prefix="")
    }


def test_a_file_counts_once_and_rather_where_it_could_be_read(make, tmp_path):
    merged = merge([make("a", [0, 1, -2]), make("b", [1, 2, -3]), make("c", [-3, -2])], tmp_path / "all")
    assert (merged.files, merged.known) == (4, 0)
    failures = {path: rows[0].failure for (_, path), rows in read_store(tmp_path / "all").items()}
    assert failures == {"0000.jpg": None, "0001.jpg": None, "0002.jpg": None, "0003.jpg": "it is damaged"}


def test_again_it_adds_what_is_new(make, tmp_path):
    stores = [make("a", range(5)), make("b", range(5, 9))]
    merge(stores[:1], tmp_path / "all")
    merged = merge(stores, tmp_path / "all")
    assert (merged.files, merged.known) == (4, 5)
    assert len(read_store(tmp_path / "all")) == 9


def test_killed_it_goes_on_and_nothing_is_twice(make, tmp_path, monkeypatch):
    stores = [make(f"part{n}", range(n, 20, 2)) for n in range(2)]
    copied = iter(range(3))

    def dying(*args):
        if next(copied, None) is None:
            raise KeyboardInterrupt
        return copy(*args)

    copy = merging.shutil.copyfile
    with monkeypatch.context() as patched:
        patched.setattr(merging.shutil, "copyfile", dying)
        with pytest.raises(KeyboardInterrupt):
            merge(stores, tmp_path / "all")
    assert merge(stores, tmp_path / "all").files < 20
    assert len(read_store(tmp_path / "all")) == 20


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detector": DETECTOR.model_copy(update={"sha256": "9" * 64})}, "detector"),
        ({"species": None}, "classifier"),
        ({"options": {"tile": True}}, "tile is false, not true"),
    ],
)
def test_what_was_made_otherwise_is_refused_by_name(make, tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words) as refused:
        merge([make("a", [1]), make("b", [2], **changes)], tmp_path / "all")
    assert str(tmp_path / "b") in str(refused.value)
    assert not (tmp_path / "all").exists()


def test_two_cards_of_one_name_are_refused_unless_they_are_said_to_be_one(make, tmp_path):
    stores = [make("a", [1]), make("b", [2], root="/mnt/other")]
    with pytest.raises(ConfigError, match="--root card=PATH"):
        merge(stores, tmp_path / "all")
    merge(stores, tmp_path / "all", {"card": tmp_path})
    assert load_run(tmp_path / "all").cards["card"].root == str(tmp_path)


def test_cards_of_several_stores_have_names_of_their_own_in_exports(make, tmp_path):
    merge([make("a", [1]), make("b", [1], "north", "/cards/north")], tmp_path / "all")
    assert {card: entry.prefix for card, entry in load_run(tmp_path / "all").cards.items()} == {
        "card": "card/",
        "north": "north/",
    }


def test_reviews_come_along_once(make, tmp_path):
    stores = [make("a", [1]), make("b", [2])]
    said = [Review(datetime(2026, 5, day), "Ada", "bird", media_id=row(day).media_id) for day in (1, 2)]
    for store, review in zip(stores, said, strict=True):
        append_reviews(store, [review])
    merge(stores, tmp_path / "all")
    merge(stores, tmp_path / "all")
    assert read_reviews(tmp_path / "all") == said


def test_logits_of_a_later_classifier_come_along(make, tmp_path):
    later = SPECIES.model_copy(update={"sha256": "7" * 64, "overlay": "later"})
    stores = [make("a", range(4)), make("b", range(4, 8))]
    for store in stores:
        with OverlayWriter(store, "later") as writer:
            for part in writer.pending():
                rows = [each for item in FactsReader(store).items(part) for each in item]
                writer.write(part, [OverlayRow(each.media_id, 0, 0, b"zz") for each in rows])
        write_run(store, load_run(store).model_copy(update={"species": later}))
    merge(stores, tmp_path / "all")
    found = [row for rows in read_store(tmp_path / "all").values() for row in rows]
    assert [box.logits for each in found for box in each.detections or ()] == [b"zz"] * 8


def test_what_is_no_store_or_is_written_to_is_refused(make, tmp_path):
    store = make("a", [1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no annotation store"):
        merge([store, tmp_path / "empty"], tmp_path / "all")
    with pytest.raises(ConfigError, match="twice"):
        merge([store, store], tmp_path / "all")
    with StoreLock(store), pytest.raises(HoopoeError, match="is writing"):
        merge([store], tmp_path / "all")
