"""Finished items are kept whole, once, and in one part, whatever ends the process that wrote them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbones.errors import DataError, HoopoeError
from detector.store.facts import OverlayRow
from detector.store.marks import marks_of
from detector.store.reader import FactsReader, finished
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry
from detector.store.run_json import merge_run, read_run, update_run, write_run
from detector.store.schema import pack_vector
from detector.store.writer import FactsWriter, OverlayWriter
from tests.detector.annotation.store_checks import unpack_vector

SHARED = [HealthCheck.function_scoped_fixture]  # fixtures of ours that keep nothing


def read_all(folder: Path) -> list[tuple]:
    return list(FactsReader(folder).items())


def test_store_without_facts_is_empty(tmp_path: Path) -> None:
    assert finished(tmp_path / "nowhere") == set()
    assert read_all(tmp_path / "nowhere") == []
    with FactsWriter(tmp_path / "out"):
        pass
    assert read_all(tmp_path / "out") == []


def test_rows_come_back_as_they_were(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    logits = np.arange(-3, 3, 0.5)
    box = facts_maker.box(logits=pack_vector(logits), appearance=bytes(range(64)), track_id=7)
    items = [
        [facts_maker.row("blank.jpg")],
        [facts_maker.row("broken.jpg", boxes=None, captured_at=None, captured_from=None)],
        [facts_maker.row("ציפור.mp4", media_type="video", frame_number=n, boxes=[box] * n) for n in range(3)],
    ]
    facts_maker.write(tmp_path, items)
    assert read_all(tmp_path) == [tuple(rows) for rows in items]
    assert finished(tmp_path) == {rows[0].media_id for rows in items}
    np.testing.assert_array_equal(unpack_vector(read_all(tmp_path)[2][1].detections[0].logits), logits)


@settings(max_examples=10, suppress_health_check=SHARED)
@given(sizes=st.lists(st.integers(1, 6), max_size=12), part_rows=st.integers(1, 10))
def test_item_lies_in_one_part(
    tmp_path_factory: pytest.TempPathFactory, facts_maker: SimpleNamespace, sizes: list[int], part_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    with FactsWriter(folder, part_rows=part_rows) as writer:
        for index, size in enumerate(sizes):
            writer.add([facts_maker.row(f"{index}.mp4", frame_number=frame) for frame in range(size)])
    reader = FactsReader(folder)
    found = [[len(item) for item in reader.items(part)] for part in reader.parts()]
    assert [size for part in found for size in part] == sizes
    assert all(sum(part[:-1]) < part_rows for part in found)


@settings(max_examples=10, suppress_health_check=SHARED)
@given(runs=st.lists(st.lists(st.integers(0, 9), unique=True), max_size=5), part_rows=st.integers(1, 5))
def test_later_runs_go_on_with_what_is_not_finished(
    tmp_path_factory: pytest.TempPathFactory, facts_maker: SimpleNamespace, runs: list[list[int]], part_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    done: list[str] = []
    for run in runs:
        with FactsWriter(folder, part_rows=part_rows) as writer:
            assert writer.finished == {facts_maker.row(path).media_id for path in done}
            new = [row for number in run if (row := facts_maker.row(f"{number}.jpg")).media_id not in writer.finished]
            for row in new:
                writer.add([row])
        done += [row.path for row in new]
        assert [item[0].path for item in read_all(folder)] == done


def test_part_is_due_after_a_while(
    tmp_path: Path, facts_maker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with FactsWriter(tmp_path, part_seconds=60) as writer:
        writer.add([facts_maker.row("a.jpg")])
        assert finished(tmp_path) == set()
        now += 61
        writer.flush_if_due()
        assert len(finished(tmp_path)) == 1


@pytest.mark.parametrize("fault", ["empty", "twice", "mixed", "order"])
def test_wrong_rows_are_refused(tmp_path: Path, facts_maker: SimpleNamespace, fault: str) -> None:
    row = facts_maker.row("a.mp4")
    rows = {
        "empty": [],
        "twice": [row],
        "mixed": [facts_maker.row("b.mp4"), facts_maker.row("c.mp4", frame_number=1)],
        "order": [facts_maker.row("b.mp4", frame_number=1), facts_maker.row("b.mp4", frame_number=1)],
    }
    with FactsWriter(tmp_path) as writer:
        writer.add([row])
        with pytest.raises(ValueError, match=r"at least one|already|several|rise"):
            writer.add(rows[fault])
    assert len(finished(tmp_path)) == 1


def test_error_on_the_way_keeps_what_was_finished(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    def fail_in_the_middle() -> None:
        with FactsWriter(tmp_path) as writer:
            writer.add([facts_maker.row("a.jpg")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_in_the_middle()
    assert len(finished(tmp_path)) == 1
    with FactsWriter(tmp_path) as writer:
        writer.add([facts_maker.row("b.jpg")])
    assert len(FactsReader(tmp_path).parts()) == 2


def test_failures_are_forgotten_on_demand_and_nothing_else(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    good, broken = facts_maker.row("good.jpg"), facts_maker.row("broken.jpg", boxes=None)
    mended, missing = facts_maker.row("broken.jpg"), facts_maker.row("missing.jpg", boxes=None)
    for row in (good, broken, missing):  # a part each
        with FactsWriter(tmp_path) as writer:
            writer.add([row])
    with FactsWriter(tmp_path) as writer, pytest.raises(ValueError, match="already"):
        writer.add([mended])
    with FactsWriter(tmp_path, retry_failed=True) as writer:
        assert writer.finished == {good.media_id}
        writer.add([mended])
    assert read_all(tmp_path) == [(good,), (mended,)]
    assert finished(tmp_path) == {good.media_id, mended.media_id}


def test_a_part_is_replaced_in_one_step_and_no_other(
    tmp_path: Path, facts_maker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [[facts_maker.row("a.jpg")], [facts_maker.row("b.mp4", frame_number=n) for n in (0, 5)]]
    facts_maker.write(tmp_path, items)
    facts_maker.write(tmp_path, [[facts_maker.row("c.jpg", boxes=None)]])
    before = read_all(tmp_path)
    new = [[facts_maker.row("a.jpg", boxes=[facts_maker.box()], seen_by="audit")], items[1]]
    with FactsWriter(tmp_path) as writer:
        first = FactsReader(tmp_path).parts()[0]
        marks = marks_of(first, "")
        with monkeypatch.context() as patch:
            patch.setattr(pq, "write_table", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                writer.replace(first, new)
        assert read_all(tmp_path) == before
        writer.replace(first, new)
        assert marks_of(first, "").part != marks.part
        assert len(writer.finished) == 3
    assert read_all(tmp_path) == [tuple(new[0]), *before[1:]]
    with FactsWriter(tmp_path) as writer, pytest.raises(ValueError, match="in the store already"):
        writer.add(new[0])


def test_second_writer_is_refused(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from detector.store.writer import FactsWriter;"
    script += f"FactsWriter(Path({str(tmp_path)!r}))"
    with FactsWriter(tmp_path):
        with pytest.raises(HoopoeError, match="another process"):
            FactsWriter(tmp_path)
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert f"another process (number {os.getpid()}) is writing" in run.stderr
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_damaged_part_is_named_with_its_mend(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    logits = np.random.default_rng(0).bytes(1100)
    facts_maker.write(tmp_path, [[facts_maker.row("1.jpg", boxes=[facts_maker.box(logits=logits)])]])
    part = FactsReader(tmp_path).parts()[0]
    whole = part.read_bytes()
    place = whole.index(logits[500:600])
    for content in (whole[:-9], b"", whole[:place] + bytes(8) + whole[place + 8 :]):
        part.write_bytes(content)
        with pytest.raises(DataError, match=r"damaged.*hoopoe annotate") as caught:
            read_all(tmp_path)
        assert caught.value.where == str(part)
    part.unlink()
    assert finished(tmp_path) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX's")
def test_full_disk_is_said_and_costs_nothing_finished(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the end of the disk."""
    script = textwrap.dedent(
        f"""
        import resource, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from conftest import make_row, make_box
        from backbones.errors import DiskFullError
        from detector.store.writer import FactsWriter
        import numpy as np
        out = Path({str(tmp_path)!r})
        noise = np.random.default_rng(0)
        big = lambda name: [make_row(name, boxes=[make_box(logits=noise.bytes(1_000_000))])]
        writer = FactsWriter(out, part_rows=1)
        writer.add(big("first.jpg"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        for attempt in (lambda: writer.add(big("second.jpg")), writer.flush):
            try:
                attempt()
            except DiskFullError as error:
                print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(sorted(path.name for path in (out / "facts").iterdir()))
        writer.close()
        """
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [("the disk is full; make room" in line) for line in lines] == [True, True, False]
    assert lines[2] == "['part-000000.parquet']"
    assert [item[0].path for item in read_all(tmp_path)] == ["first.jpg", "second.jpg"]


WRITE_FOR_EVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import make_row, make_box
from detector.store.writer import FactsWriter
with FactsWriter(Path(sys.argv[1]), part_rows=20) as writer:
    for index in range(100_000):
        name, frames = f"{index}.mp4", range(index % 4 + 1)
        rows = [make_row(name, frame_number=frame, boxes=[make_box()] * frame) for frame in frames]
        if rows[0].media_id not in writer.finished:
            writer.add(rows)
            print(index, flush=True)
"""


def test_killed_writers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path), str(Path(__file__).parents[1])],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(rng.randint(15, 60)):  # items, of which eight or so make a part
            process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.02))
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()
        process.stdout.close()
        items = read_all(tmp_path)
        counts = Counter(item[0].media_id for item in items)
        assert set(counts.values()) <= {1}
        paths = [item[0].path for item in items]
        assert paths == [f"{index}.mp4" for index in range(len(paths))]  # in order, none left out
        assert all(len(item) == index % 4 + 1 for index, item in enumerate(items))
    assert len(items) > 20
    (tmp_path / "facts" / ".part-000000.parquet.1.unfinished").touch()
    FactsWriter(tmp_path).close()
    assert not list((tmp_path / "facts").glob(".*"))


def test_overlay_takes_the_place_of_logits(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    old, new = pack_vector(np.zeros(3)), pack_vector(np.ones(3))
    boxes = [facts_maker.box(logits=old), facts_maker.box(logits=old)]
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=boxes)], [facts_maker.row("b.jpg", boxes=None)]])
    run = read_run(tmp_path)
    assert run is not None
    write_run(tmp_path, run.model_copy(update={"species": SpeciesEntry(name="other")}))
    with FactsWriter(tmp_path) as writer:  # by the classifier that is to count
        writer.add([facts_maker.row("c.jpg", boxes=boxes[:1])])

    with OverlayWriter(tmp_path, "other") as overlay:
        first, second = overlay.pending()
        item = next(FactsReader(tmp_path).items(first))
        overlay.write(first, [OverlayRow(item[0].media_id, 0, 1, new)])
        assert overlay.pending() == [second]
    assert {box.logits for item in read_all(tmp_path) for row in item for box in row.detections or ()} == {old}

    write_run(tmp_path, run.model_copy(update={"species": SpeciesEntry(name="other", overlay="other")}))
    reader = FactsReader(tmp_path)
    assert [box.logits for item in reader.items() for row in item for box in row.detections or ()] == [None, new, old]
    flat = [value for part in reader.parts() for batch in reader.logits(part) for value in batch.to_pylist()]
    assert flat == [None, new, old]


def test_an_overlay_is_of_one_part_whatever_its_name(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    """A part that was deleted and annotated again holds other files, or the same ones with other boxes."""
    old, new, own = (pack_vector(np.full(3, value)) for value in (0.0, 1.0, 2.0))
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=[facts_maker.box(logits=old)])]])
    with OverlayWriter(tmp_path, "other") as overlay:
        (part,) = overlay.pending()
        overlay.write(part, [OverlayRow(read_all(tmp_path)[0][0].media_id, 0, 0, new)])
    run = read_run(tmp_path)
    assert run is not None
    write_run(tmp_path, run.model_copy(update={"species": SpeciesEntry(name="other", overlay="other")}))
    part.unlink()
    with FactsWriter(tmp_path) as writer:
        for path in ("a.jpg", "b.jpg"):
            writer.add([facts_maker.row(path, boxes=[facts_maker.box(logits=own)])])
    assert [item[0].detections[0].logits for item in read_all(tmp_path)] == [own, own]
    with OverlayWriter(tmp_path, "other") as overlay:
        assert overlay.pending() == []


def test_a_part_of_another_classifier_never_lends_its_logits(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=[facts_maker.box(logits=b"12")])]])
    run = read_run(tmp_path)
    assert run is not None
    with FactsWriter(tmp_path) as writer:
        writer.add([facts_maker.row("b.jpg", boxes=[facts_maker.box(logits=b"12")])])
    write_run(tmp_path, run.model_copy(update={"species": SpeciesEntry(name="other", overlay="other")}))
    with pytest.raises(DataError, match="not classified by the classifier that counts"):
        read_all(tmp_path)


def test_what_failed_under_an_overlay_is_done_again_alone(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    rows = [facts_maker.row(path, boxes=[facts_maker.box()]) for path in ("a.jpg", "b.jpg")]
    facts_maker.write(tmp_path, [[row] for row in rows])
    first, second = (row.media_id for row in rows)
    with OverlayWriter(tmp_path, "other") as overlay:
        (part,) = overlay.pending()
        overlay.write(part, [OverlayRow(first, 0, 0, b"11")], {second: "torn"})
        assert (overlay.pending(), overlay.failures(part)) == ([], {second: "torn"})
    with OverlayWriter(tmp_path, "other", retry_failed=True) as overlay:
        assert overlay.pending() == [part]
        overlay.write(part, [OverlayRow(second, 0, 0, b"22")])
        assert (overlay.pending(), overlay.failures(part)) == ([], {})
    run = read_run(tmp_path)
    assert run is not None
    write_run(tmp_path, run.model_copy(update={"species": SpeciesEntry(name="other", overlay="other")}))
    assert [item[0].detections[0].logits for item in read_all(tmp_path)] == [b"11", b"22"]


def test_what_failed_under_an_overlay_stays_noted_when_its_part_is_replaced(
    tmp_path: Path, facts_maker: SimpleNamespace
) -> None:
    """As an audit replaces parts of a store that was reclassified."""
    rows = [facts_maker.row(path, boxes=[facts_maker.box()]) for path in ("a.jpg", "b.jpg")]
    facts_maker.write(tmp_path, [[row] for row in rows])
    first, second = (row.media_id for row in rows)
    with OverlayWriter(tmp_path, "other") as overlay:
        (part,) = overlay.pending()
        overlay.write(part, [OverlayRow(first, 0, 0, b"11")], {second: "torn"})
    run = read_run(tmp_path)
    assert run is not None
    write_run(tmp_path, run.model_copy(update={"species": SpeciesEntry(name="other", overlay="other")}))
    for _ in range(2):
        with FactsWriter(tmp_path) as writer:
            writer.replace(part, list(FactsReader(tmp_path).items(part)))
    with OverlayWriter(tmp_path, "other") as overlay:
        assert (overlay.pending(), overlay.failures(part)) == ([], {second: "torn"})
    with OverlayWriter(tmp_path, "other", retry_failed=True) as overlay:
        assert (overlay.pending(), overlay.to_do(part)) == ([part], {second: "torn"})
        overlay.write(part, [OverlayRow(second, 0, 0, b"22")])
        assert (overlay.pending(), overlay.failures(part)) == ([], {})
    assert [item[0].detections[0].logits for item in read_all(tmp_path)] == [b"11", b"22"]


def test_logits_are_one_a_box_in_order(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    rows = [
        facts_maker.row("a.mp4", frame_number=0),
        facts_maker.row("a.mp4", frame_number=1, boxes=[facts_maker.box(), facts_maker.box(logits=b"12")]),
        facts_maker.row("a.mp4", frame_number=2, boxes=[facts_maker.box(logits=b"34")]),
    ]
    facts_maker.write(tmp_path, [rows, [facts_maker.row("b.jpg", boxes=None)]])
    reader = FactsReader(tmp_path)
    assert [v for batch in reader.logits(reader.parts()[0]) for v in batch.to_pylist()] == [None, b"12", b"34"]


def test_second_run_must_be_like_the_first(tmp_path: Path, facts_maker: SimpleNamespace) -> None:
    first = {"options": {"frame_interval": 1.0, "size": (2, 3)}}
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg")]], **first)
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", card="second")]], **first)
    run = read_run(tmp_path)
    assert run is not None
    assert sorted(run.cards) == ["card", "second"]
    other = RunFile(detector=DetectorEntry(name="x.pt"), options={"frame_interval": 2.0, "size": (2, 3)})
    with pytest.raises(
        HoopoeError, match=r"detector is detector.safetensors, not x.pt; frame_interval is 1.0, not 2.0"
    ):
        merge_run(tmp_path, other)
    assert read_run(tmp_path) == run


def test_store_without_facts_takes_any_run(tmp_path: Path) -> None:
    merge_run(tmp_path, RunFile(options={"frame_interval": 1.0}, decisions={"a": 1}))
    run = merge_run(tmp_path, RunFile(options={"frame_interval": 2.0}))
    assert run.options == {"frame_interval": 2.0}
    assert run.decisions == {"a": 1}


def test_what_two_writers_change_at_once_is_all_there(tmp_path: Path) -> None:
    """`decide` keeps its options while `annotate` adds a card: neither writes over the other."""
    write_run(tmp_path, RunFile(cards={"first": CardEntry(root="/1")}))
    begun = Event()

    def slowly(run: RunFile) -> RunFile:
        begun.set()
        other.join(0.2)  # it cannot come between
        return run.model_copy(update={"decisions": {"a": 1}})

    def add() -> None:
        begun.wait()
        merge_run(tmp_path, RunFile(cards={"second": CardEntry(root="/2")}))

    other = Thread(target=add)
    other.start()
    update_run(tmp_path, slowly)
    other.join()
    run = read_run(tmp_path)
    assert run is not None
    assert (sorted(run.cards), run.decisions) == (["first", "second"], {"a": 1})


@pytest.mark.parametrize("content", ["{", '{"version": 99}', '{"cards": 3}', "[]"])
def test_damaged_run_file_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError, match=r"JSON|version 99|cards|valid"):
        read_run(tmp_path)
