"""Every fault that the doctor knows, planted in one set: found, named, mended, and trained on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detector.cli.main import main
from detector.data.findings import FAULTS
from detector.synthetic.dataset import SceneSet, write_synthetic_dataset
from detector.training.run import train_detector

# left to the user, for nobody else knows the answer; tested where the doctor is
NOT_TO_MEND = {
    "duplicate_category_id",
    "category_repeated",
    "category_not_trained",
    "no_boxes",
    "only_crowds",
    "boxes_convention",
}
# of the whole file, or of other tools' files; tested where the doctor and the converters are
NOT_PLANTED = {"encoding", "ids_missing", "small_boxes", "large_boxes", "long_boxes"}
NOT_PLANTED |= {"file_misnamed", "image_unlabelled"}
WIDTH, HEIGHT = 128, 96


class Spoiler:
    """A drawn COCO set; every call of `next_image` hands out another image of it that has a box of its own."""

    def __init__(self, folder: Path) -> None:
        write_synthetic_dataset(folder, 40, 3, SceneSet(size_wh=(WIDTH, HEIGHT)))
        self.folder, self.images = folder, folder / "images"
        self.document: dict[str, Any] = json.loads((folder / "train.json").read_text())
        with_boxes = {record["image_id"] for record in self.document["annotations"]}
        self.left: Iterator[dict[str, Any]] = iter([i for i in self.document["images"] if i["id"] in with_boxes])
        self.planted: dict[str, str] = {}

    def next_image(self, code: str) -> dict[str, Any]:
        """An image to plant a fault in."""
        record = next(self.left)
        self.planted[code] = f"image {record['id']}"
        return record

    def next_box(self, code: str) -> dict[str, Any]:
        """The first box of a further image to plant a fault in."""
        image = next(self.left)
        record = next(each for each in self.document["annotations"] if each["image_id"] == image["id"])
        self.planted[code] = f"annotation {record['id']}"
        return record

    def path(self, record: dict[str, Any]) -> Path:
        """An image's file."""
        return self.images / record["file_name"]

    def turn(self, record: dict[str, Any], orientation: int) -> None:
        """Say in a file's EXIF that it is turned."""
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = Image.open(self.path(record))
        picture.load()
        picture.save(self.path(record), exif=exif)


def spoil(s: Spoiler) -> None:
    """Plant every fault, each in an image of its own."""
    annotations, images = s.document["annotations"], s.document["images"]
    s.path(s.next_image("file_missing")).unlink()
    cut = s.path(s.next_image("file_unreadable"))
    cut.write_bytes(cut.read_bytes()[:700])
    torn = s.path(s.next_image("file_in_part"))
    torn.write_bytes(torn.read_bytes()[:-500] + b"\xff\xd9")
    s.next_image("size_wrong").update(width=WIDTH + 1)
    s.next_image("path_escapes").update(file_name="../train.json")
    del s.next_image("size_missing")["width"]
    s.turn(s.next_image("exif_rotated"), 6)
    s.turn(s.next_image("exif_ambiguous"), 3)
    validation = json.loads((s.folder / "val.json").read_text())["images"][0]
    leaked = s.path(s.next_image("leaked_image"))
    leaked.write_bytes(s.path(validation).read_bytes())
    twin = s.next_image("duplicate_image_id")
    images.append({**twin})
    again = next(s.left)
    images.append({**again, "id": 900})
    s.planted["duplicate_file"] = "image 900"
    s.next_box("crowd").update(iscrowd=1)

    s.next_box("bad_record").update(bbox=["left", 1, 2, 3])
    s.next_box("unknown_image").update(image_id=5000)
    s.next_box("unknown_category").update(category_id=77)
    s.next_box("box_missing").update(bbox=[])
    s.next_box("box_not_finite").update(bbox=[1, float("nan"), 20, 20])
    s.next_box("box_degenerate").update(bbox=[10, 10, 0, 20])
    s.next_box("box_outside").update(bbox=[WIDTH + 5, 5, 20, 20])
    s.next_box("box_overhangs").update(bbox=[WIDTH - 30, 5, 60, 60], area=3600)
    repeated = s.next_box("duplicate_box")
    annotations.append({**repeated, "id": 901})
    s.planted["duplicate_box"] = "annotation 901"
    annotations.append({**s.next_box("duplicate_annotation_id"), "bbox": [2, 2, 9, 80]})
    s.document["categories"] += [{"id": 90, "name": "never seen"}, {"id": 91, "name": "Never  seen"}]
    (s.folder / "spoiled.json").write_text(json.dumps(s.document))


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Spoiler:
    """The set with every fault."""
    spoiler = Spoiler(tmp_path_factory.mktemp("spoiled"))
    spoil(spoiler)
    return spoiler


@pytest.fixture(scope="module")
def report(spoiled: Spoiler) -> dict[str, Any]:
    """What `hoopoe doctor --fix --output` says of it."""
    folder, images = spoiled.folder, str(spoiled.images)
    words = ["doctor", str(folder / "spoiled.json"), "--images", images, "--output", str(folder / "report.json")]
    validation = ["--val-annotations", str(folder / "val.json"), "--val-images", images]
    assert main([*words, *validation]) == 1, "there are errors"
    fix = [*words, *validation, "--fix", str(folder / "fixed.json")]
    assert main(fix) == 1, "too much would be lost"
    assert not (folder / "fixed.json").exists()
    assert main([*fix, "--allow-losses"]) == 0, "none is left"
    return json.loads((folder / "report.json").read_text())


def test_every_fault_is_found_and_its_record_named(spoiled: Spoiler, report: dict[str, Any]) -> None:
    findings = report["sets"][0]["findings"] + report["between_sets"]
    assert {finding["code"] for finding in findings} - NOT_PLANTED == set(FAULTS) - NOT_TO_MEND - NOT_PLANTED
    for code, record in spoiled.planted.items():
        if code != "crowd":  # told of the whole file
            assert record in [finding["record"] for finding in findings if finding["code"] == code], code


def test_the_mended_copy_has_nothing_left_to_mend(spoiled: Spoiler, report: dict[str, Any], capsys) -> None:
    again = spoiled.folder / "again.json"
    words = ["doctor", str(spoiled.folder / "fixed.json"), "--images", str(spoiled.images), "--output", str(again)]
    assert main(words) == 0
    codes = {finding["code"] for finding in json.loads(again.read_text())["sets"][0]["findings"]}
    left_as_it_is = {"file_in_part", "exif_rotated", "exif_ambiguous", "small_boxes", "images_empty", "crowd"}
    assert codes <= left_as_it_is | {"categories_sparse", "category_unused", "category_twins"}


def test_training_refuses_the_spoiled_set_and_runs_through_on_the_mended_one(
    spoiled: Spoiler, report: dict[str, Any], make_request: Callable[..., Any]
) -> None:
    def request(name: str) -> Any:
        sources = [(spoiled.folder / name, spoiled.images)]
        validation = [(spoiled.folder / "val.json", spoiled.images)]
        settings = ("train.epochs=1", "data.invalid=error", "train.batch_size=8")
        return make_request("run", *settings, train=sources, validation=validation)

    with pytest.raises(ValueError, match="more faults of this file"):
        train_detector(request("spoiled.json"))
    run = train_detector(request("fixed.json"))
    assert run.position.finished
    trained = json.loads((run.folder / "data.json").read_text())["train"]["report"]
    assert (trained["findings"], trained["boxes_clipped"], trained["boxes_dropped"]) == ({}, 0, 0)
    assert trained["images"] > 20
