"""Individuals: what boxes show decides whether they show one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.decisions.decide import decide
from detector.decisions.individuals.linking import SLIP_IOU
from detector.decisions.options import DecideOptions
from detector.store.records import DetectionRecord
from detector.store.records_reader import read_events, read_media
from detector.store.run_file import DetectorEntry, SpeciesEntry
from detector.store.schema import pack_vector

CLASSES = ["Hooded crow", "Northern wheatear", "Isabelline wheatear"]
CROW, WHEATEAR, UNSURE = ("Corvus cornix", 0), ("Oenanthe oenanthe", 1), (None, None)
START = datetime(2024, 5, 1, 6, 30)
Maker = SimpleNamespace


def logits(species: int | None, sure: float = 9.0) -> bytes:
    values = np.zeros(len(CLASSES))
    values[species if species is not None else slice(0, 2)] = sure if species is not None else 1.0
    return pack_vector(values)


def looks(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(0, 255, 64, np.uint8).tobytes()


def burst(
    maker: Maker, folder: Path, photos: Sequence[Sequence[dict[str, Any]]], seconds: float = 1, **run: Any
) -> Any:
    """Decide photos that were taken so many seconds after each other; their boxes, photo by photo."""
    items = [
        [
            maker.row(
                f"{n}.jpg", boxes=[maker.box(**box) for box in found], captured_at=START + n * timedelta(0, seconds)
            )
        ]
        for n, found in enumerate(photos)
    ]
    maker.write(folder, items, **{"species": SpeciesEntry(name="classifier", classes=CLASSES), **run})
    decide(folder, DecideOptions.model_validate({}))
    return [record.detections for record in read_media(folder)]


def test_birds_of_which_each_photo_is_sure_are_two_and_an_unsure_one_joins(tmp_path: Path, facts_maker: Maker) -> None:
    first, second = ({"logits": logits(which, sure)} for which, sure in ((1, 12.0), (0, 9.0)))
    [[a], [b]] = burst(facts_maker, tmp_path / "two", [[first], [second]])
    assert (a.name, b.name, a.individual_id, b.individual_id) == ("Oenanthe oenanthe", "Corvus cornix", None, None)
    assert {event.name: event.count for event in read_events(tmp_path / "two")} == {a.name: 1, b.name: 1}
    [[a], [b]] = burst(facts_maker, tmp_path / "one", [[first], [{"logits": logits(None)}]])
    assert (a.name, b.name) == ("Oenanthe oenanthe", "Oenanthe oenanthe")
    assert a.individual_id == b.individual_id


@pytest.mark.parametrize("classifier", [True, False])
def test_the_name_rests_on_all_boxes_of_a_bird_and_the_score_on_each_boxs_own(
    tmp_path: Path, facts_maker: Maker, classifier: bool
) -> None:
    detector = DetectorEntry(name="species", categories=["Hooded crow", "Northern wheatear"])
    photos = [[{"label_scores": (0.0, score), "logits": logits(1) if classifier else None}] for score in (0.8, 0.2)]
    run: dict[str, Any] = {"detector": detector} | ({} if classifier else {"species": None})
    [[sure], [weak]] = burst(facts_maker, tmp_path, photos, **run)
    assert sure.individual_id == weak.individual_id is not None
    assert (sure.name, sure.confidence) == (weak.name, weak.confidence)
    assert sure.species_score is not None
    assert weak.species_score == pytest.approx(sure.species_score / 4)


@pytest.mark.parametrize("classifier", [True, False])
def test_species_of_a_detector_count_as_those_of_a_classifier(
    tmp_path: Path, facts_maker: Maker, classifier: bool
) -> None:
    detector = DetectorEntry(name="species", categories=["Hooded crow", "Northern wheatear"])
    photos = [
        [{"label_scores": (0.0, 0.95), "logits": logits(1) if classifier else None}],
        [{"label_scores": (0.95, 0.0), "logits": logits(0) if classifier else None}],
    ]
    run: dict[str, Any] = {"detector": detector} | ({} if classifier else {"species": None})
    [[a], [b]] = burst(facts_maker, tmp_path, photos, **run)
    assert (a.name, b.name, a.individual_id, b.individual_id) == ("Oenanthe oenanthe", "Corvus cornix", None, None)


def test_an_unsure_box_between_two_species_does_not_make_them_one(tmp_path: Path, facts_maker: Maker) -> None:
    [[a], [_], [b]] = burst(facts_maker, tmp_path, [[{"logits": logits(which)}] for which in (1, None, 0)])
    assert (a.name, b.name) == ("Oenanthe oenanthe", "Corvus cornix")
    assert a.individual_id != b.individual_id


@pytest.mark.parametrize("scores", [(0.5, 0.9), (0.95, 0.6), (0.3, 0.3)])
@pytest.mark.parametrize("other", ["person", "vehicle"])
def test_a_person_is_no_bird_however_sure_either_is(
    tmp_path: Path, facts_maker: Maker, scores: tuple[float, float], other: str
) -> None:
    detector = DetectorEntry(name="coco", categories=["bird", other])
    photos = [[{"label_scores": (0.0, scores[0])}], [{"label_scores": (scores[1], 0.0), "logits": logits(0)}]]
    [[a], [b]] = burst(facts_maker, tmp_path, photos, detector=detector)
    assert (a.kind, b.kind, b.name) == (other, "bird", "Corvus cornix")


@pytest.mark.parametrize("other", ["qwertz", "background"])
def test_what_a_label_does_not_say_or_is_nothing_becomes_no_bird_beside_one(
    tmp_path: Path, facts_maker: Maker, other: str
) -> None:
    """It may be a person's."""
    detector = DetectorEntry(name="coco", categories=["bird", other])
    photos = [[{"label_scores": (0.0, 0.3)}], [{"label_scores": (0.9, 0.0), "logits": logits(0)}]]
    [[a], [b]] = burst(facts_maker, tmp_path, photos, detector=detector)
    assert (a.kind, b.kind) == ("undecided" if other == "qwertz" else "blank", "bird")


