"""Kinds of labels, names of every rank, and what is uncertain, from the facts to every export."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector.cli.main import main
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.exports.export import export
from detector.species.calibration import Calibration
from detector.store.records import DetectionRecord
from detector.store.records_reader import read_events, read_media
from detector.store.reviews.log import Review, append_reviews
from detector.store.run_file import DetectorEntry, SpeciesEntry
from detector.store.schema import pack_vector
from detector.types import media_id

Maker = SimpleNamespace
Store = Callable[..., Path]
START = datetime(2024, 5, 1, 6, 30)
CLASSES = ("Eurasian hoopoe", "Hooded crow", "Red squirrel", "person")
PLACES = "deploymentID,card,folder,latitude,longitude,timeZone\ncard,card,,31,35,+02:00\n"


def logits(place: int, height: float = 12.0) -> bytes:
    values = np.zeros(len(CLASSES))
    values[place] = height
    return pack_vector(values)


@pytest.fixture
def store(tmp_path: Path, facts_maker: Maker) -> Store:
    """A store of one photo: a box a row of label scores, with logits where they are given."""

    def make(
        categories: Sequence[str],
        scores: Sequence[Sequence[float]],
        packed: Sequence[bytes | None] = (),
        classes: Sequence[str] | None = CLASSES,
    ) -> Path:
        folder = tmp_path / "out"
        (tmp_path / "places.csv").write_text(PLACES)
        each_logits = [*packed, *[None] * (len(scores) - len(packed))]
        found = [
            facts_maker.box(x=0.2 * number, label_scores=tuple(row), logits=each)
            for number, (row, each) in enumerate(zip(scores, each_logits, strict=True))
        ]
        facts_maker.write(
            folder,
            [[facts_maker.row("a.jpg", "card", found, captured_at=START, brightness=0.5)]],
            detector=DetectorEntry(name="detector", categories=list(categories)),
            species=SpeciesEntry(name="classifier", classes=list(classes)) if classes else None,
        )
        return folder

    return make


def decided(folder: Path, **changes: Any) -> list[DetectionRecord]:
    decide(folder, DecideOptions.model_validate({"deployments": str(folder.parent / "places.csv"), **changes}))
    return [found for item in read_media(folder) for found in item.detections]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_label_that_nobody_knows_is_counted_as_no_bird_and_kept_private_until_it_is_settled(store: Store) -> None:
    folder = store(["gribbler"], [[0.9]], [logits(1)])
    [box] = decided(folder)
    assert (box.kind, box.name, box.display_name, box.needs_review) == ("undecided", None, "gribbler", True)
    export(folder, ["camtrap-dp", "csv"])
    [media] = rows(folder / "camtrap-dp/media.csv")
    assert media["filePublic"] == "false"
    assert {row["observationType"] for row in rows(folder / "camtrap-dp/observations.csv")} == {"unknown"}
    assert rows(folder / "files.csv")[0]["birds"] == "0"
    for kind, name, public in (("bird", "Corvus cornix", "true"), ("animal", None, "true"), ("person", None, "false")):
        [box] = decided(folder, kinds={"gribbler": kind})
        assert (box.kind, box.name) == (kind, name)
        export(folder, ["camtrap-dp"])
        assert rows(folder / "camtrap-dp/media.csv")[0]["filePublic"] == public


def test_it_is_said_once_which_labels_nobody_knows_and_the_option_is_kept(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store(["gribbler", "bird"], [[0.9, 0.0]], classes=[*CLASSES, "thrumble"])
    assert main(["decide", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.count("gribbler is:") == said.count("thrumble is:") == 1
    assert "--kind 'gribbler=bird'" in said
    assert main(["decide", str(folder), "--kind", "gribler=animal"]) == 0
    assert "--kind says what 'gribler' is: did you mean 'gribbler'?" in capsys.readouterr().out
    assert main(["decide", str(folder), "--kind", "Gribbler=animal", "--kind", "thrumble=BIRD"]) == 0
    assert main(["decide", str(folder)]) == 0
    assert "nobody knows" not in capsys.readouterr().out
    assert [box.kind for item in read_media(folder) for box in item.detections] == ["animal"]
    for wrong in ("gribbler", "gribbler=tree", "=bird"):
        assert main(["decide", str(folder), "--kind", wrong]) == 2
        assert "takes LABEL=KIND" in capsys.readouterr().err


def test_people_and_mammals_by_any_word_are_no_birds_whatever_the_classifier_sees(store: Store) -> None:
    labels = ["hiker", "coyote", "quad bike", "leaf", "White-tailed deer"]
    folder = store(labels, np.eye(5) * 0.9, [logits(1)] * 5)
    boxes = decided(folder)
    assert [(box.kind, box.name) for box in boxes] == [
        ("person", None), ("animal", None), ("vehicle", None), ("blank", None), ("animal", None)
    ]  # fmt: skip
    assert [box.display_name for box in boxes] == ["person", "coyote", "vehicle", "leaf", "White-tailed deer"]
    assert [box.suppressed for box in boxes] == [False, False, False, True, False]  # a leaf counts nowhere


def test_uncertain_is_not_a_species_in_any_export(store: Store, tmp_path: Path) -> None:
    """Two crows at once, one sure, and of the other the gate does not know whether it is a bird."""
    calibration = tmp_path / "calibration.json"
    Calibration.model_validate({"gate_low": -10.0, "gate_high": -5.0}).write(calibration)
    folder = store(["animal"], [[0.9], [0.9]], [logits(1), logits(1, 8.0)])
    sure, unsure = decided(folder, calibration=str(calibration))
    assert (sure.kind, sure.name, sure.needs_review) == ("bird", "Corvus cornix", False)
    assert (unsure.kind, unsure.name, unsure.confidence, unsure.species_score) == ("uncertain", None, None, None)
    assert (unsure.display_name, unsure.needs_review) == ("unidentified animal, maybe a bird", True)
    assert sorted((event.kind, event.name, event.count) for event in read_events(folder)) == [
        ("bird", "Corvus cornix", 1), ("uncertain", None, 1)
    ]  # fmt: skip

    decided(folder)  # without a gate both are uncertain: no text of an export has a species in it
    export(folder, ["megadetector", "csv", "events", "coco", "coco-camera-traps", "camtrap-dp", "label-studio"])
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in (".csv", ".json", ".xml")]
    assert len(texts) > 8
    assert not [text for text in texts if "corvus" in text.replace("Hooded crow", "").lower()]
    assert [row["Species"] for row in rows(folder / "events.csv")] == ["uncertain"]
    assert rows(folder / "events.csv")[0]["n"] == "2"


def test_a_detector_of_species_alone_is_as_sure_as_its_score(store: Store) -> None:
    folder = store(["Upupa epops", "Corvus cornix"], [[0.21, 0], [0.9, 0], [0.5, 0.4]], classes=None)
    weak, sure, torn = decided(folder)
    assert (weak.kind, weak.name, weak.confidence, weak.reasons) == ("bird", "Aves", None, ("low score",))
    assert [(each.name, round(each.confidence, 3)) for each in weak.candidates] == [("Upupa epops", 0.21)]
    assert (sure.name, sure.confidence, sure.needs_review) == ("Upupa epops", pytest.approx(0.9), False)
    assert (torn.name, torn.needs_review, torn.reasons) == ("Aves", True, ("classes disagree",))
    export(folder, ["camtrap-dp"])
    chances = [row["classificationProbability"] for row in rows(folder / "camtrap-dp/observations.csv")]
    assert chances[:3] == ["0.21", "0.9", "0.5"]


def test_where_detector_and_classifier_disagree_a_person_should_look(store: Store) -> None:
    folder = store(["Upupa epops", "Corvus cornix"], [[0.3, 0.0], [0.0, 0.3]], [logits(1), logits(1)])
    boxes = decided(folder)
    assert [box.name for box in boxes] == ["Corvus cornix", "Corvus cornix"]
    assert [(box.needs_review, box.reasons) for box in boxes] == [
        (True, ("detector and classifier disagree",)), (False, ())
    ]  # fmt: skip


def test_a_classifier_that_knows_squirrels_and_people_takes_none_for_a_bird(store: Store) -> None:
    folder = store(["animal", "bird"], [[0.9, 0]] * 3 + [[0, 0.9]] * 3, [logits(1), logits(2), logits(3)] * 2)
    boxes = decided(folder)
    assert [(box.kind, box.name) for box in boxes] == [
        ("uncertain", None), ("animal", None), ("person", None),
        ("bird", "Corvus cornix"), ("uncertain", None), ("person", None),
    ]  # fmt: skip
    assert boxes[4].reasons == ("unlike any known species", "may not be a bird", "detector and classifier disagree")


@pytest.mark.parametrize(
    ("said", "kind", "rank", "name", "shown"),
    [
        ("Upupa epops", "bird", "species", "Upupa epops", "Eurasian Hoopoe"),
        ("corvus CORNIX", "bird", "species", "Corvus cornix", "Hooded Crow"),
        ("Motacilla alba alba", "bird", "species", "Motacilla alba", "White Wagtail"),
        ("Oenanthe sp.", "bird", "genus", "Oenanthe", "unidentified wheatear (Oenanthe sp.)"),
        ("Oenanthe cf. deserti", "bird", "genus", "Oenanthe", "unidentified wheatear (Oenanthe sp.)"),
        ("Oenanthe deserti/isabellina", "bird", "genus", "Oenanthe", "unidentified wheatear (Oenanthe sp.)"),
        ("Laridae", "bird", "family", "Laridae", "unidentified bird (Laridae)"),
        ("gulls", "bird", "family", "Laridae", "unidentified gull (Laridae)"),
        ("Robin", "bird", "order", "Passeriformes", "unidentified robin (Passeriformes)"),
        ("Passeriformes", "bird", "order", "Passeriformes", "unidentified bird (Passeriformes)"),
        ("Aves", "bird", "class", "Aves", "unidentified bird"),
        ("unidentified bird", "bird", "class", "Aves", "unidentified bird"),
        ("raptor", "bird", "class", "Aves", "unidentified bird"),
        ("Unknown", "bird", "class", "Aves", "unidentified bird"),
        ("Vulpes vulpes", "animal", "species", "Vulpes vulpes", "Red Fox"),
        ("coyote", "animal", "species", "Canis latrans", "Coyote"),
        ("Felidae", "animal", "family", "Felidae", "unidentified animal (Felidae)"),
        ("foxes", "animal", None, None, "foxes"),
        ("snake", "animal", None, None, "snake"),
        ("Homo sapiens", "person", None, None, "person"),
        ("hunter", "person", None, None, "person"),
        ("animal", "uncertain", None, None, "unidentified animal, maybe a bird"),
        ("gribbler", "undecided", None, None, "gribbler"),
    ],
)
def test_what_a_person_calls_a_bird_has_the_kind_and_rank_of_the_name(
    store: Store, said: str, kind: str, rank: str | None, name: str | None, shown: str
) -> None:
    folder = store(["bird"], [[0.9]], [logits(0)])
    review = Review(START, "ann", "named", media_id("card", "a.jpg"), 0, 0, name=said)
    append_reviews(folder, [review])
    [box] = decided(folder)
    assert (box.kind, box.rank, box.name, box.display_name) == (kind, rank, name, shown)
    assert box.confidence == (1.0 if rank not in (None, "class") else None)
    assert box.needs_review == (kind == "undecided")
    assert box.reviewed_by == "ann"
    export(folder, ["megadetector"])
    words = (folder / "results.json").read_text(encoding="utf-8")
    assert ("aves" in words) == (kind == "bird")
    assert ("mammalia" in words) == (kind == "animal" and rank is not None)


def test_a_person_who_says_that_there_is_nothing_by_name_leaves_nothing(store: Store) -> None:
    folder = store(["bird"], [[0.9]], [logits(0)])
    append_reviews(folder, [Review(START, "ann", "named", media_id("card", "a.jpg"), 0, 0, name="leaf")])
    assert [box.suppressed for box in decided(folder)] == [True]


def test_names_are_checked_before_they_are_kept(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store(["bird"], [[0.9]], [logits(0)])
    taxonomy = tmp_path / "names.csv"
    taxonomy.write_text("class_name,hebrew_name\nEurasian hoopoe,דוכיפת\n", encoding="utf-8")
    names = [
        "Corvus cornixx",
        "Hooded cro",
        "coyotee",
        "Vulpes vulpess",
        "Zzyzx",
        "Arabian red fox",
        "דוכיפת",
        "Laridae",
        "fox",
        "unknown",
        "red squirrel",
    ]
    table = tmp_path / "reviews.csv"
    table.write_text(
        "card,path,frame_number,box,verdict,name,reviewer\n"
        + "".join(f"card,a.jpg,0,0,named,{name},p{number}\n" for number, name in enumerate(names)),
        encoding="utf-8",
    )
    main(["decide", str(folder), "--reviews", str(table), "--taxonomy", str(taxonomy)])
    streams = capsys.readouterr()
    said = streams.out + streams.err
    for wrong, meant in (("Corvus cornixx", "Corvus cornix"), ("Hooded cro", "Hooded Crow"), ("coyotee", "Coyote"),
                         ("Vulpes vulpess", "Vulpes vulpes")):  # fmt: skip
        assert f"'{wrong}' is no name that is known: did you mean {meant}" in said
    assert "'Zzyzx' is no name that is known: write a scientific or English name" in said
    assert "6 new reviews" in said
