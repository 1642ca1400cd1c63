"""Whatever is given in place of what a verb takes is named in an error with a hint; nothing fails inside."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

import detector as hp
from detector.api.store import export_options
from detector.base.reporting import QuietLog, using

ANYTHING: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "zero": lambda: 0,
    "negative": lambda: -1,
    "float": lambda: 3.5,
    "nan": lambda: float("nan"),
    "true": lambda: True,
    "complex": lambda: 1j,
    "bytes": lambda: b"photo.jpg",
    "bytearray": lambda: bytearray(b"x"),
    "empty text": lambda: "",
    "missing file": lambda: "missing.jpg",
    "missing path": lambda: Path("missing.jpg"),
    "missing folder": lambda: "nowhere/at/all",
    "a very long name": lambda: "x" * 5000,
    "a name with a zero byte": lambda: "a\0b",
    "address": lambda: "https://example.org/photo.jpg",
    "table": lambda: "train.json",
    "no model": lambda: "photo.jpg",
    "empty list": lambda: [],
    "list of None": lambda: [None],
    "list of numbers": lambda: [1, 2],
    "nested list": lambda: [["photo.jpg"]],
    "empty tuple": lambda: (),
    "empty dict": dict,
    "dict": lambda: {"photo.jpg": 1},
    "set": lambda: {1},
    "object": object,
    "class": lambda: Image.Image,
    "module": lambda: PIL,
    "function": lambda: len,
    "generator": lambda: (number for number in range(2)),
    "grey array": lambda: np.zeros((8, 8), np.uint8),
    "alpha array": lambda: np.zeros((8, 8, 4), np.uint8),
    "planar array": lambda: np.zeros((3, 8, 8), np.uint8),
    "float array": lambda: np.zeros((8, 8, 3)),
    "stack of arrays": lambda: np.zeros((2, 8, 8, 3), np.uint8),
    "empty array": lambda: np.zeros((0, 8, 3), np.uint8),
    "object array": lambda: np.array([None, 1]),
    "number array": lambda: np.array(5),
    "interleaved tensor": lambda: torch.zeros(8, 8, 3),
    "batch tensor": lambda: torch.zeros(2, 3, 8, 8),
    "normalised tensor": lambda: torch.full((3, 8, 8), -2.0),
    "nan tensor": lambda: torch.full((3, 8, 8), torch.nan),
    "int tensor": lambda: torch.zeros(3, 8, 8, dtype=torch.int64),
    "text in a list": lambda: ["missing.jpg", "photo.jpg"],
    "other network": lambda: torch.nn.Linear(1, 1),
    "torchvision's output": lambda: {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0), "scores": torch.zeros(0)},
}
PATHS = {"missing file", "missing path", "missing folder", "address"}
ALSO_RIGHT = {  # of what is anything, what this argument takes
    "predict.images": {"empty list", "empty tuple", "no model"},
    "classify.images": {"empty list", "empty tuple", "no model"},
    "rerank.image": {"no model"},
    "train.train.json": {"table"},
    "classify_stream.images": {"empty list", "empty tuple"},
    "evaluate.group_by": {"empty list", "empty tuple", "text in a list"},
    "train.val": {"empty list", "empty tuple"},
    "train.set": {"None", "empty dict"},
    "build_detector.set": {"None", "empty dict"},
    "build_detector.categories": {"None", "text in a list"},
    "load_detector.device": {"None"},
    "load_classifier.device": {"None"},
    "annotate.species": {"None"},
    "rerank.prior": {"None"},
    "rerank.date": {"None"},
    "rerank.calibration": {"None"},
    "evaluate.categories": {"None"},
    "export.blur": {"None"},
    "evaluate.output": {"None", *PATHS},
    "annotate.cards": {"no model"},
    "annotate.output": PATHS,
    "train.output": PATHS,
    "predict.score_threshold": {"zero", "true"},
    "rerank.threshold": {"zero", "true"},
    "train.init": {"None", *PATHS, "table", "no model"},
    "export.score_threshold": {"zero"},
    "export.roots": {"empty dict"},
    "export.title": {"empty text", *PATHS, "a very long name", "a name with a zero byte", "table", "no model"},
    "export.notify": {"class", "function", "other network"},
}
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "load_detector.source": lambda at, wrong: hp.load_detector(wrong),
    "load_detector.device": lambda at, wrong: hp.load_detector("birds.safetensors", device=wrong),
    "load_classifier.source": lambda at, wrong: hp.load_classifier(wrong),
    "load_classifier.device": lambda at, wrong: hp.load_classifier("species.safetensors", device=wrong),
    "build_detector.config": lambda at, wrong: hp.build_detector(wrong),
    "build_detector.categories": lambda at, wrong: hp.build_detector("small.yaml", categories=wrong),
    "build_detector.set": lambda at, wrong: hp.build_detector("small.yaml", set=wrong),
    "predict.detector": lambda at, wrong: hp.predict(wrong, "photo.jpg"),
    "predict.images": lambda at, wrong: hp.predict(at.model, wrong),
    "predict.score_threshold": lambda at, wrong: hp.predict(at.model, "photo.jpg", score_threshold=wrong),
    "predict.batch_size": lambda at, wrong: hp.predict(at.model, "photo.jpg", batch_size=wrong),
    "classify.birds": lambda at, wrong: hp.classify(wrong, "bird.jpg"),
    "classify.images": lambda at, wrong: hp.classify(at.birds, wrong),
    "classify_stream.birds": lambda at, wrong: list(hp.classify_stream(wrong, ["bird.jpg"])),
    "classify_stream.images": lambda at, wrong: list(hp.classify_stream(at.birds, wrong)),
    "classify_stream.batch_size": lambda at, wrong: list(hp.classify_stream(at.birds, ["bird.jpg"], batch_size=wrong)),
    "rerank.birds": lambda at, wrong: hp.rerank(wrong, "photo.jpg", at.found),
    "rerank.image": lambda at, wrong: hp.rerank(at.birds, wrong, at.found),
    "rerank.detections": lambda at, wrong: hp.rerank(at.birds, "photo.jpg", wrong),
    "rerank.prior": lambda at, wrong: hp.rerank(at.birds, "photo.jpg", at.found, prior=wrong),
    "rerank.date": lambda at, wrong: hp.rerank(at.birds, "photo.jpg", at.found, date=wrong),
    "rerank.calibration": lambda at, wrong: hp.rerank(at.birds, "photo.jpg", at.found, calibration=wrong),
    "rerank.threshold": lambda at, wrong: hp.rerank(at.birds, "photo.jpg", at.found, threshold=wrong),
    "train.config": lambda at, wrong: hp.train(wrong, train=("train.json", "photos"), output="runs/y"),
    "train.train": lambda at, wrong: hp.train("small.yaml", train=wrong, output="runs/y"),
    "train.train.json": lambda at, wrong: hp.train("small.yaml", train=(wrong, "photos"), output="runs/y"),
    "train.train.folder": lambda at, wrong: hp.train("small.yaml", train=("val.json", wrong), output="runs/y"),
    "train.val": lambda at, wrong: at.stopped(val=wrong),
    "train.output": lambda at, wrong: at.stopped(output=wrong),
    "train.set": lambda at, wrong: at.stopped(set=wrong),
    "train.init": lambda at, wrong: at.stopped(init=wrong),
    "evaluate.detector": lambda at, wrong: hp.evaluate(wrong, "val.json", "photos"),
    "evaluate.annotations": lambda at, wrong: hp.evaluate(at.model, wrong, "photos"),
    "evaluate.images": lambda at, wrong: hp.evaluate(at.model, "val.json", wrong),
    "evaluate.group_by": lambda at, wrong: at.evaluated(group_by=wrong),
    "evaluate.output": lambda at, wrong: at.evaluated(output=wrong),
    "evaluate.batch_size": lambda at, wrong: at.evaluated(batch_size=wrong),
    "evaluate.categories": lambda at, wrong: at.evaluated(categories=wrong),
    "annotate.cards": lambda at, wrong: hp.annotate(wrong, "OUT", detector=at.model),
    "annotate.output": lambda at, wrong: hp.annotate("nothing", wrong, detector=at.model),
    "annotate.detector": lambda at, wrong: hp.annotate("CARD", "OUT", detector=wrong),
    "annotate.species": lambda at, wrong: hp.annotate("CARD", "OUT", detector=at.model, species=wrong),
    "annotate.roots": lambda at, wrong: hp.annotate("nothing", "OUT", detector=at.model, roots=wrong),
    "Store.folder": lambda at, wrong: hp.Store(wrong),
    "export.score_threshold": lambda at, wrong: export_options({"score_threshold": wrong}),
    "export.roots": lambda at, wrong: export_options({"roots": wrong}),
    "export.title": lambda at, wrong: export_options({"title": wrong}),
    "export.blur": lambda at, wrong: export_options({"blur": wrong}),
    "export.notify": lambda at, wrong: export_options({"notify": wrong}),
    "load_detector.precision": lambda at, wrong: hp.load_detector("birds.safetensors", precision=wrong),
    "load_classifier.precision": lambda at, wrong: hp.load_classifier("species.safetensors", precision=wrong),
    "Detector.save": lambda at, wrong: at.model.save(wrong),
}
OPTIONS: dict[str, Callable[[Any], Any]] = {
    "train": lambda at: hp.train("small.yaml", train=("train.json", "photos"), output="runs/y", epochs=3),
    "evaluate": lambda at: hp.evaluate(at.model, "val.json", "photos", batchsize=3),
    "rerank": lambda at: hp.rerank(at.birds, "photo.jpg", at.found, priors="barchart.txt"),
    "annotate": lambda at: hp.annotate("CARD", "OUT", detector=at.model, score_treshold=0.3),
    "decide": lambda at: hp.annotate("CARD", "OUT", detector=at.model, quiet=True).decide(calibratoin="x.json"),
}


@dataclass(frozen=True)
class Loaded:
    """What calls are made with, besides what is wrong."""

    model: Any
    birds: Any
    found: Any

    def stopped(self, **changes: Any) -> object:
        """Train with something wrong: it must be found before the first step."""
        right = {"train": ("train.json", "photos"), "output": "runs/y"}
        return hp.train("small.yaml", **{**right, **changes})

    def evaluated(self, **changes: Any) -> object:
        right = {"workers": 0, "categories": "map.yaml"}
        return hp.evaluate(self.model, "val.json", "photos", **{**right, **changes})


@pytest.fixture(scope="module")
def at(made_workshop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """In a folder of its own, as nothing is done in it."""
    folder = tmp_path_factory.mktemp("wrong") / "workshop"
    shutil.copytree(made_workshop, folder)
    (folder / "map.yaml").write_text('"*": bird\n')
    with pytest.MonkeyPatch.context() as patch, using(QuietLog()):
        patch.chdir(folder)
        patch.setattr("detector.training.run.make_fabric", lambda *_: pytest.fail("the training began"))
        model = hp.load_detector("birds.safetensors")
        yield Loaded(model, hp.load_classifier("species.safetensors"), hp.predict(model, "photo.jpg"))


@pytest.mark.parametrize("argument", CALLS)
def test_what_is_wrong_is_named(argument: str, at: Loaded) -> None:
    wrong = ANYTHING.keys() - ALSO_RIGHT.get(argument, set())
    told = {what: outcome for what in sorted(wrong) if (outcome := _outcome(argument, what, at)) != "named"}
    assert told == {}


def _outcome(argument: str, what: str, at: Loaded) -> str:
    try:
        CALLS[argument](at, ANYTHING[what]())
    except hp.HoopoeError as error:
        return "named" if error.hint else f"without a hint: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


@pytest.mark.parametrize("verb", OPTIONS)
def test_an_option_that_is_misspelt_is_named_with_the_nearest(verb: str, at: Loaded) -> None:
    with pytest.raises(hp.HoopoeError, match="there is no option") as caught:
        OPTIONS[verb](at)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), "list"),
        (np.zeros((8, 8), np.uint8), "stack"),
        (np.zeros((8, 8, 4), np.uint8), "alpha"),
        (np.zeros((3, 8, 9), np.uint8), "transpose"),
        (np.zeros((8, 8, 3)), "255"),
        (torch.zeros(2, 3, 8, 8), "list"),
        (torch.zeros(8, 8, 3), "permute"),
        (torch.full((3, 8, 8), 2.0), "normalised"),
        (b"bytes", "PIL"),
        (".", "folder"),
        ("https://example.org/a.jpg", "download"),
    ],
)
def test_habits_of_other_libraries_get_a_hint(image: Any, hint: str, at: Loaded) -> None:
    with pytest.raises(hp.HoopoeError) as caught:
        hp.predict(at.model, image)
    assert hint in str(caught.value)


def test_the_place_of_a_wrong_picture_in_a_list_is_named(at: Loaded) -> None:
    with pytest.raises(hp.HoopoeError, match="picture 2"):
        hp.predict(at.model, ["photo.jpg", "photo.jpg", None])  # type: ignore[list-item]
    with pytest.raises(hp.HoopoeError, match=r"missing\.jpg"):
        hp.predict(at.model, ["photo.jpg", "missing.jpg"])
