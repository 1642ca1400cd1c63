"""Boxes get their names: from labels, logits, bursts, tracks, priors and another classifier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backbones.errors import ConfigError, DataError
from detector.decisions.decide import decide
from detector.species.calibration import Calibration
from detector.store.facts import OverlayRow
from detector.store.records_reader import read_events
from detector.store.run_file import DetectorEntry, SpeciesEntry
from detector.store.run_json import load_run, write_run
from detector.store.schema import pack_vector
from detector.store.writer import OverlayWriter
from detector.types import media_id
from tests.detector.decisions.small_facts import (
    HOOPOE,
    SPECIES,
    START,
    TWO_WHEATEARS,
    WHEATEAR,
    Maker,
    Photo,
    boxes,
    decided,
    logits,
    options,
)


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
