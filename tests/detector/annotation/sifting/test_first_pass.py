"""A fast detector looks first: what it finds empty is passed over, and an audit says what was missed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from PIL import ExifTags, Image

from backbones.errors import ConfigError
from detector.annotation.options import FIRST_PASS_PROPOSALS, SeeingOptions, WorkOptions
from detector.annotation.reclassification import reclassify
from detector.annotation.request import AnnotateRequest, AuditRequest, Models, limited
from detector.annotation.run import annotate
from detector.annotation.sifting import auditing
from detector.cli.main import main
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.models.limits import with_score_threshold
from detector.models.prediction import detect
from detector.species.classifier import SpeciesClassifier
from detector.store.records_reader import read_effort, read_media
from detector.store.run_json import load_run, update_run
from detector.store.schema import AUDIT, DETECTOR, FIRST_PASS
from tests.detector.annotation.conftest import picture, save_species, save_video
from tests.detector.annotation.store_checks import assert_same_facts, read_store


@pytest.fixture(scope="session")
def pick(detector):
    """The detector as a first pass that finds about every second picture empty."""
    best = [max(box.scores[:1].tolist() or [0.0]) for box in _detect(detector)]
    return replace(detector, name="pick.safetensors", sha256="1" * 64), float(np.median(best))


def _detect(detector):
    return detect(detector, [picture(seed, *((160, 120) if seed % 3 else (200, 90))) for seed in range(6)])


@pytest.fixture
def annotated(detector, species, settings, tmp_path, pick):
    """Annotates cards into a store, with the first pass unless said otherwise."""

    def run(name, *cards, audit=None, first_pass=True, species=species, threshold=pick[1], work=None, **seeing):
        options = SeeingOptions(**seeing, first_pass_threshold=threshold if first_pass else None)
        request = AnnotateRequest(cards, tmp_path / name, options, audit=audit and AuditRequest(audit, 0.05))
        models = Models(detector, species, pick[0] if first_pass else None)
        report = annotate(request, models, replace(settings, work=work or settings.work))
        return report, read_store(tmp_path / name)

    return run


def by_pass(facts):
    """Path and frame -> the pass that saw it."""
    return {(path, row.frame_number): row.seen_by for (_, path), rows in facts.items() for row in rows}


def plain(facts):
    """The facts as if there were no first pass."""
    return {key: tuple(replace(row, seen_by=None) for row in rows) for key, rows in facts.items()}


def test_without_a_first_pass_nothing_says_who_looked(annotated, make_card):
    _, facts = annotated("out", make_card(photos=2), first_pass=False)
    assert set(by_pass(facts).values()) == {None}


def test_what_is_sent_on_has_the_facts_of_a_run_without(annotated, make_card, tmp_path, pick):
    card = make_card(photos=6)
    _, whole = annotated("whole", card, first_pass=False)
    report, facts = annotated("out", card)
    assert report.files == len(facts) == 7
    passes = by_pass(facts)
    assert set(passes.values()) == {FIRST_PASS, DETECTOR}
    assert {frame for (path, frame) in passes if path.endswith("mp4")} == {
        row.frame_number for (_, path), rows in whole.items() if path.endswith("mp4") for row in rows
    }
    photos = [key for key, rows in facts.items() if rows[0].media_type == "photo"]
    sent = [key for key in photos if facts[key][0].seen_by == DETECTOR]
    assert_same_facts(plain({key: facts[key] for key in sent}), {key: whole[key] for key in sent})
    for key in photos:  # the first pass is the detector itself: what it sees empty is so, from its threshold up
        best = max((max(box.label_scores) for box in whole[key][0].detections), default=0)
        assert (facts[key][0].seen_by == DETECTOR) == (best >= pick[1])
        assert facts[key][0].seen_by == DETECTOR or facts[key][0].detections == ()
        bare = replace(facts[key][0], seen_by=None, detections=()), replace(whole[key][0], detections=())
        assert bare[0] == bare[1]
    run = load_run(tmp_path / "out")
    assert (run.first_pass.name, run.options["first_pass_threshold"]) == ("pick.safetensors", pick[1])


def test_another_first_pass_is_refused_as_another_model_is(annotated, make_card, detector, species, settings, tmp_path):
    card = make_card(photos=2, videos=0)
    annotated("out", card)
    with pytest.raises(ConfigError, match=r"its first pass is pick.safetensors \(11111111\), not none"):
        annotated("out", card, first_pass=False)
    with pytest.raises(ConfigError, match="first_pass_threshold is"):
        annotated("out", card, threshold=0.99)
    annotated("whole", card, first_pass=False)
    with pytest.raises(ConfigError, match="its first pass is none, not pick"):
        annotated("whole", card)
    request = AnnotateRequest([card], tmp_path / "whole", SeeingOptions(first_pass_threshold=0.1))
    with pytest.raises(ConfigError, match="there is no first pass"):
        annotate(request, Models(detector, species), settings)


def test_a_first_pass_finds_below_the_threshold_of_its_file(detector):
    low = with_score_threshold(detector, 0.0)
    assert detector.meta.config.score_threshold == 0.05
    assert all(len(few) <= len(many) for few, many in zip(_detect(detector), _detect(low), strict=True))
    assert sum(map(len, _detect(with_score_threshold(detector, 0.9)))) < sum(map(len, _detect(low)))
    assert detector.net.roi_heads.score_thresh == 0.05


def test_blank_by_first_pass_is_told_by_decisions_and_exports(annotated, make_card, tmp_path):
    out = tmp_path / "out"
    _, facts = annotated("out", make_card(photos=6, videos=0))
    summary = decide(out, DecideOptions(score_threshold=0.05))
    passed = {path for (path, _), seen_by in by_pass(facts).items() if seen_by == FIRST_PASS}
    assert 0 < len(passed) < 6
    assert summary.by_first_pass == len(passed) <= summary.blank
    assert {item.path for item in read_media(out) if item.passed_over == FIRST_PASS} == passed
    assert all(item.blank for item in read_media(out) if item.passed_over)
    assert sum(row.passed_over for row in read_effort(out)) == len(passed)
    [_, files, *_] = export(out, ["csv"])
    text = files.read_text("utf-8-sig")
    assert text.count(",first pass,") == len(passed)


def test_an_audit_of_all_finds_what_a_run_without_first_pass_does(annotated, make_card, tmp_path):
    card = make_card(photos=6)
    _, whole = annotated("whole", card, first_pass=False)
    annotated("out", card)
    report, facts = annotated("out", card, audit=1000)
    assert (report.files, report.audited.failed) == (0, 0)
    assert set(by_pass(facts).values()) == {AUDIT, DETECTOR}
    photos = {key for key, rows in whole.items() if rows[0].media_type == "photo"}
    assert_same_facts({key: plain(facts)[key] for key in photos}, {key: whole[key] for key in photos})
    for key, rows in facts.items():  # tracks of a video may be cut in two
        for row, other in zip(rows, whole[key], strict=True):
            scores, others = ([box.label_scores for box in each.detections] for each in (row, other))
            np.testing.assert_allclose(np.reshape(scores, (-1, 2)), np.reshape(others, (-1, 2)), atol=1e-4)
    entry = load_run(tmp_path / "out").audit
    birds = sum(_has_bird(row) for rows in whole.values() for row in rows)
    missed = sum(_has_bird(row) for rows in facts.values() for row in rows if row.seen_by == AUDIT)
    assert (entry.passed_over, entry.with_birds, entry.seen_with_birds) == (entry.sampled, missed, birds - missed)
    assert entry.missed == entry.low == entry.high == pytest.approx(missed / birds)  # all is known
    decided = decide(tmp_path / "out", DecideOptions())
    assert any("looked at all " in note for note in decided.notes)
    assert decided.by_first_pass == 0
    again, same = annotated("out", card, audit=1000)
    assert again.audited.files == 0
    assert same == facts


def _has_bird(row):
    """Independent of the audit's own: the best label is a bird."""
    return any(np.argmax(box.label_scores) == 0 and max(box.label_scores) >= 0.05 for box in row.detections)


