"""From facts to decisions: what models saw, where and when, and what people said."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbones.errors import ConfigError, DataError, HoopoeError
from detector.cli.main import main
from detector.decisions.decide import decide, stored_options
from detector.decisions.options import DecideOptions
from detector.species.calibration import Calibration
from detector.store.facts import OverlayRow
from detector.store.lock import DECISIONS_LOCK, StoreLock
from detector.store.reader import FactsReader
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.records_reader import read_effort, read_events, read_media, read_repeats, read_visits
from detector.store.reviews.log import Review, append_reviews
from detector.store.run_file import DetectorEntry, SpeciesEntry
from detector.store.run_json import load_run, set_card_root, write_run
from detector.store.schema import pack_vector
from detector.store.writer import FactsWriter, OverlayWriter
from detector.types import media_id

Photo = Callable[..., list]
Maker = SimpleNamespace
Capture = pytest.CaptureFixture[str]

CLASSES = ["Eurasian hoopoe", "Northern wheatear", "Isabelline wheatear", "Unknown"]
SPECIES = SpeciesEntry(name="classifier", classes=CLASSES)
START = datetime(2024, 5, 1, 6, 30)


def options(**changes: Any) -> DecideOptions:
    return DecideOptions.model_validate(changes)


def logits(*values: float) -> bytes:
    return pack_vector(np.array([*values, 0, 0, 0, 0][:4], np.float64))


HOOPOE, WHEATEAR, TWO_WHEATEARS = logits(12), logits(0, 12), logits(0, 9, 9)


def decided(folder: Path) -> dict[str, MediaRecord]:
    return {item.path: item for item in read_media(folder)}


def boxes(folder: Path) -> list[DetectionRecord]:
    return [found for item in read_media(folder) for found in item.detections]


@pytest.fixture
def photo(facts_maker: Maker) -> Photo:
    """A photo taken so many seconds after the start, with boxes of these logits side by side."""

    def make(
        path: str, seconds: float = 0, *, packed: Sequence[bytes | None] = (), card: str = "card", **box: Any
    ) -> list:
        found = [facts_maker.box(**{"x": 0.2 * n, "logits": each, **box}) for n, each in enumerate(packed)]
        return [facts_maker.row(path, card, found, captured_at=START + timedelta(seconds=seconds), brightness=0.5)]

    return make


def test_folder_without_a_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no annotation store"):
        decide(tmp_path, options())


def test_empty_store_gives_empty_decisions(tmp_path: Path, facts_maker: Maker) -> None:
    facts_maker.write(tmp_path, [])
    summary = decide(tmp_path, options())
    assert (summary.photos, summary.events, list(summary.names)) == (0, 0, [])
    for read in (read_media, read_events, read_repeats, read_effort, read_visits):
        assert list(read(tmp_path)) == []


def test_files_without_boxes_are_blank_or_failed(tmp_path: Path, facts_maker: Maker) -> None:
    rows = [facts_maker.row("blank.jpg"), facts_maker.row("broken.jpg", boxes=None, width=None, height=None)]
    weak = facts_maker.row("weak.jpg", boxes=[facts_maker.box(label_scores=(0.1,))])
    facts_maker.write(tmp_path, [[row] for row in (*rows, weak)])
    summary = decide(tmp_path, options())
    media = decided(tmp_path)
    assert {path: item.blank for path, item in media.items()} == {
        "blank.jpg": True,
        "broken.jpg": False,
        "weak.jpg": True,
    }
    assert (summary.blank, summary.failed, summary.detections) == (2, 1, 0)
    assert media["broken.jpg"].frames == ()
    assert len(media["weak.jpg"].detections) == 1
    [effort] = read_effort(tmp_path)
    assert (effort.media, effort.blank, effort.failed) == (3, 2, 1)


def test_without_a_classifier_boxes_are_called_by_their_label(tmp_path: Path, facts_maker: Maker) -> None:
    categories = ["bird", "other animal", "person", "vehicle"]
    found = [facts_maker.box(label_scores=tuple(0.9 * (n == label) for n in range(4))) for label in range(4)]
    facts_maker.write(
        tmp_path, [[facts_maker.row("a.jpg", boxes=found)]], detector=DetectorEntry(name="coco", categories=categories)
    )
    summary = decide(tmp_path, options())
    assert [(box.kind, box.display_name, box.name) for box in boxes(tmp_path)] == [
        ("bird", "bird", None),
        ("animal", "other animal", None),
        ("person", "person", None),
        ("vehicle", "vehicle", None),
    ]
    assert summary.events == 4


def test_birds_are_named_by_rank(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    items = [photo("a.jpg", 0, packed=[HOOPOE, TWO_WHEATEARS, None])]
    facts_maker.write(tmp_path, items, species=SPECIES)
    decide(tmp_path, options())
    hoopoe, wheatear, unseen = boxes(tmp_path)
    assert (hoopoe.name, hoopoe.rank, hoopoe.ebird_code) == ("Upupa epops", "species", "hoopoe")
    assert hoopoe.confidence == pytest.approx(1, abs=1e-3)
    assert hoopoe.species_score == pytest.approx(0.875**0.5, abs=1e-3)
    assert (wheatear.name, wheatear.rank) == ("Oenanthe", "genus")
    assert wheatear.display_name == "unidentified wheatear (Oenanthe sp.)"
    assert [candidate.confidence for candidate in wheatear.candidates[:2]] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert wheatear.reasons == ("classes disagree",)
    assert (unseen.display_name, unseen.confidence, unseen.candidates) == ("unidentified bird", None, ())
    decide(tmp_path, options(name_threshold=0.45))
    assert boxes(tmp_path)[1].rank == "species"


def test_burst_decides_together(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    """A bird seen well in two photos of a burst is named by these in the third; a later burst is on its own."""
    items = [
        photo("1.jpg", 0, packed=[logits(8, 2)]),
        photo("2.jpg", 1, packed=[logits(2, 4)]),
        photo("3.jpg", 2, packed=[logits(8, 2)]),
        photo("4.jpg", 9, packed=[logits(2, 8)]),
    ]
    facts_maker.write(tmp_path, items, species=SPECIES)
    decide(tmp_path, options())
    found = boxes(tmp_path)
    assert [box.name for box in found] == ["Upupa epops"] * 3 + ["Oenanthe oenanthe"]
    assert len({box.individual_id for box in found[:3]}) == 1
    assert found[3].individual_id is None
    expected = 1 / (1 + np.exp(8 / 3 - 6) + 2 * np.exp(-6))
    assert found[1].confidence == pytest.approx(expected, abs=1e-3)
    media = decided(tmp_path)
    assert len({media[f"{number}.jpg"].sequence_id for number in (1, 2, 3)}) == 1


def test_birds_far_apart_in_a_burst_are_two(tmp_path: Path, facts_maker: Maker) -> None:
    def at(path: str, second: int, places: Sequence[float]) -> list:
        found = [facts_maker.box(x=x, w=0.05, h=0.05) for x in places]
        return [facts_maker.row(path, boxes=found, captured_at=START + timedelta(seconds=second))]

    facts_maker.write(tmp_path, [at("1.jpg", 0, [0.1, 0.8]), at("2.jpg", 1, [0.82, 0.11]), at("3.jpg", 2, [0.5])])
    decide(tmp_path, options())
    left, right, right_again, left_again, other = [box.individual_id for box in boxes(tmp_path)]
    assert left == left_again
    assert right == right_again
    assert left != right
    assert other is None
    assert [event.count for event in read_events(tmp_path)] == [2]


def test_track_is_named_once(tmp_path: Path, facts_maker: Maker) -> None:
    def frame(number: int, *found: tuple[int, bytes]) -> Any:
        made = [facts_maker.box(x=0.1 * number, track_id=track, logits=packed) for track, packed in found]
        return facts_maker.row(
            "a.mp4", boxes=made, media_type="video", frame_number=30 * number, time_s=float(number), frame_rate=30.0
        )

    rows = [frame(0, (0, logits(6)), (1, WHEATEAR)), frame(1, (0, logits(2, 3))), frame(2, (0, logits(6)))]
    facts_maker.write(tmp_path, [rows], species=SPECIES)
    decide(tmp_path, options())
    named = [(box.individual_id is not None, box.name) for box in boxes(tmp_path)]
    assert named == [(True, "Upupa epops"), (False, "Oenanthe oenanthe"), (True, "Upupa epops"), (True, "Upupa epops")]
    assert decided(tmp_path)["a.mp4"].frames == (0, 30, 60)
    hoopoe = next(event for event in read_events(tmp_path) if event.name == "Upupa epops")
    assert (hoopoe.start, hoopoe.end) == (START, START + timedelta(seconds=2))
    assert (hoopoe.count, hoopoe.detections, hoopoe.media) == (1, 3, 1)


def test_gate_keeps_mammals_from_getting_names(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    """Low energy is what the classifier knows: a bird; high energy is not."""
    calibration = tmp_path / "calibration.json"
    Calibration.model_validate({"gate_low": -10.0, "gate_high": -5.0, "temperature": 2.0}).write(calibration)
    detector = DetectorEntry(name="md_v5a", categories=["animal", "person", "vehicle"])
    items = [photo("a.jpg", packed=[HOOPOE, logits(1), logits(7)], label_scores=(0.9, 0, 0))]
    facts_maker.write(tmp_path / "out", items, species=SPECIES, detector=detector)
    decide(tmp_path / "out", options())
    assert {box.kind for box in boxes(tmp_path / "out")} == {"uncertain"}
    decide(tmp_path / "out", options(calibration=str(calibration)))
    bird, animal, uncertain = boxes(tmp_path / "out")
    assert [bird.kind, animal.kind, uncertain.kind] == ["bird", "animal", "uncertain"]
    assert bird.confidence == pytest.approx(1 / (1 + 3 * np.exp(-6)), abs=1e-3)
    assert (animal.name, animal.display_name, animal.candidates) == (None, "animal", ())
    assert (uncertain.name, uncertain.rank, uncertain.confidence, uncertain.species_score) == (None, None, None, None)
    assert (uncertain.display_name, uncertain.needs_review) == ("unidentified animal, maybe a bird", True)
    assert uncertain.candidates[0].name == "Upupa epops"  # for a person to confirm


def test_calibration_of_another_classifier_is_refused(tmp_path: Path, facts_maker: Maker) -> None:
    calibration = tmp_path / "calibration.json"
    Calibration.model_validate({"classifier_sha256": "1" * 64}).write(calibration)
    facts_maker.write(tmp_path / "out", [], species=SPECIES.model_copy(update={"sha256": "2" * 64}))
    with pytest.raises(ConfigError, match="another classifier"):
        decide(tmp_path / "out", options(calibration=str(calibration)))


def test_species_detector_names_without_a_classifier(tmp_path: Path, facts_maker: Maker) -> None:
    detector = DetectorEntry(
        name="species.pt", categories=["Eurasian hoopoe", "Northern wheatear", "Isabelline wheatear", "person"]
    )
    scores = [(0.9, 0, 0, 0), (0, 0.4, 0.45, 0), (0, 0, 0, 0.9)]
    found = [facts_maker.box(x=0.2 * n, label_scores=each) for n, each in enumerate(scores)]
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=found)]], detector=detector)
    decide(tmp_path, options())
    assert [(box.kind, box.name) for box in boxes(tmp_path)] == [
        ("bird", "Upupa epops"),
        ("bird", "Oenanthe"),
        ("person", None),
    ]
    assert boxes(tmp_path)[0].species_score == pytest.approx(0.9)


def test_species_detector_and_classifier_speak_together(tmp_path: Path, facts_maker: Maker) -> None:
    detector = DetectorEntry(name="species.pt", categories=["Eurasian hoopoe", "Northern wheatear"])
    found = [
        facts_maker.box(label_scores=(0.9, 0.001), logits=logits(0, 1)),
        facts_maker.box(x=0.6, label_scores=(0.5, 0.45), logits=WHEATEAR),
    ]
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=found)]], detector=detector, species=SPECIES)
    decide(tmp_path, options())
    assert [box.candidates[0].name for box in boxes(tmp_path)] == ["Upupa epops", "Oenanthe oenanthe"]


def test_prior_decides_between_likes_and_marks_the_rare(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    prior = tmp_path / "list.csv"
    prior.write_text("scientific_name,period,frequency\nOenanthe oenanthe,,0.4\nOenanthe isabellina,,0.004\n")
    facts_maker.write(
        tmp_path / "out", [photo("a.jpg", packed=[TWO_WHEATEARS, HOOPOE, logits(0, 0, 15)])], species=SPECIES
    )
    summary = decide(tmp_path / "out", options(priors=[str(prior)]))
    wheatear, hoopoe, isabelline = boxes(tmp_path / "out")
    assert wheatear.name == "Oenanthe oenanthe"
    assert (hoopoe.name, hoopoe.needs_review, hoopoe.reasons) == ("Upupa epops", False, ("not on the local list",))
    assert (isabelline.name, isabelline.reasons) == ("Oenanthe isabellina", ("rare here",))
    [note] = summary.notes
    assert note.startswith("1 species are not in list.csv, though eBird knows them")
    assert note.endswith(": Upupa epops")
    assert summary.needs_review == 0  # both are sure: a list alone makes no work


def test_each_region_has_its_prior(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    for name, common, rare in (("north", "oenanthe", "isabellina"), ("south", "isabellina", "oenanthe")):
        text = f"scientific_name,period,frequency\nOenanthe {common},,0.9\nOenanthe {rare},,0.001\n"
        (tmp_path / f"{name}.csv").write_text(text)
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,folder,prior\na,a,north\nb,b,south.csv\n")
    items = [photo("a/1.jpg", packed=[TWO_WHEATEARS]), photo("b/1.jpg", packed=[TWO_WHEATEARS])]
    facts_maker.write(tmp_path / "out", items, species=SPECIES)
    files = [str(tmp_path / "north.csv"), str(tmp_path / "south.csv")]
    decide(tmp_path / "out", options(priors=files, deployments=str(table)))
    assert [box.name for box in boxes(tmp_path / "out")] == ["Oenanthe oenanthe", "Oenanthe isabellina"]
    table.write_text("deploymentID,folder,prior\na,a,\n")
    with pytest.raises(ConfigError, match="which of several priors"):
        decide(tmp_path / "out", options(priors=files, deployments=str(table)))


def test_deployments_place_and_time_the_media(tmp_path: Path, facts_maker: Maker) -> None:
    table = tmp_path / "deployments.csv"
    table.write_text(
        "deploymentID,folder,latitude,longitude,timeZone,clockShift,kind,cameraID\n"
        "hide,north,31.5,34.75,Asia/Jerusalem,2024-05-01 00:00=2024-10-26 18:00,feeder,C1\n"
    )
    rows = [
        facts_maker.row("north/DCIM/100RECNX/a.jpg", captured_at=datetime(2024, 5, 1, 6), camera_model="HF2"),
        facts_maker.row("north/DCIM/100RECNX/b.jpg", captured_at=datetime(2024, 5, 1, 9)),
        facts_maker.row("south/DCIM/100RECNX/a.jpg", captured_at=datetime(2024, 5, 1, 9)),
    ]
    facts_maker.write(tmp_path / "out", [[row] for row in rows])
    summary = decide(tmp_path / "out", options(deployments=str(table)))
    first, second, other = decided(tmp_path / "out").values()
    assert (first.deployment_id, first.timestamp, first.utc_offset_min) == ("hide", datetime(2024, 10, 27), 180)
    assert (second.timestamp, second.utc_offset_min) == (datetime(2024, 10, 27, 3), 120)  # clocks went back at two
    assert (other.deployment_id, other.utc_offset_min) == ("card/south", None)
    assert summary.unlisted == ["card/south"]
    told, listed = read_visits(tmp_path / "out")
    assert (listed.latitude, listed.camera_model, listed.kind, listed.details) == (
        31.5,
        "HF2",
        "feeder",
        (("cameraID", "C1"),),
    )
    assert (listed.start, listed.start_offset_min, listed.end_offset_min) == (datetime(2024, 10, 27), 180, 120)
    assert (told.listed, told.latitude) == (False, None)


def test_hour_that_occurs_twice_does_not_join_events(tmp_path: Path, facts_maker: Maker) -> None:
    """00:50 summer time and 02:10 winter time are 2 h 20 min apart, though clocks show 1 h 20 min."""
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,timeZone\nhide,Asia/Jerusalem\n")
    moments = [datetime(2024, 10, 27, 0, 50), datetime(2024, 10, 27, 2, 10)]
    rows = [
        [facts_maker.row(f"{n}.jpg", boxes=[facts_maker.box()], captured_at=moment)] for n, moment in enumerate(moments)
    ]
    facts_maker.write(tmp_path / "out", rows)
    assert decide(tmp_path / "out", options(deployments=str(table), independence_min=100)).events == 2
    assert decide(tmp_path / "out", options(independence_min=100)).events == 1


def test_independence_follows_the_kind_of_camera(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,folder,kind\na,a,feeder\nb,b,water\n")
    items = [photo(f"{place}/{minutes}.jpg", 60 * minutes, packed=[None]) for place in "ab" for minutes in (0, 20)]
    facts_maker.write(tmp_path / "out", items)
    summary = decide(tmp_path / "out", options(deployments=str(table), independence_by_kind={"feeder": 10}))
    assert {each.deployment_id: each.events for each in summary.deployments} == {"a": 2, "b": 1}


@pytest.fixture
def stone_store(tmp_path: Path, facts_maker: Maker) -> Path:
    """A stone in 30 photos of each of two cameras, five hours apart, and a bird beside it in one."""
    stone = facts_maker.box(appearance=bytes(range(64)))
    bird = facts_maker.box(x=0.7, appearance=bytes(range(64, 0, -1)))
    items = [
        [
            facts_maker.row(
                f"{place}/{n:02d}.jpg",
                boxes=[stone, bird] if n == 3 else [stone],
                captured_at=START + timedelta(hours=5 * n),
            )
        ]
        for place in ("a", "nest")
        for n in range(30)
    ]
    (tmp_path / "deployments.csv").write_text("deploymentID,folder,kind\na,a,\nnest,nest,nest\n")
    return facts_maker.write(tmp_path / "out", items)


def test_repeats_are_left_out_except_at_nests(stone_store: Path) -> None:
    table = str(stone_store.parent / "deployments.csv")
    summary = decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    assert (group.deployment_id, group.boxes, group.media, group.suppressed) == ("a", 30, 30, True)
    assert (group.x, group.label) == (0.25, "bird")
    assert group.repeat_group == f"{media_id('card', 'a/00.jpg')}:0:0"
    assert (summary.repeat_groups, summary.repeated, summary.detections) == (1, 30, 32)
    assert sum(item.blank for item in read_media(stone_store)) == 29
    assert decide(stone_store, options(deployments=table, repeats_at_nests=True)).repeated == 60
    assert decide(stone_store, options(deployments=table, repeats=False)).repeated == 0


def test_person_decides_once_about_a_repeat(stone_store: Path) -> None:
    table = str(stone_store.parent / "deployments.csv")
    decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    append_reviews(stone_store, [Review(START, "Noa", "real", repeat_group=group.repeat_group)])
    summary = decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    assert (group.suppressed, group.reviewed_by) == (False, "Noa")
    assert (summary.repeated, summary.detections) == (0, 62)
    # the group's first box is another one now, and the word still holds
    with FactsWriter(stone_store) as writer:
        first = next(FactsReader(stone_store).items())[0]
        earlier = media_id("card", "a/!.jpg")
        writer.add([replace(first, path="a/!.jpg", media_id=earlier, content_hash="another")])
    decide(stone_store, options(deployments=table))
    [group] = read_repeats(stone_store)
    assert (group.boxes, group.suppressed) == (31, False)


def test_word_on_a_repeat_leaves_names_alone(stone_store: Path) -> None:
    decide(stone_store, options())
    [group, _] = read_repeats(stone_store)
    append_reviews(
        stone_store,
        [
            Review(START, "Dan", "named", media_id("card", "a/05.jpg"), 0, 0, name="Upupa epops"),
            Review(START, "Dan", "nothing", media_id("card", "a/06.jpg"), 0, 0),
            Review(START + timedelta(1), "Noa", "real", repeat_group=group.repeat_group),
            Review(START + timedelta(2), "Noa", "nothing", media_id("card", "a/07.jpg"), 0, 0),
        ],
    )
    decide(stone_store, options())
    media = decided(stone_store)
    found = [media[f"a/0{number}.jpg"].detections[0] for number in (4, 5, 6, 7)]
    assert [(box.name, box.suppressed, box.reviewed_by) for box in found] == [
        (None, False, "Noa"),
        ("Upupa epops", False, "Dan"),
        (None, False, "Noa"),
        (None, True, "Noa"),
    ]


def test_reviews_win_and_survive(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    items = [
        photo("1.jpg", 0, packed=[HOOPOE]),
        photo("2.jpg", 1, packed=[HOOPOE]),
        photo("3.jpg", 99, packed=[HOOPOE, HOOPOE]),
        photo("4.jpg", 200, packed=[HOOPOE]),
    ]
    facts_maker.write(tmp_path, items, species=SPECIES)

    def of(path: str) -> str:
        return media_id("card", path)

    append_reviews(
        tmp_path,
        [
            Review(START, "Dan", "nothing", of("1.jpg"), 0, 0),
            Review(START + timedelta(1), "Noa", "named", of("1.jpg"), 0, 0, name="Northern Wheatear"),
            Review(START, "Dan", "nothing", of("3.jpg")),
            Review(START, "Dan", "person", of("4.jpg"), 0, 0),
            Review(START, "Dan", "bird", of("gone.jpg"), 0, 0),
        ],
    )
    for changed in (options(), options(score_threshold=0.9, name_threshold=0.9)):
        summary = decide(tmp_path, changed)
        first, second, *third, fourth = boxes(tmp_path)
        assert (first.name, first.display_name, first.confidence, first.reviewed_by) == (
            "Oenanthe oenanthe",
            "Northern Wheatear",
            1,
            "Noa",
        )
        assert (second.name, second.reviewed_by) == ("Oenanthe oenanthe", "Noa")  # the same bird in the same burst
        assert [box.suppressed for box in third] == [True, True]
        assert (fourth.kind, fourth.name, fourth.confidence) == ("person", None, None)
        assert decided(tmp_path)["3.jpg"].blank
        assert summary.lost_reviews == 1
        assert summary.reviewed == 5
        assert {event.display_name: event.count for event in read_events(tmp_path)} == {
            "Northern Wheatear": 1,
            "person": 1,
        }


def test_word_on_a_whole_file_does_not_raise_weak_boxes(tmp_path: Path, facts_maker: Maker) -> None:
    found = [facts_maker.box(x=0.1 * n, label_scores=(score,)) for n, score in enumerate((0.9, 0.1, 0.08))]
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=found)], [facts_maker.row("b.jpg", boxes=found[1:])]])
    append_reviews(
        tmp_path,
        [Review(START, "Noa", "named", media_id("card", path), name="Upupa epops") for path in ("a.jpg", "b.jpg")],
    )
    summary = decide(tmp_path, options())
    assert [item.shown(0.2)[0].box for item in read_media(tmp_path)] == [0, 0]
    assert (summary.detections, summary.blank) == (2, 0)


def test_copies_are_told_and_not_counted_twice(tmp_path: Path, facts_maker: Maker) -> None:
    rows = [facts_maker.row(path, boxes=[facts_maker.box()], content_hash="same") for path in ("a.jpg", "copy/a.jpg")]
    empty = [facts_maker.row(path, boxes=None, content_hash="empty") for path in ("x.jpg", "y.jpg")]
    facts_maker.write(tmp_path, [[row] for row in (*rows, *empty)])
    summary = decide(tmp_path, options())
    assert decided(tmp_path)["copy/a.jpg"].duplicate_of == rows[0].media_id
    assert (summary.duplicates, summary.events) == (1, 1)


@pytest.mark.parametrize("portions", [False, True])
def test_the_readable_copy_of_a_failed_file_counts(
    tmp_path: Path, facts_maker: Maker, monkeypatch: pytest.MonkeyPatch, portions: bool
) -> None:
    if portions:
        monkeypatch.setattr("detector.decisions.facts.portions.PORTION_FRAMES", 1)
    failed = facts_maker.row("a.jpg", boxes=None, content_hash="same")
    rows = [facts_maker.row(path, boxes=[facts_maker.box()], content_hash="same") for path in ("b/a.jpg", "c/a.jpg")]
    facts_maker.write(tmp_path, [[row] for row in (failed, *rows)])
    summary = decide(tmp_path, options())
    assert [decided(tmp_path)[row.path].duplicate_of for row in (failed, *rows)] == [None, None, rows[0].media_id]
    assert (summary.duplicates, summary.events) == (1, 1)


def test_files_without_a_time_stand_alone(tmp_path: Path, facts_maker: Maker) -> None:
    rows = [facts_maker.row(path, boxes=[facts_maker.box()], captured_at=None) for path in ("a.jpg", "b.jpg")]
    facts_maker.write(tmp_path, [[row] for row in rows])
    summary = decide(tmp_path, options())
    assert (summary.sequences, summary.events, summary.detections, summary.without_time) == (2, 0, 2, 2)
    assert list(summary.clock_problems) == []


def test_options_are_kept_and_used_again(tmp_path: Path, facts_maker: Maker, capsys: Capture) -> None:
    found = [facts_maker.box(label_scores=(0.5,))]
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=found)]])
    assert main(["decide", str(tmp_path), "--score-threshold", "0.6", "--independence", "20", "Feeder=5"]) == 0
    assert main(["decide", str(tmp_path), "--name-threshold", "0.8"]) == 0
    kept = stored_options(tmp_path)
    assert (kept.score_threshold, kept.name_threshold, kept.independence_min) == (0.6, 0.8, 20)
    assert kept.independence_by_kind == {"feeder": 5}
    assert decided(tmp_path)["a.jpg"].blank
    assert "independent" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--score-threshold", "2"],
        ["--independence", "soon"],
        ["--deployments", "nowhere.csv"],
        ["--camera-from", "("],
        ["--gap-days", "0"],
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, facts_maker: Maker, capsys: Capture, words: list[str]) -> None:
    facts_maker.write(tmp_path, [])
    assert main(["decide", str(tmp_path), *words]) == 2
    assert "hint:" in capsys.readouterr().err


def test_reviews_come_in_by_command(tmp_path: Path, facts_maker: Maker, capsys: Capture) -> None:
    facts_maker.write(tmp_path / "out", [[facts_maker.row("a.jpg", boxes=[facts_maker.box()])]])
    table = tmp_path / "said.csv"
    table.write_text("path,frame_number,box,verdict,name,reviewer\na.jpg,0,0,named,Upupa epops,Noa\n")
    for _ in range(2):
        assert main(["decide", str(tmp_path / "out"), "--reviews", str(table)]) == 0
    assert "0 new reviews of said.csv" in capsys.readouterr().out
    assert boxes(tmp_path / "out")[0].reviewed_by == "Noa"


def test_moved_root_and_second_card_keep_what_was_decided(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[HOOPOE])], species=SPECIES)
    decide(tmp_path, options())
    before = list(read_media(tmp_path)), list(read_events(tmp_path))
    set_card_root(tmp_path, "card", "/elsewhere")
    decide(tmp_path, options())
    assert (list(read_media(tmp_path)), list(read_events(tmp_path))) == before
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[WHEATEAR], card="a card")], species=SPECIES)
    decide(tmp_path, options())
    second, first = read_media(tmp_path)
    assert [first] == before[0]
    assert (second.deployment_id, second.detections[0].name) == ("a card", "Oenanthe oenanthe")
    assert load_run(tmp_path).cards["card"].root == "/elsewhere"


def test_overlay_names_anew(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[HOOPOE, HOOPOE])], species=SPECIES)
    with OverlayWriter(tmp_path, "new") as overlay:
        [part] = overlay.pending()
        overlay.write(part, [OverlayRow(media_id("card", "a.jpg"), 0, 1, pack_vector(np.array([0.0, 9.0])))])
    species = SpeciesEntry(name="new", classes=["Barn owl", "Eurasian hoopoe"], overlay="new")
    write_run(tmp_path, load_run(tmp_path).model_copy(update={"species": species}))
    decide(tmp_path, options())
    assert [box.name for box in boxes(tmp_path)] == ["Aves", "Upupa epops"]


def test_logits_of_other_classes_are_refused(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    facts_maker.write(
        tmp_path, [photo("a.jpg", packed=[HOOPOE])], species=SpeciesEntry(name="x", classes=["Eurasian hoopoe"])
    )
    with pytest.raises(DataError, match=r"logits of 4 classes, and run.json names 1"):
        decide(tmp_path, options())


def test_failed_decision_leaves_the_one_before(tmp_path: Path, facts_maker: Maker, photo: Photo) -> None:
    facts_maker.write(tmp_path, [photo("a.jpg", packed=[None])])
    decide(tmp_path, options())
    before = list(read_media(tmp_path))
    part = FactsReader(tmp_path).parts()[0]
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged"):
        decide(tmp_path, options(score_threshold=0.9))
    assert list(read_media(tmp_path)) == before
    assert stored_options(tmp_path).score_threshold == 0.2
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["decisions", "facts"]


def test_two_decisions_at_once_are_refused(tmp_path: Path, facts_maker: Maker) -> None:
    facts_maker.write(tmp_path, [])
    with StoreLock(tmp_path, DECISIONS_LOCK), pytest.raises(HoopoeError, match="another process"):
        decide(tmp_path, options())
    with FactsWriter(tmp_path):
        decide(tmp_path, options())


@st.composite
def stores(draw: st.DrawFn) -> list[tuple[str, int, list[tuple[float, int]]]]:
    """Photos of two cameras: (path, seconds, boxes as score and likeliest class)."""
    names = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), unique=True, max_size=10))
    box = st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 3))
    return [
        (f"{place}/{number:02d}.jpg", draw(st.integers(0, 4000)), draw(st.lists(box, max_size=3)))
        for place, number in names
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=stores(), seed=st.integers(0, 99))
def test_decisions_do_not_depend_on_the_order_of_parts(
    tmp_path_factory: pytest.TempPathFactory, facts_maker: Maker, drawn: list, seed: int
) -> None:
    def item(path: str, seconds: int, found: list) -> list:
        made = [
            facts_maker.box(
                x=0.1 + 0.25 * n, label_scores=(score,), logits=pack_vector(6.0 * (np.arange(4) == best) + n / 7)
            )
            for n, (score, best) in enumerate(found)
        ]
        return [facts_maker.row(path, boxes=made, captured_at=START + timedelta(seconds=seconds))]

    items = [item(*each) for each in drawn]
    results = []
    for order in (items, random.Random(seed).sample(items, len(items))):
        folder = tmp_path_factory.mktemp("store")
        facts_maker.write(folder, [], species=SPECIES)
        with FactsWriter(folder, part_rows=1 if len(results) else 1000) as writer:
            for rows in order:
                writer.add(rows)
        summary = decide(folder, options(), now=datetime(2025, 1, 1))
        results.append((summary, list(read_media(folder)), list(read_events(folder)), list(read_effort(folder))))
    assert results[0] == results[1]

    summary, media, events, _ = results[0]
    by_event: dict[str, list[tuple[str, int]]] = {}
    for record in media:
        for found in record.detections:
            if found.event_id is not None:
                by_event.setdefault(found.event_id, []).append((record.path, found.frame_number))
    for event in events:
        frames = by_event[event.event_id]
        assert event.count == max(frames.count(frame) for frame in frames)
        assert event.detections == len(frames)
    assert summary.detections == sum(score >= 0.2 for _, _, found in drawn for score, _ in found)


def test_decisions_are_json_in_run_file(tmp_path: Path, facts_maker: Maker) -> None:
    facts_maker.write(tmp_path, [])
    decide(tmp_path, options(independence_by_kind={"nest": 5}))
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["decisions"]["independence_by_kind"] == {"nest": 5}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"appearance": bytes(32)}, "appearance of another size"), ({"label_scores": (0.9, 0.1)}, "scores for 2 to 2")],
)
def test_boxes_that_do_not_fit_name_their_part(
    tmp_path: Path, facts_maker: Maker, changes: dict[str, Any], problem: str
) -> None:
    facts_maker.write(tmp_path, [[facts_maker.row("a.jpg", boxes=[facts_maker.box(**changes)])]])
    with pytest.raises(DataError, match=problem) as caught:
        decide(tmp_path, options())
    assert str(caught.value.where).endswith("part-000000.parquet")
    assert caught.value.hint
