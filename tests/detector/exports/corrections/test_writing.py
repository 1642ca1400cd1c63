"""The data set of what people said, as the doctor and training see it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from backbones.errors import DataError
from detector.cli.main import main
from detector.decisions.decide import decide
from detector.exports.corrections.writing import write_corrections
from detector.store.reviews.log import Review, append_reviews, drawn_number, withdraw
from detector.store.run_file import CardEntry
from detector.types import media_id
from tests.detector.decisions.small_facts import START, Maker, options

PLACE = (0.5, 0.5, 0.25, 0.25)
SIZE = (64, 48)  # width and height of the photos, upright


@pytest.fixture
def store(tmp_path: Path, facts_maker: Maker) -> Path:
    """Photos of three cameras, one of them turned by EXIF, on a card that is there."""
    rng, card = np.random.default_rng(0), tmp_path / "card"
    items = []
    for camera in "abc":
        (card / camera).mkdir(parents=True)
        for number in range(3):
            path = f"{camera}/{number}.jpg"
            picture = Image.fromarray(cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), SIZE))
            exif = Image.Exif()
            if path == "a/0.jpg":
                picture, exif[0x0112] = picture.transpose(Image.Transpose.ROTATE_90), 6
            picture.save(card / path, exif=exif)
            found = [facts_maker.box(x=0.1 + 0.3 * n, y=0.1, w=0.2, h=0.25) for n in range(number)]
            taken = START + timedelta(hours=number)
            row = facts_maker.row(path, boxes=found, captured_at=taken, width=SIZE[0], height=SIZE[1])
            items.append([row])
    return facts_maker.write(tmp_path / "out", items, cards={"card": CardEntry(root=str(card))})


def of(path: str) -> str:
    return media_id("card", path)


def test_store_of_which_nobody_spoke_is_refused(store: Path, tmp_path: Path) -> None:
    decide(store, options())
    with pytest.raises(DataError, match="nobody has said anything"):
        write_corrections(store, tmp_path / "set")


def test_doctor_takes_what_people_said(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [
        *(Review(START, "Noa", "nothing", of(f"{camera}/0.jpg")) for camera in "abc"),
        *(Review(START, "Noa", "bird", of(f"{camera}/1.jpg"), 0, 0) for camera in "bc"),
        Review(START, "Noa", "nothing", of("b/2.jpg"), 0, 0),
        Review(START, "Noa", "noted", of("c/2.jpg"), 0, 1, xywh=PLACE),
    ]
    append_reviews(store, said)
    place = (0.0, 0.0, 0.25, 0.5)
    drawn = drawn_number(of("a/0.jpg"), 0, place)
    later = append_reviews(store, [Review(START, "Noa", "bird", of("a/0.jpg"), 0, drawn, xywh=place)])
    decide(store, options())
    folder = tmp_path / "set"
    before = {path: path.read_bytes() for path in (tmp_path / "card").rglob("*.jpg")}
    assert main(["corrections", str(store), "--output", str(folder)]) == 0
    sets = {name: json.loads((folder / name).read_text()) for name in ("train.json", "val.json")}
    images = [image for each in sets.values() for image in each["images"]]
    assert len(images) == 7
    assert all((image["width"], image["height"]) == SIZE for image in images)
    places = [{image["location"] for image in each["images"]} for each in sets.values()]
    assert not places[0] & places[1]
    boxes = {}
    for each in sets.values():
        names = {image["id"]: image["media_id"] for image in each["images"]}
        for box in each["annotations"]:
            boxes.setdefault(names[box["image_id"]], []).append((box["bbox"], box["iscrowd"]))
    assert boxes == {
        of("a/0.jpg"): [([0.0, 0.0, 16.0, 24.0], 0)],
        of("b/1.jpg"): [([6.4, 4.8, 12.8, 12.0], 0)],
        of("c/1.jpg"): [([6.4, 4.8, 12.8, 12.0], 0)],
        of("b/2.jpg"): [([25.6, 4.8, 12.8, 12.0], 1)],
        of("c/2.jpg"): [([6.4, 4.8, 12.8, 12.0], 1), ([32.0, 24.0, 16.0, 12.0], 0)],
    }
    pictures = ["--images", str(folder / "images")]
    assert main(["doctor", str(folder / "train.json"), *pictures]) == 0, capsys.readouterr()
    assert main(["doctor", str(folder / "val.json"), *pictures]) == 0, capsys.readouterr()
    assert {path: path.read_bytes() for path in before} == before

    withdraw(store, str(later), "Noa")
    decide(store, options())
    (tmp_path / "card" / "b" / "1.jpg").unlink()
    made = write_corrections(store, folder)
    assert (made.train + made.val, made.boxes, made.blank) == (6, {"bird": 2}, 3)
    (fault,) = made.faults
    assert "1.jpg: it is not there" in fault
    assert len(list((folder / "images").iterdir())) == 6, "what is not in it any more is gone"
