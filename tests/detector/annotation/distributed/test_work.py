"""What a worker leaves of a shard: one whole part, and receipts; nothing of files that have gone away."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbones.errors import ConfigError, MediaError
from detector.annotation.distributed.model_files import ModelFile
from detector.annotation.distributed.work import Places, _judged, _Runner
from detector.annotation.facts import ItemRows, RowsOptions
from detector.annotation.listing.media_list import MOST_LOST
from detector.annotation.report import RunReport
from detector.annotation.values import BoxedItem, ClassifiedItem
from detector.base.objects.address import Address
from detector.base.objects.errors import AccessError
from detector.base.objects.service import put_object, read_object
from detector.cluster.work import Share
from detector.store.run_file import RunFile, SpeciesEntry
from detector.store.run_json import write_run
from detector.store.writer import FactsWriter
from detector.types import MediaItem
from tests.detector.annotation.store_checks import read_store


@pytest.fixture
def store(tmp_path):
    write_run(tmp_path / "out", RunFile(species=SpeciesEntry(name="s", sha256="5" * 64)))
    return tmp_path / "out"


@pytest.fixture
def items(tmp_path):
    """Three files, of which the last is not there."""
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    return [MediaItem("card", f"{n}.jpg", "photo", 1, tmp_path / f"{n}.jpg") for n in range(3)]


def engine(items):
    """Calls everything damaged."""
    for item in items:
        yield ItemRows(item, RowsOptions(("bird",))).done("it is damaged")
        yield None


def runner(places):
    return _Runner(engine, places, Share(1), media_of=lambda item: item, rows_of=lambda rows: rows)


@pytest.mark.parametrize("sent_back", [False, True])
def test_rows_are_one_part_without_files_that_are_gone(store, items, sent_back):
    with FactsWriter(store) as writer:
        places = Places(store, writer.staging(), {}, writer.classifier(), sent_back)
        result = runner(places)(items, lambda: False)
        assert [receipt.gone for receipt in result.done] == [False, False, True]
        assert bool(result.content) == sent_back
        assert result.part is not None
        if sent_back:
            result.part.write_bytes(result.content)
        writer.adopt(result.part, [item.media_id for item in items[:2]])
        assert set(writer.finished) == {item.media_id for item in items[:2]}
        with pytest.raises(ValueError, match="already"):
            writer.adopt(result.part, [items[0].media_id])
    assert {path for _, path in read_store(store)} == {"0.jpg", "1.jpg"}
    assert not list(store.glob(".staging*"))


def test_no_rows_are_no_part(store, items):
    with FactsWriter(store) as writer:
        result = runner(Places.of(writer, {}))(items[2:], lambda: False)
        assert (result.part, result.content) == (None, b"")


def test_an_object_that_is_gone_is_a_failure_and_one_that_may_not_be_had_is_not_judged(store, monkeypatch):
    bucket = Address("memory", "of-workers")
    objects = [MediaItem("card", f"{n}.jpg", "photo", 1, bucket / f"{n}.jpg") for n in range(3)]
    put_object(bucket / "0.jpg", b"x")

    def read(address, start=None, end=None):
        if address.name == "1.jpg":
            raise AccessError("access is denied", where=address)
        return read_object(address, start, end)

    monkeypatch.setattr("detector.store.presence.read_object", read)
    with FactsWriter(store) as writer:
        result = runner(Places.of(writer, {}))(objects, lambda: False)
    assert [receipt.gone for receipt in result.done] == [False, True, False]


def test_files_that_one_machine_alone_does_not_see_are_lost_and_many_of_them_end_the_run():
    report = RunReport()
    for number in range(MOST_LOST):
        report.note_unseen(f"card/{number}.jpg")
    assert not report.all_well
    with pytest.raises(MediaError, match="does not see files that are there"):
        report.note_unseen("card/last.jpg")


def test_told_to_end_it_leaves_what_is_finished(store, items):
    with FactsWriter(store) as writer:
        assert len(runner(Places.of(writer, {}))(items, lambda: True).done) == 1


def test_what_is_done_comes_back_where_nothing_is_written(store, items):
    result = runner(Places(store, None, {}))(items, lambda: False)
    assert [rows[0].failure for rows in result.done] == ["it is damaged"] * 3


def test_of_what_comes_back_it_is_said_which_files_are_not_seen_there(items):
    boxed = [BoxedItem(item, ()) for item in items]
    done = [_judged(ClassifiedItem(each, failure="it is damaged")) for each in boxed]
    assert [each.gone for each in done] == [False, False, True]
    assert not _judged(ClassifiedItem(boxed[2])).gone


def test_a_part_that_nobody_took_never_counts(store, items):
    with FactsWriter(store) as writer:
        runner(Places.of(writer, {}))(items, lambda: False)
    assert read_store(store) == {}


@pytest.mark.parametrize(
    ("staging", "roots", "words"),
    [("gone", {}, "does not see the store"), (None, {"north": "gone"}, "does not see card 'north'")],
)
def test_a_machine_that_does_not_see_a_place_says_so(tmp_path, staging, roots, words):
    folders = {card: tmp_path / root for card, root in roots.items()}
    with pytest.raises(ConfigError, match=words):
        Places(tmp_path, None if staging is None else tmp_path / staging, folders).check()


def test_models_must_be_in_files_that_are_the_same_everywhere():
    with pytest.raises(ConfigError, match="is in no file"):
        ModelFile.of("detector", "mine", None, None)
    file = ModelFile.of("detector", "mine", str(Path("mine.safetensors")), "1" * 64)
    file.check("1" * 64)
    with pytest.raises(ConfigError, match="another detector"):
        file.check("2" * 64)
