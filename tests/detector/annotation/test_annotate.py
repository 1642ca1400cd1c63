"""Annotation as a whole: facts depend on the file alone, and on nothing around it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.errors import ConfigError, DiskFullError, HoopoeError, MediaError
from detector.annotation import local, stages
from detector.annotation.options import WorkOptions
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.base.times import time_of_disk
from detector.data.coco.reading import read_coco
from detector.footage import cards as cards_module
from detector.models.prediction import detect_resized
from detector.species.calibrating.labelled import Labelling, classify_annotations
from detector.species.names.crosswalk import load_crosswalk
from detector.species.names.taxonomy import Taxonomy
from detector.store import writer as writer_module
from detector.store.presence import absent_cards
from detector.store.run_json import load_run
from tests.detector.annotation.conftest import save_photo, save_video
from tests.detector.annotation.store_checks import assert_same_facts, read_store, unpack_vector

FOOTAGE = Path(__file__).parents[4] / "shared" / "data" / "footage"
ALONE = WorkOptions(batch_size=1, crop_batch_size=1, workers=1)
TOGETHER = WorkOptions(batch_size=4, crop_batch_size=7, workers=1)


def huge_png(side):
    """A file of a few bytes that claims to be a picture of billions of pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_card_becomes_facts(run, make_card):
    card = make_card()
    report, facts = run("out", card)
    assert (report.files, report.failed, len(facts)) == (7, 0, 7)
    video = facts["card", "DCIM/VID_0000.mp4"]
    assert [(row.frame_number, row.time_s) for row in video] == [(0, 0.0), (5, 1.0), (10, 2.0)]
    assert video[0].frame_rate == 5
    assert {row.modified_at for row in video} == {time_of_disk((card / "DCIM/VID_0000.mp4").stat().st_mtime)}
    boxes = [(row, box) for rows in facts.values() for row in rows for box in row.detections]
    assert {bool(box.label_scores[0]) for _, box in boxes} == {True, False}
    for row, box in boxes:
        assert (box.logits is not None) == (box.label_scores[0] > 0), "birds, and only birds, are classified"
        assert (box.track_id is not None) == (row.media_type == "video")
        assert len(box.appearance) == 64
        assert 0 <= box.x <= box.x + box.w <= 1 + 1e-6
    assert {box.track_id for _, box in boxes if box.track_id is not None} >= {0}


def test_calibrate_sees_the_very_logits_that_annotate_keeps(run, make_card, species, tmp_path):
    """Boxes of the facts, given back as annotations: same crops, same batches, same logits."""
    card = make_card(photos=5, videos=0)
    _, facts = run("out", card)
    photos, boxes, kept = [], [], []
    for (_, path), [row] in facts.items():
        photos.append({"id": len(photos), "file_name": path, "width": row.width, "height": row.height})
        for box in row.detections:
            if box.logits is not None:
                xywh = [box.x * row.width, box.y * row.height, box.w * row.width, box.h * row.height]
                boxes.append({"id": len(boxes), "image_id": photos[-1]["id"], "category_id": 1, "bbox": xywh})
                kept.append(unpack_vector(box.logits))
    categories = [{"id": 1, "name": "Parus major"}]
    (tmp_path / "coco.json").write_text(
        json.dumps({"images": photos, "annotations": boxes, "categories": categories}), encoding="utf-8"
    )
    annotations, _ = read_coco([(tmp_path / "coco.json", card)])
    labelling = Labelling(species, Taxonomy(species.class_names, load_crosswalk(None)), batch_size=5)
    seen = classify_annotations(annotations, labelling, lambda: None).logits
    assert len(seen) == len(kept) > 5
    of_one_photo = np.lexsort(np.float32(kept).T), np.lexsort(seen.T)  # annotations are read in an order of their own
    np.testing.assert_allclose(np.float32(kept)[of_one_photo[0]], seen[of_one_photo[1]], atol=0.002)


def test_facts_are_the_same_alone_and_in_batches_of_any_size(run, make_card, tmp_path):
    card = make_card()
    _, together = run("together", card, work=TOGETHER)
    _, alone = run("alone", card, work=ALONE)
    assert_same_facts(together, alone)
    chosen = "DCIM/IMG_0003.JPG"
    (tmp_path / "single" / "card" / "DCIM").mkdir(parents=True)
    shutil.copy2(card / chosen, tmp_path / "single" / "card" / chosen)
    _, single = run("one", tmp_path / "single" / "card")
    assert_same_facts({("card", chosen): together["card", chosen]}, single)