def test_a_larger_audit_adds_to_a_smaller(annotated, make_card, tmp_path):
    card = make_card(photos=4, videos=0)
    _, once = annotated("out", card, audit=1)
    _, twice = annotated("out", card, audit=2)
    first, second = ({key for key, seen_by in by_pass(facts).items() if seen_by == AUDIT} for facts in (once, twice))
    assert len(first) == 1
    assert first < second
    assert load_run(tmp_path / "out").audit.sampled == 2


def test_an_interrupted_audit_keeps_what_it_found(annotated, make_card, monkeypatch, tmp_path):
    card, all_pass = make_card(photos=6, videos=0), {"threshold": 1.0}
    annotated("out", card, **all_pass)
    save = auditing._Audit.save

    def stop_after_one(self, done):
        os.kill(os.getpid(), signal.SIGTERM)
        return save(self, done)

    monkeypatch.setattr(auditing._Audit, "save", stop_after_one)
    report, facts = annotated("out", card, audit=1000, work=WorkOptions(1, 1, 1), **all_pass)
    monkeypatch.undo()
    assert report.signal == signal.SIGTERM
    assert load_run(tmp_path / "out").audit is None
    assert 0 < list(by_pass(facts).values()).count(AUDIT) < 6 == len(facts)
    _, facts = annotated("out", card, audit=1000, **all_pass)
    assert set(by_pass(facts).values()) == {AUDIT}