def test_a_cat_is_no_bird_but_a_detector_may_waver(tmp_path: Path, facts_maker: Maker) -> None:
    detector = DetectorEntry(name="coco", categories=["bird", "cat"])
    cat, bird = {"label_scores": (0.0, 0.95)}, {"label_scores": (0.6, 0.0), "logits": logits(0)}
    [[a], [b]] = burst(facts_maker, tmp_path / "sure", [[cat], [bird]], detector=detector)
    assert (a.kind, b.kind) == ("animal", "bird")
    faint = {"label_scores": (0.0, 0.25)}
    [[a], [b]] = burst(facts_maker, tmp_path / "unsure", [[faint], [bird]], detector=detector)
    assert (a.kind, b.kind) == ("bird", "bird")


def test_a_link_that_is_impossible_takes_no_place_from_one_that_is_possible(tmp_path: Path, facts_maker: Maker) -> None:
    """A crow and a wheatear change places: by place alone each would be the other."""
    crow, wheatear = {"logits": logits(0)}, {"logits": logits(1)}
    left, right = {"x": 0.4, "w": 0.05, "h": 0.05}, {"x": 0.46, "w": 0.05, "h": 0.05}
    [[a, b], [c, d]] = burst(facts_maker, tmp_path, [[crow | left, wheatear | right], [wheatear | left, crow | right]])
    assert (a.name, b.name, c.name, d.name) == (
        "Corvus cornix",
        "Oenanthe oenanthe",
        "Oenanthe oenanthe",
        "Corvus cornix",
    )
    assert (a.individual_id, b.individual_id) == (d.individual_id, c.individual_id)
    assert a.individual_id is not None


def test_a_hop_of_a_second_is_likelier_than_one_that_takes_five(tmp_path: Path, facts_maker: Maker) -> None:
    here, there = ({"x": x, "w": 0.05, "h": 0.05, "appearance": looks(n)} for n, x in enumerate((0.4, 0.49)))
    for seconds, linked in ((1, True), (5, False)):
        [[a], [b]] = burst(facts_maker, tmp_path / str(seconds), [[here], [there]], seconds)
        assert (a.individual_id is not None) == linked == (a.individual_id == b.individual_id is not None)


def test_embeddings_tell_birds_apart_where_the_store_keeps_them(tmp_path: Path, facts_maker: Maker) -> None:
    one, other = (pack_vector(np.random.default_rng(seed).standard_normal(96)) for seed in (0, 1))
    left, right = {"x": 0.4, "w": 0.05, "h": 0.05}, {"x": 0.44, "w": 0.05, "h": 0.05}
    unsure = {"logits": logits(None)}
    [[a, b], [c, d]] = burst(
        facts_maker,
        tmp_path,
        [
            [unsure | left | {"embedding": one}, unsure | right | {"embedding": other}],
            [unsure | left | {"embedding": other}, unsure | right | {"embedding": one}],
        ],
    )
    assert (a.individual_id, b.individual_id) == (d.individual_id, c.individual_id)