@pytest.mark.slow
@pytest.mark.skipif(not FOOTAGE.is_dir(), reason="needs real footage")
@pytest.mark.parametrize(
    "folders",
    [("robustness", "zamba_clips"), ("robustness", "peru_burst", "zamba_clips", "flying_birds_thermal_ir")],
)
def test_real_footage_has_the_same_facts_in_another_order_and_other_batches(folders, run, tmp_path):
    _, together = run("together", *(FOOTAGE / folder for folder in folders), work=TOGETHER)
    _, alone = run("alone", *(FOOTAGE / folder for folder in reversed(folders)), work=ALONE)
    assert_same_facts(together, alone)
    failed = [path for (_, path), rows in together.items() if rows[0].failure]
    assert failed == ["african_elephants_truncated_file.jpg"]


def test_bad_files_are_recorded_with_a_reason_and_leave_the_others_untouched(run, make_card, tmp_path):
    card = make_card(photos=3)
    _, before = run("before", card)
    good = (card / "DCIM" / "IMG_0000.JPG").read_bytes()
    bad = {
        "truncated.jpg": good[: len(good) // 2],
        "empty.jpg": b"",
        "page.jpg": b"<!DOCTYPE html><html><body>404</body></html>",
        "noise.png": np.random.default_rng(0).bytes(3000),
        "empty.mp4": b"",
        "cut.mp4": (card / "DCIM" / "VID_0000.mp4").read_bytes()[:300],
        "photo.avi": good,
    }
    for name, content in bad.items():
        (card / "DCIM" / name).write_bytes(content)
    (card / "DCIM" / "bomb.png").write_bytes(huge_png(60_000))
    os.link(card / "DCIM" / "IMG_0001.JPG", card / "DCIM" / "jpeg.png")  # the wrong extension costs nothing
    report, after = run("after", card)
    failed = {path.removeprefix("DCIM/"): rows[0].failure for (_, path), rows in after.items() if rows[0].failure}
    assert failed.keys() == {*bad, "bomb.png"}
    assert report.failed == sum(report.failures.values()) == len(failed)
    assert "empty" in failed["empty.jpg"]
    assert "HTML" in failed["page.jpg"]
    assert "60000" in failed["bomb.png"]
    assert_same_facts({key: rows for key, rows in after.items() if key in before}, before)
    assert after["card", "DCIM/jpeg.png"][0].detections


def test_what_is_there_of_a_torn_photo_is_looked_at_and_the_rest_said_to_be_lost(run, make_card):
    card = make_card(photos=2, videos=0)
    torn = card / "DCIM" / "IMG_0001.JPG"
    data = torn.read_bytes()
    torn.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    (card / "notes.txt").write_text("left on the card")
    report, facts = run("out", card)
    rows = facts["card", "DCIM/IMG_0001.JPG"]
    assert [(row.failure, row.warning) for row in rows] == [
        (None, "a part of the picture is lost: its data end too early")
    ]
    assert rows[0].detections is not None
    assert facts["card", "DCIM/IMG_0000.JPG"][0].warning is None
    assert (report.failed, report.warnings) == (0, {rows[0].warning: 1})
    assert report.passed_over == {".txt": 1}


def test_a_card_is_walked_once(run, make_card, monkeypatch, tmp_path):
    walked, find_media = [], cards_module.find_media

    def noted(root, card, **options):
        walked.append(card)
        return find_media(root, card, **options)

    monkeypatch.setattr(cards_module, "find_media", noted)
    cards = make_card("north", photos=2, videos=0), make_card("south", photos=1, videos=0)
    for done in (3, 0):
        assert run("out", *cards)[0].files == done
        assert walked == ["north", "south"]
        walked.clear()
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no photos or videos"):
        run("out", tmp_path / "empty")
    assert walked == ["empty"]


def test_inputs_are_only_read(run, make_card):
    card = make_card()
    state = lambda: {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(card.rglob("*"))}  # noqa: E731
    before = state()
    run("out", card)
    assert state() == before


def test_a_second_card_and_a_new_visit_are_added(run, make_card, tmp_path):
    first, second = make_card("north", photos=2, videos=0), make_card("south", photos=2, videos=0)
    run("out", first)
    save_photo(first / "DCIM" / "IMG_0009.JPG", 9)
    report, facts = run("out", first, second)
    assert (report.files, report.finished_before) == (3, 2)
    assert sorted(facts) == [
        ("north", "DCIM/IMG_0000.JPG"),
        ("north", "DCIM/IMG_0001.JPG"),
        ("north", "DCIM/IMG_0009.JPG"),
        ("south", "DCIM/IMG_0000.JPG"),
        ("south", "DCIM/IMG_0001.JPG"),
    ]


def test_a_moved_disk_goes_on_under_its_new_path(run, make_card, tmp_path):
    card = make_card("north", photos=2, videos=0)
    run("out", card)
    moved = tmp_path / "elsewhere" / "disk"
    moved.parent.mkdir()
    shutil.move(card, moved)
    save_photo(moved / "DCIM" / "IMG_0009.JPG", 9)
    report, facts = run("out", moved, roots={"north": moved})
    assert (report.files, {card for card, _ in facts}) == (1, {"north"})
    assert load_run(tmp_path / "out").cards["north"].root == str(moved)


def test_another_card_in_the_same_reader_is_another_card_and_the_first_one_is_known_when_it_is_back(
    run, make_card, tmp_path
):
    reader = make_card("reader", photos=3, videos=0)
    _, facts = run("out", reader)
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.move(reader, first)
    for number in range(3):  # the same names: cameras begin with them
        save_photo(reader / "DCIM" / f"IMG_{number:04d}.JPG", 50 + number, width=200)
    assert absent_cards(tmp_path / "out", {"reader": reader}).keys() == {"reader"}
    report, both = run("out", reader)
    assert (report.files, report.finished_before) == (3, 0)
    assert {card for card, _ in both} == {"reader", "reader-2"}
    assert {key: both[key] for key in facts} == facts

    report, _ = run("out", reader)
    assert (report.files, report.finished_before) == (0, 3)
    shutil.move(reader, second)
    shutil.move(first, reader)
    report, again = run("out", reader)
    assert (report.files, report.finished_before) == (0, 3)
    assert again.keys() == both.keys()


def test_a_card_whose_files_were_edited_or_removed_in_part_stays_itself(run, make_card, tmp_path):
    card = make_card("north", photos=4, videos=0)
    run("out", card)
    save_photo(card / "DCIM" / "IMG_0000.JPG", 50, width=200)
    (card / "DCIM" / "IMG_0001.JPG").unlink()
    assert absent_cards(tmp_path / "out", {"north": card, "no such": card}) == {}
    report, facts = run("out", card)
    assert (report.files, {name for name, _ in facts}) == (0, {"north"})


def test_nested_cards_hold_each_file_once(run, make_card, tmp_path):
    inner = make_card("all/inner", photos=2, videos=0)
    save_photo(tmp_path / "all" / "IMG_0000.JPG", 50)
    run("out", inner)
    report, facts = run("out", tmp_path / "all")
    assert report.files == 1
    assert sorted(facts) == [
        ("all", "IMG_0000.JPG"),
        ("inner", "DCIM/IMG_0000.JPG"),
        ("inner", "DCIM/IMG_0001.JPG"),
    ]


def test_a_store_inside_a_card_is_not_annotated_itself(run, make_card, tmp_path):
    card = make_card(photos=1, videos=0)
    run("card/out", card)
    save_photo(card / "out" / "crops" / "bird.jpg", 3)
    report, facts = run("card/out", card)
    assert (report.files, len(facts)) == (0, 1)
    with pytest.raises(ConfigError, match="among the photos"):
        run("card", card)
    assert not (card / "facts").exists()


def test_other_options_are_refused(run, make_card):
    card = make_card(photos=1, videos=0)
    run("out", card)
    with pytest.raises(ConfigError, match="tile"):
        run("out", card, tile=True)


def test_a_full_disk_ends_the_run_and_nothing_finished_is_lost(run, make_card, monkeypatch, tmp_path):
    card = make_card(photos=6, videos=0)
    written = []

    def write_two(path, table, rows):
        if len(written) == 2:
            raise DiskFullError("the disk is full", where=path.parent, hint="make room")
        written.append(path)
        whole(path, table, rows)

    whole = writer_module.write_table
    monkeypatch.setitem(writer_module.FactsWriter.__init__.__kwdefaults__, "part_seconds", 0.0)
    monkeypatch.setattr(writer_module, "write_table", write_two)
    with pytest.raises(DiskFullError):
        run("out", card)
    assert len(read_store(tmp_path / "out")) == 2
    monkeypatch.setattr(writer_module, "write_table", whole)
    report, facts = run("out", card)
    assert (report.files, len(facts)) == (4, 6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_current_batch_and_the_rest_is_done_later(run, make_card, monkeypatch, number):
    card = make_card(photos=8, videos=1)
    _, undisturbed = run("undisturbed", card)
    add = writer_module.FactsWriter.add

    def add_and_interrupt(self, rows):
        add(self, rows)
        if len(self.finished) == 3:
            signal.raise_signal(number)

    monkeypatch.setattr(writer_module.FactsWriter, "add", add_and_interrupt)
    report, facts = run("out", card, work=ALONE)
    assert report.signal == number
    assert 3 <= report.files == len(facts) < 9
    monkeypatch.setattr(writer_module.FactsWriter, "add", add)
    report, facts = run("out", card)
    assert report.signal is None
    assert_same_facts(facts, undisturbed)


def test_tiles_and_whole_pictures_find_boxes_of_all_parts(run, tmp_path):
    save_photo(tmp_path / "card" / "large.jpg", 1, width=640, height=480)
    _, whole = run("whole", tmp_path / "card")
    _, tiled = run("tiled", tmp_path / "card", tile=True)
    count = [len(facts["card", "large.jpg"][0].detections) for facts in (whole, tiled)]
    assert count[1] > count[0]


def test_frames_in_which_nothing_moved_are_recorded_and_not_detected(run, tmp_path):
    still = tmp_path / "card" / "still.avi"
    save_video(still, frames=20, still=True)
    _, facts = run("out", tmp_path / "card", motion_gate=True)
    rows = facts["card", "still.avi"]
    assert [row.moved for row in rows] == [None, False, False, False]
    assert [len(row.detections) > 0 for row in rows] == [True, False, False, False]


def test_crops_that_wait_for_their_batch_leave_the_detector_full_batches(run, tmp_path, monkeypatch):
    for number in range(8):
        save_photo(tmp_path / "card" / f"{number}.jpg", number)
    seen: list[int] = []

    def detect_and_count(detector, pictures, *rest):
        seen.append(len(pictures))
        return detect_resized(detector, pictures, *rest)

    monkeypatch.setattr(stages, "detect_resized", detect_and_count)
    monkeypatch.setattr(local, "AHEAD", 1)
    for module, name in ((local, "COMPANY_S"), (stages, "MAX_WAIT_S")):
        monkeypatch.setattr(module, name, 600.0)  # a slow machine splits no batch
    _, facts = run("out", tmp_path / "card", work=WorkOptions(batch_size=2, crop_batch_size=100, workers=1))
    assert seen == [2] * 4
    assert all(rows[0].detections for rows in facts.values())


def test_a_model_that_finds_no_memory_at_all_is_an_error(run, make_card, monkeypatch):
    def fail(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(stages, "detect_resized", fail)
    with pytest.raises(HoopoeError, match="GPU's memory"):
        run("out", make_card(photos=1, videos=0))


def test_files_that_failed_are_looked_at_again_when_asked_for(
    run, detector, species, work, readers, make_card, tmp_path
):
    card = make_card(photos=2, videos=0)
    late = card / "DCIM" / "IMG_0009.JPG"
    late.write_bytes(b"")
    report, _ = run("out", card)
    assert report.failed == 1
    save_photo(late, seed=9)
    report, facts = run("out", card)
    assert (report.files, report.finished_before) == (0, 3)
    assert facts["card", "DCIM/IMG_0009.JPG"][0].failure
    settings = RunSettings(work, quiet=True, retry_failed=True, readers=readers)
    again = annotate(AnnotateRequest((card,), tmp_path / "out"), Models(detector, species), settings)
    assert (again.files, again.finished_before, again.failed) == (1, 2, 0)
    assert read_store(tmp_path / "out")["card", "DCIM/IMG_0009.JPG"][0].detections


@pytest.mark.gpu
def test_the_gpu_annotates_as_the_cpu_does(
    run, detector_file, species_file, make_card, work, readers, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    card, gpu = make_card(), torch.device("cuda")
    _, on_cpu = run("cpu", card)
    models = Models.of(detector_file, species_file, gpu, "fp32")
    annotate(AnnotateRequest((card,), tmp_path / "gpu"), models, RunSettings(work, quiet=True, readers=readers))
    assert_same_facts(on_cpu, read_store(tmp_path / "gpu"), atol=1e-3)
