"""What people named in a store, as crops to learn from: their words alone, cut as annotation cuts them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from detector.annotation.reviewed import MOST_OF_ONE, ReviewedCrops
from detector.api.train_species import crop_source
from detector.base.content_hash import content_hash
from detector.data.images import read_image
from detector.decisions.decide import decide
from detector.decisions.options import DecideOptions
from detector.species.calibrating.labelled import NO_BIRD_FOLDER, OTHER_ANIMAL
from detector.species.crops import CONTEXT, crops_of
from detector.species.learning.boxes import Cut
from detector.store.reviews.log import Review, append_reviews
from detector.types import media_id

BOX = {"x": 0.25, "y": 0.5, "w": 0.125, "h": 0.25}
WHEN = datetime(2024, 6, 1)


@pytest.fixture
def store(tmp_path: Path, facts_maker: SimpleNamespace) -> Path:
    """Five photos of two cameras with a bird each, which are there."""
    items = []
    for n in range(5):
        path = f"cam{n % 2}/{n}.jpg"
        file = tmp_path / "store_cards" / "card" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
        taken = datetime(2024, 5, n + 1)
        known = {"size_bytes": file.stat().st_size, "content_hash": content_hash(file), "captured_at": taken}
        items.append((facts_maker.row(path, boxes=(facts_maker.box(**BOX),), **known),))
    folder = tmp_path / "OUT"
    facts_maker.write(folder, items)
    from detector.store.run_json import set_card_root

    set_card_root(folder, "card", str(tmp_path / "store_cards" / "card"))
    decide(folder, DecideOptions())
    return folder


def say(store: Path, number: int, verdict: str, name: str | None = None) -> None:
    item = media_id("card", f"cam{number % 2}/{number}.jpg")
    append_reviews(store, [Review(WHEN, "Noa", verdict, item, 0, 0, name=name)])


def test_a_store_that_nobody_reviewed_teaches_nothing(store: Path) -> None:
    from backbones.errors import DataError

    assert ReviewedCrops(store).boxes == []
    with pytest.raises(DataError, match="nobody has named a bird in this store"):
        crop_source(store)


def test_names_and_what_is_no_bird_count_and_a_bird_or_a_guess_does_not(store: Path) -> None:
    say(store, 0, "named", "Upupa epops")
    say(store, 1, "named", "Eurasian hoopoe")
    say(store, 2, "nothing")
    say(store, 3, "bird")
    source = crop_source(store)  # decides anew, as there are new words
    found = {box.picture: box for box in source.boxes}
    assert {path: box.label for path, box in found.items()} == {
        "cam0/0.jpg": "Upupa epops",
        "cam1/1.jpg": "Upupa epops",
        "cam0/2.jpg": NO_BIRD_FOLDER,
    }
    assert found["cam0/0.jpg"].camera != found["cam1/1.jpg"].camera
    assert found["cam0/0.jpg"].event != found["cam0/2.jpg"].event
    assert len({box.content for box in source.boxes}) == 3


def test_crops_are_those_that_annotation_cuts_and_a_lost_file_costs_no_other(store: Path, tmp_path: Path) -> None:
    for number in (0, 1):
        say(store, number, "named", "Upupa epops")
    source = crop_source(store)
    lost = tmp_path / "store_cards" / "card" / "cam1" / "1.jpg"
    lost.write_bytes(bytes(lost.stat().st_size))
    crops = {crop.number: crop for crop in source.cut({n: Cut(CONTEXT, (32, 32)) for n in range(2)})}
    number = [box.picture for box in source.boxes].index("cam0/0.jpg")
    image = read_image(tmp_path / "store_cards" / "card" / "cam0" / "0.jpg")
    expected = crops_of(image, np.array([list(BOX.values())], np.float32), (32, 32))[0]
    np.testing.assert_array_equal(crops[number].pixels, expected)
    assert crops[1 - number].pixels is None
    assert crops[1 - number].problem


def test_of_one_individual_at_most_so_many_crops_are_taken(store_maker: SimpleNamespace) -> None:
    from detector.annotation.reviewed import _thinned

    track = [(store_maker.detection("m", frame_number=n, individual_id="i"), "x") for n in range(30)]
    kept = [found.frame_number for found, _ in _thinned(track)]
    assert len(kept) == MOST_OF_ONE
    assert (kept[0], kept[-1]) == (0, 29)
    alone = [(store_maker.detection("m", frame_number=n), "x") for n in range(30)]
    assert len(list(_thinned(alone))) == 30


def test_of_more_boxes_than_birds_that_were_counted_only_those_that_count_are_taken() -> None:
    from detector.annotation.reviewed import _label
    from tests.detector.small_stores import make_detection, make_media

    named = {"reviewed_by": "Noa", "confidence": 1.0}
    found = [make_detection("m", box=0, **named), make_detection("m", box=1, count=0, **named)]
    found += [make_detection("m", box=2, count=0, nested=True, **named)]  # a part of a bird that another box shows
    record = make_media("m.jpg", detections=found)
    assert [_label(each, record) for each in found] == ["Upupa epops", None, "Upupa epops"]


def test_what_a_person_called_a_mammal_has_its_name_and_what_is_only_no_bird_the_word_for_it(store: Path) -> None:
    said = (("named", "Red fox"), ("animal", None), ("person", None), ("nothing", None), ("named", "Upupa epops"))
    for number, (verdict, name) in enumerate(said):
        say(store, number, verdict, name)
    labels = {box.picture: box.label for box in crop_source(store).boxes}
    assert [labels[f"cam{number % 2}/{number}.jpg"] for number in range(5)] == [
        "Vulpes vulpes", OTHER_ANIMAL, "person", NO_BIRD_FOLDER, "Upupa epops",
    ]  # fmt: skip
