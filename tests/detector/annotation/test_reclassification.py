"""A store is classified again by another classifier: its logits take the place of those before, and nothing else."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace

import pytest

from backbones.errors import MediaError
from detector.annotation.options import WorkOptions
from detector.annotation.reclassification import NOT_THERE, overlay_name, reclassify
from detector.annotation.report import RunReport
from detector.annotation.request import AnnotateRequest, Models, RunSettings
from detector.annotation.run import annotate
from detector.annotation.running import run_store
from detector.annotation.values import ClassifiedItem
from detector.base.objects.address import Address
from detector.base.reporting import Task
from detector.cluster.options import ClusterOptions
from detector.species.classifier import SpeciesClassifier
from detector.store.cards import rename_card
from detector.store.run_file import CardEntry, RunFile
from detector.store.run_json import load_run, write_run
from detector.store.writer import OverlayWriter
from tests.detector.annotation.conftest import save_photo, save_species
from tests.detector.annotation.store_checks import assert_same_facts, read_store


@pytest.fixture
def other_species(tmp_path):
    return SpeciesClassifier.load(save_species(tmp_path / "other.safetensors", seed=5))


@pytest.fixture
def afresh(detector, other_species, settings, tmp_path):
    """The facts of cards that the other classifier saw from the beginning."""

    def annotated(*cards):
        annotate(AnnotateRequest(cards, tmp_path / "afresh"), Models(detector, other_species), settings)
        return read_store(tmp_path / "afresh")

    return annotated


def test_a_cluster_is_told_where_cards_among_objects_are(other_species, tmp_path, monkeypatch):
    seen = []

    def on_cluster(engine, job, places, options, writer):
        seen.append(dict(places.roots))
        return RunReport()

    monkeypatch.setattr("detector.annotation.reclassification.classify_on_cluster", on_cluster)
    cards = {"north": CardEntry(root="s3://bucket/north"), "south": CardEntry(root=str(tmp_path / "south"))}
    write_run(tmp_path / "out", RunFile(cards=cards))
    reclassify(tmp_path / "out", other_species, RunSettings(cluster=ClusterOptions()))
    assert seen == [{"north": Address("s3", "bucket", "north"), "south": tmp_path / "south"}]


def test_files_that_a_machine_of_the_cluster_does_not_see_are_done_by_the_next_run(
    run, afresh, make_card, other_species, tmp_path, settings, monkeypatch
):
    """Its mount is away: that is no failure of the files, as it is none where one process reads them."""

    def on_cluster(engine, job, places, options, writer):
        def without_mount(items):
            for boxed in items:
                yield ClassifiedItem(boxed, failure="it cannot be read", gone=True)

        return run_store(without_mount, job, "classifying", quiet=True)

    card, out = make_card(photos=3), tmp_path / "out"
    run("out", card)
    with monkeypatch.context() as patch:
        patch.setattr("detector.annotation.reclassification.classify_on_cluster", on_cluster)
        report = reclassify(out, other_species, replace(settings, cluster=ClusterOptions()))
    assert (report.files, report.failed) == (0, 0)
    assert len(report.lost) == 4
    assert load_run(out).species.overlay is None
    report = reclassify(out, other_species, settings)
    assert (report.files, report.failed, report.lost) == (4, 0, [])
    facts, others = read_store(out), afresh(card)
    photos = {key for key in facts if key[1].endswith("JPG")}
    assert_same_facts({key: facts[key] for key in photos}, {key: others[key] for key in photos})


def test_another_classifier_replaces_the_logits_and_nothing_else(
    run, afresh, make_card, detector, other_species, tmp_path, settings
):
    card, out = make_card(photos=3), tmp_path / "out"
    _, before = run("out", card)
    report = reclassify(out, other_species, settings)
    assert (report.files, report.failed) == (4, 0)
    assert load_run(out).species.overlay == overlay_name(other_species)
    overlaid = read_store(out)
    tracks = lambda facts: [b.track_id for rows in facts.values() for row in rows for b in row.detections]  # noqa: E731
    assert tracks(overlaid) == tracks(before)
    photos = {key for key in overlaid if key[1].endswith("JPG")}  # a video's tracks may follow the classifier
    others = afresh(card)
    assert_same_facts({key: overlaid[key] for key in photos}, {key: others[key] for key in photos})
    some = next(b for rows in before.values() for row in rows for b in row.detections if b.logits)
    assert all(some.logits != b.logits for rows in overlaid.values() for row in rows for b in row.detections)
    save_photo(card / "DCIM" / "IMG_0009.JPG", 9)
    annotate(AnnotateRequest([card], out), Models(detector, other_species), settings)
    assert len(read_store(out)) == 5


def test_boxes_of_a_renamed_card_are_classified_again(run, make_card, other_species, settings, tmp_path):
    out = tmp_path / "out"
    run("out", make_card("reader-2", photos=3, videos=0))
    rename_card(out, "reader-2", "north slope")
    before = read_store(out)
    assert reclassify(out, other_species, settings).all_well
    after = read_store(out)
    named = [[box.logits is not None for box in rows[0].detections] for rows in after.values()]
    assert named == [[box.logits is not None for box in rows[0].detections] for rows in before.values()]
    assert any(any(boxes) for boxes in named)


def test_parts_are_classified_again_in_one_pass_and_each_keeps_its_own(
    run, afresh, make_card, other_species, settings, tmp_path
):
    out, cards = tmp_path / "out", [make_card(name, photos=3, videos=1) for name in ("north", "south", "west")]
    for card in cards:  # a part each
        run("out", card)
    assert reclassify(out, other_species, settings).files == 12
    photos = lambda facts: {key: rows for key, rows in facts.items() if "IMG" in key[1]}  # noqa: E731
    assert_same_facts(photos(read_store(out)), photos(afresh(*cards)))


def test_a_reclassification_that_was_ended_goes_on(run, make_card, other_species, tmp_path, monkeypatch, settings):
    out = tmp_path / "out"
    for name in ("north", "south"):  # a part each
        run("out", make_card(name, photos=2, videos=0))
    write = OverlayWriter.write

    def write_one(self, part, rows, failures):
        write(self, part, rows, failures)
        raise KeyboardInterrupt

    monkeypatch.setattr(OverlayWriter, "write", write_one)
    with pytest.raises(KeyboardInterrupt):
        reclassify(out, other_species, settings)
    assert load_run(out).species.overlay is None
    monkeypatch.setattr(OverlayWriter, "write", write)
    assert reclassify(out, other_species, settings).files == 2
    assert load_run(out).species.overlay == overlay_name(other_species)
    assert reclassify(out, other_species, settings).files == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_what_is_classified_again(
    run, afresh, make_card, other_species, settings, tmp_path, monkeypatch, number
):
    card, out = make_card(photos=20, videos=0), tmp_path / "out"
    alone = replace(settings, work=WorkOptions(batch_size=1, crop_batch_size=1, workers=1))
    run("out", card, work=alone.work)
    advance = Task.advance

    def advance_and_end(self, count=1, failed=False):
        advance(self, count, failed)
        if self.done == 3:
            signal.raise_signal(number)

    monkeypatch.setattr(Task, "advance", advance_and_end)
    ended = reclassify(out, other_species, alone)
    assert (ended.signal, load_run(out).species.overlay) == (number, None)
    assert 3 <= ended.files < 20
    monkeypatch.setattr(Task, "advance", advance)
    rest = reclassify(out, other_species, alone)
    assert (rest.files, rest.all_well) == (20 - ended.files, True)
    assert_same_facts(read_store(out), afresh(card))


def test_a_card_that_is_not_there_is_asked_for(run, make_card, other_species, tmp_path, settings):
    card, out = make_card(photos=1, videos=0), tmp_path / "out"
    run("out", card)
    shutil.move(card, tmp_path / "moved")
    with pytest.raises(MediaError, match="--root card=PATH"):
        reclassify(out, other_species, settings)
    roots = {"card": tmp_path / "moved"}
    assert reclassify(out, other_species, settings, roots).failed == 0


def test_what_cannot_be_read_again_gets_no_name_and_is_tried_again_when_asked(
    run, afresh, make_card, other_species, tmp_path, settings
):
    card, out = make_card(photos=4, videos=0), tmp_path / "out"
    run("out", card)
    torn, away = card / "DCIM" / "IMG_0001.JPG", card / "DCIM" / "IMG_0002.JPG"
    torn.rename(tmp_path / "whole")
    torn.write_bytes(b"<html>")
    away.rename(tmp_path / "away")
    first = reclassify(out, other_species, settings)
    second = reclassify(out, other_species, settings)
    assert (first.failed, second.files, second.failed) == (2, 0, 0)
    assert second.failures_before == first.failures
    assert first.failures[NOT_THERE] == 1

    def named():
        return {path for (_, path), rows in read_store(out).items() if any(b.logits for b in rows[0].detections)}

    assert named() == {"DCIM/IMG_0000.JPG", "DCIM/IMG_0003.JPG"}
    (tmp_path / "whole").replace(torn)
    (tmp_path / "away").rename(away)
    third = reclassify(out, other_species, replace(settings, retry_failed=True))
    assert (third.files, third.all_well) == (2, True)
    assert len(named()) == 4
    assert_same_facts(read_store(out), afresh(card))


def test_a_mount_point_whose_share_is_away_costs_no_names(run, make_card, other_species, tmp_path, settings):
    card, out = make_card(photos=2, videos=0), tmp_path / "out"
    _, before = run("out", card)
    shutil.move(card / "DCIM", tmp_path / "share")
    with pytest.raises(MediaError, match="none of its files are there"):
        reclassify(out, other_species, settings)
    assert_same_facts(read_store(out), before)
    shutil.move(tmp_path / "share", card / "DCIM")
    assert reclassify(out, other_species, settings).files == 2