def save_burst(folder, scenes):
    """Photos a second apart."""
    folder.mkdir(parents=True)
    for number, scene in enumerate(scenes):
        exif = Image.Exif()
        taken = datetime(2024, 5, 1, 6) + timedelta(seconds=number)
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken.strftime("%Y:%m:%d %H:%M:%S")
        scene.save(folder / f"IMG_{number:04d}.JPG", exif=exif, quality=95)


def test_still_photos_of_an_empty_burst_are_passed_over_and_audited(annotated, tmp_path, detector):
    scenes = [Image.fromarray(picture(seed)) for seed in range(6)]
    best = [max(found.scores) for found in detect(detector, [np.array(scene) for scene in scenes])]
    empty, busy = scenes[int(np.argmin(best))], scenes[int(np.argmax(best))]
    black = Image.fromarray(np.zeros((120, 160, 3), np.uint8))
    save_burst(tmp_path / "card" / "DCIM", [empty, empty, busy, busy, empty, empty, black, empty])
    options = {"motion_gate": True, "lowest_score": float(min(best) + max(best)) / 2, "first_pass": False}
    _, facts = annotated("out", tmp_path / "card", **options)
    moved = [facts[key][0].moved for key in sorted(facts)]
    assert moved == [None, False, None, None, None, False, None, None]
    assert [bool(facts[key][0].detections) for key in sorted(facts)][:6] == [False, False, True, True, False, False]
    assert decide(tmp_path / "out", DecideOptions()).by_motion_gate == 2
    report, facts = annotated("out", tmp_path / "card", audit=10, **options)
    row = facts["card", "DCIM/IMG_0001.JPG"][0]
    assert (row.moved, row.seen_by) == (False, AUDIT)
    assert load_run(tmp_path / "out").audit.passed_over == report.audited.files == 2
    assert decide(tmp_path / "out", DecideOptions()).by_motion_gate == 0


def test_in_a_store_of_an_earlier_version_the_gate_is_of_videos_alone(annotated, tmp_path):
    still = Image.fromarray(picture(0))
    save_burst(tmp_path / "one" / "DCIM", [still, still])
    save_burst(tmp_path / "two" / "DCIM", [still, still])
    save_video(tmp_path / "two" / "still.avi", frames=20, still=True)
    options = {"motion_gate": True, "lowest_score": 1.0, "first_pass": False}
    _, facts = annotated("out", tmp_path / "one", **options)
    assert [rows[0].moved for _, rows in sorted(facts.items())] == [None, False]

    def of_then(run):
        return run.model_copy(update={"options": {k: v for k, v in run.options.items() if k != "burst_gate"}})

    update_run(tmp_path / "out", of_then)
    _, facts = annotated("out", tmp_path / "two", **options)
    photos = [facts["two", f"DCIM/IMG_000{number}.JPG"][0] for number in range(2)]
    assert [row.moved for row in photos] == [None, None]
    assert [row.moved for row in facts["two", "still.avi"]] == [None, False, False, False]


