"""Many parts into few: killed at any moment, every media item is there once, and what is read stays the same."""

from __future__ import annotations

import pytest

from backbones.errors import DataError, HoopoeError
from detector.store import layout
from detector.store.facts import FactRow, FoundBox, OverlayRow
from detector.store.joining import compaction, journal
from detector.store.joining.compaction import compact
from detector.store.layout import facts_folder, overlay_folder, parts
from detector.store.lock import StoreLock
from detector.store.reader import FactsReader
from detector.store.run_file import RunFile, SpeciesEntry
from detector.store.run_json import write_run
from detector.store.writer import NOT_DONE, FactsWriter, OverlayWriter
from detector.types import media_id
from tests.detector.annotation.store_checks import read_store

SPECIES = SpeciesEntry(name="s", sha256="5" * 64, classes=["a", "b"])


def row(number: int, frame: int = 0) -> FactRow:
    path = f"{number:04d}.jpg"
    box = FoundBox(0.1, 0.2, 0.3, 0.4, (0.9, 0.0), logits=bytes([number, 0, 1, 1]), appearance=bytes(64))
    return FactRow(media_id("card", path), "card", path, 1, "h", "video", frame, detections=(box,) * (number % 3))


def fill(folder, numbers, frames=1, each=2):
    """Some parts of `each` items."""
    write_run(folder, RunFile(species=SPECIES)) if not (folder / "run.json").exists() else None
    with FactsWriter(folder) as writer:
        for count, number in enumerate(numbers, 1):
            writer.add([row(number, frame) for frame in range(frames)])
            if count % each == 0:
                writer.flush()


@pytest.fixture
def store(tmp_path):
    fill(tmp_path, range(11), frames=3)
    return tmp_path


def test_an_empty_store_stays_empty(tmp_path):
    with pytest.raises(DataError, match="no annotation store"):
        compact(tmp_path)
    write_run(tmp_path, RunFile())
    assert compact(tmp_path) == compaction.Compacted(0, 0)


def test_parts_are_joined_and_hold_the_same(store):
    before = read_store(store)
    assert compact(store) == compaction.Compacted(6, 1)
    assert read_store(store) == before
    assert [path.name for path in facts_folder(store).iterdir()] == ["part-000006.parquet"]
    assert compact(store) == compaction.Compacted(1, 1)


def test_parts_grow_to_a_size_and_large_ones_stay(store):
    before = read_store(store)
    assert compact(store, most_rows=12).after == 3
    assert read_store(store) == before
    names = [path.name for path in parts(facts_folder(store))]
    compact(store, most_rows=12)
    assert set(names[:2]) <= {path.name for path in parts(facts_folder(store))}


def test_a_run_goes_on_after_it(store):
    compact(store)
    fill(store, range(11, 15))
    assert len(read_store(store)) == 15
    assert compact(store).after == 1
    assert len(read_store(store)) == 15


def test_logits_of_a_later_classifier_go_along(store):
    with OverlayWriter(store, "new") as writer:
        for part in writer.pending()[:4]:
            rows = [row for item in FactsReader(store).items(part) for row in item]
            logits = [OverlayRow(each.media_id, each.frame_number, 0, b"1234") for each in rows if each.detections]
            writer.write(part, logits, {rows[0].media_id: NOT_DONE})
    write_run(store, RunFile(species=SPECIES))
    plain = read_store(store)
    assert compact(store).after == 2  # those that the classifier has seen, and the others
    assert read_store(store) == plain
    with OverlayWriter(store, "new") as writer:
        assert len(writer.pending()) == 2
        joined = parts(overlay_folder(store, "new"))
        assert [len(writer.failures(facts_folder(store) / path.name)) for path in joined] == [4]
        for part in writer.pending():
            writer.write(part, [])
    write_run(store, RunFile(species=SPECIES.model_copy(update={"overlay": "new"})))
    seen = read_store(store)
    assert any(box.logits == b"1234" for rows in seen.values() for row in rows for box in row.detections or ())
    assert compact(store).after == 1
    assert read_store(store) == seen


class Killed(BaseException):
    """In place of a kill, after which nothing of the process is cleaned up."""


@pytest.mark.parametrize("moment", range(12))
def test_killed_at_any_moment_nothing_is_lost_or_there_twice(store, monkeypatch, moment):
    before, steps = read_store(store), iter(range(moment))

    def step(function):
        def stepped(*args, **kwargs):
            if next(steps, None) is None:
                raise Killed
            return function(*args, **kwargs)

        return stepped

    with monkeypatch.context() as patched:
        patched.setattr(compaction, "write_joining", step(compaction.write_joining))
        patched.setattr(compaction, "_write", step(compaction._write))
        patched.setattr(compaction, "end_joining", step(compaction.end_joining))
        patched.setattr(journal.Path, "unlink", step(journal.Path.unlink))
        with pytest.raises(Killed):
            compact(store)
    assert read_store(store) == before  # also before anybody cleans up
    fill(store, [20])
    assert {key: rows for key, rows in read_store(store).items() if key[1] != "0020.jpg"} == before
    compact(store)
    assert len(read_store(store)) == len(before) + 1
    assert len(list(facts_folder(store).iterdir())) == 1


def test_a_store_that_is_written_to_or_decided_is_left_alone(store):
    with StoreLock(store), pytest.raises(HoopoeError, match="is writing"):
        compact(store)
    with StoreLock(store, ".decisions.lock"), pytest.raises(HoopoeError, match="is writing"):
        compact(store)


def test_what_a_later_classifier_could_not_see_stays_noted_in_parts_that_hold_its_logits(store):
    """Parts that an audit wrote anew have no overlay, and tell themselves what was not classified."""
    with OverlayWriter(store, "new") as writer:
        for part in writer.pending():
            rows = [row for item in FactsReader(store).items(part) for row in item]
            writer.write(part, [], {rows[0].media_id: "torn"})
    write_run(store, RunFile(species=SPECIES.model_copy(update={"overlay": "new"})))
    with FactsWriter(store) as writer:
        for part in parts(facts_folder(store)):
            writer.replace(part, list(FactsReader(store).items(part)))
    before = len(parts(facts_folder(store)))
    assert compact(store).after == 1
    with OverlayWriter(store, "new", retry_failed=True) as writer:
        [part] = writer.pending()
        assert list(writer.to_do(part).values()) == ["torn"] * before


def test_parts_that_are_joined_while_they_are_listed_are_there_once(store, monkeypatch):
    facts, listing = facts_folder(store), layout._all_parts
    names = [part.name for part in parts(facts)]
    new, old = "part-000099.parquet", names[:2]
    (facts / new).write_bytes(b"joined")
    journal.write_joining(facts, journal.Joining(new, old))

    def ending(folder):
        journal.write_joining(facts, journal.Joining(new, old, done=True))
        for name in old:
            (facts / name).unlink(missing_ok=True)
        return listing(folder)

    monkeypatch.setattr(layout, "_all_parts", ending)
    assert [part.name for part in parts(facts)] == [*names[2:], new]