def track(maker: Maker, folder: Path, found: Sequence[dict[str, Any]], **run: Any) -> list[DetectionRecord]:
    """Decide a video of which an older tracker took all boxes for one bird."""
    rows = [
        maker.row(
            "a.mp4",
            boxes=[maker.box(track_id=0, **box)],
            media_type="video",
            frame_number=25 * n,
            time_s=float(n),
            frame_rate=25.0,
        )
        for n, box in enumerate(found)
    ]
    maker.write(folder, [rows], species=SpeciesEntry(name="classifier", classes=CLASSES), **run)
    decide(folder, DecideOptions.model_validate({}))
    return [found for record in read_media(folder) for found in record.detections]


def test_a_track_of_two_birds_is_divided(tmp_path: Path, facts_maker: Maker) -> None:
    boxes = track(facts_maker, tmp_path, [{"logits": logits(which)} for which in (None, 0, 0, None, 1, 1, None)])
    assert [box.name for box in boxes] == ["Corvus cornix"] * 4 + ["Oenanthe oenanthe"] * 3
    assert len({box.individual_id for box in boxes}) == 2
    assert sorted((event.name, event.count) for event in read_events(tmp_path)) == [
        ("Corvus cornix", 1),
        ("Oenanthe oenanthe", 1),
    ]


def test_a_track_of_two_birds_and_a_person_between_them_is_three(tmp_path: Path, facts_maker: Maker) -> None:
    person = {"label_scores": (0.0, 0.9)}
    crow, wheatear = ({"label_scores": (0.9, 0.0), "logits": logits(which)} for which in (0, 1))
    detector = DetectorEntry(name="coco", categories=["bird", "person"])
    boxes = track(facts_maker, tmp_path, [crow, person, wheatear, person, crow], detector=detector)
    names = [box.name or box.kind for box in boxes]
    assert names == ["Corvus cornix", "person", "Oenanthe oenanthe", "person", "Corvus cornix"]
    assert [boxes[0].individual_id, boxes[1].individual_id] == [boxes[4].individual_id, boxes[3].individual_id]


def test_a_slip_of_the_classifier_in_pictures_that_are_the_same_makes_no_second_bird(
    tmp_path: Path, facts_maker: Maker
) -> None:
    same = [{"logits": logits(which, 6), "appearance": looks(1)} for which in (0, 0, 1, 0, 0)]
    boxes = track(facts_maker, tmp_path / "slip", same)
    assert {box.name for box in boxes} == {"Corvus cornix"}
    assert len({box.individual_id for box in boxes}) == 1
    for change in ({"appearance": looks(2)}, {"x": 0.25 + 0.125 * (1 - SLIP_IOU)}):
        other = [box | change if n == 2 else box for n, box in enumerate(same)]
        assert track(facts_maker, tmp_path / f"bird{len(change)}{list(change)}", other)[2].name == "Oenanthe oenanthe"


def test_a_person_in_a_track_of_a_bird_is_no_slip(tmp_path: Path, facts_maker: Maker) -> None:
    """Nobody is made public by the boxes around theirs."""
    bird, person = {"label_scores": (0.9, 0.0), "logits": logits(0)}, {"label_scores": (0.0, 0.3)}
    found = [box | {"appearance": looks(1)} for box in (bird, bird, person, bird)]
    detector = DetectorEntry(name="coco", categories=["bird", "person"])
    boxes = track(facts_maker, tmp_path, found, detector=detector)
    assert [box.kind for box in boxes] == ["bird", "bird", "person", "bird"]
    assert len({box.individual_id for box in boxes}) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.sampled_from([CROW, WHEATEAR, UNSURE]), min_size=1, max_size=9), st.booleans())
def test_whatever_is_sure_keeps_its_name(
    tmp_path_factory: pytest.TempPathFactory, facts_maker: Maker, birds: list[tuple], as_track: bool
) -> None:
    folder = tmp_path_factory.mktemp("store")
    found = [{"logits": logits(which)} for _, which in birds]
    if as_track:
        boxes = track(facts_maker, folder, found)
    else:
        boxes = [box for [box] in burst(facts_maker, folder, [[one] for one in found])]
    assert all(box.name == name for box, (name, which) in zip(boxes, birds, strict=True) if which is not None)
    for one, other in pairwise(boxes):
        if one.individual_id and one.individual_id == other.individual_id:
            assert one.name == other.name