def test_an_audit_after_another_classifier_is_of_that_one(annotated, make_card, settings, tmp_path):
    card, out = make_card(photos=4, videos=0), tmp_path / "out"
    annotated("out", card)
    other = SpeciesClassifier.load(save_species(tmp_path / "other.safetensors", seed=9))
    reclassify(out, other, settings)
    _, facts = annotated("out", card, audit=100, species=other)
    _, afresh = annotated("afresh", card, audit=100, species=other)
    assert_same_facts(facts, afresh)
    decide(out, DecideOptions())  # every part has the logits of the classifier that counts
    assert reclassify(out, other, settings).files == 0


def test_audited_frames_of_a_renamed_card_and_a_video_keep_their_places(annotated, tmp_path):
    from detector.store.cards import rename_card

    save_video(tmp_path / "reader" / "a.mp4", frames=40, seed=1)
    _, before = annotated("out", tmp_path / "reader")
    rename_card(tmp_path / "out", "reader", "hide")
    _, facts = annotated("out", tmp_path / "reader", audit=1)
    assert {key[1] for key in facts} == {key[1] for key in before} == {"a.mp4"}
    [rows], [old] = facts.values(), before.values()
    assert [row.frame_number for row in rows] == [row.frame_number for row in old]
    changed = [row for row, other in zip(rows, old, strict=True) if row.seen_by != other.seen_by]
    assert len(changed) <= 1
    tracks = {box.track_id for row in old for box in row.detections}
    assert all(box.track_id not in tracks for row in changed for box in row.detections)


def test_by_command_a_second_card_remembers_the_first_pass(
    make_card, detector_file, tmp_path, monkeypatch, readers, capsys
):
    first, second, out = make_card("one", photos=2, videos=0), make_card("two", photos=2, videos=0), tmp_path / "out"
    copy = shutil.copy(detector_file, tmp_path / "fast.safetensors")
    words = ["annotate", str(first), "--output", str(out), "--detector", str(detector_file), "--device", "cpu"]
    assert main([*words, "--first-pass", str(copy), "--first-pass-threshold", "2"]) == 2
    assert (
        main([*words, "--first-pass", str(copy), "--first-pass-threshold", "0.99", "--audit", "9", "--export", "none"])
        == 0
    )
    assert "last audit: the detector looked at " in capsys.readouterr().out.replace("\n", " ")
    assert main(["annotate", str(second), "--output", str(out), "--device", "cpu", "--export", "none"]) == 0
    assert {row[0].seen_by for row in read_store(out).values()} <= {AUDIT, DETECTOR, FIRST_PASS}
    run = json.loads((out / "run.json").read_text())
    assert run["first_pass"]["name"] == "fast.safetensors"
    (tmp_path / "fast.safetensors").unlink()
    assert main(["annotate", str(second), "--output", str(out)]) == 2
    assert "--first-pass PATH" in capsys.readouterr().err


def test_a_first_pass_looks_at_few_proposals_and_goes_on_as_its_store_began(annotated, make_card, tmp_path, pick):
    cards = [make_card(f"card{number}", photos=1, videos=0) for number in range(3)]
    own = pick[0].meta.config.proposals
    annotated("out", cards[0])
    assert load_run(tmp_path / "out").options["first_pass_proposals"] == min(FIRST_PASS_PROPOSALS, own)
    annotated("out", cards[1])
    update_run(tmp_path / "out", lambda run: run.model_copy(update={"options": without(run.options)}))
    annotated("out", cards[2])  # a store of an earlier version
    assert "first_pass_proposals" not in load_run(tmp_path / "out").options
    found = limited(Models(pick[0], None, pick[0]), SeeingOptions(first_pass_threshold=0.1, first_pass_proposals=3))
    assert found.first_pass.meta.config.proposals == 3
    assert found.detector.meta.config.proposals == own


def without(options):
    """The options of a store of an earlier version."""
    return {name: value for name, value in options.items() if name != "first_pass_proposals"}
